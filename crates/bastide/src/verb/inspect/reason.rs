//! Why a finding counts, found by trying: what is changed around it or in it so that it counts no more.

use super::super::screens::Screens;
use crate::screen::plain;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use detect::{Budget, Channel, Check, Rules, Scratch};
use serde_json::{Value, json};
use terms::{Class, Finding, Span};

/// Bytes on each side of a finding that are tried with it.
const AROUND: usize = 512;
/// Bytes before and behind it in which words may speak of it, and how many of them are tried.
const BEFORE: usize = 128;
const BEHIND: usize = 64;
const WORDS: usize = 16;
/// Other characters that are put in the place of its last one, and how many of them make it count no more where it checks itself.
const OTHERS: usize = 9;
const MOST: usize = 7;
/// Encodings inside one another that are named.
const DEEP: usize = 5;

/// One reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reason {
    /// With another last digit or letter its check digits would not hold.
    CheckDigits,
    /// With another last character its checksum would not hold.
    Checksum,
    /// A word beside it says what it is.
    Word(String),
    /// It is as uneven as what was drawn by chance; bits a character (Shannon).
    Drawn(f32),
    /// It stands in encodings, the innermost first.
    Encoded(Vec<&'static str>),
    /// It is written in another way than it reads.
    Spelled(&'static str),
    /// The form of its kind, and nothing else is asked of it.
    Form,
}

impl Reason {
    /// For a person.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::CheckDigits => "its check digits hold".to_owned(),
            Self::Checksum => "its checksum holds".to_owned(),
            Self::Word(word) => format!("`{}` stands beside it", plain(word, 40)),
            Self::Drawn(bits) => format!("it looks drawn by chance: {bits:.1} bits a character"),
            Self::Encoded(how) => format!("read out of {}", how.join(" in ")),
            Self::Spelled(how) => format!("written with {how}"),
            Self::Form => "it has the form of its kind".to_owned(),
        }
    }

    /// For a program.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::CheckDigits => json!({ "reason": "check-digits" }),
            Self::Checksum => json!({ "reason": "checksum" }),
            Self::Word(word) => json!({ "reason": "word", "word": word }),
            Self::Drawn(bits) => json!({ "reason": "drawn", "bits": f64::from((bits * 100.0).round() / 100.0) }),
            Self::Encoded(how) => json!({ "reason": "encoded", "views": how }),
            Self::Spelled(how) => json!({ "reason": "spelled", "views": [how] }),
            Self::Form => json!({ "reason": "form" }),
        }
    }
}

/// Finds reasons.
pub(super) struct Reasons<'a> {
    screens: &'a Screens,
    rules: Rules,
    scratch: Scratch,
}

/// A finding with the text around it.
struct Window {
    text: String,
    span: Span,
    /// What else was found there; words of it are not named.
    others: Vec<Span>,
}

impl<'a> Reasons<'a> {
    /// By the detectors of `screens`, and the built-in `rules`.
    pub(super) fn new(screens: &'a Screens, rules: Rules) -> Self {
        Self { screens, rules, scratch: Scratch::default() }
    }

    /// Which rule a finding is of.
    pub(super) fn rule(&self, finding: &Finding) -> String {
        let kind = finding.kind.as_ref();
        let own = self.screens.file().inspect.pii.custom.iter().any(|one| one.name == kind);
        match self.rules.iter().find(|rule| rule.kind == kind) {
            _ if own => format!("your own: inspect.pii.custom, {kind}"),
            Some(rule) => format!("built-in pattern {kind}, announced by {}", quoted(&rule.keywords)),
            None => format!("built-in detector of {}", class(finding.class)),
        }
    }

