//! E-mail addresses (RFC 5321 §4.1.2, dot-strings only).

use crate::detector::{Detector, Sheet};
use crate::view::View;
use std::borrow::Cow;
use terms::{Class, Span};

/// Ends that are file names, not top-level domains.
const FILES: [&str; 12] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "json", "html", "lock"];

/// Finds e-mail addresses.
pub(crate) struct Emails;

impl Detector for Emails {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        for at in memchr::memchr_iter(b'@', view.bytes) {
            if let Some(span) = address(view.bytes, at) {
                sheet.add(view, Class::Pii, Cow::Borrowed("email"), span, 0.95);
            }
        }
    }
}

fn address(bytes: &[u8], at: usize) -> Option<Span> {
    let local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte);
    let before = bytes.get(at.saturating_sub(65)..at)?;
    let len = before.iter().rev().take_while(|byte| local(byte)).count();
    let mut start = at - len;
    while matches!(bytes.get(start), Some(b'.' | b'\'' | b'-' | b'%')) {
        start += 1;
    }
    let after = bytes.get(at + 1..)?;
    let host = after.iter().take(254).take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')).count();
    let mut end = at + 1 + host;
    while matches!(bytes.get(end.checked_sub(1)?), Some(b'.' | b'-')) {
        end -= 1;
    }
    let name = std::str::from_utf8(bytes.get(at + 1..end)?).ok()?;
    let (domain, top) = name.rsplit_once('.')?;
    let labels = domain.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    let letters = (2..=24).contains(&top.len()) && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    // What opens a string before a name of code is no address: `f'@name.of`.
    let open = bytes.get(at.checked_sub(1)?) == Some(&b'\'');
    if open || start >= at || at - start > 64 || !labels || !letters || FILES.iter().any(|file| top.eq_ignore_ascii_case(file)) {
        return None;
    }
    let lead = bytes.get(start.saturating_sub(128)..start)?;
    let word = lead
        .iter()
        .rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'('))
        .map_or(lead, |at| lead.get(at..).unwrap_or_default());
    let userinfo = memchr::memmem::find(word, b"://").is_some_and(|scheme| !word.get(scheme + 3..).unwrap_or_default().contains(&b'/'));
    let remote = bytes.get(start..at) == Some(b"git") && bytes.get(end) == Some(&b':');
    (!userinfo && !remote).then(|| Span::new(start, end))
}
