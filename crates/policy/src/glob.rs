//! Globs with one wildcard: `*`, any run of characters, empty and `/` included.

use std::fmt;
use std::sync::Arc;

/// The most characters that a glob has.
const LONGEST: usize = 256;

/// Why a text is not a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing there.
    #[error("a pattern cannot be empty")]
    Empty,
    /// More than the bound.
    #[error("a pattern has at most {LONGEST} characters")]
    TooLong,
    /// A control character.
    #[error("a pattern has no control characters")]
    Control,
}

/// A pattern over a whole name. Matches exactly what Cedar's `like` matches for the same text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(Arc<str>);

impl Glob {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`GlobError`] when it is empty, longer than 256 characters or has control characters.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        match text.chars().count() {
            0 => return Err(GlobError::Empty),
            1..=LONGEST => {}
            _ => return Err(GlobError::TooLong),
        }
        if text.chars().any(char::is_control) {
            return Err(GlobError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one thing only.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// What every match starts with.
    pub(crate) fn prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether it matches all of `name`.
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Whether every match of `other` is one of this; may say no where the answer is yes.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        // A `*` of `other` is a character that only a `*` of this can take in: a literal piece never holds one.
        self.matches(&other.0)
    }

    /// The text for a Cedar `like`, quotes included.
    pub(crate) fn as_like(&self) -> String {
        quote(&self.0)
    }
}

/// `text` as a Cedar string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            _ if letter.is_control() => out.extend(letter.escape_unicode()),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text).unwrap()
    }

    #[test]
    fn a_glob_matches_whole_names() {
        for (pattern, name, expected) in [
            ("read_*", "read_file", true),
            ("read_*", "read_", true),
            ("read_*", "xread_file", false),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "ac", false),
            ("aa*a", "aa", false),
            ("*", "", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("repo://*", "repo://a/b", true),
            ("*a*a*", "a", false),
        ] {
            assert_eq!(glob(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn what_covers_matches_more() {
        assert!(glob("*").covers(&glob("read_*")));
        assert!(glob("read_*").covers(&glob("read_*_x")));
        assert!(!glob("read_*").covers(&glob("*")));
        assert!(!glob("read_*").covers(&glob("re*")));
    }

    proptest! {
        #[test]
        fn a_glob_is_what_cedar_says(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            let text = format!("{} like {}", quote(&name), glob(&pattern).as_like());
            let cedar = cedar_policy::eval_expression(
                &cedar_policy::Request::new(
                    "A::\"a\"".parse().unwrap(), "Action::\"a\"".parse().unwrap(), "A::\"a\"".parse().unwrap(),
                    cedar_policy::Context::empty(), None,
                ).unwrap(),
                &cedar_policy::Entities::empty(),
                &text.parse().unwrap(),
            ).unwrap();
            prop_assert_eq!(cedar, cedar_policy::EvalResult::Bool(glob(&pattern).matches(&name)));
        }

        #[test]
        fn covering_is_sound(wide in "[ab*]{1,6}", narrow in "[ab*]{1,6}", name in "[ab]{0,8}") {
            if glob(&wide).covers(&glob(&narrow)) && glob(&narrow).matches(&name) {
                prop_assert!(glob(&wide).matches(&name));
            }
        }
    }
}
