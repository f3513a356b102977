//! What marked-up text does not show: remarks, elements that are not displayed, titles and alternative texts, and letters written as escapes.

use super::style::{Element, Sheet, Unseen};
use super::{Hidden, MOST, words};
use terms::Span;

/// How long one piece may be, and a title, in bytes; what is longer is looked at up to there.
const LONGEST: usize = 1 << 14;
const TITLE: usize = 512;
/// Elements that are not displayed and are looked into.
const ELEMENTS: usize = 4_096;

/// Adds what the marks of `text` hide.
pub(super) fn find(text: &str, found: &mut Vec<Hidden>) {
    between(text, "<!--", "-->", |inside| words::tells(inside) || words::count(inside) >= 4 && !words::technical(inside), "remark", found);
    definitions(text, found);
    if memchr::memchr(b'\\', text.as_bytes()).is_some() {
        for open in ["\\textcolor{white}{", "\\color{white}", "{\\v "] {
            between(text, open, "}", words::sentence, "white", found);
        }
    }
    titles(text, found);
    if memchr::memchr(b'<', text.as_bytes()).is_some() {
        elements(text, found);
    }
}

/// Titles of definitions of links, which nothing shows where no link names them (CommonMark §4.7): `[name]: address "title"`, `'title'` or `(title)`.
fn definitions(text: &str, found: &mut Vec<Hidden>) {
    for at in memchr::memmem::find_iter(text.as_bytes(), "]: ") {
        let line = text.get(at + 3..text.floor_char_boundary(at + 3 + 2 * TITLE)).unwrap_or_default();
        let line = line.get(..line.find('\n').unwrap_or(line.len())).unwrap_or_default().trim_end();
        let before = text.get(text.floor_char_boundary(at.saturating_sub(TITLE))..at).unwrap_or_default();
        let Some(name) = before.rfind('[').and_then(|open| before.get(open..)) else { continue };
        let title = line.split_once(' ').map(|(_, title)| title.trim()).unwrap_or_default();
        let inside =
            [('"', '"'), ('\'', '\''), ('(', ')')].into_iter().find_map(|(open, close)| title.strip_prefix(open)?.strip_suffix(close));
        if let Some(inside) = inside.filter(|inside| words::tells(inside) && found.len() < MOST) {
            found.push(Hidden { how: "remark", span: Span::new(at - name.len(), at + 3 + line.len()), reads: inside.to_owned() });
        }
    }
}

/// What stands between two marks and fits.
fn between(text: &str, open: &str, close: &str, fits: impl Fn(&str) -> bool, how: &'static str, found: &mut Vec<Hidden>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(open)).map(|at| from + at) {
        let start = at + open.len();
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.find(close).unwrap_or(rest.len());
        let inside = cut(rest.get(..len).unwrap_or_default()).trim();
        if fits(inside) && found.len() < MOST {
            found.push(Hidden { how, span: Span::new(at, text.len().min(start + len + close.len())), reads: inside.to_owned() });
        }
        from = start + len;
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()
}

/// Titles of links (`[text](address "title")`) and texts of attributes that are shown on demand alone.
fn titles(text: &str, found: &mut Vec<Hidden>) {
    for (open, quote) in [
        (" \"", '"'),
        (" '", '\''),
        ("title=\"", '"'),
        ("alt=\"", '"'),
        ("title='", '\''),
        ("alt='", '\''),
        ("aria-label=\"", '"'),
        ("content=\"", '"'),
        ("![", ']'),
        ("value=\"", '"'),
    ] {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(open)).map(|at| from + at) {
            let start = at + open.len();
            let rest = text.get(start..).unwrap_or_default();
            let rest = rest.get(..rest.floor_char_boundary(TITLE)).unwrap_or_default();
            let Some(len) = rest.find([quote, '\n']) else {
                from = start;
                continue;
            };
            from = start + len;
            let attribute = open.len() > 2 || open == "![";
            let link = attribute
                || rest.as_bytes().get(len + 1) == Some(&b')')
                    && text.get(text.floor_char_boundary(at.saturating_sub(512))..at).and_then(|before| before.rfind("](")).is_some();
            let image = open != "![" || rest.as_bytes().get(len + 1) == Some(&b'(');
            let inside = rest.get(..len).unwrap_or_default();
            if link && image && words::tells(inside) && words::count(inside) >= 4 && found.len() < MOST {
                found.push(Hidden { how: "title", span: Span::new(start, start + len), reads: inside.to_owned() });
            }
        }
    }
}

