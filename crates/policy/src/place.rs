//! Where in a source something stands, and what is wrong there.

use std::fmt;
use std::sync::Arc;

/// A place in a source file. Lines and columns count from 1; column 0 means the whole line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The name of the file as the operator knows it.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Place {
    /// The place `line`:`column` of `file`.
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// The place of the byte `offset` in `text`, the content of `file`.
    pub(crate) fn of_offset(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { file: file.clone(), line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    /// `file:line`, without the column.
    pub fn short(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.column == 0 {
            write!(out, "{}:{}", self.file, self.line)
        } else {
            write!(out, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// The line that a caret points into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The text of the line, at most 200 characters.
    pub line: String,
    /// How many characters the caret underlines, from the place's column on; at least 1.
    pub width: u32,
}

/// Something in a source that keeps it from compiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, one sentence without full stop.
    pub message: String,
    /// The nearest thing that would have been right.
    pub nearest: Option<String>,
    /// The line itself, where this crate holds the text (Cedar files).
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    pub(crate) fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into(), nearest: None, excerpt: None }
    }

    pub(crate) fn near(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }

    /// A problem in `text`, the content of `file`, at `offset` over `length` bytes.
    pub(crate) fn in_text(file: &Arc<str>, text: &str, offset: usize, length: usize, message: String) -> Self {
        let place = Place::of_offset(file, text, offset);
        let row = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
        let line: String = text.lines().nth(row).unwrap_or_default().chars().take(200).collect();
        let room = line.chars().count().saturating_sub(usize::try_from(place.column).unwrap_or(0).saturating_sub(1)).max(1);
        let width = u32::try_from(length.clamp(1, room)).unwrap_or(1);
        Self { place, message, nearest: None, excerpt: Some(Excerpt { line, width }) }
    }
}

/// `file:line:column message; did you mean "x"?` and, where there is an excerpt, the line with a caret below it.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.place, self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(out, "; did you mean \"{nearest}\"?")?;
        }
        if let Some(excerpt) = &self.excerpt {
            let indent = " ".repeat(usize::try_from(self.place.column).unwrap_or(1).saturating_sub(1).min(200));
            let carets = "^".repeat(usize::try_from(excerpt.width).unwrap_or(1));
            write!(out, "\n    {}\n    {indent}{carets}", excerpt.line)?;
        }
        Ok(())
    }
}

/// The candidate that a person most probably meant: the one with the fewest edits, when these are at most a third of it.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .take(4_096)
        .map(|candidate| (strsim::osa_distance(wanted, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 1.max(candidate.chars().count().max(wanted.chars().count()) / 3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_points_at_the_character() {
        let problem = Problem::in_text(&"x.cedar".into(), "one\ntwo three\n", 8, 5, "wrong".to_owned());
        assert_eq!(problem.to_string(), "x.cedar:2:5 wrong\n    two three\n        ^^^^^");
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("files__edit", ["files__edit_file", "files__read"]), Some("files__edit_file"));
        assert_eq!(nearest("alow", ["allow", "ask", "grant"]), Some("allow"));
        assert_eq!(nearest("zzz", ["allow", "ask"]), None);
    }
}
