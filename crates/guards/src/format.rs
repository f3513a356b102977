//! Formats of text, and their normal forms.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A format that a constraint may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `2026-11-21`.
    Date,
    /// RFC 3339; its normal form has `T` and `Z` in upper case.
    DateTime,
    /// `09:30:00`, with a fraction or without.
    Time,
    /// An absolute URL; its normal form is that of the WHATWG URL standard.
    Uri,
    /// A host name in any script; its normal form is that of [`Format::Hostname`] with labels in Punycode (UTS 46).
    IdnHostname,
    /// One `@` between a plain local part and a host name.
    Email,
    /// A host name of RFC 1123; its normal form is in lower case and without a final dot.
    Hostname,
    /// Four decimal bytes.
    Ipv4,
    /// RFC 4291; its normal form is that of RFC 5952.
    Ipv6,
    /// RFC 9562; its normal form is in lower case.
    Uuid,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Uri,
        Self::IdnHostname,
        Self::Email,
        Self::Hostname,
        Self::Ipv4,
        Self::Ipv6,
        Self::Uuid,
    ];

    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Time => "time",
            Self::Uri => "uri",
            Self::IdnHostname => "idn-hostname",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Uuid => "uuid",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// The normal form of `text`; none when it has not this format. A normal form is its own.
    pub fn normal(self, text: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Date => is_date(text).then_some(Cow::Borrowed(text)),
            Self::DateTime => is_date_time(text).then(|| upper(text)),
            Self::Time => is_time(text).then_some(Cow::Borrowed(text)),
            Self::Uri => uri(text).map(Cow::Owned),
            Self::IdnHostname => idn(text).map(Cow::Owned),
            Self::Email => is_email(text).then_some(Cow::Borrowed(text)),
            Self::Hostname => hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().ok().map(|_| Cow::Borrowed(text)),
            Self::Ipv6 => text.parse::<Ipv6Addr>().ok().map(|address| Cow::Owned(address.to_string())),
            Self::Uuid => is_uuid(text).then(|| lower(text)),
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) }
}

fn hostname(text: &str) -> Option<Cow<'_, str>> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (bare.len() <= 253 && bare.split('.').all(label)).then(|| lower(bare))
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    (1..=64).contains(&local.len()) && local.bytes().all(plain) && !dots && !host.ends_with('.') && hostname(host).is_some()
}

fn upper(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) { Cow::Owned(text.to_ascii_uppercase()) } else { Cow::Borrowed(text) }
}

/// What programs read in different ways is none: spaces, controls, backslashes, user names.
fn uri(text: &str) -> Option<String> {
    if text.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\') || crate::text::hidden(text).is_some() {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    (url.username().is_empty() && url.password().is_none()).then(|| url.into())
}

fn idn(text: &str) -> Option<String> {
    if crate::text::hidden(text).is_some() || text.contains('%') {
        return None;
    }
    match url::Host::parse(text).ok()? {
        url::Host::Domain(name) => hostname(&name).map(Cow::into_owned),
        url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
    }
}

/// A date, `T`, a time, and `Z` or an offset (RFC 3339, section 5.6).
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let bare = match time.strip_suffix(['Z', 'z']) {
        Some(bare) => bare,
        None => {
            let Some((bare, offset)) = time.rsplit_once(['+', '-']) else { return false };
            let offset = offset.split_once(':').map(|(hours, minutes)| (number(hours, 2), number(minutes, 2)));
            if !matches!(offset, Some((Some(0..=23), Some(0..=59)))) {
                return false;
            }
            bare
        }
    };
    is_date(date) && is_time(bare)
}

/// `09:30:00`, with a fraction or without. Leap seconds are the sixtieth.
fn is_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let parts: Vec<_> = whole.split(':').map(|part| number(part, 2)).collect();
    let good = fraction.is_none_or(|digits| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    good && matches!(parts.as_slice(), [Some(0..=23), Some(0..=59), Some(0..=60)])
}

fn number(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    text.split('-').count() == lengths.len()
        && text.split('-').zip(lengths).all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<u32>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day) && text.len() == 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_format_has_one_normal_form() {
        for (format, text, expected) in [
            (Format::Date, "2024-02-29", Some("2024-02-29")),
            (Format::Date, "2026-02-29", None),
            (Format::Date, "2026-13-01", None),
            (Format::Date, "2026-01-01-", None),
            (Format::DateTime, "2026-11-21t09:30:00.5z", Some("2026-11-21T09:30:00.5Z")),
            (Format::DateTime, "2026-11-21T09:30:00+01:00", Some("2026-11-21T09:30:00+01:00")),
            (Format::DateTime, "2026-11-21T09:30:00", None),
            (Format::DateTime, "2026-11-21T24:00:00Z", None),
            (Format::DateTime, "2026-11-21T09:30:00+1:00", None),
            (Format::Time, "23:59:60", Some("23:59:60")),
            (Format::Time, "9:30:00", None),
            (Format::Uri, "HTTPS://Example.COM:443/a/../b", Some("https://example.com/b")),
            (Format::Uri, "https://exａmple.com/", Some("https://example.com/")),
            (Format::Uri, "https://0x7f.1/", Some("https://127.0.0.1/")),
            (Format::Uri, "https://a@b.example/", None),
            (Format::Uri, "/a", None),
            (Format::Uri, "https://a.example\\@b.example/", None),
            (Format::IdnHostname, "BÜCHER.example.", Some("xn--bcher-kva.example")),
            (Format::IdnHostname, "127.0.0.1", None),
            (Format::IdnHostname, "a_b.example", None),
            (Format::Email, "ana@example.com", Some("ana@example.com")),
            (Format::Email, "ana@@example.com", None),
            (Format::Email, "ana..x@example.com", None),
            (Format::Hostname, "EXAMPLE.com.", Some("example.com")),
            (Format::Hostname, "-a.com", None),
            (Format::Hostname, "", None),
            (Format::Ipv4, "10.0.0.1", Some("10.0.0.1")),
            (Format::Ipv4, "010.0.0.1", None),
            (Format::Ipv6, "0:0:0:0:0:0:0:1", Some("::1")),
            (Format::Uuid, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")),
            (Format::Uuid, "f81d4fae7dec11d0a76500a0c91e6bf6", None),
        ] {
            assert_eq!(format.normal(text).as_deref(), expected, "{format:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_fixed(text in "[a-zA-Z0-9:.@-]{0,24}") {
            for format in Format::ALL {
                if let Some(normal) = format.normal(&text) {
                    let again = format.normal(&normal);
                    prop_assert_eq!(again.as_deref(), Some(&*normal));
                }
            }
        }
    }
}
