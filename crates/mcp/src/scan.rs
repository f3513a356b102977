//! One pass over the bytes of a message: strict JSON (RFC 8259) into a flat tape.
//!
//! The tape holds one small entry for each value and each key, in source order, with offsets into the source; nothing is copied. What the
//! stages above want to know about keys and blanks (a control in a key, a blank that must not be forwarded) is noted on the way, so that they look again only where
//! there is reason to.

use crate::bounds::Bounds;
use crate::json;
use smallvec::SmallVec;
use std::borrow::Cow;

/// What a node of a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, kept in its source spelling.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
    /// The key of a member; its value is the node after it.
    Key,
}

/// How a string is spelled in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Without a backslash.
    Plain,
    /// With escapes, each as RFC 8785 writes it: printed as it stands.
    Escaped,
    /// With an escape that RFC 8785 does not write: printed anew.
    Odd,
}

/// A node: what it is, where its source is, and which node follows it and all it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    pub(crate) spelling: Spelling,
}

/// What is wrong: the row of the table of strict parsing, and the node where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) row: u8,
    pub(crate) at: u32,
}

/// What the pass noted beside the nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    /// A blank outside of strings, or an odd escape: the source is not its own compact print.
    pub(crate) loose: bool,
    /// A key with a control in it.
    pub(crate) control_key: Option<u32>,
    /// The first flaw that leaves the structure readable (rows 6 and 14).
    pub(crate) flaw: Option<Flaw>,
}

/// The nodes of one document.
#[derive(Debug)]
pub(crate) struct Tape {
    pub(crate) entries: Vec<Entry>,
    pub(crate) notes: Notes,
}

/// Objects up to this size are compared key by key; larger ones are sorted.
const FEW: usize = 24;

/// Reads `source`. Flaws that leave the structure readable are noted, the first other one is returned.
pub(crate) fn scan(source: &[u8], bounds: &Bounds) -> Result<Tape, Flaw> {
    let flaw = |row| Err(Flaw { row, at: 0 });
    if u32::try_from(source.len()).is_err() {
        return flaw(12);
    }
    if source.starts_with(b"\xEF\xBB\xBF") {
        return flaw(3);
    }
    if source.iter().take(4).any(|byte| *byte == 0) || std::str::from_utf8(source).is_err() {
        return flaw(4);
    }
    if source.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return flaw(2);
    }
    let entries = Vec::with_capacity((source.len() / 8).clamp(16, 4096));
    Scanner { source, at: 0, bounds, entries, open: SmallVec::new(), values: 0, notes: Notes::default() }.run()
}

/// An object or array that is not closed yet, and how many members or items it has.
struct Open {
    entry: usize,
    kind: Kind,
    count: usize,
}

struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    bounds: &'a Bounds,
    entries: Vec<Entry>,
    open: SmallVec<[Open; 16]>,
    values: usize,
    notes: Notes,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Tape, Flaw> {
        loop {
            let opened = self.value()?;
            if !opened && !self.after_value()? {
                break;
            }
        }
        self.blanks();
        if self.at != self.source.len() {
            return Err(self.flaw(1));
        }
        Ok(Tape { entries: self.entries, notes: self.notes })
    }

    /// Reads one value, or the start of one that holds others; true when a value must come next.
    fn value(&mut self) -> Result<bool, Flaw> {
        self.blanks();
        self.values += 1;
        if self.values > self.bounds.values {
            return Err(self.flaw(13));
        }
        if let Some(frame) = self.open.last_mut()
            && frame.kind == Kind::Array
        {
            frame.count += 1;
        }
        match self.peek() {
            Some(b'"') => self.string(Kind::Text).map(|()| false),
            Some(b'{') => {
                self.enter(Kind::Object)?;
                self.blanks();
                if self.peek() == Some(b'}') {
                    self.leave()?;
                    return Ok(false);
                }
                self.key().map(|()| true)
            }
            Some(b'[') => {
                self.enter(Kind::Array)?;
                self.blanks();
                if self.peek() == Some(b']') {
                    self.leave()?;
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b't') => self.word(b"true", Kind::Bool),
            Some(b'f') => self.word(b"false", Kind::Bool),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b'+' | b'N' | b'I' | b'/' | b'.' | b']' | b'}') => Err(self.flaw(30)),
            _ => Err(self.flaw(1)),
        }
    }

    /// Reads what may follow a value: a comma (and a key), or closing brackets; false at the end of the whole.
    fn after_value(&mut self) -> Result<bool, Flaw> {
        loop {
            let Some(kind) = self.open.last().map(|frame| frame.kind) else { return Ok(false) };
            self.blanks();
            match (self.peek(), kind) {
                (Some(b','), Kind::Object) => {
                    self.at += 1;
                    self.blanks();
                    if self.peek() == Some(b'}') {
                        return Err(self.flaw(30));
                    }
                    return self.key().map(|()| true);
                }
                (Some(b','), _) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b'}'), Kind::Object) | (Some(b']'), Kind::Array) => self.leave()?,
                (Some(b'/'), _) => return Err(self.flaw(30)),
                _ => return Err(self.flaw(1)),
            }
        }
    }

    fn enter(&mut self, kind: Kind) -> Result<(), Flaw> {
        if self.open.len() >= self.bounds.nesting.min(Bounds::DEEPEST) {
            return Err(self.flaw(11));
        }
        self.open.push(Open { entry: self.entries.len(), kind, count: 0 });
        self.push(kind, self.at, self.at + 1, Spelling::Plain);
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        let Some(frame) = self.open.pop() else { return Err(self.flaw(1)) };
        let (end, next) = (self.at as u32, self.entries.len() as u32);
        if let Some(entry) = self.entries.get_mut(frame.entry) {
            entry.end = end;
            entry.next = next;
        }
        if frame.kind == Kind::Object && frame.count > 1 && self.notes.flaw.is_none() {
            self.notes.flaw = self.doubled(frame.entry, frame.count).map(|at| Flaw { row: 6, at });
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), Flaw> {
        if self.peek() != Some(b'"') {
            return Err(self.flaw(if self.peek() == Some(b'/') { 30 } else { 1 }));
        }
        if let Some(frame) = self.open.last_mut() {
            frame.count += 1;
            if frame.count > self.bounds.members {
                return Err(self.flaw(13));
            }
        }
        let at = self.entries.len() as u32;
        self.string(Kind::Key)?;
        let key = self.text(at);
        if self.notes.control_key.is_none() && key.bytes().any(|byte| byte < 0x20) {
            self.notes.control_key = Some(at);
        }
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.flaw(1));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self, kind: Kind) -> Result<(), Flaw> {
        let start = self.at;
        let mut spelling = Spelling::Plain;
        self.at += 1;
        loop {
            let rest = self.source.get(self.at..).unwrap_or_default();
            let Some(run) = memchr::memchr2(b'"', b'\\', rest) else { return Err(self.flaw(1)) };
            let lowest = rest.get(..run).unwrap_or_default().iter().fold(u8::MAX, |lowest, byte| lowest.min(*byte));
            if lowest < 0x20 {
                return Err(self.flaw(1));
            }
            self.at += run;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = self.escape()?;
                    if spelling != Spelling::Odd {
                        spelling = escape;
                    }
                }
                _ => return Err(self.flaw(1)),
            }
        }
        self.at += 1;
        if spelling == Spelling::Odd {
            self.notes.loose = true;
        }
        if self.at - start - 2 > self.bounds.text && self.notes.flaw.is_none() {
            self.notes.flaw = Some(self.flaw(14));
        }
        self.push(kind, start, self.at, spelling);
        Ok(())
    }

    /// Reads one escape and says how it is spelled.
    fn escape(&mut self) -> Result<Spelling, Flaw> {
        self.at += 1;
        match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => {
                self.at += 1;
                return Ok(if byte == b'/' { Spelling::Odd } else { Spelling::Escaped });
            }
            Some(b'u') => match self.unit()? {
                0xD800..=0xDBFF => {
                    if self.source.get(self.at..self.at + 2) != Some(b"\\u") {
                        return Err(self.flaw(5));
                    }
                    self.at += 1;
                    if !matches!(self.unit()?, 0xDC00..=0xDFFF) {
                        return Err(self.flaw(5));
                    }
                }
                0xDC00..=0xDFFF => return Err(self.flaw(5)),
                _ => {}
            },
            _ => return Err(self.flaw(1)),
        }
        Ok(Spelling::Odd)
    }

    /// Reads `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Flaw> {
        let digits = self.source.get(self.at + 1..self.at + 5).ok_or(self.flaw(1))?;
        let unit = digits.iter().try_fold(0_u32, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?)).ok_or(self.flaw(1))?;
        self.at += 5;
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => return Err(self.flaw(30)),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.flaw(30));
            }
        }
        let mut huge = self.at - start > 300;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            huge = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.flaw(30));
            }
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z')) {
            return Err(self.flaw(30));
        }
        let text = self.source.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        if text.len() > self.bounds.text {
            return Err(self.flaw(14));
        }
        if huge && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(self.flaw(30));
        }
        self.push(Kind::Number, start, self.at, Spelling::Plain);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.source.get(self.at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<bool, Flaw> {
        if !self.source.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.flaw(1));
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, self.at, Spelling::Plain);
        Ok(false)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.notes.loose = true;
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, spelling: Spelling) {
        // INVARIANT: offsets and counts fit, since the source is shorter than 4 GiB and no node is empty.
        let next = self.entries.len() as u32 + 1;
        self.entries.push(Entry { start: start as u32, end: end as u32, next, kind, spelling });
    }

    fn flaw(&self, row: u8) -> Flaw {
        Flaw { row, at: self.entries.len().saturating_sub(1) as u32 }
    }

    fn text(&self, at: u32) -> Cow<'_, str> {
        let Some(entry) = self.entries.get(at as usize) else { return Cow::Borrowed("") };
        text(self.source, entry)
    }

    /// The node of a key that stands twice in the object at `entry`.
    fn doubled(&self, entry: usize, count: usize) -> Option<u32> {
        let mut keys = SmallVec::<[(Cow<'_, str>, u32); FEW]>::with_capacity(count);
        let mut at = entry + 1;
        for _ in 0..count {
            let key = self.entries.get(at)?;
            keys.push((text(self.source, key), at as u32));
            at = self.entries.get(at + 1)?.next as usize;
        }
        if count <= FEW {
            return keys
                .iter()
                .enumerate()
                .find_map(|(place, (key, at))| keys.iter().take(place).any(|(other, _)| other == key).then_some(*at));
        }
        keys.sort_unstable();
        keys.iter().zip(keys.iter().skip(1)).find(|((one, _), (other, _))| one == other).map(|(_, (_, at))| *at)
    }
}

/// The text of a string or key.
pub(crate) fn text<'a>(source: &'a [u8], entry: &Entry) -> Cow<'a, str> {
    let inner = source.get(entry.start as usize + 1..(entry.end as usize).saturating_sub(1)).unwrap_or_default();
    let inner = std::str::from_utf8(inner).unwrap_or_default();
    match entry.spelling {
        Spelling::Plain => Cow::Borrowed(inner),
        Spelling::Escaped | Spelling::Odd => json::unescape(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: &[u8]) -> Option<u8> {
        match scan(source, &Bounds::default()) {
            Ok(tape) => tape.notes.flaw.map(|flaw| flaw.row),
            Err(flaw) => Some(flaw.row),
        }
    }

    #[test]
    fn each_fault_of_the_json_level_has_its_row() {
        let deep = [b"[".repeat(65), b"]".repeat(65)].concat();
        let table: &[(&[u8], u8)] = &[
            (b"{", 1),
            (b"{} {}", 1),
            (b"{\"a\" 1}", 1),
            (b"[1 2]", 1),
            (b"{1:2}", 1),
            (b"\"a\nb\"", 1),
            (b"\"\\x\"", 1),
            (b"tru", 1),
            (b"[}", 30),
            (b"", 2),
            (b" \r\n\t", 2),
            (b"\xEF\xBB\xBF{}", 3),
            (b"\"\xC0\xAF\"", 4),
            (b"{\0}\0", 4),
            (b"\"\\ud800\"", 5),
            (b"\"\\ude00\"", 5),
            (b"\"\\ud800\\u0041\"", 5),
            (b"{\"\\ud800\":1}", 5),
            (b"{\"name\":1,\"na\\u006de\":2}", 6),
            (b"[[{\"b\":{\"a\":1,\"a\":1}}]]", 6),
            (&deep, 11),
            (b"1e400", 30),
            (b"-1e400", 30),
            (b"01", 30),
            (b"+1", 30),
            (b"1.", 30),
            (b".5", 30),
            (b"1e", 30),
            (b"NaN", 30),
            (b"Infinity", 30),
            (b"-Infinity", 30),
            (b"0x10", 30),
            (b"[1,]", 30),
            (b"{\"a\":1,}", 30),
            (b"/* */1", 30),
            (b"{\"a\":1 /* */}", 30),
        ];
        for (source, want) in table {
            assert_eq!(row(source), Some(*want), "{}", String::from_utf8_lossy(source));
        }
        for good in [&b"{}"[..], b"-0", b"1E+5", b"1e-400", b" [ 1 , 2 ] ", b"\"\\ud83d\\ude00\"", b"{\"a\":{\"a\":{}}}"] {
            assert_eq!(row(good), None, "{}", String::from_utf8_lossy(good));
        }
    }

    #[test]
    fn doubled_keys_are_found_in_large_objects() {
        let mut source = String::from("{");
        for number in 0..200 {
            source.push_str(&format!("\"k{number}\":{{\"x\":0}},"));
        }
        assert_eq!(row(format!("{source}\"z\":1}}").as_bytes()), None);
        assert_eq!(row(format!("{source}\"k\\u00317\":1}}").as_bytes()), Some(6));
    }

    #[test]
    fn bounds_hold() {
        let bounds = Bounds { members: 3, values: 8, text: 5, nesting: 2, ..Bounds::default() };
        let row = |source: &str| match scan(source.as_bytes(), &bounds) {
            Ok(tape) => tape.notes.flaw.map(|flaw| flaw.row),
            Err(flaw) => Some(flaw.row),
        };
        assert_eq!(row(r#"{"a":1,"b":2,"c":3}"#), None);
        assert_eq!(row(r#"{"a":1,"b":2,"c":3,"d":4}"#), Some(13));
        assert_eq!(row("[1,2,3,4,5,6,7]"), None);
        assert_eq!(row("[1,2,3,4,5,6,7,8]"), Some(13));
        assert_eq!(row(r#""12345""#), None);
        assert_eq!(row(r#""123456""#), Some(14));
        assert_eq!(row(r#"{"123456":1}"#), Some(14));
        assert_eq!(row("[[1]]"), None);
        assert_eq!(row("[[[1]]]"), Some(11));
    }
}
