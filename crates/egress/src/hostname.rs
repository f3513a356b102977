//! Names of hosts, in the one spelling in which they are compared.

use std::fmt;
use std::net::IpAddr;
use url::Host;

/// Most bytes of a name (RFC 1035 §2.3.4, without the root).
const MOST: usize = 253;
/// Most bytes of a label.
const LABEL: usize = 63;

/// A host's name: ASCII, small letters, no final dot, never something that a resolver would read as an address.
///
/// Labels are letters, digits, hyphens inside and underscores (RFC 952, RFC 1123 §2.1, and what is in use). Names with other letters are here in their ASCII
/// form (RFC 5890, A-labels).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

impl HostName {
    /// The name that a peer says, whatever the case of its letters. Exact otherwise: nothing is decoded, mapped or cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let good = !text.is_empty() && text.len() <= MOST && text.split('.').all(is_label);
        let number = text.rsplit('.').next().is_none_or(is_number);
        (good && !number).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The name that an operator writes, which may have other letters than ASCII. It must be written as UTS 46 would write it, so that what is read in the file
    /// is what is compared: no letter that is mapped to another one, none that is left out.
    pub(crate) fn written(text: &str) -> Option<Self> {
        if text.contains(['%', '/', '@', ':', '?', '#', '\\']) || text.contains(char::is_whitespace) {
            return None;
        }
        let Ok(Host::Domain(ascii)) = Host::parse(text) else { return None };
        let small = text.to_lowercase();
        let exact = if text.is_ascii() { ascii == small } else { url::quirks::domain_to_unicode(&ascii) == small };
        exact.then(|| Self::parse(&ascii)).flatten()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many labels it has.
    pub(crate) fn labels(&self) -> usize {
        self.0.split('.').count()
    }

    /// Whether it is a name below `parent`, at any depth; not `parent` itself.
    pub(crate) fn is_below(&self, parent: &Self) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    !label.is_empty() && label.len() <= LABEL && letters && !label.starts_with('-') && !label.ends_with('-')
}

/// Whether a last label makes resolvers read the whole as an IPv4 address (WHATWG URL, "ends in a number"; inet_aton).
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit()) || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A name or an address, as a proxy is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Name(HostName),
    Address(IpAddr),
}

impl Asked {
    /// `host`, with brackets around an IPv6 address. An IPv4 address is four decimal numbers and nothing else.
    pub(crate) fn parse(host: &str) -> Option<Self> {
        match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(six) => six.parse().ok().map(|six| Self::Address(IpAddr::V6(six))),
            None => match host.parse() {
                Ok(four) => Some(Self::Address(IpAddr::V4(four))),
                Err(_) => HostName::parse(host).map(Self::Name),
            },
        }
    }
}

/// `host` and `port` of `host:port`. The port is one to five digits, not zero, without a leading zero.
pub(crate) fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, digits) = authority.rsplit_once(':')?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || host.is_empty() {
        return None;
    }
    Some((host, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_peer_says_names_exactly() {
        assert_eq!(HostName::parse("API.Example.com").unwrap().as_str(), "api.example.com");
        for good in ["a", "a-b.c_d.e", "xn--bcher-kva.example", "1.2.3.a", "0xg"] {
            assert!(HostName::parse(good).is_some(), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        let longer = format!("{}com", "a.".repeat(126));
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "a/b",
            "a%2eb",
            "a\0",
            "bücher.example",
            "1.2.3.4",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0x7f000001",
            "0x",
            "a.0",
            "[::1]",
            "::1",
            "a:1",
            "*.a",
            &long,
            &longer,
        ] {
            assert!(HostName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_operator_writes_other_letters_as_they_are_compared() {
        for (written, ascii) in
            [("bücher.example", "xn--bcher-kva.example"), ("Bücher.Example", "xn--bcher-kva.example"), ("Db.Internal", "db.internal")]
        {
            assert_eq!(HostName::written(written).unwrap().as_str(), ascii);
        }
        for bad in [
            "ｅxample.com",
            "exam\u{ad}ple.com",
            "a。b",
            "ex%61mple.com",
            "xn--a.example",
            "xn--zzzzzz9999.example",
            "bücher.example.",
            "127.0.0.1",
            "0x7f.1",
            "a b",
        ] {
            assert!(HostName::written(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn below_is_below_whole_labels() {
        let parent = HostName::parse("example.com").unwrap();
        for below in ["a.example.com", "a.b.example.com"] {
            assert!(HostName::parse(below).unwrap().is_below(&parent), "{below}");
        }
        for beside in ["example.com", "aexample.com", "example.com.evil", "com"] {
            assert!(!HostName::parse(beside).unwrap().is_below(&parent), "{beside}");
        }
    }

    #[test]
    fn a_port_has_one_spelling() {
        assert_eq!(split("a:443"), Some(("a", 443)));
        assert_eq!(split("[::1]:1"), Some(("[::1]", 1)));
        for bad in ["a", "a:", ":1", "a:0", "a:01", "a:+1", "a:65536", "a: 1", "a:1 "] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_parses_is_an_address(text in "[0-9a-fx.:\\[\\]]{0,24}") {
            if let Some(name) = HostName::parse(&text) {
                prop_assert!(matches!(Host::parse(name.as_str()), Ok(Host::Domain(_))));
            }
        }
        #[test]
        fn any_text_is_taken(text in ".{0,80}") {
            let _ = (HostName::parse(&text), HostName::written(&text), Asked::parse(&text), split(&text));
        }
    }
}
