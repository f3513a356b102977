//! Echoes: credentials of ours that come back, in any common encoding, whole or in pieces.

use crate::budget::{Allowance, Budget};
use crate::engine::{Report, Scratch, settle};
use crate::ladder::{self, Rung};
use crate::view::View;
use aho_corasick::{AhoCorasick, MatchKind};
use std::borrow::Cow;
use std::fmt;
use terms::{Class, Finding, Span};
use zeroize::{Zeroize, Zeroizing};

/// Credentials shorter than this are not searched for: they would be found in ordinary text.
pub const SHORTEST: usize = 6;
/// Least letters and digits of a form that is searched for with everything else left out.
const SHORTEST_BARE: usize = 8;

/// Knows a set of credentials and finds them in text.
///
/// Searched for as they are, reversed, in hex, in base64 at each alignment and of either alphabet; on every rung of the decoding
/// ladder (percent, JSON, HTML, nested and compressed encodings); and once more in the letters and digits of the text alone, which
/// finds what was spread with spaces, quotes or invisible characters, or over several parts. Own copies are zeroed; the search
/// automaton keeps the forms in memory until the value is dropped.
pub struct Echo {
    names: Vec<String>,
    short: Vec<String>,
    exact: Option<AhoCorasick>,
    bare: Option<AhoCorasick>,
    exact_owner: Vec<usize>,
    bare_owner: Vec<usize>,
}

impl fmt::Debug for Echo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Echo").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.names.zeroize();
    }
}

impl Echo {
    /// Learns `credentials`: name and bytes. None gives a value that finds nothing.
    ///
    /// # Errors
    /// [`crate::Error::Pattern`] when there are too many for one automaton.
    pub fn new<'a>(credentials: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, crate::Error> {
        let mut echo =
            Self { names: Vec::new(), short: Vec::new(), exact: None, bare: None, exact_owner: Vec::new(), bare_owner: Vec::new() };
        let (mut exact, mut bare) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
        for (name, value) in credentials {
            if value.len() < SHORTEST {
                echo.short.push(name.to_owned());
                continue;
            }
            let owner = echo.names.len();
            echo.names.push(name.to_owned());
            for form in forms(value) {
                let plain: Vec<u8> = form.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
                if plain.len() >= SHORTEST_BARE {
                    echo.bare_owner.push(owner);
                    bare.push(plain);
                }
                echo.exact_owner.push(owner);
                exact.push(form);
            }
        }
        echo.exact = automaton(&exact)?;
        echo.bare = automaton(&bare)?;
        Ok(echo)
    }

    /// Names of credentials that are too short to be searched for (under six bytes).
    pub fn too_short(&self) -> &[String] {
        &self.short
    }

    /// Whether there is nothing to search for.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Finds every credential in `text`; the kind of a finding is the credential's name.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        self.find_with(text, &Budget::default(), &mut Scratch::default())
    }

    /// As [`Echo::find`], with a budget and memory of the caller's.
    pub fn find_with(&self, text: &str, budget: &Budget, scratch: &mut Scratch) -> Vec<Finding> {
        let mut budget = *budget;
        self.find_one(text, &mut budget, scratch)
    }

    fn find_one(&self, text: &str, budget: &mut Budget, scratch: &mut Scratch) -> Vec<Finding> {
        let mut report = Report::default();
        if self.is_empty() {
            return report.findings;
        }
        let mut allowance = Allowance::new(budget, text.len());
        scratch.rungs.resize_with(budget.depth.saturating_add(1), Rung::default);
        let mut bare = Zeroizing::new(Vec::new());
        ladder::climb(&View::original(text.as_bytes()), &mut scratch.rungs, &mut allowance, &mut |view, _| {
            self.search(&self.exact, &self.exact_owner, view.bytes, |owner, start, end| {
                report.findings.push(self.finding(owner, view.trace(widen(view.bytes, start, end))));
            });
            bare.clear();
            bare.extend(view.bytes.iter().copied().filter(u8::is_ascii_alphanumeric));
            let mut places = Places::default();
            self.search(&self.bare, &self.bare_owner, &bare, |owner, start, end| {
                let span = places.span(view.bytes, start, end);
                report.findings.push(self.finding(owner, view.trace(span)));
            });
        });
        budget.spend(&allowance);
        settle(&mut report);
        report.findings.extend(allowance.unseen());
        report.findings
    }

    /// Finds credentials in each of `parts`, and those that run on from one part into the next; one list a part, one budget for all.
    pub fn find_joined(&self, parts: &[&str]) -> Vec<Vec<Finding>> {
        let (mut budget, mut scratch) = (Budget::default(), Scratch::default());
        let mut found: Vec<Vec<Finding>> = parts.iter().map(|part| self.find_one(part, &mut budget, &mut scratch)).collect();
        let joined = Zeroizing::new(parts.concat());
        let mut bare = Zeroizing::new(Vec::with_capacity(joined.len()));
        bare.extend(joined.bytes().filter(u8::is_ascii_alphanumeric));
        let mut places = Places::default();
        self.search(&self.bare, &self.bare_owner, &bare, |owner, start, end| {
            crate::part::spread(parts, places.span(joined.as_bytes(), start, end), |index, span| {
                if let Some(list) = found.get_mut(index).filter(|list| !list.iter().any(|one| one.span.meets(span))) {
                    list.push(self.finding(owner, span));
                }
            });
        });
        self.search(&self.exact, &self.exact_owner, joined.as_bytes(), |owner, start, end| {
            crate::part::spread(parts, Span::new(start, end), |index, span| {
                if let Some(list) =
                    found.get_mut(index).filter(|list| !list.iter().any(|one| one.span.start <= span.start && span.end <= one.span.end))
                {
                    list.push(self.finding(owner, span));
                }
            });
        });
        found
    }

    fn search(&self, automaton: &Option<AhoCorasick>, owners: &[usize], bytes: &[u8], mut with: impl FnMut(usize, usize, usize)) {
        for found in automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(bytes)) {
            if let Some(owner) = owners.get(found.pattern().as_usize()) {
                with(*owner, found.start(), found.end());
            }
        }
    }

    fn finding(&self, owner: usize, span: Span) -> Finding {
        let kind = Cow::Owned(self.names.get(owner).cloned().unwrap_or_default());
        Finding { class: Class::Echo, kind, span, confidence: 1.0 }
    }
}

