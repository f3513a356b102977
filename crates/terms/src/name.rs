//! Names that people and peers write, checked once.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name cannot be empty")]
    Empty,
    /// More than the bound.
    #[error("a name has at most {0} characters")]
    TooLong(usize),
    /// A character outside the set.
    #[error("a name has only {0}")]
    Character(&'static str),
}

/// The name of a server: `[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?`, so never `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServerName(Arc<str>);

impl ServerName {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, longer than 32, has other characters or an outer hyphen.
    pub fn new(text: &str) -> Result<Self, NameError> {
        const SET: &str = "a-z, 0-9 and inner hyphens";
        match text.len() {
            0 => return Err(NameError::Empty),
            1..=32 => {}
            _ => return Err(NameError::TooLong(32)),
        }
        let inner = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !inner || text.starts_with('-') || text.ends_with('-') {
            return Err(NameError::Character(SET));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an agent, a user, a role or a person: 1 to 128 of letters, digits and `-_.@+/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, longer than 128 or has other characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => return Err(NameError::Empty),
            1..=128 => {}
            _ => return Err(NameError::TooLong(128)),
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+/".contains(&byte)) {
            return Err(NameError::Character("letters, digits and -_.@+/"));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, out)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = String::deserialize(input)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
text!(ServerName);
text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_never_hold_an_underscore() {
        for good in ["a", "files", "a-b", "x9"] {
            assert!(ServerName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "é", &"a".repeat(33)] {
            assert!(ServerName::new(bad).is_err(), "{bad}");
        }
    }
}
