//! Tables with a column of secrets: the cells under a telling head.

use terms::Span;

/// The most rows that are read, and the longest line, in bytes.
const ROWS: usize = 512;
const LINE: usize = 1024;

/// Gives the cells under the head that is `name`: of a table with marks between its cells, of lines of values with commas, or of
/// columns that blanks keep apart.
pub(super) fn under(bytes: &[u8], name: Span, mut with: impl FnMut(Span)) {
    let before = bytes.get(name.start.saturating_sub(LINE)..name.start).unwrap_or_default();
    let head = before.get(before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)..).unwrap_or_default();
    let after = bytes.get(name.end..bytes.len().min(name.end + LINE)).unwrap_or_default();
    let Some(len) = after.iter().position(|byte| *byte == b'\n') else { return };
    let tail = after.get(..len).unwrap_or_default();
    let heading = |byte: &u8| byte.is_ascii_alphanumeric() || b"_- .|,;\t\"\r#/()".contains(byte) || *byte >= 0x80;
    if !head.iter().chain(tail).all(heading) {
        return;
    }
    let alone = |part: &[u8], mark: u8| part.iter().rev().find(|byte| !matches!(byte, b' ' | b'"')).is_none_or(|byte| *byte == mark);
    let behind = |part: &[u8], mark: u8| part.iter().find(|byte| !matches!(byte, b' ' | b'"' | b'\r')).is_none_or(|byte| *byte == mark);
    let count = |part: &[u8], mark: u8| part.iter().filter(|byte| **byte == mark).count();
    let Some(mark) = [b'|', b'\t', b';', b','].into_iter().find(|mark| count(head, *mark) + count(tail, *mark) > 0) else {
        return aligned(bytes, name, head, tail, with);
    };
    if !alone(head, mark) || !behind(tail, mark) {
        return;
    }
    let cells = head.split(|byte| *byte == mark).chain(tail.split(|byte| *byte == mark));
    let named = |cell: &[u8]| cell.len() <= 32 && cell.iter().find(|byte| !matches!(byte, b' ' | b'"')).is_none_or(u8::is_ascii_alphabetic);
    let others = cells.clone().filter(|cell| cell.iter().any(u8::is_ascii_alphabetic)).count();
    let indented = mark != b'|' && head.first().is_some_and(u8::is_ascii_whitespace);
    if others == 0 || indented || !cells.into_iter().all(named) {
        return;
    }
    // Where the line above has as many marks this is a row like any other.
    let above = before.get(..before.len() - head.len()).unwrap_or_default();
    let above = above.strip_suffix(b"\n").unwrap_or(above);
    let above = above.get(above.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)..).unwrap_or_default();
    if !above.is_empty() && count(above, mark) == count(head, mark) + count(tail, mark) {
        return;
    }
    let (place, marks) = (count(head, mark), count(head, mark) + count(tail, mark));
    let mut start = name.end + len + 1;
    for _ in 0..ROWS {
        let Some(rest) = bytes.get(start..bytes.len().min(start + LINE)).filter(|rest| !rest.is_empty()) else { return };
        let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        if count(line, mark) != marks {
            return;
        }
        let from = line.iter().enumerate().filter(|(_, byte)| **byte == mark).map(|(at, _)| at + 1).nth(place.wrapping_sub(1)).unwrap_or(0);
        let cell = line.get(from..).unwrap_or_default();
        let cell = cell.get(..cell.iter().position(|byte| *byte == mark).unwrap_or(cell.len())).unwrap_or_default();
        let lead = cell.iter().take_while(|byte| matches!(byte, b' ' | b'"' | b'`' | b'\'')).count();
        let end = cell.iter().rposition(|byte| !matches!(byte, b' ' | b'"' | b'`' | b'\'' | b'\r')).map_or(lead, |at| at + 1);
        if end > lead {
            with(Span::new(start + from + lead, start + from + end));
        }
        start += len + 1;
    }
}

/// Gives the cells of a table whose columns two blanks or more keep apart.
fn aligned(bytes: &[u8], name: Span, head: &[u8], tail: &[u8], mut with: impl FnMut(Span)) {
    let apart = |text: &[u8]| text.is_empty() || text.starts_with(b"  ");
    let indented = head.first().is_none_or(u8::is_ascii_whitespace);
    if indented || !head.ends_with(b"  ") || !apart(tail.trim_ascii_end()) {
        return;
    }
    let place = cells(head).count();
    let count = place + 1 + cells(tail).count();
    let mut start = name.end + tail.len() + 1;
    for _ in 0..ROWS {
        let Some(rest) = bytes.get(start..bytes.len().min(start + LINE)).filter(|rest| !rest.is_empty()) else { return };
        let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        if cells(line).count() != count {
            return;
        }
        if let Some(cell) = cells(line).nth(place) {
            with(Span::new(start + cell.start, start + cell.end));
        }
        start += len + 1;
    }
}

/// Stretches of a line that two blanks or more keep apart.
fn cells(line: &[u8]) -> impl Iterator<Item = Span> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += line.get(at..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let rest = line.get(at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memmem::find(rest, b"  ").unwrap_or(rest.trim_ascii_end().len());
        let cell = Span::new(at, at + len);
        at = cell.end;
        Some(cell)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_under_the_head_are_given() {
        for (text, expect) in [
            ("host,user,password\nweb1,root,abc\nweb2,ops,\"def\"\n", vec!["abc", "def"]),
            ("| user | password |\n|---|---|\n| jo | abc |\n", vec!["---", "abc"]),
            ("    password\n    abc\n", vec![]),
            ("name    user   password\nerp     joan   abc\n", vec!["abc"]),
            ("[\n\"password\",\n\"abc\",\n]", vec![]),
            ("1,a\n2,password\n3,abc\n", vec![]),
            ("password,host\nabc,web1\n", vec!["abc"]),
            ("we ask for a password, then\nfor another, too\n", vec![]),
            ("f(user, password)\ng(a, b)\n", vec![]),
        ] {
            let at = text.find("password").unwrap();
            let mut found = Vec::new();
            under(text.as_bytes(), Span::new(at, at + 8), |span| found.push(&text[span.start..span.end]));
            assert_eq!(found, expect, "{text}");
        }
    }
}