    /// Why `finding` of `text` counts. `decoded` are the encoded runs that something was found in.
    pub(super) fn of(&mut self, text: &str, finding: &Finding, found: &[Finding], decoded: &[Span]) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if finding.class == Class::Leak || finding.class == Class::Unseen {
            return vec![Reason::Form];
        }
        let window = Window::around(text, finding, found);
        let value = window.value();
        if decoded.contains(&finding.span) {
            let how = self.encodings(value, finding);
            if !how.is_empty() {
                reasons.push(Reason::Encoded(how));
            }
        } else {
            reasons.extend(spelled(value).map(Reason::Spelled));
            if !self.counts(&window.text, window.span, finding) {
                reasons.push(Reason::Form);
                return reasons;
            }
            if self.checks(&window, finding) {
                reasons.push(if finding.class == Class::Secret { Reason::Checksum } else { Reason::CheckDigits });
            }
            reasons.extend(self.drawn(&window, finding).map(Reason::Drawn));
        }
        reasons.extend(self.word(&window, finding).map(Reason::Word));
        if reasons.iter().all(|reason| matches!(reason, Reason::Encoded(_) | Reason::Spelled(_))) {
            reasons.push(Reason::Form);
        }
        reasons
    }

    /// Whether something of the kind is found at `span` of `text`.
    fn counts(&mut self, text: &str, span: Span, finding: &Finding) -> bool {
        let report = self.screens.engine().inspect(text, Channel::Result, &Budget::default(), &mut self.scratch);
        report.findings.iter().any(|one| one.kind == finding.kind && one.span.meets(span))
    }

    /// Whether the value checks itself.
    fn checks(&mut self, window: &Window, finding: &Finding) -> bool {
        let value = window.value();
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let summed = self.rules.iter().any(|rule| rule.kind == finding.kind && rule.check == Check::Github);
        let numbered = matches!(finding.class, Class::Financial | Class::Pii) && digits >= 4 && !value.contains('@');
        let Some((at, last)) = value.char_indices().rfind(|(_, letter)| letter.is_ascii_alphanumeric()) else { return false };
        if !summed && !numbered {
            return false;
        }
        let place = window.span.start + at;
        let gone = others(last).filter(|other| {
            let mut text = window.text.clone();
            text.replace_range(place..=place, other.encode_utf8(&mut [0; 4]));
            !self.counts(&text, window.span, finding)
        });
        gone.count() >= MOST
    }

    /// Bits a character, where a value of the same form that is the same all through does not count.
    fn drawn(&mut self, window: &Window, finding: &Finding) -> Option<f32> {
        let value = window.value();
        if finding.class != Class::Secret || value.len() < 8 || value.contains(char::is_whitespace) {
            return None;
        }
        let rule = self.rules.iter().find(|rule| rule.kind == finding.kind);
        let announced = |word: &String| value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let kept = rule.and_then(|rule| rule.keywords.iter().filter(|word| announced(word)).map(String::len).max()).unwrap_or_default();
        let even = |(at, letter): (usize, char)| match letter {
            _ if at < kept => letter,
            '0'..='9' => '1',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        };
        let flat: String = value.char_indices().map(even).collect();
        let mut text = window.text.clone();
        text.replace_range(window.span.start..window.span.end, &flat);
        (!self.counts(&text, window.span, finding)).then(|| entropy(value.as_bytes()))
    }

    /// The nearest word without which it does not count.
    fn word(&mut self, window: &Window, finding: &Finding) -> Option<String> {
        let words = window.words();
        let without = |words: &[Span]| {
            let mut text = window.text.clone();
            for word in words {
                text.replace_range(word.start..word.end, &" ".repeat(word.len()));
            }
            text
        };
        if words.is_empty() || self.counts(&without(&words), window.span, finding) {
            return None;
        }
        let word = words.into_iter().find(|word| !self.counts(&without(&[*word]), window.span, finding))?;
        window.text.get(word.start..word.end).map(str::to_owned)
    }

    /// What the value is encoded in, the innermost first.
    fn encodings(&mut self, run: &str, finding: &Finding) -> Vec<&'static str> {
        let (mut names, mut run) = (Vec::new(), run.to_owned());
        while names.len() < DEEP {
            let Some((name, bytes)) = decoded(&run) else { break };
            names.push(name);
            let packed = matches!(bytes.as_slice(), [0x1f, 0x8b, 8, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
            if packed {
                names.push("compressed data");
            }
            let Ok(text) = String::from_utf8(bytes) else { break };
            let report = self.screens.engine().inspect(&text, Channel::Result, &Budget::default(), &mut self.scratch);
            let inner = report.findings.iter().filter(|one| one.kind == finding.kind).find(|one| report.decoded.contains(&one.span));
            match inner.and_then(|one| text.get(one.span.start..one.span.end)) {
                Some(inner) if !packed => run = inner.to_owned(),
                Some(_) | None => break,
            }
        }
        names.reverse();
        names
    }
}

impl Window {
    fn around(text: &str, finding: &Finding, found: &[Finding]) -> Self {
        let (start, end) = (text.floor_char_boundary(finding.span.start), text.ceil_char_boundary(finding.span.end));
        let from = text.floor_char_boundary(start.saturating_sub(AROUND));
        let to = text.ceil_char_boundary(end.saturating_add(AROUND).min(text.len()));
        let inside = |span: &Span| Span::new(span.start.saturating_sub(from), span.end.saturating_sub(from));
        let others = found.iter().map(|one| &one.span).filter(|span| **span != finding.span && span.end > from);
        Self {
            text: text.get(from..to).unwrap_or_default().to_owned(),
            span: inside(&Span::new(start, end)),
            others: others.map(inside).collect(),
        }
    }

