//! Password files by word: `.netrc` (`login NAME password VALUE`) and `.pgpass` (`host:port:database:user:password`).

use crate::check;
use crate::detector::{Reader, Sheet};
use crate::view::View;
use crate::words::Stands;
use std::borrow::Cow;
use terms::{Class, Span};

const NETRC: &str = "login ";
const PGPASS: &str = ":5432:";

/// Finds them.
pub(crate) struct Logins;

impl Reader for Logins {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        vec![(NETRC.to_owned(), Stands::AtStart, 0), (PGPASS.to_owned(), Stands::Anywhere, 1)]
    }

    fn read(&self, view: &View<'_>, at: usize, number: usize, _: &mut usize, sheet: &mut Sheet<'_>) {
        let (span, kind, confidence) = if number == 0 {
            (after_login(view.bytes, at + NETRC.len()), "generic-password", 0.9)
        } else {
            (of_postgres(view.bytes, at + PGPASS.len()), "connection-password", 0.85)
        };
        if let Some(span) = span {
            sheet.add(view, Class::Secret, Cow::Borrowed(kind), span, confidence);
        }
    }
}

fn after_login(bytes: &[u8], from: usize) -> Option<Span> {
    let rest = bytes.get(from..bytes.len().min(from + 512))?;
    let mut at = 0;
    let mut word = || {
        at += rest.get(at..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let len = rest.get(at..)?.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let start = at;
        at += len;
        (len > 0).then_some((start, start + len))
    };
    word()?;
    let (start, key) = word()?;
    if rest.get(start..key) != Some(b"password") {
        return None;
    }
    let (start, end) = word()?;
    if rest.get(key..start)?.contains(&b'\n') {
        return None;
    }
    let value = rest.get(start..end)?;
    (value.len() >= 4 && !check::placeholder(value) && !value.starts_with(b"$") && !value.starts_with(b"<"))
        .then(|| Span::new(from + start, from + end))
}

fn of_postgres(bytes: &[u8], at: usize) -> Option<Span> {
    let rest = bytes.get(at..bytes.len().min(at + 256))?;
    let line = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
    let mut parts = rest.get(..line)?.splitn(3, |byte| *byte == b':');
    let (database, user, value) = (parts.next()?, parts.next()?, parts.next()?);
    let named = |name: &[u8]| !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-*.".contains(byte));
    let value = value.get(..value.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'\\')).unwrap_or(value.len()))?;
    let start = at + database.len() + user.len() + 2;
    (named(database) && named(user) && value.len() >= 4 && !check::placeholder(value) && !value.iter().any(u8::is_ascii_whitespace))
        .then(|| Span::new(start, start + value.len()))
}
