//! What a tool or prompt is called on our side: `server__name` on the merged endpoint, bare on a server's own.

use crate::fold;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use terms::ServerName;

/// What stands between server and name. No server name holds `_`, so the first one splits without doubt.
pub const SEPARATOR: &str = "__";

/// The longest name that is shown as it is; several clients cut longer ones.
pub const SHOWN: usize = 64;

/// How much of a name stays when it is shortened.
const KEPT: usize = 40;

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

/// The first 40 allowed characters of `name`, `_`, and 8 hexadecimal digits of the SHA-256 of the whole.
fn shortened(name: &str) -> String {
    let mut short: String = name.chars().filter(|letter| is_allowed(*letter)).take(KEPT).collect();
    short.push('_');
    for byte in Sha256::digest(name.as_bytes()).iter().take(4) {
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// The name of `name` of `server` on the merged endpoint.
///
/// Over [`SHOWN`] bytes in all, or with characters outside `A-Za-z0-9_-.`, it is shortened: first 40 allowed characters, `_`, 8 hexadecimal digits of
/// the SHA-256 of the true name.
pub fn qualified(server: &ServerName, name: &str) -> String {
    let whole = format!("{server}{SEPARATOR}{name}");
    if whole.len() <= SHOWN && !name.is_empty() && name.chars().all(is_allowed) {
        whole
    } else {
        format!("{server}{SEPARATOR}{}", shortened(name))
    }
}

/// The name of `name` on its server's own endpoint: as it is, unless it must be shortened as in [`qualified`].
pub fn bare(name: &str) -> String {
    if name.len() <= SHOWN && !name.is_empty() && name.chars().all(is_allowed) { name.to_owned() } else { shortened(name) }
}

/// Splits a name of the merged endpoint at its first `__`; none if there is none, or no server name before it. What follows is looked up exactly.
pub fn split_qualified(name: &str) -> Option<(ServerName, &str)> {
    let (server, rest) = name.split_once(SEPARATOR)?;
    if rest.is_empty() {
        return None;
    }
    Some((ServerName::new(server).ok()?, rest))
}

/// The places of names that another one of the list looks like, after NFKC and case folding; all of them, in order.
pub fn confusable<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, name) in names.into_iter().enumerate() {
        alike.entry(fold::fold(name)).or_default().push(place);
    }
    let mut places: Vec<usize> = alike.into_values().filter(|places| places.len() > 1).flatten().collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_where_they_were_joined() {
        let server = ServerName::new("git-hub").unwrap();
        assert_eq!(qualified(&server, "get__issue"), "git-hub__get__issue");
        assert_eq!(split_qualified("git-hub__get__issue"), Some((server.clone(), "get__issue")));
        for bad in ["get", "_a__b", "A__b", "a__", "__b", "a_b__c", "git-hub_x"] {
            assert_eq!(split_qualified(bad), None, "{bad}");
        }
    }

    #[test]
    fn odd_and_long_names_are_shortened() {
        let server = ServerName::new("s").unwrap();
        assert_eq!(qualified(&server, "gét it"), format!("s__{}", shortened("gét it")));
        assert!(shortened("gét it").starts_with("gtit_"));
        assert_eq!(shortened("abc"), "abc_ba7816bf");
        let long = "x".repeat(100);
        assert_eq!(qualified(&server, &long).len(), 3 + KEPT + 9);
        assert_ne!(qualified(&server, &long), qualified(&server, &"x".repeat(101)));
        assert_eq!(bare("ok.name-1"), "ok.name-1");
        assert_eq!(bare(&long).len(), KEPT + 9);
    }

    #[test]
    fn names_that_look_alike_are_found() {
        assert_eq!(confusable(["read", "write", "Read", "ｒead", "list"]), [0, 2, 3]);
        assert!(confusable(["a", "b"]).is_empty());
    }
}
