//! Tokens of providers that no rule knows: a prefix that says what it is, and a long random body.

use crate::check;
use crate::detector::{Detector, Sheet};
use crate::scan;
use crate::view::View;
use std::borrow::Cow;
use terms::Class;

/// The shortest body, and the longest prefix, in bytes.
const BODY: usize = 20;
const PREFIX: usize = 28;
/// Parts of prefixes that call the body a secret.
const SAYS: &[&str] = &[
    "sk", "secret", "sec", "key", "token", "live", "prod", "api", "pat", "auth", "access", "priv", "private", "rk", "oauth", "refresh",
    "admin", "root", "service", "svc", "deploy", "bot", "apikey", "pass",
];
/// Parts that call it something else.
const OTHER: &[&str] = &[
    "pk",
    "pub",
    "public",
    "publishable",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "md5",
    "id",
    "ids",
    "client",
    "site",
    "hash",
    "etag",
    "rev",
    "commit",
    "example",
    "test",
    "doc",
];

/// Finds them.
pub(crate) struct Tokens;

impl Detector for Tokens {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        scan::words(view.bytes, |run| {
            let text = view.bytes.get(run.start..run.end).unwrap_or_default();
            let before = run.start.checked_sub(1).and_then(|at| view.bytes.get(at)).copied().unwrap_or(b' ');
            if before != b'/' && before != b'.' && token(text) {
                sheet.add(view, Class::Secret, Cow::Borrowed("generic-token"), run, 0.75);
            }
        });
    }
}

/// Whether `text` is such a token: parted at one of its first marks.
fn token(text: &[u8]) -> bool {
    let marks = text.iter().take(PREFIX).enumerate().filter(|(_, byte)| matches!(byte, b'_' | b'-')).map(|(at, _)| at);
    marks.into_iter().any(|mark| {
        let (prefix, body) = (text.get(..mark).unwrap_or_default(), text.get(mark + 1..).unwrap_or_default());
        (BODY..=200).contains(&body.len()) && says(prefix) && random(body)
    }) && !check::placeholder(text)
}

/// Whether a prefix calls its body a secret, and nothing else.
fn says(prefix: &[u8]) -> bool {
    let mut says = false;
    for part in prefix.split(|byte| matches!(byte, b'_' | b'-')) {
        let is = |word: &&str| part.eq_ignore_ascii_case(word.as_bytes());
        let plain = part.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if part.is_empty() || part.len() > 12 || OTHER.iter().any(&is) || !plain {
            return false;
        }
        says |= SAYS.iter().any(is);
    }
    says && prefix.first().is_some_and(u8::is_ascii_alphabetic)
}

/// Whether a body was drawn: of three sorts of letters, or long and of two. A long one may be parted by a mark here and there.
fn random(body: &[u8]) -> bool {
    let count = |of: fn(&u8) -> bool| body.iter().filter(|byte| of(byte)).count();
    let (digits, upper, lower) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let marks = body.len() - digits - upper - lower;
    let entropy = check::entropy(body);
    let hex = upper == 0 && body.iter().all(u8::is_ascii_hexdigit) && body.len() >= 32 && digits >= 6 && lower >= 4;
    let mixed = (digits >= 2 || digits == 1 && body.len() >= 28) && upper >= 3 && lower >= 3 && marks * 16 <= body.len() && entropy >= 3.7;
    let small = upper == 0 && digits >= 4 && lower >= 6 && marks == 0 && body.len() >= 24 && entropy >= 3.6;
    hex || mixed || small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_says_so_and_a_random_body_are_a_token() {
        for text in ["acme_live_9fK2mQx7Lp0VtR4sYb3Nc8Wd", "zyx-api-q8zk2lmx0pvtr7syb3ncw5ju", "nw_pat_4d82a987f0f7842e5d76175b63abd4bb"] {
            assert!(token(text.as_bytes()), "{text}");
        }
        for text in [
            "pk_live_9fK2mQx7Lp0VtR4sYb3Nc8Wd",
            "sha512-9fK2mQx7Lp0VtR4sYb3Nc8Wd",
            "service_account_configuration_manager",
            "api-gateway-integration-responses-v2",
            "msg_01XFDUDYJgAACzvnptvVoYEL",
            "token_9f2",
        ] {
            assert!(!token(text.as_bytes()), "{text}");
        }
    }
}