/// Elements without content (HTML §13.1.2); what they hold stands in attributes.
const VOID: [&str; 13] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// Elements that are not displayed, by their kind, their attributes or a rule of a sheet in the same text.
fn elements(text: &str, found: &mut Vec<Hidden>) {
    let sheet = Sheet::read(text);
    let mut ground = None;
    let (mut from, mut looked, mut drawing) = (0, 0, 0);
    while let Some(at) =
        text.get(from..).and_then(|rest| rest.find('<')).map(|at| from + at).filter(|_| looked < ELEMENTS && found.len() < MOST)
    {
        let rest = text.get(at + 1..).unwrap_or_default();
        let head = rest.get(..rest.floor_char_boundary(2_048)).unwrap_or_default();
        from = at + 1;
        let Some(end) = head
            .find(['>', '<'])
            .filter(|end| head.as_bytes().get(*end) == Some(&b'>'))
            .filter(|_| head.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        else {
            continue;
        };
        let element = Element::read(head.get(..end).unwrap_or_default());
        let unseen = element.unseen(ground).or_else(|| sheet.hides(&element));
        ground = element.ground().or(ground);
        if element.name() == "svg" && at >= drawing {
            drawing = rest.find("</svg").map_or(text.len(), |len| at + len);
        }
        let unseen = unseen.or_else(|| element.describes().filter(|_| at < drawing)).filter(|_| !VOID.contains(&element.name()));
        let Some(unseen) = unseen else { continue };
        looked += 1;
        let inside = cut(rest.get(end + 1..).unwrap_or_default());
        let inside = closed(inside, element.name()).and_then(|len| inside.get(..len)).unwrap_or(inside);
        // Menus and dialogues that are closed hold short texts; a sentence is one that speaks.
        let speaks = |part: &str| {
            words::tells(part)
                || match unseen {
                    Unseen::Always => words::count(part) >= 4,
                    Unseen::BySheet => words::count(part) >= 7,
                    Unseen::OnDemand => false,
                }
        };
        let parts = || inside.split('<').map(|part| part.split_once('>').map_or(part, |(_, after)| after));
        if parts().any(speaks) && found.len() < MOST {
            let reads = parts().collect::<Vec<_>>().concat();
            found.push(Hidden {
                how: "not-displayed",
                span: Span::new(at, at + 1 + end + 1 + inside.len()),
                reads: reads.trim().to_owned(),
            });
        }
        from = at + 1 + end;
    }
}

/// Where the end tag of `name` starts, in capitals or not.
fn closed(inside: &str, name: &str) -> Option<usize> {
    memchr::memmem::find_iter(inside.as_bytes(), b"</")
        .find(|at| inside.get(at + 2..at + 2 + name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name)))
}

