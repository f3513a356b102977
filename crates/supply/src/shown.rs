//! The names that clients see, and when two of them are too alike.

use crate::Digest;
use terms::ServerName;
use unicode_normalization::UnicodeNormalization;

/// Longest name that is shown as it is; several clients cut there.
const TARGET: usize = 64;
/// How much of a shortened name is kept.
const KEPT: usize = 40;

/// The name under which `name` of `server` is shown among all servers.
///
/// `server__name`; when that is longer than 64 or has characters outside `A-Za-z0-9_-.`:
/// `server__`, the first 40 allowed characters, `_` and eight hexadecimal digits of the SHA-256 of the true name.
pub fn shown_as(server: &ServerName, name: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "_-.".contains(*letter);
    let whole = format!("{server}__{name}");
    if whole.len() <= TARGET && name.chars().all(|letter| allowed(&letter)) {
        return whole;
    }
    let kept: String = name.chars().filter(allowed).take(KEPT).collect();
    let digest = hex::encode(Digest::of(name.as_bytes()).as_bytes());
    format!("{server}__{kept}_{}", digest.get(..8).unwrap_or_default())
}

/// The form under which two names of one server may not meet: NFKC, then case folded.
///
/// Upper case first and lower case then folds what has several lower-case forms (`ß`, `ſ`, `ς`).
pub fn fold(name: &str) -> String {
    name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_qualified_and_others_shortened() {
        let server = ServerName::new("files").unwrap();
        assert_eq!(shown_as(&server, "read_file"), "files__read_file");
        let long = shown_as(&server, &"a".repeat(80));
        assert_eq!(long.len(), "files__".len() + 40 + 1 + 8);
        assert_ne!(shown_as(&server, "naïve"), shown_as(&server, "nave"));
        assert!(shown_as(&server, "naïve").starts_with("files__nave_"));
    }

    #[test]
    fn folding_joins_what_looks_the_same() {
        for (one, two) in [("Read", "read"), ("ｒead", "read"), ("straße", "STRASSE"), ("ﬁle", "file")] {
            assert_eq!(fold(one), fold(two));
        }
        assert_ne!(fold("read"), fold("reads"));
    }
}
