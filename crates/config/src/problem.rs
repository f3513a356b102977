//! What is wrong with a file, and where.

use std::fmt;
use std::sync::Arc;

/// Most problems that are collected.
pub(crate) const MOST: usize = 200;

/// A place in the file. Lines and columns count from 1, columns and the length in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// How many characters it covers on its line, at least 1.
    pub length: u32,
}

impl Place {
    /// The first character of the file.
    pub const START: Self = Self { line: 1, column: 1, length: 1 };
}

/// The sort of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Not YAML, or more than the bounds.
    Syntax,
    /// A key that there is not.
    UnknownKey,
    /// A key that must be there.
    MissingKey,
    /// A value of the wrong type or form.
    Value,
    /// A known key or value that this release does not build.
    NotBuilt,
    /// Values that do not fit together, or name what there is not.
    Misfit,
    /// A credential stands where it must not: the line is not shown.
    Exposed,
    /// The file itself may not be trusted.
    File,
    /// Worth knowing; the file is taken.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The path of the key, such as `roles.coder.allow`; empty for the whole file.
    pub key: String,
    /// The sort.
    pub fault: Fault,
    /// One sentence without a full stop; says what was expected.
    pub message: String,
    /// The nearest known word, where there is one.
    pub nearest: Option<String>,
}

impl Problem {
    /// The problem without the place: message and nearest word.
    pub fn sentence(&self) -> String {
        match &self.nearest {
            Some(nearest) => format!("{}; did you mean \"{nearest}\"?", self.message),
            None => self.message.clone(),
        }
    }
}

/// Everything that is wrong with a file, in order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The name of the file as it is shown.
    pub file: Arc<str>,
    /// What is wrong; never empty.
    pub list: Vec<Problem>,
    text: Arc<str>,
}

impl Problems {
    pub(crate) fn new(file: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by(|one, two| (one.place, &one.message).cmp(&(two.place, &two.message)));
        list.dedup();
        Self { file: file.into(), list, text: text.into() }
    }

    /// One line a problem: `bastide.yaml:24:5 unknown key "alow" in roles.coder; did you mean "allow"?`.
    pub fn lines(&self) -> String {
        self.list.iter().map(|problem| format!("{}\n", self.line(problem))).collect()
    }

    /// Each problem with its source line and a caret under what is meant; without the line where it holds a credential.
    pub fn carets(&self) -> String {
        let shown = |problem: &Problem| match problem.fault {
            Fault::Exposed => format!("{}\n", self.line(problem)),
            _ => caret(&self.line(problem), problem.place, &self.text),
        };
        self.list.iter().map(shown).collect()
    }

    fn line(&self, problem: &Problem) -> String {
        format!("{}:{}:{} {}", self.file, problem.place.line, problem.place.column, problem.sentence())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.lines().trim_end())
    }
}

/// `headline` with the line of `text` that it is about, and a caret under what begins at `column`. Both count from 1; column 0 means the whole line.
pub fn pointed(headline: &str, line: u32, column: u32, text: &str) -> String {
    let at = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let source = text.lines().nth(at).unwrap_or_default();
    let from = usize::try_from(column.saturating_sub(1)).unwrap_or_default();
    let rest: String = source.chars().skip(from).collect();
    let word = rest.get(..crate::edit::token(&rest)).unwrap_or(&rest).trim_end_matches(':');
    let length = u32::try_from(word.chars().count()).unwrap_or(1).max(1);
    caret(headline, Place { line, column: column.max(1), length }, text)
}

fn caret(headline: &str, place: Place, text: &str) -> String {
    const WIDE: usize = 160;
    let at = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let source: String = text.lines().nth(at).unwrap_or_default().chars().take(WIDE).map(blank).collect();
    let width = source.chars().count();
    let before = (place.column.saturating_sub(1) as usize).min(width);
    let length = (place.length.max(1) as usize).min(width.saturating_sub(before).max(1));
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    format!("{headline}\n {gutter} |\n {number} | {source}\n {gutter} | {}{}\n", " ".repeat(before), "^".repeat(length))
}

fn blank(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}

/// The word of `known` that is nearest to `word`, when it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word: String = word.chars().take(64).collect();
    let most = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("alow", ["allow", "ask", "members"]).as_deref(), Some("allow"));
        assert_eq!(nearest("zzz", ["allow", "ask", "members"]), None);
    }
}
