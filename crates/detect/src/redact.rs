//! Actions on findings, and the text after them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use terms::{Action, Class, Finding};

/// What personal data tells: people can live with more of the one than of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Personal {
    /// The name of a person.
    Name,
    /// The address of a mailbox.
    Mail,
    /// How else a person is reached: telephone numbers, addresses of houses.
    Reach,
    /// What identifies one: numbers of the state, of insurers and of documents, dates of birth, and all patterns of an operator's own.
    Identity,
}

impl Personal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Name, Self::Mail, Self::Reach, Self::Identity];

    /// That of a kind of [`Class::Pii`].
    pub fn of(kind: &str) -> Self {
        match kind {
            "person" => Self::Name,
            "email" => Self::Mail,
            "phone" | "address" => Self::Reach,
            _ => Self::Identity,
        }
    }
}

/// What is done with each class. Asked, not decided: the table is the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    secret: Action,
    echo: Action,
    financial: Action,
    pii: [Action; Personal::ALL.len()],
    credits: Option<Action>,
    injection: Action,
    leak: Action,
    unseen: Action,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            secret: Action::Redact,
            echo: Action::Redact,
            financial: Action::Mask,
            pii: [Action::Redact; Personal::ALL.len()],
            credits: None,
            injection: Action::Flag,
            leak: Action::Redact,
            unseen: Action::Block,
        }
    }
}

impl Actions {
    /// One action for every class.
    pub const fn all(action: Action) -> Self {
        Self {
            secret: action,
            echo: action,
            financial: action,
            pii: [action; Personal::ALL.len()],
            credits: None,
            injection: action,
            leak: action,
            unseen: action,
        }
    }

    /// This table with another action for `class`, wherever it stands.
    #[must_use]
    pub const fn with(mut self, class: Class, action: Action) -> Self {
        match class {
            Class::Secret => self.secret = action,
            Class::Echo => self.echo = action,
            Class::Financial => self.financial = action,
            Class::Pii => {
                self.pii = [action; Personal::ALL.len()];
                self.credits = None;
            }
            Class::Injection => self.injection = action,
            Class::Leak => self.leak = action,
            Class::Unseen => self.unseen = action,
        }
        self
    }

    /// This table with another action for one sort of personal data.
    #[must_use]
    pub const fn with_personal(mut self, personal: Personal, action: Action) -> Self {
        let [name, mail, reach, identity] = self.pii;
        self.pii = match personal {
            Personal::Name => [action, mail, reach, identity],
            Personal::Mail => [name, action, reach, identity],
            Personal::Reach => [name, mail, action, identity],
            Personal::Identity => [name, mail, reach, action],
        };
        self
    }

    /// This table with another action for names and mail addresses where they give credit for a work ([`is_credit`](crate::is_credit)).
    #[must_use]
    pub const fn with_credits(mut self, action: Action) -> Self {
        self.credits = Some(action);
        self
    }

    /// This table with nothing of what is found passing in any form: secrets, financial and personal data and what tells of a machine are redacted at least.
    #[must_use]
    pub fn closed(mut self) -> Self {
        for action in [&mut self.secret, &mut self.echo, &mut self.financial, &mut self.leak].into_iter().chain(&mut self.pii) {
            *action = (*action).max(Action::Redact);
        }
        Self { credits: None, ..self }
    }

    /// The action for `class`; for personal data the strongest.
    pub fn of(&self, class: Class) -> Action {
        match class {
            Class::Secret => self.secret,
            Class::Echo => self.echo,
            Class::Financial => self.financial,
            Class::Pii => self.pii.into_iter().max().unwrap_or(Action::Redact),
            Class::Injection => self.injection,
            Class::Leak => self.leak,
            Class::Unseen => self.unseen,
        }
    }

    /// The action for a finding; `is_credit` is asked where it makes a difference.
    pub fn on(&self, finding: &Finding, is_credit: impl FnOnce() -> bool) -> Action {
        if finding.class != Class::Pii {
            return self.of(finding.class);
        }
        let [name, mail, reach, identity] = self.pii;
        let (action, credited) = match Personal::of(&finding.kind) {
            Personal::Name => (name, true),
            Personal::Mail => (mail, true),
            Personal::Reach => (reach, false),
            Personal::Identity => (identity, false),
        };
        match self.credits {
            Some(credits) if credited && is_credit() => credits,
            _ => action,
        }
    }
}

/// Numbers values: within one of these the same value of a kind has the same number, from 1 on. It keeps no value.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    hasher: RandomState,
    kinds: HashMap<String, HashMap<u64, usize>>,
}

