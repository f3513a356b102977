//! What a resource is called on our side: on the merged endpoint `bastide://server/percent-encoded-uri`, on a server's own as it is.

use crate::bounds::Bounds;
use std::fmt::Write as _;
use terms::ServerName;

/// How a wrapped address begins.
pub const SCHEME: &str = "bastide://";

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Wraps the address `uri` of `server`: all but the unreserved characters of RFC 3986 §2.3 are percent-encoded.
pub fn wrap(server: &ServerName, uri: &str) -> String {
    let mut wrapped = format!("{SCHEME}{server}/");
    encode(uri, &mut wrapped);
    wrapped
}

/// Wraps a template (RFC 6570) of `server`: expressions in braces stay outside of the encoding, so that a client can expand them.
pub fn wrap_template(server: &ServerName, template: &str) -> String {
    let mut wrapped = format!("{SCHEME}{server}/");
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('{') {
        let Some((expression, after)) = tail.split_once('}') else { break };
        encode(literal, &mut wrapped);
        let _ = write!(wrapped, "{{{expression}}}");
        rest = after;
    }
    encode(rest, &mut wrapped);
    wrapped
}

/// Unwraps an address of the merged endpoint: the server, and the address as the server made it. None if it is not one of ours.
///
/// Parts that a client put into a template may stand there unencoded. What comes out is not empty, is UTF-8 and has no controls.
pub fn unwrap(wrapped: &str) -> Option<(ServerName, String)> {
    let (server, rest) = split(wrapped)?;
    Some((server, decode(rest)?))
}

/// Unwraps a template of the merged endpoint, as a completion names it.
pub fn unwrap_template(wrapped: &str) -> Option<(ServerName, String)> {
    let (server, mut rest) = split(wrapped)?;
    let mut template = String::new();
    while let Some((literal, tail)) = rest.split_once('{') {
        let (expression, after) = tail.split_once('}')?;
        if !literal.is_empty() {
            template.push_str(&decode(literal)?);
        }
        let _ = write!(template, "{{{expression}}}");
        rest = after;
    }
    if !rest.is_empty() {
        template.push_str(&decode(rest)?);
    }
    Some((server, template))
}

fn split(wrapped: &str) -> Option<(ServerName, &str)> {
    if wrapped.len() > 3 * Bounds::URI + SCHEME.len() + 33 {
        return None;
    }
    let (server, rest) = wrapped.strip_prefix(SCHEME)?.split_once('/')?;
    if rest.is_empty() { None } else { Some((ServerName::new(server).ok()?, rest)) }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        match (*byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, tail) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let fits = !text.is_empty() && text.len() <= Bounds::URI && !text.chars().any(|letter| letter.is_control() || letter == ' ');
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_keep_their_braces() {
        let server = ServerName::new("files").unwrap();
        let wrapped = wrap_template(&server, "test://t/{id}/d{?q}");
        assert_eq!(wrapped, "bastide://files/test%3A%2F%2Ft%2F{id}%2Fd{?q}");
        assert_eq!(unwrap_template(&wrapped), Some((server.clone(), "test://t/{id}/d{?q}".into())));
        assert_eq!(unwrap(&wrapped.replace("{id}", "7").replace("{?q}", "?q=1")), Some((server, "test://t/7/d?q=1".into())));
    }

    #[test]
    fn what_is_not_ours_is_not_unwrapped() {
        for bad in [
            "file:///a",
            "bastide://files",
            "bastide://files/",
            "bastide://Files/a",
            "bastide:///a",
            "bastide://f/%",
            "bastide://f/%0a",
            "bastide://f/%ff",
            "bastide://f/%zz",
        ] {
            assert_eq!(unwrap(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn unwrapping_undoes_wrapping(uri in "[^\\p{C} ]{1,60}") {
            let server = ServerName::new("s-1").unwrap();
            prop_assert_eq!(unwrap(&wrap(&server, &uri)), Some((server, uri)));
        }
    }
}