/// Letters of ASCII that are written as escapes without need: in percent, HTML, source or mail notation, eight of them nearly in a row, and not
/// by chance among those of binary data.
pub(super) fn escapes(text: &str, found: &mut Vec<Hidden>) {
    let bytes = text.as_bytes();
    let (mut at, mut start, mut end, mut letters, mut all, mut reads) = (0, 0, 0, 0, 0, Vec::new());
    let mut flush = |start: usize, end: usize, says: bool, reads: &mut Vec<u8>| {
        if says && found.len() < MOST {
            found.push(Hidden { how: "escapes", span: Span::new(start, end), reads: String::from_utf8_lossy(reads).into_owned() });
        }
        reads.clear();
    };
    let says = |letters: usize, all: usize| letters >= 8 && letters * 3 >= all;
    let marks = memchr::memchr3_iter(b'%', b'&', b'\\', bytes);
    let mut equals = memchr::memchr_iter(b'=', bytes).peekable();
    let mut marks = marks.peekable();
    while let Some(next) = [marks.peek(), equals.peek()].into_iter().flatten().copied().min() {
        marks.next_if_eq(&next);
        equals.next_if_eq(&next);
        let Some(Escape { byte, len, apart }) = (next >= at).then(|| escape(bytes.get(next..).unwrap_or_default())).flatten() else {
            continue;
        };
        if next > end + apart {
            flush(start, end, says(letters, all), &mut reads);
            (start, letters, all) = (next, 0, 0);
        } else if end > 0 {
            reads.extend_from_slice(bytes.get(end..next).unwrap_or_default());
        }
        if let Some(byte) = byte.filter(|_| reads.len() < LONGEST) {
            reads.push(byte);
            letters += usize::from(byte.is_ascii_alphanumeric());
            all += 1;
        }
        end = next + len;
        at = end;
    }
    // What follows belongs to the sentence.
    if says(letters, all) {
        let tail = bytes.get(end..bytes.len().min(end + 200)).unwrap_or_default();
        reads.extend(tail.iter().take_while(|byte| **byte != b'\n'));
    }
    flush(start, end, says(letters, all), &mut reads);
}

/// A byte that is written as an escape; none for one that stands for nothing.
struct Escape {
    byte: Option<u8>,
    len: usize,
    /// How far behind the escape before it may stand.
    apart: usize,
}

/// The escape at the start of `rest`.
fn escape(rest: &[u8]) -> Option<Escape> {
    let number = |digits: &[u8], radix: u32| u8::try_from(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?).ok();
    let (byte, len) = match rest {
        // RFC 2045 §6.7: bytes in capitals, and line ends that stand for nothing. Addresses and sources have `=` as well, so nothing may stand between.
        [b'=', b'\r', b'\n', ..] => return Some(Escape { byte: None, len: 3, apart: 0 }),
        [b'=', b'\n', ..] => return Some(Escape { byte: None, len: 2, apart: 0 }),
        [b'=', high, low, ..] if !high.is_ascii_lowercase() && !low.is_ascii_lowercase() => {
            return Some(Escape { byte: Some(number(&[*high, *low], 16)?), len: 3, apart: 0 });
        }
        [b'%', b'u', b'0', b'0', high, low, ..] => (number(&[*high, *low], 16)?, 6),
        [b'%', high, low, ..] => (number(&[*high, *low], 16)?, 3),
        [b'\\', b'x', high, low, ..] => (number(&[*high, *low], 16)?, 4),
        [b'\\', b'u', b'{', more @ ..] => {
            let end = more.iter().take(7).position(|byte| *byte == b'}')?;
            (number(more.get(..end)?, 16)?, end + 4)
        }
        [b'\\', b'u', b'0', b'0', high, low, ..] => (number(&[*high, *low], 16)?, 6),
        [b'\\', b'U', b'0', b'0', b'0', b'0', b'0', b'0', high, low, ..] => (number(&[*high, *low], 16)?, 10),
        // CSS Syntax §4.3.7, with all six digits; then the octal ones of programming languages.
        [b'\\', b'0', b'0', b'0', b'0', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            (number(&[*high, *low], 16)?, 7)
        }
        [b'\\', b'0'..=b'7', ..] => {
            let digits = rest.iter().skip(1).take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            return Some(Escape { byte: Some(number(rest.get(1..=digits)?, 8)?), len: digits + 1, apart: 2 });
        }
        [b'&', b'#', more @ ..] => {
            let end = more.iter().take(6).position(|byte| *byte == b';')?;
            let digits = more.get(..end)?;
            let byte = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            };
            (byte?, end + 3)
        }
        _ => return None,
    };
    Some(Escape { byte: Some(byte), len, apart: 24 })
}
