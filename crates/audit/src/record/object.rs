//! A JSON object that somebody else printed.

use crate::Error;

/// Bytes that are one JSON object on one line.
///
/// Checked for what keeps a record whole: UTF-8, no control character, strings closed, brackets balanced and matched. The printer of the bytes answers for
/// the rest of JSON.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(&'a str);

const MOST_NESTING: usize = 128;

impl<'a> Object<'a> {
    /// The object `{}`.
    pub const EMPTY: Object<'static> = Object("{}");

    /// Checks `bytes` in one pass.
    ///
    /// # Errors
    /// [`Error::NotAnObject`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotAnObject)?;
        if whole(bytes) { Ok(Self(text)) } else { Err(Error::NotAnObject) }
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    pub(super) const fn len(self) -> usize {
        self.0.len()
    }
}

fn whole(bytes: &[u8]) -> bool {
    if bytes.first() != Some(&b'{') || bytes.last() != Some(&b'}') {
        return false;
    }
    // One bit a level: set for an object, clear for an array.
    let mut levels = 0_u128;
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte < 0x20 || *byte == 0x7f {
            return false;
        }
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => {
                if depth == MOST_NESTING {
                    return false;
                }
                levels = levels << 1 | u128::from(*byte == b'{');
                depth += 1;
            }
            b'}' | b']' => {
                if depth == 0 || (levels & 1 == 1) != (*byte == b'}') {
                    return false;
                }
                levels >>= 1;
                depth -= 1;
                if depth == 0 && at + 1 != bytes.len() {
                    return false;
                }
            }
            _ => {}
        }
    }
    depth == 0 && !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_cannot_leave_its_place() {
        for good in ["{}", r#"{"a":[{"b":"}\""}]}"#, r#"{"ü":1}"#] {
            assert!(Object::new(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "{", "}", "[]", r#""{}""#, "{}{}", r#"{}"x":{}"#, "{\"a\":\n1}", r#"{"a":"}"#, r#"{"a":[}]"#, "{[}", "{]}"] {
            assert!(Object::new(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Object::new(b"{\"\xff\":1}").is_err());
    }
}
