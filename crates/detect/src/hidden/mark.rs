//! What marked-up text does not show: remarks, elements that are not displayed, titles and alternative texts, and letters written as escapes.

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
    between(text, "[//]: #", "\n", words::tells, "remark", found);
    between(text, "[comment]: #", "\n", words::tells, "remark", found);
    titles(text, found);
    if memchr::memchr(b'<', text.as_bytes()).is_some() {
        elements(text, found);
    }
}

/// What stands between two marks and fits.
fn between(text: &str, open: &str, close: &str, fits: impl Fn(&str) -> bool, how: &'static str, found: &mut Vec<Hidden>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(open)).map(|at| from + at) {
        let start = at + open.len();
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.find(close).unwrap_or(rest.len());
        let inside = cut(rest.get(..len).unwrap_or_default()).trim().trim_start_matches('(').trim_end_matches(')');
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

/// Elements whose attributes keep them from being seen.
fn elements(text: &str, found: &mut Vec<Hidden>) {
    let (mut from, mut looked) = (0, 0);
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
        let attributes = head.get(..end).unwrap_or_default();
        if !unseen(attributes) {
            continue;
        }
        looked += 1;
        let name_len = attributes.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(attributes.len());
        let name = attributes.get(..name_len).unwrap_or_default();
        let inside = cut(rest.get(end + 1..).unwrap_or_default());
        let close = format!("</{name}");
        let inside = inside.find(&close).and_then(|len| inside.get(..len)).unwrap_or(inside);
        // Menus and dialogues that are closed hold short texts; a sentence is one that speaks.
        let says = inside
            .split('<')
            .filter_map(|part| part.split_once('>').map_or(Some(part), |(_, after)| Some(after)))
            .find(|part| words::count(part) >= 4 || words::tells(part));
        if says.is_some() && found.len() < MOST {
            let reads = inside.split('<').map(|part| part.split_once('>').map_or(part, |(_, after)| after)).collect::<Vec<_>>().concat();
            found.push(Hidden {
                how: "not-displayed",
                span: Span::new(at, at + 1 + end + 1 + inside.len()),
                reads: reads.trim().to_owned(),
            });
        }
        from = at + 1 + end;
    }
}

/// Whether attributes keep an element from being seen.
fn unseen(attributes: &str) -> bool {
    let lower: String = attributes.to_ascii_lowercase();
    let hidden = lower.split_ascii_whitespace().skip(1).any(|word| word == "hidden" || word.starts_with("hidden="))
        || lower.starts_with("template")
        || lower.contains("type=\"hidden\"");
    let Some(style) = lower.split_once("style=").map(|(_, style)| style) else { return hidden };
    let style: String = style.chars().filter(|letter| !letter.is_whitespace()).collect();
    let value = |name: &str| {
        let all = style.split([';', '"', '\'']).filter_map(|one| one.split_once(':'));
        all.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_end_matches("!important")).next_back()
    };
    let number = |name: &str| {
        value(name)
            .and_then(|value| value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == '%').parse::<f32>().ok())
    };
    let is = |name: &str, wanted: &[&str]| value(name).is_some_and(|value| wanted.contains(&value));
    let off = ["left", "top", "right", "bottom", "text-indent", "margin-left", "margin-top"]
        .iter()
        .any(|name| number(name).is_some_and(|at| at <= -500.0));
    let small = number("font-size").is_some_and(|size| {
        size < 1.5 && !value("font-size").is_some_and(|value| (value.ends_with("em") || value.ends_with("rem")) && size >= 0.4)
    }) || number("opacity").is_some_and(|opacity| opacity < 0.05)
        || (number("height").is_some_and(|size| size < 2.0)
            || number("width").is_some_and(|size| size < 2.0)
            || number("max-height") == Some(0.0))
            && is("overflow", &["hidden"]);
    let ink = value("color").map(colour);
    let ground = value("background-color").or_else(|| value("background")).map(colour);
    let same = ink.is_some_and(|ink| Some(&ink) == ground.as_ref() || ink == "transparent" || ink == "#ffffff" && ground.is_none());
    hidden
        || is("display", &["none"])
        || is("visibility", &["hidden", "collapse"])
        || off
        || small
        || same
        || is("clip", &["rect(0,0,0,0)", "rect(1px,1px,1px,1px)"])
}

/// A colour in one form.
fn colour(value: &str) -> String {
    match value {
        "white" => "#ffffff".to_owned(),
        "black" => "#000000".to_owned(),
        short if short.len() == 4 && short.starts_with('#') => {
            short.chars().flat_map(|digit| if digit == '#' { vec![digit] } else { vec![digit, digit] }).collect()
        }
        other if other.starts_with("rgba(") && other.ends_with(",0)") => "transparent".to_owned(),
        other => other.to_owned(),
    }
}

/// Letters of ASCII that are written as escapes without need, in percent, HTML or source notation: eight of them nearly in a row.
pub(super) fn escapes(text: &str, found: &mut Vec<Hidden>) {
    let bytes = text.as_bytes();
    let (mut at, mut start, mut end, mut count, mut reads) = (0, 0, 0, 0, Vec::new());
    let mut flush = |start: usize, end: usize, count: usize, reads: &mut Vec<u8>| {
        if count >= 8 && found.len() < MOST {
            found.push(Hidden { how: "escapes", span: Span::new(start, end), reads: String::from_utf8_lossy(reads).into_owned() });
        }
        reads.clear();
    };
    while let Some(next) = memchr::memchr3(b'%', b'&', b'\\', bytes.get(at..).unwrap_or_default()).map(|next| at + next) {
        let Some((byte, len)) = escape(bytes.get(next..).unwrap_or_default()) else {
            at = next + 1;
            continue;
        };
        if next > end + 24 {
            flush(start, end, count, &mut reads);
            (start, count) = (next, 0);
        } else if end > 0 {
            reads.extend_from_slice(bytes.get(end..next).unwrap_or_default());
        }
        if reads.len() < LONGEST {
            reads.push(byte);
        }
        count += usize::from(byte.is_ascii_alphanumeric());
        end = next + len;
        at = end;
    }
    // What follows belongs to the sentence.
    if count >= 8 {
        let tail = bytes.get(end..bytes.len().min(end + 200)).unwrap_or_default();
        reads.extend(tail.iter().take_while(|byte| **byte != b'\n'));
    }
    flush(start, end, count, &mut reads);
}

/// A byte that is written as an escape, and how long that is.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    let number = |digits: &[u8], radix: u32| u8::try_from(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?).ok();
    match rest {
        [b'%', high, low, ..] => Some((number(&[*high, *low], 16)?, 3)),
        [b'\\', b'x', high, low, ..] => Some((number(&[*high, *low], 16)?, 4)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => Some((number(&[*high, *low], 16)?, 6)),
        [b'&', b'#', more @ ..] => {
            let end = more.iter().take(6).position(|byte| *byte == b';')?;
            let digits = more.get(..end)?;
            let byte = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            };
            Some((byte?, end + 3))
        }
        _ => None,
    }
}