impl Numbers {
    /// The number of `value`. Upper and lower case, blanks and separators make no other value.
    pub fn of(&mut self, kind: &str, value: &str) -> usize {
        let plain: String = value.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let digest = self.hasher.hash_one(if plain.is_empty() { value } else { &plain });
        let known = self.kinds.entry(kind.to_owned()).or_default();
        let next = known.len() + 1;
        *known.entry(digest).or_insert(next)
    }
}

/// Gives the token that stands for a value of a finding; none where it may not stand for one.
pub type Tokens<'a> = &'a mut dyn FnMut(&Finding, &str) -> Option<String>;

/// How marks are written.
pub struct Marks<'a> {
    /// Gives the numbers.
    pub numbers: &'a mut Numbers,
    /// The reference under which the original of what tells of a machine ([`Class::Leak`]) is found.
    pub reference: Option<&'a str>,
    /// Gives tokens for what is tokenised; where none is given, a mark is written.
    pub tokens: Option<Tokens<'a>>,
}

/// `text` with its findings acted upon, as [`mark`] does it, with numbers of its own.
pub fn redact<'a>(text: &'a str, findings: &[Finding], actions: &Actions) -> Cow<'a, str> {
    redact_in(text, findings, actions, &mut Numbers::default())
}

/// As [`redact`], of a part of a text whose values are numbered by `numbers`.
pub(crate) fn redact_in<'a>(text: &'a str, findings: &[Finding], actions: &Actions, numbers: &mut Numbers) -> Cow<'a, str> {
    let decided = findings.iter().map(|finding| (finding, actions.on(finding, || crate::is_credit(text, finding.span))));
    mark(text, &decided.collect::<Vec<_>>(), &mut Marks { numbers, reference: None, tokens: None })
}

/// `text` with findings acted upon as decided.
///
/// A redacted finding becomes `«redacted: KIND #N»`, a masked card or account number `•••• 1111`, a tokenised one its token, and one that is blocked
/// turns the whole text into `«withheld: CLASS»`. Findings that overlap become one mark, of the strongest action. The same input gives the same output;
/// nothing to do borrows. A text that is JSON stays JSON.
pub fn mark<'a>(text: &'a str, decided: &[(&Finding, Action)], marks: &mut Marks<'_>) -> Cow<'a, str> {
    if let Some((blocked, _)) = decided.iter().find(|(_, action)| *action == Action::Block) {
        return Cow::Owned(format!("«withheld: {}»", blocked.class.as_str()));
    }
    let mut acted: Vec<(usize, usize, Action, &Finding)> = decided
        .iter()
        .filter(|(finding, action)| *action > Action::Flag && finding.span.start < text.len() && !finding.span.is_empty())
        .map(|(finding, action)| {
            (text.floor_char_boundary(finding.span.start), text.ceil_char_boundary(finding.span.end), *action, *finding)
        })
        .collect();
    if acted.is_empty() {
        return Cow::Borrowed(text);
    }
    acted.sort_by_key(|(start, end, ..)| (*start, std::cmp::Reverse(*end)));
    let shaped = text.trim_start().starts_with(['{', '[']);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let (mut last, mut rest) = (None, acted.into_iter().peekable());
    while let Some((start, mut end, mut action, mut finding)) = rest.next() {
        while let Some(next) = rest.next_if(|next| next.0 < end) {
            end = end.max(next.1);
            if next.2 > action {
                (action, finding) = (next.2, next.3);
            }
        }
        out.push_str(text.get(done..start).unwrap_or_default());
        let quote = if shaped && is_bare(text, start, end) { "\"" } else { "" };
        out.push_str(quote);
        write(text.get(start..end).unwrap_or_default(), action, finding, marks, &mut out);
        out.push_str(quote);
        done = end;
        last = Some((finding, start..end));
    }
    out.push_str(text.get(done..).unwrap_or_default());
    if shaped && let Some((finding, place)) = last.filter(|_| is_json(text) && !is_json(&out)) {
        // A finding that takes a part of its syntax with it leaves nothing that could be read.
        let number = marks.numbers.of(&finding.kind, text.get(place).unwrap_or_default());
        return Cow::Owned(format!("\"{}\"", redacted(shown(finding), number, None)));
    }
    Cow::Owned(out)
}

