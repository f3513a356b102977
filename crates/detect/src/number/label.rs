//! The words beside a value that say what it is: before it on its line, as the key of its member, as the head of its column.

use crate::words::Blocks;
use std::cell::{OnceCell, RefCell};

/// How far before a value a word may stand, in bytes.
const NEAR: usize = 56;
/// How many tables are told apart, and how many columns one has at most.
const COLUMNS: usize = 64;
/// The longest line of a table that is counted through, in bytes.
const LINE: usize = 4096;

/// The longest head of a table, in bytes.
const LONGEST_HEAD: usize = 1024;

/// A text and its table heads.
pub(crate) struct Labels<'a> {
    bytes: &'a [u8],
    /// Where words of numbers stand, when that is known.
    labelled: Option<&'a Blocks>,
    tables: OnceCell<Vec<Table<'a>>>,
    beside: RefCell<Beside>,
}

/// A head line and the lines under it.
struct Table<'a> {
    from: usize,
    to: usize,
    mark: u8,
    cells: Vec<&'a [u8]>,
}

/// What stands before one value, and over it, in lower case.
struct Beside {
    at: usize,
    near: Lower,
    head: Option<Lower>,
}

/// Up to 64 bytes in lower case, and which pairs of bytes they hold.
struct Lower {
    text: [u8; 64],
    len: usize,
    pairs: [u64; 8],
}

impl Lower {
    fn new(text: &[u8]) -> Self {
        let mut lower = Self { text: [0; 64], len: text.len().min(64), pairs: [0; 8] };
        let mut before = 0;
        for (to, from) in lower.text.iter_mut().zip(text.get(text.len() - lower.len..).unwrap_or_default()) {
            *to = from.to_ascii_lowercase();
            let pair = place(before, *to);
            if let Some(slot) = lower.pairs.get_mut(pair >> 6) {
                *slot |= 1 << (pair & 63);
            }
            before = *to;
        }
        lower
    }

    fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    fn may(&self, first: u8, second: u8) -> bool {
        let pair = place(first, second);
        self.pairs.get(pair >> 6).is_some_and(|slot| slot >> (pair & 63) & 1 == 1)
    }

    /// Whether it holds one of `words` as a word, or as a part of a name.
    fn holds(&self, words: &[&str]) -> bool {
        words.iter().any(|word| match word.as_bytes() {
            [first, second, rest @ ..] => {
                self.may(*first, *second) && rest.first().is_none_or(|third| self.may(*second, *third)) && self.has(word)
            }
            _ => false,
        })
    }

    fn has(&self, word: &str) -> bool {
        let text = self.text();
        let Some(first) = word.bytes().next() else { return false };
        memchr::memchr_iter(first, text).filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))).any(|at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at).copied()).unwrap_or(b' ');
            let after = text.get(at + word.len()).copied().unwrap_or(b' ');
            // Parts of names count where case or a mark parts them; short words have to stand alone.
            let open = |byte: u8| !byte.is_ascii_alphabetic() || word.len() >= 5;
            open(before) && open(after)
        })
    }
}

fn place(first: u8, second: u8) -> usize {
    (usize::from(first) * 37 + usize::from(second) * 5) & 511
}

