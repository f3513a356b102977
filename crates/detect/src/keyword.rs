//! Kinds that a literal announces: keys with a provider's prefix, values behind a name.

use crate::check;
use crate::detector::{Reader, Sheet};
use crate::error::Error;
use crate::rule::{Rule, Rules};
use crate::view::View;
use crate::words::Stands;
use regex_automata::meta::{Cache, Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use std::borrow::Cow;
use std::sync::OnceLock;
use terms::{Class, Span};

/// What one rule's search writes into.
pub(crate) struct Memory {
    cache: Cache,
    captures: Captures,
}

struct Kind {
    kind: Cow<'static, str>,
    class: Class,
    /// Compiled when its keyword stands somewhere for the first time: of hundreds of kinds few are ever met. None where it does not compile.
    regex: OnceLock<Option<Regex>>,
    /// Whether each match holds an equals sign or a colon: without one there is nothing to try.
    assigns: bool,
    rule: Rule,
}

/// How patterns of values behind a name are parted from the name.
const ASSIGNMENT: &str = r#"(?:=>|:=|[:=]|,?\s{0,12}["'\\]{0,3}value["'\\]{0,3}[:=])"#;

/// Whether no match of `pattern` is without an [`ASSIGNMENT`]: it stands there by itself, in no group and in no choice.
fn assigns(pattern: &str) -> bool {
    let depth = |text: &str| text.matches('(').count().checked_sub(text.matches(')').count());
    pattern.split_once(ASSIGNMENT).is_some_and(|(before, after)| {
        let choices = |text: &str| text.match_indices('|').any(|(at, _)| depth(text.get(..at).unwrap_or_default()) == Some(0));
        depth(before) == Some(0) && !choices(before) && !choices(after) && !after.starts_with(['?', '*', '{'])
    })
}

/// All rules that a keyword announces.
pub(crate) struct Keywords(Vec<Kind>);

impl Keywords {
    pub fn new(rules: &Rules) -> Self {
        let kind = |rule: &Rule| Kind {
            kind: Cow::Owned(rule.kind.clone()),
            class: rule.class,
            regex: OnceLock::new(),
            assigns: assigns(&rule.pattern),
            rule: rule.clone(),
        };
        Self(rules.iter().map(kind).collect())
    }
}

/// Compiles a pattern that is only tried at one place.
fn compile_here(kind: &str, pattern: &str) -> Result<Regex, Error> {
    build(kind, pattern, Regex::config().hybrid(false).dfa(false).onepass(false).auto_prefilter(false))
}

/// Compiles a pattern over bytes, with ASCII classes and a bounded automaton.
pub(crate) fn compile(kind: &str, pattern: &str) -> Result<Regex, Error> {
    build(kind, pattern, Regex::config().hybrid_cache_capacity(256 << 10))
}

fn build(kind: &str, pattern: &str, config: Config) -> Result<Regex, Error> {
    Regex::builder()
        .configure(config.utf8_empty(false).nfa_size_limit(Some(4 << 20)))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .map_err(|cause| Error::Pattern { kind: kind.to_owned(), cause: cause.to_string() })
}

impl Reader for Keywords {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(index, kind)| kind.rule.keywords.iter().map(move |word| (word.clone(), kind.stands(word), index)))
            .collect()
    }

    fn read(&self, view: &View<'_>, at: usize, number: usize, _: &mut usize, sheet: &mut Sheet<'_>) {
        let Some(kind) = self.0.get(number) else { return };
        for start in at.saturating_sub(kind.rule.before)..=at {
            let word = edge_before(view.bytes, start) || sheet.border(view, start);
            if word && kind.read(view, start, number, sheet) {
                return;
            }
        }
    }
}

impl Kind {
    /// Where `keyword` has to stand; the letter of an escape such as `\n` before it is undone in a view of its own.
    fn stands(&self, keyword: &str) -> Stands {
        let letter = keyword.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if letter && self.rule.before == 0 { Stands::AtStart } else { Stands::Anywhere }
    }