fn automaton(forms: &[Vec<u8>]) -> Result<Option<AhoCorasick>, crate::Error> {
    if forms.is_empty() {
        return Ok(None);
    }
    let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(forms);
    built.map(Some).map_err(|cause| crate::Error::Pattern { kind: "credentials".to_owned(), cause: cause.to_string() })
}

/// The span, and the encoded run that it lies in when it is one: first and last characters carry bits of the credential too.
fn widen(bytes: &[u8], mut start: usize, mut end: usize) -> Span {
    let run = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/_-".contains(byte));
    for _ in 0..2 {
        if start > 0 && run(start - 1) {
            start -= 1;
        }
        if run(end) {
            end += 1;
        }
    }
    while end < bytes.len() && bytes.get(end) == Some(&b'=') {
        end += 1;
    }
    Span::new(start, end)
}

/// Where the letters and digits of a text stand; looked up only once something was found.
#[derive(Default)]
struct Places(Option<Vec<usize>>);

impl Places {
    /// The span of `bytes` whose letters and digits are those from `start` to `end`.
    fn span(&mut self, bytes: &[u8], start: usize, end: usize) -> Span {
        let places = self
            .0
            .get_or_insert_with(|| bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()).map(|(at, _)| at).collect());
        let first = places.get(start).copied().unwrap_or(bytes.len());
        Span::new(first, end.checked_sub(1).and_then(|last| places.get(last)).map_or(first, |last| last + 1))
    }
}

fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec(), value.iter().rev().copied().collect()];
    let hex = |digits: &[u8; 16]| {
        value.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect::<Vec<u8>>()
    };
    forms.extend([hex(b"0123456789abcdef"), hex(b"0123456789ABCDEF")]);
    for alignment in 0..3 {
        for last in [b"+/", b"-_"] {
            forms.push(base64(value, alignment, last));
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The characters of RFC 4648 base64 that depend on `value` alone when `alignment` bytes stand before it.
fn base64(value: &[u8], alignment: usize, last: &[u8; 2]) -> Vec<u8> {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for byte in std::iter::repeat_n(0, alignment).chain(value.iter().copied()) {
        held = (held << 8 | u32::from(byte)) & 0xffff;
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            let digit = (held >> bits & 63) as usize;
            out.push(DIGITS.get(digit).copied().unwrap_or(last[digit & 1]));
        }
    }
    out.drain(..(alignment * 8).div_ceil(6));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "s3cr3t-Valu3/of+ours";

    fn echo() -> Echo {
        Echo::new([("github/token", VALUE.as_bytes())]).unwrap()
    }

    fn found(text: &str) -> bool {
        echo().find(text).iter().any(|finding| finding.class == Class::Echo && finding.kind == "github/token")
    }

    fn encode(value: &[u8]) -> String {
        let mut out = String::from_utf8(base64(value, 0, b"+/")).unwrap();
        let bits = value.len() * 8 % 6;
        if bits > 0 {
            out.push(char::from(base64(&[value, &[0, 0]].concat(), 0, b"+/")[out.len()]));
        }
        out
    }

    #[test]
    fn echo_is_found_in_every_form() {
        let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let html: String = VALUE.bytes().map(|byte| format!("&#{byte};")).collect();
        let json: String = VALUE.bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect();
        let spread: String = VALUE.chars().flat_map(|symbol| [symbol, '\u{200b}', ' ']).collect();
        let reversed: String = VALUE.chars().rev().collect();
        let upper = hex.to_uppercase();
        let twice = encode(encode(VALUE.as_bytes()).as_bytes());
        for text in [VALUE, &hex, &upper, &percent, &html, &json, &spread, &reversed, &twice] {
            assert!(found(&format!("answer: {text} end")), "{text}");
        }
        for before in ["", "a", "ab", "abc"] {
            assert!(found(&encode(format!("{before}{VALUE} tail").as_bytes())), "{before}");
        }
        assert!(!found("nothing of ours in this answer, only words and 0123456789abcdef"));
    }

    #[test]
    fn echo_is_found_over_parts() {
        let found = echo().find_joined(&["see s3cr3t-V", "alu3/o", "f+ours."]);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(found[0][0].span, Span::new(4, 12));
        assert_eq!(found[2][0].span, Span::new(0, 6));
    }

    #[test]
    fn short_ones_are_named_and_nothing_is_shown() {
        let echo = Echo::new([("db/pin", &b"1234"[..]), ("a", VALUE.as_bytes())]).unwrap();
        assert_eq!(echo.too_short(), ["db/pin"]);
        assert!(!format!("{echo:?}").contains(VALUE));
    }
}
