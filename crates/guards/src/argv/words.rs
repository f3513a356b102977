//! A command string as words, where a shell would do nothing but cut it (POSIX.1-2024, Shell Command Language, sections 2.2 and 2.3).

use crate::{Reason, Refused, text};
use terms::Span;

/// What of a shell a string may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    /// Words and quotation marks.
    Words,
    /// Anything: it is cut as if nothing in it meant more.
    Anything,
}

/// Cuts a string into words.
pub(super) fn words(value: &str, shell: Shell) -> Result<Vec<String>, Refused> {
    let mut cut = Cut { shell, words: Vec::new(), word: None, braces: 0 };
    let mut letters = value.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let refuse = |reason| Err(Refused::new(reason, Span::new(at, at + letter.len_utf8())));
        let next = letters.peek().map(|(_, next)| *next);
        match letter {
            ' ' | '\t' => cut.end(),
            '\'' => {
                let word = cut.word();
                loop {
                    match letters.next() {
                        Some((_, '\'')) => break,
                        Some((_, inner)) => word.push(inner),
                        None => return refuse(Reason::ArgvQuote),
                    }
                }
            }
            '"' => double(&mut cut, &mut letters, at)?,
            '\\' => match letters.next() {
                Some((_, escaped)) => cut.word().push(escaped),
                None => return refuse(Reason::ArgvQuote),
            },
            _ if shell == Shell::Words => {
                if let Some(reason) = meaning(letter, next, cut.word.as_deref(), &mut cut.braces) {
                    return refuse(reason);
                }
                cut.word().push(letter);
            }
            other => cut.word().push(other),
        }
    }
    cut.end();
    Ok(cut.words)
}

struct Cut {
    shell: Shell,
    words: Vec<String>,
    word: Option<String>,
    /// Open braces.
    braces: u32,
}

impl Cut {
    fn word(&mut self) -> &mut String {
        self.word.get_or_insert_default()
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
        self.braces = 0;
    }
}

/// What stands in double quotation marks: there, variables and substitutions still mean something.
fn double(cut: &mut Cut, letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>, from: usize) -> Result<(), Refused> {
    let shell = cut.shell;
    let word = cut.word();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        match letter {
            '"' => return Ok(()),
            '\\' => match next {
                Some(special @ ('"' | '\\' | '$' | '`')) => {
                    letters.next();
                    word.push(special);
                }
                Some(_) | None => word.push('\\'),
            },
            '`' if shell == Shell::Words => return Err(Refused::new(Reason::ArgvSubstitution, Span::new(at, at + 1))),
            '$' if shell == Shell::Words && substitutes(next) => {
                return Err(Refused::new(Reason::ArgvSubstitution, Span::new(at, at + 1)));
            }
            other => word.push(other),
        }
    }
    Err(Refused::new(Reason::ArgvQuote, Span::new(from, from + 1)))
}

fn substitutes(next: Option<char>) -> bool {
    next.is_some_and(|next| next.is_alphanumeric() || "_{([*@#?-$!'".contains(next))
}

/// What a letter outside of quotation marks means to a shell beyond itself.
fn meaning(letter: char, next: Option<char>, word: Option<&str>, braces: &mut u32) -> Option<Reason> {
    match letter {
        ';' | '&' | '|' | '<' | '>' | '(' | ')' | '\n' | '\r' => Some(Reason::ArgvOperator),
        '`' => Some(Reason::ArgvSubstitution),
        '$' => (substitutes(next) || next == Some('"')).then_some(Reason::ArgvSubstitution),
        '*' | '?' | '[' => Some(Reason::ArgvPattern),
        // To a shell what follows is a comment, to a program that cuts words it is one.
        '#' if word.is_none() => Some(Reason::ArgvOperator),
        '!' if word.is_none() && next.is_none_or(char::is_whitespace) => Some(Reason::ArgvOperator),
        '{' => {
            *braces += 1;
            None
        }
        '}' => {
            *braces = braces.saturating_sub(1);
            None
        }
        ',' if *braces > 0 => Some(Reason::ArgvPattern),
        '.' if *braces > 0 && next == Some('.') => Some(Reason::ArgvPattern),
        wide if !wide.is_ascii() => {
            let folded = text::folded(wide.encode_utf8(&mut [0; 4])).into_owned();
            let means = folded.chars().any(|plain| plain.is_ascii() && (plain == ' ' || meaning(plain, Some('a'), None, &mut 0).is_some()));
            means.then_some(Reason::ArgvOperator)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(value: &str) -> Result<Vec<String>, Reason> {
        words(value, Shell::Words).map_err(|refused| refused.reason)
    }

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        for (value, expected) in [
            ("ls -la  src", vec!["ls", "-la", "src"]),
            ("echo 'a; b' \"c | d\"", vec!["echo", "a; b", "c | d"]),
            ("echo a\\ b '' x\"y\"'z'", vec!["echo", "a b", "", "xyz"]),
            ("git stash show stash@{0}", vec!["git", "stash", "show", "stash@{0}"]),
            ("git show HEAD^ HEAD~1", vec!["git", "show", "HEAD^", "HEAD~1"]),
            ("echo \"5$\" \"a\\\"b\" \"\\$x\"", vec!["echo", "5$", "a\"b", "$x"]),
            ("grep -n '$(id)' x", vec!["grep", "-n", "$(id)", "x"]),
            ("echo hi! it#s", vec!["echo", "hi!", "it#s"]),
            ("", vec![]),
        ] {
            assert_eq!(cut(value), Ok(expected.into_iter().map(str::to_owned).collect()), "{value}");
        }
    }

    #[test]
    fn what_a_shell_would_act_on_is_refused() {
        for value in [
            "a; b", "a && b", "a || b", "a | b", "a & b", "a > b", "a < b", "a 2>&1", "a <(b)", "(a)", "a\nb", "a\rb", "`a`", "$(a)",
            "${a}", "$a", "\"$a\"", "\"`a`\"", "\"$(a)\"", "$'a'", "$\"a\"", "a *", "a ?.txt", "a [ab]", "a {b,c}", "a {1..9}", "! a",
            "a '", "a \"", "a \\", "$((1))", "a ；b", "a ｜ b", "a\u{a0}b", "${IFS}", "$@", "$1", "a #b",
        ] {
            assert!(cut(value).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(list in proptest::collection::vec("[ -&(-~é]{0,12}", 0..6)) {
            let quoted: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(cut(&quoted.join(" ")), Ok(list));
        }

        #[test]
        fn nothing_panics(value in ".{0,100}") {
            let _ = (cut(&value), words(&value, Shell::Anything));
        }
    }
}
