//! An operator's own patterns.

use crate::detector::{Detector, Sheet};
use crate::error::Error;
use crate::keyword::compile;
use crate::rule::{REACH, Rules};
use crate::view::View;
use regex_automata::meta::Regex;
use std::borrow::Cow;
use terms::{Class, Span};

/// The longest pattern, in bytes.
pub const LONGEST_PATTERN: usize = 1_024;

/// Checks a pattern of an operator's: that it compiles within bounds, and finds something rather than nothing.
///
/// # Errors
/// [`Error::Pattern`].
pub fn check_pattern(kind: &str, pattern: &str) -> Result<(), Error> {
    let wrong = |cause: String| Error::Pattern { kind: kind.to_owned(), cause };
    if pattern.len() > LONGEST_PATTERN {
        return Err(wrong(format!("it is longer than {LONGEST_PATTERN} bytes")));
    }
    if compile(kind, pattern)?.is_match("") {
        return Err(wrong("it is found in an empty text, and so everywhere".to_owned()));
    }
    Ok(())
}

/// The pattern of words that are found as they stand, whatever their case (of ASCII letters), but not inside longer words.
pub fn words(words: &[String]) -> String {
    let one = |word: &String| {
        let edge = |letter: Option<char>| if letter.is_some_and(|letter| letter.is_ascii_alphanumeric()) { r"\b" } else { "" };
        let mut escaped = String::with_capacity(word.len() + 8);
        for letter in word.chars() {
            if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != ' ' {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        format!("{}{escaped}{}", edge(word.chars().next()), edge(word.chars().next_back()))
    };
    format!("(?i:{})", words.iter().map(one).collect::<Vec<_>>().join("|"))
}

/// Searches for each pattern in turn.
pub(crate) struct Customs(Vec<(Class, Cow<'static, str>, Regex)>);

impl Customs {
    pub fn new(rules: &Rules) -> Result<Self, Error> {
        let compiled = rules.custom.iter().map(|one| Ok((one.class, Cow::Owned(one.kind.clone()), compile(&one.kind, &one.pattern)?)));
        Ok(Self(compiled.collect::<Result<_, Error>>()?))
    }
}

impl Detector for Customs {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        for (class, kind, regex) in &self.0 {
            for found in regex.find_iter(view.bytes).filter(|found| !found.is_empty()) {
                if found.len() > REACH {
                    sheet.allowance.miss("steps", view.trace(Span::new(found.start(), found.end())));
                }
                sheet.add(view, *class, kind.clone(), Span::new(found.start(), found.end()), 0.9);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Channel, Engine, Scratch};

    fn found(pattern: &str, text: &str) -> Vec<String> {
        let rules = Rules::default().with_custom(Class::Pii, "own", pattern);
        let report = Engine::new(&rules).unwrap().inspect(text, Channel::Result, &Budget::default(), &mut Scratch::default());
        let own = report.findings.iter().filter(|finding| finding.kind == "own");
        own.map(|finding| text[finding.span.start..finding.span.end].to_owned()).collect()
    }

    #[test]
    fn words_are_found_as_they_stand() {
        let all = words(&["Project Umber".to_owned(), "C++".to_owned(), "Über".to_owned(), "a.b".to_owned()]);
        assert_eq!(check_pattern("own", &all).map_err(|fault| fault.to_string()), Ok(()));
        assert_eq!(found(&all, "project umber, C++ or Über; axb, Project Umbers"), ["project umber", "C++", "Über"]);
    }

    #[test]
    fn patterns_are_linear_and_bounded() {
        for bad in ["(", "x*", "", r"(a)\1", &"x".repeat(LONGEST_PATTERN + 1), "(?:a{1000}){1000}"] {
            assert!(check_pattern("own", bad).is_err(), "{bad}");
        }
        assert_eq!(found(r"E-\d{6}", "E-123456 and E-12"), ["E-123456"]);
        assert!(found("(a+)+b", &"a".repeat(200_000)).is_empty());
    }
}
