//! The head of an HTTP/1 request, read strictly (RFC 9112 §3, §5): what two readers could take for two things is refused.

/// Most bytes of a head.
pub(crate) const MOST: usize = 16 * 1024;
/// Most fields.
const FIELDS: usize = 100;

/// A request's head, as far as it decides where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) host: Option<&'a str>,
    /// What follows it.
    pub(crate) body: Body,
    /// Bytes of the head, the empty line included.
    pub(crate) length: usize,
}

/// The body behind a head (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// What was found so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    More,
    Head(Head<'a>),
    Bad(&'static str),
}

/// Whether more of a head can change what is found, once so many bytes are there: it has a line that ends, or is too long. Spares whoever sends byte by
/// byte the reading of the whole for each.
pub(crate) fn is_worth_reading(more: &[u8], whole: usize) -> bool {
    more.contains(&b'\n') || whole >= MOST
}

/// Reads the head at the front of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Found<'_> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some((end, text)) = end.and_then(|end| Some((end, bytes.get(..end)?))) else {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        return match bytes.len() {
            MOST.. => Found::Bad("the head is too long"),
            _ if lines > FIELDS + 1 => Found::Bad("too many fields"),
            _ => Found::More,
        };
    };
    if end > MOST {
        return Found::Bad("the head is too long");
    }
    match parse(text) {
        Ok(head) => Found::Head(Head { length: end + 4, ..head }),
        Err(why) => Found::Bad(why),
    }
}

fn parse(text: &[u8]) -> Result<Head<'_>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "the head is not text")?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')) {
        return Err("the head holds a byte that does not belong there");
    }
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut parts = first.split(' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("not a request line");
    };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') || target.is_empty() {
        return Err("not a request line");
    }
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || first.contains(['\t', '\r', '\n']) {
        return Err("not HTTP/1");
    }
    let mut head = Head { method, target, host: None, body: Body::None, length: 0 };
    for (at, line) in lines.enumerate() {
        if at == FIELDS {
            return Err("too many fields");
        }
        let (name, value) = line.split_once(':').ok_or("a line that is no field")?;
        if name.is_empty() || !name.bytes().all(is_token) || line.contains(['\r', '\n']) {
            return Err("a field without a proper name");
        }
        if name.eq_ignore_ascii_case("host") {
            if head.host.replace(value.trim_matches([' ', '\t'])).is_some() {
                return Err("more than one Host");
            }
        } else if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding") {
            if head.body != Body::None {
                return Err("more than one length");
            }
            head.body = body(name, value.trim_matches([' ', '\t']), version).ok_or("a length that is none")?;
        }
    }
    Ok(head)
}

/// What a field says of the body.
fn body(name: &str, value: &str, version: &str) -> Option<Body> {
    if name.eq_ignore_ascii_case("transfer-encoding") {
        return (value.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1").then_some(Body::Chunked);
    }
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().ok().map(Body::Length)).flatten()
}

/// A character of a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_says_where_it_goes() {
        let bytes = b"GET /a?b HTTP/1.1\r\nhost:  a.example:80 \r\nX: y:z\r\n\r\nrest";
        let expected = Head { method: "GET", target: "/a?b", host: Some("a.example:80"), body: Body::None, length: bytes.len() - 4 };
        assert_eq!(read(bytes), Found::Head(expected));
        for cut in 0..bytes.len() - 4 {
            assert_eq!(read(&bytes[..cut]), Found::More, "{cut}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(matches!(read(bad.as_bytes()), Found::Bad(_)), "{bad:?}");
        }
        assert!(matches!(read(&vec![b'a'; MOST]), Found::Bad(_)));
        let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert!(matches!(read(fields.as_bytes()), Found::Bad(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let mut ended = bytes;
            ended.extend(b"\r\n\r\n");
            let _ = read(&ended);
        }
    }
}