    /// Whether it stands at `at`; then it is added.
    fn read(&self, view: &View<'_>, at: usize, index: usize, sheet: &mut Sheet<'_>) -> bool {
        let most = at.saturating_add(self.rule.reach).min(view.bytes.len());
        if self.assigns && memchr::memchr2(b'=', b':', view.bytes.get(at..most).unwrap_or_default()).is_none() {
            return false;
        }
        if !sheet.allowance.step(most - at) {
            sheet.allowance.miss("steps", view.trace(Span::new(at, most)));
            return false;
        }
        if sheet.caches.len() <= index {
            sheet.caches.resize_with(index + 1, || None);
        }
        let Some(slot) = sheet.caches.get_mut(index) else { return false };
        let Some(regex) = self.regex.get_or_init(|| compile_here(&self.kind, &self.rule.pattern).ok()) else {
            sheet.allowance.miss("pattern", view.trace(Span::new(at, most)));
            return false;
        };
        let memory = slot.get_or_insert_with(|| Memory { cache: regex.create_cache(), captures: regex.create_captures() });
        let input = Input::new(view.bytes).range(at..most).anchored(Anchored::Yes);
        regex.search_captures_with(&mut memory.cache, &input, &mut memory.captures);
        let found = memory.captures.get_match().map(|all| {
            let value = memory
                .captures
                .get_group_by_name("value")
                .map_or(Span::new(all.start(), all.end()), |group| Span::new(group.start, group.end));
            (all.end(), value)
        });
        let Some((end, mut span)) = found else { return false };
        if let Some(close) = &self.rule.through {
            span.end = through(view.bytes, end, most, close.as_bytes());
        } else if !edge_after(view.bytes, span.end) && !sheet.border(view, span.end) {
            return false;
        }
        let value = view.bytes.get(span.start..span.end).unwrap_or_default();
        if self.rule.through.is_none() && sheet.crosses(view, span) && !check::drawn(value) {
            return false;
        }
        let checked = self.rule.check == check::Check::Github;
        let sound = self.rule.check.holds(value)
            && (checked || !check::placeholder(value))
            && (self.rule.entropy == 0.0 || check::entropy(value) >= self.rule.entropy);
        if sound {
            sheet.add(view, self.class, self.kind.clone(), span, self.rule.confidence);
        }
        sound
    }
}

/// Where a block ends: behind `close`, else behind the last byte that can belong to armour (RFC 7468).
fn through(bytes: &[u8], from: usize, most: usize, close: &[u8]) -> usize {
    let rest = bytes.get(from..most).unwrap_or_default();
    match memchr::memmem::find(rest, close) {
        Some(at) => from + at + close.len(),
        None => {
            from + rest
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=\\-:,".contains(byte)))
                .unwrap_or(rest.len())
        }
    }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word may start at `at`. The letter of an escape such as `\n` is not part of a word.
fn edge_before(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| bytes.get(at).copied()) else { return true };
    let escape = at >= 2 && bytes.get(at - 2) == Some(&b'\\') && matches!(before, b'n' | b'r' | b't');
    !word(before) || !word(bytes.get(at).copied().unwrap_or_default()) || before == b'_' || escape
}

fn edge_after(bytes: &[u8], at: usize) -> bool {
    !bytes.get(at).copied().is_some_and(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_assigns_when_none_of_its_matches_goes_without() {
        let pattern = |before: &str, after: &str| format!("{before}{ASSIGNMENT}{after}");
        assert!(assigns(&pattern("key(?:a|b)", "(?P<value>[a-z]{9})")));
        for (before, after) in [("key(?:a|", ")x"), ("key|x", "y"), ("key", "x|y"), ("key", "?y"), ("key", "{0,1}y")] {
            assert!(!assigns(&pattern(before, after)), "{before} {after}");
        }
        assert!(Rules::built_in().unwrap().iter().filter(|rule| assigns(&rule.pattern)).count() > 50);
    }

    #[test]
    fn every_pattern_compiles() {
        for rule in Rules::built_in().unwrap().iter() {
            assert!(compile_here(&rule.kind, &rule.pattern).is_ok(), "{}", rule.kind);
        }
    }
}
