//! What people read: marks, columns, times. Colour is never the only sign, and goes where the terminal cannot show it.

use owo_colors::{OwoColorize as _, Style};
use std::fmt::Write as _;
use std::time::Duration;
use terms::Utc;

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Not as it should be.
    Bad,
    /// Waiting.
    Held,
    /// Passed, changed.
    Changed,
}

impl Mark {
    /// The sign, in its colour.
    pub fn sign(self) -> String {
        let (sign, style) = match self {
            Self::Good => ("✓", Style::new().green()),
            Self::Note => ("!", Style::new().yellow()),
            Self::Bad => ("✗", Style::new().red()),
            Self::Held => ("…", Style::new().yellow()),
            Self::Changed => ("~", Style::new().cyan()),
        };
        sign.style(style).to_string()
    }

    /// The mark of a verdict word.
    pub fn of_verdict(word: &str) -> Self {
        match word {
            "allowed" => Self::Good,
            "changed" => Self::Changed,
            "held" => Self::Held,
            _ => Self::Bad,
        }
    }
}

/// Rows as columns that align, two spaces apart, without boxes.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let columns = head.len();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(text, "{cell}{:pad$}  ", "", pad = width.saturating_sub(cell.chars().count()));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// Text of a peer or a file, safe to print: no control characters, at most `most` characters.
pub fn plain(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    let mut shown = supply::visible(&cut);
    if cut.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A span in its largest unit that says enough: `3 d`, `5 h`, `12 min`, `40 s`.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 172_800.. => format!("{} d", seconds / 86_400),
        seconds @ 7_200.. => format!("{} h", seconds / 3_600),
        seconds @ 120.. => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// When `at` was or will be, seen from `now`.
pub fn ago(at: Utc, now: Utc) -> String {
    let between = |from: Utc, to: Utc| span(Duration::from_nanos(to.nanos().saturating_sub(from.nanos())));
    if at <= now { format!("{} ago", between(at, now)) } else { format!("in {}", between(now, at)) }
}

/// A point of time that a person gave: RFC 3339, a date in UTC, or a span back from `now` such as `24h`.
pub fn since(text: &str, now: Utc) -> Option<Utc> {
    if let Ok(span) = text.parse::<config::Span>() {
        let nanos = u64::try_from(span.duration().as_nanos()).ok()?;
        return Some(Utc::from_nanos(now.nanos().saturating_sub(nanos)));
    }
    Utc::parse(text).or_else(|| Utc::parse(&format!("{text}T00:00:00Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows = [vec!["a".to_owned(), "long".to_owned()], vec!["bbb".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["id", "what"], &rows), "id   what\na    long\nbbb  x\n");
    }

    #[test]
    fn a_point_of_time_is_read_in_three_forms() {
        let now = Utc::parse("2026-11-21T12:00:00Z").unwrap();
        assert_eq!(since("24h", now), Utc::parse("2026-11-20T12:00:00Z"));
        assert_eq!(since("2026-11-01", now), Utc::parse("2026-11-01T00:00:00Z"));
        assert_eq!(since("2026-11-01T05:00:00Z", now), Utc::parse("2026-11-01T05:00:00Z"));
        assert_eq!(since("yesterday", now), None);
    }

    #[test]
    fn times_are_relative() {
        let now = Utc::from_seconds(1_000_000);
        assert_eq!(ago(Utc::from_seconds(999_970), now), "30 s ago");
        assert_eq!(ago(Utc::from_seconds(1_000_600), now), "in 10 min");
    }

    #[test]
    fn what_a_peer_wrote_cannot_move_the_cursor() {
        assert!(!plain("a\u{1b}[2Jb", 100).contains('\u{1b}'));
        assert_eq!(plain("abcdef", 3), "abc…");
    }
}
