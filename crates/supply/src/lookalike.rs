//! Tools of different servers that a person or a model could take for each other.

use crate::{Kind, Lock, fold};
use serde::Serialize;
use std::collections::BTreeMap;
use terms::ServerName;

/// How two names resemble each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resemblance {
    /// The same name.
    Same,
    /// Another spelling that looks the same.
    Alike,
}

/// Two tools of two servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookAlike {
    /// Server and tool.
    pub first: (ServerName, String),
    /// Server and tool.
    pub second: (ServerName, String),
    /// How they resemble each other.
    pub how: Resemblance,
}

/// Most pairs that are named; a lock that has more is read by a person anyway.
const MOST: usize = 1_000;

/// The pairs of tools of different servers whose names resemble each other, at most 1,000.
pub fn look_alikes(lock: &Lock) -> Vec<LookAlike> {
    let mut groups: BTreeMap<String, Vec<(&ServerName, &str)>> = BTreeMap::new();
    for (server, pinned) in &lock.servers {
        for pin in pinned.of(Kind::Tool) {
            groups.entry(outline(&pin.name)).or_default().push((server, &pin.name));
        }
    }
    let pairs = groups.values().flat_map(|group| {
        group.iter().enumerate().flat_map(move |(at, first)| group.iter().skip(at + 1).map(move |second| (first, second)))
    });
    pairs
        .filter(|(first, second)| first.0 != second.0)
        .take(MOST)
        .map(|(first, second)| LookAlike {
            first: (first.0.clone(), first.1.to_owned()),
            second: (second.0.clone(), second.1.to_owned()),
            how: if first.1 == second.1 { Resemblance::Same } else { Resemblance::Alike },
        })
        .collect()
}

/// What a name looks like: folded, separators dropped, letters of other scripts and digits put to the Latin letter
/// that they resemble. A small part of Unicode's confusables (UTS #39).
fn outline(name: &str) -> String {
    let plain: String = fold(name).chars().filter(|letter| !"_-. ".contains(*letter)).map(latin).collect();
    plain.replace("rn", "m").replace("vv", "w")
}

fn latin(letter: char) -> char {
    match letter {
        '0' | 'о' | 'ο' => 'o',
        '1' | 'i' | 'і' | 'ι' | 'ı' | '|' => 'l',
        'а' | 'α' => 'a',
        'е' | 'ε' => 'e',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'у' | 'γ' => 'y',
        'х' | 'χ' => 'x',
        'ѕ' => 's',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ν' => 'v',
        'τ' | 'т' => 't',
        'ԁ' => 'd',
        'һ' => 'h',
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_scripts_and_digits_are_seen_through() {
        for (one, two) in [("read_file", "readFile"), ("send_mail", "sеnd_mаil"), ("login", "l0gin"), ("modern", "modem")] {
            assert_eq!(outline(one), outline(two), "{one} {two}");
        }
        assert_ne!(outline("read_file"), outline("read_files"));
    }
}