    fn value(&self) -> &str {
        self.text.get(self.span.start..self.span.end).unwrap_or_default()
    }

    /// The words beside the value, the nearest first.
    fn words(&self) -> Vec<Span> {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut words: Vec<Span> = Vec::new();
        for (at, letter) in self.text.char_indices().filter(|(_, letter)| is_word(*letter)) {
            match words.last_mut().filter(|word| word.end == at) {
                Some(word) => word.end = at + letter.len_utf8(),
                None => words.push(Span::new(at, at + letter.len_utf8())),
            }
        }
        let value = self.span;
        let distance = |word: &Span| if word.end <= value.start { value.start - word.end } else { word.start.saturating_sub(value.end) };
        let near = |word: &Span| distance(word) <= if word.end <= value.start { BEFORE } else { BEHIND };
        words.retain(|word| word.len() > 1 && near(word) && !word.meets(value) && !self.others.iter().any(|other| other.meets(*word)));
        words.sort_by_key(distance);
        words.truncate(WORDS);
        words
    }
}

/// What the first encoding of a run is, and what stands in it.
fn decoded(run: &str) -> Option<(&'static str, Vec<u8>)> {
    let bare: String = run.chars().filter(|letter| !letter.is_whitespace()).collect();
    let bare = bare.trim_end_matches('=');
    if bare.len().is_multiple_of(2) && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let byte = |at: usize| bare.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        return Some(("hex", (0..bare.len()).step_by(2).filter_map(byte).collect()));
    }
    if bare.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)) {
        return Some(("base32", Vec::new()));
    }
    let whole = bare.replace('-', "+").replace('_', "/");
    let whole = whole.get(..whole.len() - usize::from(whole.len() % 4 == 1)).unwrap_or_default();
    let lenient =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent);
    Some(("base64", GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(whole).ok()?))
}

/// How a value is written where that is not how it reads.
fn spelled(value: &str) -> Option<&'static str> {
    let bytes = value.as_bytes();
    let follows = |sign: &[u8], digits: usize| {
        let behind = |at: usize| bytes.get(at + sign.len()..at + sign.len() + digits);
        places(bytes, sign).any(|at| behind(at).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
    };
    let unseen = |letter: char| matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}');
    if follows(b"%", 2) {
        Some("percent signs (RFC 3986)")
    } else if follows(b"\\u", 4) || follows(b"\\x", 2) {
        Some("escapes of a programming language")
    } else if value.contains("&#") || value.contains("&amp;") {
        Some("references of HTML")
    } else if value.contains(unseen) {
        Some("characters that are not seen")
    } else if value.contains(|letter: char| matches!(letter, '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}')) {
        Some("other forms of letters")
    } else if value.contains("\" + \"") || value.contains("' + '") {
        Some("several strings put together")
    } else {
        None
    }
}

fn places<'a>(bytes: &'a [u8], sign: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(sign.len()).enumerate().filter(move |(_, window)| *window == sign).map(|(at, _)| at)
}

/// Other characters of the same sort.
fn others(letter: char) -> impl Iterator<Item = char> {
    let all = match letter {
        '0'..='9' => '0'..='9',
        'A'..='Z' => 'A'..='Z',
        _ => 'a'..='z',
    };
    all.filter(move |other| *other != letter).take(OTHERS)
}

/// Bits a character, after Shannon.
fn entropy(value: &[u8]) -> f32 {
    let len = value.len() as f32;
    let mut counts = [0_u16; 256];
    for byte in value.iter().take(1024) {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    counts.iter().filter(|count| **count > 0).map(|count| f32::from(*count) / len).map(|share| -share * share.log2()).sum()
}

fn quoted(words: &[String]) -> String {
    let shown = words.iter().take(3).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if words.len() > 3 { format!("{shown} …") } else { shown }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Secret => "keys and passwords",
        Class::Echo => "our own credentials",
        Class::Financial => "cards and accounts",
        Class::Pii => "personal data",
        Class::Injection => "instructions to the model",
        Class::Leak => "what tells of a machine",
        Class::Unseen => "what the bounds of the screens do not reach",
    }
}
