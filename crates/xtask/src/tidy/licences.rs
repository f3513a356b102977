//! Licences, bans and doubled versions of what comes from outside.

use crate::metadata::Metadata;
use std::collections::{BTreeMap, BTreeSet};

const ALLOWED: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
    "CC0-1.0",
    "BSL-1.0",
    "MIT-0",
    "Unlicense",
];
const ALSO: [&str; 2] = ["0BSD", "Apache-2.0 WITH LLVM-exception"];
const BANNED: [&str; 5] = ["openssl", "openssl-sys", "reqwest", "native-tls", "async-std"];

/// The faults; doubled versions are printed and are none.
pub fn check(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.outside() {
        let name = package.name.as_str();
        if BANNED.contains(&name) {
            faults.push(format!("{name} {} is banned", package.version));
        }
        match package.license.as_deref() {
            Some(license) if allowed(license) => {}
            license => faults.push(format!("{name} {}: licence `{}`", package.version, license.unwrap_or("none"))),
        }
        versions.entry(name).or_default().insert(major(&package.version));
    }
    let doubled: Vec<_> = versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| *name).collect();
    println!("tidy: {} packages from outside, {} in more than one major version: {}", versions.len(), doubled.len(), doubled.join(", "));
    faults
}

/// Whether the SPDX expression can be met with allowed licences: one term of every `AND`, all terms of one `OR`.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(|inner| !inner.contains(['(', ')'])) {
        return allowed(inner);
    }
    for (word, all) in [(" AND ", true), (" OR ", false)] {
        let parts = split(&expression, word);
        if parts.len() > 1 {
            return if all { parts.iter().all(|part| allowed(part)) } else { parts.iter().any(|part| allowed(part)) };
        }
    }
    let term = expression.trim();
    ALLOWED.contains(&term) || ALSO.contains(&term)
}

/// Splits at `word` outside parentheses.
fn split(expression: &str, word: &str) -> Vec<String> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, letter) in expression.char_indices() {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 && at >= from && expression.get(at..).is_some_and(|rest| rest.starts_with(word)) {
            parts.push(expression.get(from..at).unwrap_or_default().trim().to_owned());
            from = at + word.len();
        }
    }
    parts.push(expression.get(from..).unwrap_or_default().trim().to_owned());
    parts
}

fn major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("0"), Some(minor)) => format!("0.{minor}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for good in
            ["MIT", "MIT OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception OR GPL-2.0"]
        {
            assert!(allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND OpenSSL", ""] {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
