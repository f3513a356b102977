//! Names with a meaning of their own: homes, drives, devices, variables, addresses.

use crate::{Reason, text};

/// Checks one reading of a path.
pub(super) fn check(path: &str) -> Result<(), Reason> {
    let path = path.trim();
    let refuse = |holds: bool, reason| if holds { Err(reason) } else { Ok(()) };
    refuse(is_home(path), Reason::PathHome)?;
    let mut letters = path.chars();
    let (first, second) = (letters.next(), letters.next());
    let separators = ['/', '\\'];
    refuse([first, second].iter().all(|letter| letter.is_some_and(|letter| separators.contains(&letter))), Reason::PathShare)?;
    refuse(first.is_some_and(|letter| letter.is_ascii_alphabetic()) && second == Some(':'), Reason::PathDrive)?;
    refuse(is_address(path), Reason::PathAddress)?;
    refuse(path.contains(":$"), Reason::PathStream)?;
    refuse(has_variable(path), Reason::PathVariable)?;
    for name in path.split(separators) {
        refuse(is_device(name), Reason::PathDevice)?;
    }
    refuse(path.contains('{') && path.contains(',') && path.contains(".."), Reason::PathVariable)
}

fn is_home(path: &str) -> bool {
    path.strip_prefix('~').is_some_and(|rest| {
        let user = rest.split(['/', '\\']).next().unwrap_or_default();
        user.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-+".contains(letter))
    })
}

fn is_address(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, rest)| {
        let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+.-".contains(letter));
        is_scheme && (scheme.eq_ignore_ascii_case("file") || rest.starts_with(['/', '\\']))
    })
}

fn has_variable(path: &str) -> bool {
    if path.contains("${") || path.contains("$(") || path.contains('`') || path.to_ascii_lowercase().contains("$env:") {
        return true;
    }
    let word = |name: &str| {
        name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let shouted = |name: &str| word(name) && !name.chars().any(|letter| letter.is_ascii_lowercase());
    path.split(['/', '\\']).enumerate().any(|(at, name)| {
        let whole = name.strip_prefix('$').is_some_and(|rest| shouted(rest) || (at == 0 && word(rest)));
        // Programs that expand variables do so anywhere in a name; `A$B.class` is a name.
        let inner = name.match_indices('$').any(|(place, _)| {
            let rest = name.get(place + 1..).unwrap_or_default();
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            let named = rest.get(..end).unwrap_or_default();
            shouted(named) && (place == 0 || named.len() > 1)
        });
        let dollar = whole || inner;
        let mut parts = name.split('%');
        // What could be read as an encoded letter is one, unless it is all in capitals.
        let named =
            |name: &str| word(name) && name.len() > 2 && (shouted(name) || !name.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
        let percent = parts.next().is_some_and(str::is_empty) && parts.next().is_some_and(named) && parts.next().is_some();
        dollar || percent
    })
}

/// Whether a name is one of a device on Windows, whatever comes behind its first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end();
    if stem.len() < 3 || stem.len() > 8 {
        return false;
    }
    let stem = text::folded(stem).to_ascii_lowercase();
    match stem.as_str() {
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$" => true,
        other => {
            let number = other.strip_prefix("com").or_else(|| other.strip_prefix("lpt"));
            number.is_some_and(|number| number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit()))
        }
    }
}

/// The path with its names as Windows and servlet containers read them: without what comes behind a `;`, without dots and spaces at the end, and of
/// three dots or more each beyond the first one folder up.
pub(super) fn trimmed(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for (at, name) in path.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        let bare = name.split(';').next().unwrap_or_default();
        let bare: String = if bare.trim_matches(['.', ' ']).is_empty() {
            bare.chars().filter(|letter| *letter == '.').collect()
        } else {
            name.trim_end_matches(['.', ' ']).to_owned()
        };
        if bare.len() > 2 && bare.bytes().all(|byte| byte == b'.') {
            out.push_str(&vec![".."; bare.len() - 1].join("/"));
        } else {
            out.push_str(&bare);
        }
    }
    out
}