/// Whether a number of a JSON text stands there, by itself.
fn is_bare(text: &str, start: usize, end: usize) -> bool {
    let number = text.get(start..end).is_some_and(|value| value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.')));
    let before = text.get(..start).and_then(|before| before.trim_end().bytes().last());
    let after = text.get(end..).and_then(|after| after.trim_start().bytes().next());
    number && matches!(before, Some(b':' | b',' | b'[')) && matches!(after, Some(b',' | b'}' | b']'))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn write(value: &str, action: Action, finding: &Finding, marks: &mut Marks<'_>, out: &mut String) {
    if action == Action::Mask && finding.class == Class::Financial {
        let digits = value.bytes().rev().filter(u8::is_ascii_digit).take(4).count();
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'.'));
        let mostly = value.bytes().filter(u8::is_ascii_digit).count() >= 12;
        if digits == 4 && plain && mostly {
            let mut last: Vec<char> = value.chars().rev().filter(char::is_ascii_digit).take(4).collect();
            last.reverse();
            out.push_str("•••• ");
            out.extend(last);
            return;
        }
    }
    if action == Action::Tokenise
        && let Some(token) = marks.tokens.as_mut().and_then(|give| give(finding, value))
    {
        out.push_str(&token);
        return;
    }
    let number = marks.numbers.of(&finding.kind, value);
    out.push_str(&redacted(shown(finding), number, marks.reference.filter(|_| finding.class == Class::Leak)));
}

/// The kind of a finding, as a mark shows it.
fn shown(finding: &Finding) -> &str {
    match finding.class {
        Class::Echo => "credential",
        Class::Secret | Class::Financial | Class::Pii | Class::Injection | Class::Leak | Class::Unseen => &finding.kind,
    }
}

fn redacted(kind: &str, number: usize, reference: Option<&str>) -> String {
    match reference {
        None => format!("«redacted: {kind} #{number}»"),
        Some(reference) => format!("«redacted: {kind} #{number}, {reference}»"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Span;

    fn finding(class: Class, kind: &'static str, text: &str, value: &str) -> Finding {
        let start = text.find(value).unwrap();
        Finding { class, kind: kind.into(), span: Span::new(start, start + value.len()), confidence: 0.9 }
    }

    #[test]
    fn the_same_value_has_the_same_number_in_every_text_of_an_answer() {
        let mut numbers = Numbers::default();
        let mut marked = |text: &str, values: &[&str]| {
            let found: Vec<Finding> = values.iter().map(|value| finding(Class::Pii, "email", text, value)).collect();
            let decided: Vec<_> = found.iter().map(|one| (one, Action::Redact)).collect();
            mark(text, &decided, &mut Marks { numbers: &mut numbers, reference: None, tokens: None }).into_owned()
        };
        assert_eq!(marked("a@x.org and b@x.org", &["a@x.org", "b@x.org"]), "«redacted: email #1» and «redacted: email #2»");
        assert_eq!(marked("to B@x.org", &["B@x.org"]), "to «redacted: email #2»");
    }

    #[test]
    fn a_text_that_is_json_stays_json() {
        let text = r#"{"card": 4111111111111111, "n": [4012888888881881], "s": "4111111111111111"}"#;
        let found = ["4111111111111111", "4012888888881881"].map(|value| finding(Class::Financial, "card", text, value));
        assert_eq!(redact(text, &found, &Actions::default()), r#"{"card": "•••• 1111", "n": ["•••• 1881"], "s": "4111111111111111"}"#);
        let found = [finding(Class::Secret, "key", text, r#"4012888888881881], "s"#)];
        assert_eq!(redact(text, &found, &Actions::default()), "\"«redacted: key #1»\"");
    }

    #[test]
    fn a_token_stands_for_a_value_and_a_mark_where_there_is_none() {
        let text = "Jane Doe";
        let found = [finding(Class::Pii, "person", text, text)];
        let decided: Vec<_> = found.iter().map(|one| (one, Action::Tokenise)).collect();
        let mut give = |one: &Finding, value: &str| Some(format!("<{}-{}>", one.kind, value.len()));
        let mut numbers = Numbers::default();
        let marks = &mut Marks { numbers: &mut numbers, reference: None, tokens: Some(&mut give) };
        assert_eq!(mark(text, &decided, marks), "<person-8>");
        assert_eq!(redact(text, &found, &Actions::all(Action::Tokenise)), "«redacted: person #1»");
    }

    #[test]
    fn what_gives_credit_may_have_an_action_of_its_own() {
        let text = "Author: Jane Doe, 536-90-4399\nCustomer: Jane Roe";
        let found = [
            finding(Class::Pii, "person", text, "Jane Doe"),
            finding(Class::Pii, "us-ssn", text, "536-90-4399"),
            finding(Class::Pii, "person", text, "Jane Roe"),
        ];
        let actions = Actions::default().with_credits(Action::Flag);
        assert_eq!(redact(text, &found, &actions), "Author: Jane Doe, «redacted: us-ssn #1»\nCustomer: «redacted: person #1»");
        assert_eq!(actions.with(Class::Pii, Action::Redact), Actions::default());
    }
}
