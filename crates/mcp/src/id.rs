//! The id of a request.

use crate::bounds::Bounds;
use crate::document::{Kind, Node};
use crate::json;
use std::fmt;

/// The largest integer that an id may be, either side of zero: 2^53 − 1.
pub(crate) const SAFE: i64 = (1 << 53) - 1;

/// The id of a request: a string or an integer. `"7"` and `7` are two ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// An integer within ±(2^53 − 1).
    Number(i64),
    /// A string of 1 to 256 bytes.
    Text(Box<str>),
}

impl Id {
    /// The id that `node` is, or the row of the table that refuses it.
    pub(crate) fn read(node: Node<'_>) -> Result<Self, u8> {
        match node.kind() {
            Kind::Null => Err(18),
            Kind::Number => match node.number().unwrap_or_default() {
                "-0" => Err(19),
                text if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => Err(19),
                text => text.parse().ok().filter(|number: &i64| (-SAFE..=SAFE).contains(number)).map(Self::Number).ok_or(21),
            },
            Kind::Text => match node.text().unwrap_or_default() {
                text if text.is_empty() => Err(20),
                text if text.len() > Bounds::ID => Err(14),
                text if text.bytes().any(|byte| byte < 0x20) => Err(9),
                text => Ok(Self::Text(text.into())),
            },
            Kind::Bool | Kind::Array | Kind::Object | Kind::Key => Err(20),
        }
    }

    /// Appends it as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => json::write_int(out, *number),
            Self::Text(text) => json::write_str(out, text),
        }
    }
}

/// As JSON, so that the two kinds read differently.
impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}

impl From<i64> for Id {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_kind() {
        assert_ne!(Id::Number(7), Id::Text("7".into()));
        assert_eq!(Id::Number(-7).to_string(), "-7");
        assert_eq!(Id::Text("7\n".into()).to_string(), "\"7\\n\"");
    }
}
