//! Passwords in the userinfo of URLs (RFC 3986 §3.2.1): connection strings of databases, brokers and mail servers, remotes with a token.

use crate::check;
use crate::detector::{Reader, Sheet};
use crate::view::View;
use crate::words::Stands;
use std::borrow::Cow;
use terms::{Class, Span};

/// The longest userinfo, in bytes.
const LONGEST: usize = 512;
/// What stands for a password in documentation.
const STANDINS: &[&str] = &[
    "password",
    "pass",
    "passwd",
    "pwd",
    "secret",
    "token",
    "user",
    "username",
    "changeme",
    "mypassword",
    "yourpassword",
    "pw",
    "p",
    "x",
    "key",
];

/// Names of users that stand for any.
const NOBODY: &[&str] = &["", "user", "username", "user1", "name", "foo", "login", "me"];
/// Passwords of manuals, without digits behind them, and with letters for the signs that look like them.
const WEAK: &[&str] = &["secret", "asecret", "secre", "mysecret", "password", "mypassword", "passwd", "pass", "foobar", "letmein"];

/// Finds them.
pub(crate) struct Connections;

impl Reader for Connections {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        vec![("://".to_owned(), Stands::Anywhere, 0)]
    }

    fn read(&self, view: &View<'_>, at: usize, _: usize, _: &mut usize, sheet: &mut Sheet<'_>) {
        if let Some(span) = password(view.bytes, at) {
            sheet.add(view, Class::Secret, Cow::Borrowed("connection-password"), span, 0.93);
        }
    }
}

fn password(bytes: &[u8], at: usize) -> Option<Span> {
    at.checked_sub(1).and_then(|at| bytes.get(at)).filter(|byte| byte.is_ascii_alphanumeric())?;
    let start = at + 3;
    let rest = bytes.get(start..bytes.len().min(start + LONGEST))?;
    let word = rest
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\'))
        .unwrap_or(rest.len());
    let word = rest.get(..word)?;
    let colon = word.iter().position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#' | b'@'))?;
    if word.get(colon) != Some(&b':') {
        return None;
    }
    // Passwords are often written with the bytes that end an authority: the last `@` before the path counts, else the last of all.
    let path = word.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(word.len());
    let sign = word.get(..path)?.iter().rposition(|byte| *byte == b'@').or_else(|| {
        let at = word.iter().rposition(|byte| *byte == b'@')?;
        let host = word.get(at + 1..)?.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(byte)).count();
        let port = word.get(colon + 1..path)?.iter().all(u8::is_ascii_digit);
        (host >= 3 && !port).then_some(at)
    })?;
    let value = word.get(colon + 1..sign)?;
    let text = std::str::from_utf8(value).ok()?;
    let reference = matches!(value.first(), Some(b'$' | b'%' | b'{' | b'<' | b'['))
        && (value.ends_with(b"}")
            || value.ends_with(b"%")
            || value.ends_with(b"]")
            || text.bytes().skip(1).all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
    let marked = value.ends_with(b"]") && word.contains(&b'[');
    let standin = marked || STANDINS.iter().any(|word| text.eq_ignore_ascii_case(word)) || check::placeholder(value);
    let same = value.iter().all(|byte| Some(byte) == value.first());
    let user = word.get(..colon)?;
    let development = user == value && value.len() <= 10 && value.iter().all(u8::is_ascii_lowercase);
    let host = word.get(sign + 1..)?;
    let shown = weak(text) && (NOBODY.iter().any(|name| user.eq_ignore_ascii_case(name.as_bytes())) || documented(host));
    // Several hosts in one URL: `https://one.example:123,two:…`.
    let hosts = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let several = hosts > 0 && value.get(hosts) == Some(&b',');
    (value.len() >= 4 && !reference && !standin && !same && !development && !shown && !several && !check::published(value))
        .then(|| Span::new(start + colon + 1, start + sign))
}

/// Whether a manual would write `password` so: `secret123`, `p@ssw0rd`.
fn weak(password: &str) -> bool {
    let plain = |text: &str| text.replace("%20", "").replace('@', "a").replace('0', "o").replace('$', "s").to_ascii_lowercase();
    let bare = plain(password.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '!'));
    WEAK.contains(&bare.as_str())
}

/// Whether `host` is one of those that manuals name (RFC 2606), or this one.
fn documented(host: &[u8]) -> bool {
    let end = host.iter().position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#')).unwrap_or(host.len());
    let name = String::from_utf8_lossy(host.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let suffix = ["example.com", "example.org", "example.net"]
        .iter()
        .any(|known| name == *known || name.strip_suffix(known).is_some_and(|rest| rest.ends_with('.')));
    suffix || ["localhost", "127.0.0.1", "hostname", "host", "server"].contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_marked() {
        for (text, expect) in [
            ("postgres://ana:s3cr-et9@db/x", Some("s3cr-et9")),
            ("redis://:szuAoco7Znq4@mq:6379/0", Some("szuAoco7Znq4")),
            ("amqp://u:a/b@c9@host/x", Some("a/b@c9")),
            ("https://host:8080/a@b", None),
            ("https://user:password@host", None),
            ("https://user:${PASS}@host", None),
            ("postgres://postgres:postgres@localhost/x", None),
            ("https://host/x:y@z", None),
            ("ssh://git@host/x", None),
            ("ftp://user1:secret1@example.com", None),
            ("ftp://user1:secret1@files.corp.test", None),
            ("ftp://backup:secret1@files.corp.test", Some("secret1")),
            ("https://one.test:123,two:bar@three.test", None),
        ] {
            let at = text.find("://").unwrap();
            assert_eq!(password(text.as_bytes(), at).map(|span| &text[span.start..span.end]), expect, "{text}");
        }
    }
}
