//! The words beside a value that say what it is: before it on its line, as the key of its member, as the head of its column.

/// How far before a value a word may stand, in bytes.
const NEAR: usize = 56;
/// How many columns a table has at most.
const COLUMNS: usize = 64;

/// A text and its table heads.
pub(crate) struct Labels<'a> {
    bytes: &'a [u8],
    tables: Vec<Table<'a>>,
}

/// A head line and the lines under it.
struct Table<'a> {
    from: usize,
    to: usize,
    mark: u8,
    cells: Vec<&'a [u8]>,
}

impl<'a> Labels<'a> {
    /// Of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, tables: tables(bytes) }
    }

    /// Whether one of `words`, in lower case, stands beside the value at `at`.
    pub fn says(&self, at: usize, words: &[&str]) -> bool {
        let near = self.bytes.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
        let near = near.iter().rposition(|byte| *byte == b'\n').filter(|line| near.len() - line > 12).map_or(near, |line| near.get(line..).unwrap_or_default());
        holds(near, words) || self.column(at).is_some_and(|cell| holds(cell, words))
    }

    /// Whether one of `words` stands before the value at `at` as a word of a sentence.
    pub fn speaks(&self, at: usize, words: &[&str]) -> bool {
        let near = self.bytes.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
        let spoken = |part: &[u8]| words.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()));
        near.iter().filter(|byte| **byte == b' ').count() >= 3 && near.split(|byte| matches!(byte, b' ' | b':' | b'\n')).any(spoken)
    }

    /// Whether of all words before `at` one of `these` stands nearer than any of `those`.
    pub fn last_of(&self, at: usize, these: &[&str], those: &[&str]) -> bool {
        let near = self.bytes.get(at.saturating_sub(NEAR)..at).unwrap_or_default().to_ascii_lowercase();
        let place = |words: &[&str]| words.iter().filter_map(|word| memchr::memmem::rfind(&near, word.as_bytes())).max();
        place(these) > place(those)
    }

    /// The head of the column in which `at` stands.
    fn column(&self, at: usize) -> Option<&'a [u8]> {
        let table = self.tables.iter().find(|table| (table.from..table.to).contains(&at))?;
        let line = self.bytes.get(table.from..at)?;
        let start = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1);
        let before = line.get(start..)?.iter().filter(|byte| **byte == table.mark).count();
        table.cells.get(before).copied()
    }
}

/// Whether `text` holds one of `words` as a word, or as a part of a name.
fn holds(text: &[u8], words: &[&str]) -> bool {
    let mut lower = [0_u8; 128];
    let len = text.len().min(lower.len());
    for (to, from) in lower.iter_mut().zip(text.get(text.len() - len..).unwrap_or_default()) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..len).unwrap_or_default();
    words.iter().any(|word| {
        memchr::memmem::find_iter(lower, word).any(|at| {
            let before = at.checked_sub(1).and_then(|at| lower.get(at).copied()).unwrap_or(b' ');
            let after = lower.get(at + word.len()).copied().unwrap_or(b' ');
            // Parts of names count where case or a mark parts them; short words have to stand alone.
            let open = |byte: u8| !byte.is_ascii_alphabetic() || word.len() >= 5;
            open(before) && open(after)
        })
    })
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
                    let marks = rest.get(..len).unwrap_or_default().iter().filter(|byte| **byte == mark).count();
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
    if line.len() > 1024 || line.len() < 3 || !line.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    let mark = [b',', b';', b'\t', b'|'].into_iter().find(|mark| line.contains(mark))?;
    let cells: Vec<&[u8]> = line.split(|byte| *byte == mark).take(COLUMNS).map(<[u8]>::trim_ascii).collect();
    let name = |cell: &&[u8]| cell.len() <= 32 && !cell.iter().any(|byte| matches!(byte, b'@' | b':' | b'{' | b'}' | b'(' | b')' | b'=' | b'.')) && !cell.first().is_some_and(u8::is_ascii_digit);
    (cells.len() >= 2 && cells.iter().all(name) && cells.iter().filter(|cell| !cell.is_empty()).count() >= 2).then_some((mark, cells))
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