impl<'a> Labels<'a> {
    /// Of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::of(bytes, None)
    }

    /// Of `bytes`, in which the words of [`LabelWords`](super::LabelWords), and no others are asked for, stand in these blocks.
    pub fn among(bytes: &'a [u8], labelled: &'a Blocks) -> Self {
        Self::of(bytes, Some(labelled))
    }

    fn of(bytes: &'a [u8], labelled: Option<&'a Blocks>) -> Self {
        Self {
            bytes,
            labelled,
            tables: OnceCell::new(),
            beside: RefCell::new(Beside { at: usize::MAX, near: Lower::new(b""), head: None }),
        }
    }

    /// What stands before `at`, from the start of a word.
    fn near(&self, at: usize) -> &'a [u8] {
        let start = at.saturating_sub(NEAR);
        let near = self.bytes.get(start..at).unwrap_or_default();
        let within = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let cut = start.checked_sub(1).and_then(|at| self.bytes.get(at)).is_some_and(within);
        let skip = if cut { near.iter().take_while(|byte| within(byte)).count() } else { 0 };
        near.get(skip..).unwrap_or_default()
    }

    /// Whether one of `words`, in lower case, stands beside the value at `at`.
    pub fn says(&self, at: usize, words: &[&str]) -> bool {
        let marked = |from: usize, to: usize| self.labelled.is_none_or(|blocks| blocks.any(from, to));
        if !marked(at.saturating_sub(NEAR), at) && !self.tables().iter().any(|table| table.from <= at && at < table.to) {
            return false;
        }
        let mut beside = self.beside.borrow_mut();
        if beside.at != at {
            let near = self.near(at);
            let line = near.iter().rposition(|byte| *byte == b'\n').filter(|line| near.len() - line > 12);
            *beside =
                Beside { at, near: Lower::new(near.get(line.unwrap_or(0)..).unwrap_or_default()), head: self.column(at).map(Lower::new) };
        }
        beside.near.holds(words) || beside.head.as_ref().is_some_and(|head| head.holds(words))
    }

    /// Whether one of `words` stands before the value at `at` as a word of a sentence.
    pub fn speaks(&self, at: usize, words: &[&str]) -> bool {
        let near = self.near(at);
        let spoken = |part: &[u8]| words.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()));
        near.iter().filter(|byte| **byte == b' ').count() >= 3 && near.split(|byte| matches!(byte, b' ' | b':' | b'\n')).any(spoken)
    }

    /// Whether of all words before `at` one of `these` stands nearer than any of `those`.
    pub fn last_of(&self, at: usize, these: &[&str], those: &[&str]) -> bool {
        let near = Lower::new(self.near(at));
        let place = |words: &[&str]| words.iter().filter_map(|word| memchr::memmem::rfind(near.text(), word.as_bytes())).max();
        place(these) > place(those)
    }

    /// The tables whose heads may say something.
    fn tables(&self) -> &[Table<'a>] {
        self.tables.get_or_init(|| {
            let mut tables = tables(self.bytes);
            tables.retain(|table| self.labelled.is_none_or(|blocks| blocks.any(table.from.saturating_sub(LONGEST_HEAD), table.from)));
            tables
        })
    }

    /// The head of the column in which `at` stands.
    fn column(&self, at: usize) -> Option<&'a [u8]> {
        let tables = self.tables();
        let table = tables.get(tables.partition_point(|table| table.from <= at).checked_sub(1)?).filter(|table| at < table.to)?;
        let line = self.bytes.get(table.from.max(at.saturating_sub(LINE))..at)?;
        let start = match memchr::memrchr(b'\n', line) {
            Some(end) => end + 1,
            None if line.len() < LINE => 0,
            None => return None,
        };
        let before = memchr::memchr_iter(table.mark, line.get(start..)?).count();
        table.cells.get(before).copied()
    }
}

/// Lines of names that are followed by lines with as many marks.
fn tables(bytes: &[u8]) -> Vec<Table<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        let next = from + len + 1;
        match head(line) {
            Some((mark, cells)) => {
                let mut to = next;
                while let Some(rest) = bytes.get(to..).filter(|rest| !rest.is_empty()) {
                    let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    let marks = memchr::memchr_iter(mark, rest.get(..len).unwrap_or_default()).count();
                    if marks + 1 < cells.len() {
                        break;
                    }
                    to += len + 1;
                }
                if to > next {
                    found.push(Table { from: next, to: to.min(bytes.len()), mark, cells });
                }
                from = to.max(next);
            }
            None => from = next,
        }
        if found.len() >= COLUMNS {
            break;
        }
    }
    found
}

/// The mark and the cells of a line of names.
fn head(line: &[u8]) -> Option<(u8, Vec<&[u8]>)> {
    let no_name = |byte: &u8| matches!(byte, b'@' | b':' | b'{' | b'}' | b'(' | b')' | b'=' | b'.');
    if line.len() > LONGEST_HEAD || line.len() < 3 || line.iter().any(no_name) {
        return None;
    }
    let mark = [b',', b';', b'\t', b'|'].into_iter().find(|mark| memchr::memchr(*mark, line).is_some())?;
    let cells = || line.split(|byte| *byte == mark).take(COLUMNS).map(<[u8]>::trim_ascii);
    let name = |cell: &[u8]| cell.len() <= 32 && !cell.first().is_some_and(u8::is_ascii_digit);
    let good = cells().all(name) && cells().filter(|cell| !cell.is_empty()).count() >= 2 && line.iter().any(u8::is_ascii_alphabetic);
    good.then(|| (mark, cells().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_before_a_value_and_over_its_column() {
        let text = b"id,name,phone\n4,Ana Roy,13785936469\n5,Bo,13785936468\n\nThe number of this applicant, written as SSN: 123";
        let labels = Labels::new(text);
        assert!(labels.says(text.len() - 3, &["ssn"]));
        assert!(!labels.says(text.len() - 3, &["phone"]));
        let at = memchr::memmem::find(text, b"13785936468").unwrap();
        assert!(labels.says(at, &["phone"]) && !labels.says(at, &["ssn"]));
    }
}
