//! The last that a server wrote on its standard error.

use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const KEPT_BYTES: usize = 64 * 1024;
const LINE_BYTES: usize = 4 * 1024;

/// The last 64 KiB of lines, escaped so that they can be shown, and a count of those that were dropped.
#[derive(Debug, Default)]
pub struct Tail {
    inner: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    dropped: u64,
    open: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was written, in pieces of any size.
    pub fn push(&self, piece: &[u8]) {
        let mut kept = self.inner.lock();
        let mut parts = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LINE_BYTES.saturating_sub(kept.open.len());
            kept.cut |= part.len() > room;
            kept.open.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            if parts.peek().is_some() {
                kept.close();
            }
        }
    }

    /// The lines, oldest first; control characters, line ends within and what is not UTF-8 are escaped. A line that was cut ends in `…`.
    pub fn lines(&self) -> Vec<Box<str>> {
        self.inner.lock().lines.iter().cloned().collect()
    }

    /// How many lines are no longer kept.
    pub fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }

    fn finish(&self) {
        let mut kept = self.inner.lock();
        if !kept.open.is_empty() {
            kept.close();
        }
    }
}

impl Kept {
    fn close(&mut self) {
        let mut line = escape(&self.open);
        self.open.clear();
        if std::mem::take(&mut self.cut) {
            line.push('…');
        }
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(line.into_boxed_str());
        while self.bytes > KEPT_BYTES || self.lines.len() > KEPT_BYTES / 16 {
            let Some(old) = self.lines.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(old.len());
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// Shows what could move a cursor, colour a terminal, turn the direction of writing or end a line.
fn escape(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for letter in part.valid().chars() {
            let hidden = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
            if letter == '\t' || !(letter.is_control() || hidden) {
                text.push(letter);
            } else {
                text.extend(letter.escape_unicode());
            }
        }
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Reads `stderr` to its end into `tail`. To be run in a task of its own: a server whose standard error nobody reads comes to a stand.
pub async fn capture(mut stderr: impl AsyncRead + Unpin, tail: &Tail) {
    let mut piece = vec![0; 8 * 1024];
    while let Ok(read) = stderr.read(&mut piece).await {
        if read == 0 {
            break;
        }
        tail.push(piece.get(..read).unwrap_or_default());
    }
    tail.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_is_bounded_and_the_last_lines_stay() {
        let tail = Tail::new();
        let flood: Vec<u8> = (0..100_000).flat_map(|at| format!("line {at}\n").into_bytes()).collect();
        capture(&flood[..], &tail).await;
        let lines = tail.lines();
        assert_eq!(lines.last().map(|line| &**line), Some("line 99999"));
        assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= KEPT_BYTES);
        assert_eq!(tail.dropped() + lines.len() as u64, 100_000);
        let tail = Tail::new();
        capture(&vec![b'x'; 1_000_000][..], &tail).await;
        assert_eq!(tail.lines().first().map(|line| line.len()), Some(LINE_BYTES + '…'.len_utf8()));
        let tail = Tail::new();
        capture(&vec![b'\n'; 1_000_000][..], &tail).await;
        assert!(tail.lines().len() <= KEPT_BYTES / 16);
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let tail = Tail::new();
        tail.push(b"a\x1b[2Jb\r");
        tail.push(b"\nc\rd \xff\xe2\x80\xae\n");
        assert_eq!(tail.lines(), ["a\\u{1b}[2Jb".into(), "c\\u{d}d \\xff\\u{202e}".into()]);
    }
}
