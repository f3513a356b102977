//! Actions on findings, and the text after them.

use std::borrow::Cow;
use terms::{Action, Class, Finding};

/// What is done with each class. Asked, not decided: the table is the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    secret: Action,
    echo: Action,
    financial: Action,
    pii: Action,
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
            pii: Action::Redact,
            injection: Action::Flag,
            leak: Action::Redact,
            unseen: Action::Block,
        }
    }
}

impl Actions {
    /// One action for every class.
    pub const fn all(action: Action) -> Self {
        Self { secret: action, echo: action, financial: action, pii: action, injection: action, leak: action, unseen: action }
    }

    /// This table with another action for `class`.
    #[must_use]
    pub const fn with(mut self, class: Class, action: Action) -> Self {
        match class {
            Class::Secret => self.secret = action,
            Class::Echo => self.echo = action,
            Class::Financial => self.financial = action,
            Class::Pii => self.pii = action,
            Class::Injection => self.injection = action,
            Class::Leak => self.leak = action,
            Class::Unseen => self.unseen = action,
        }
        self
    }

    /// The action for `class`.
    pub const fn of(&self, class: Class) -> Action {
        match class {
            Class::Secret => self.secret,
            Class::Echo => self.echo,
            Class::Financial => self.financial,
            Class::Pii => self.pii,
            Class::Injection => self.injection,
            Class::Leak => self.leak,
            Class::Unseen => self.unseen,
        }
    }
}

/// `text` with its findings acted upon.
///
/// A redacted finding becomes `[redacted: KIND]`, a masked card or account number `•••• 1111`, and one that is blocked turns the
/// whole text into `[withheld: CLASS]`. Findings that overlap become one mark, of the strongest action. The same input gives the
/// same output; nothing to do borrows.
pub fn redact<'a>(text: &'a str, findings: &[Finding], actions: &Actions) -> Cow<'a, str> {
    marked(text, findings, actions, None)
}

/// As [`redact`]; the mark of what tells of a machine ([`Class::Leak`]) names `reference`, under which the original is found.
pub fn redact_for<'a>(text: &'a str, findings: &[Finding], actions: &Actions, reference: &str) -> Cow<'a, str> {
    marked(text, findings, actions, Some(reference))
}

fn marked<'a>(text: &'a str, findings: &[Finding], actions: &Actions, reference: Option<&str>) -> Cow<'a, str> {
    if let Some(blocked) = findings.iter().find(|finding| actions.of(finding.class) == Action::Block) {
        return Cow::Owned(format!("[withheld: {}]", blocked.class.as_str()));
    }
    let mut acted: Vec<(usize, usize, Action, &Finding)> = findings
        .iter()
        .filter(|finding| actions.of(finding.class) > Action::Flag && finding.span.start < text.len() && !finding.span.is_empty())
        .map(|finding| {
            let start = text.floor_char_boundary(finding.span.start);
            (start, text.ceil_char_boundary(finding.span.end), actions.of(finding.class), finding)
        })
        .collect();
    if acted.is_empty() {
        return Cow::Borrowed(text);
    }
    acted.sort_by_key(|(start, end, ..)| (*start, std::cmp::Reverse(*end)));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut rest = acted.into_iter().peekable();
    while let Some((start, mut end, mut action, mut finding)) = rest.next() {
        while let Some(next) = rest.next_if(|next| next.0 < end) {
            end = end.max(next.1);
            if next.2 > action {
                (action, finding) = (next.2, next.3);
            }
        }
        out.push_str(text.get(done..start).unwrap_or_default());
        mark(text.get(start..end).unwrap_or_default(), action, finding, reference, &mut out);
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

fn mark(value: &str, action: Action, finding: &Finding, reference: Option<&str>, out: &mut String) {
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
    let kind = match finding.class {
        Class::Echo => "credential",
        Class::Secret | Class::Financial | Class::Pii | Class::Injection | Class::Leak | Class::Unseen => &finding.kind,
    };
    out.push_str("[redacted: ");
    out.push_str(kind);
    if let Some(reference) = reference.filter(|_| finding.class == Class::Leak) {
        out.push_str(", ");
        out.push_str(reference);
    }
    out.push(']');
}
