//! The tokens of a text, within bounds, and none that servers read otherwise than the parser.

use super::Dialect;
use crate::{Reason, Refused};
use sqlparser::dialect::Dialect as Grammar;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};
use std::hash::{DefaultHasher, Hasher as _};
use terms::Span;

/// The most tokens.
const TOKENS: usize = 20_000;
/// The most tokens that may make the tree one deeper: words and operators; literals, names behind a dot and commas do not.
const CHAIN: usize = 1_500;
/// How deep brackets may be nested.
const DEPTH: usize = 24;

/// What was read.
pub(super) struct Tokens {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// One past the last byte of the last token that says something.
    pub(super) end: usize,
    /// How much deeper the tree may be than its brackets.
    pub(super) chain: usize,
    /// Of what the tokens say: texts of one are read alike, whatever the case of their keywords and the space between.
    pub(super) mark: u64,
}

pub(super) fn read(value: &str, dialect: Dialect, grammar: &dyn Grammar) -> Result<Tokens, Refused> {
    let refuse = |reason| Err(Refused::whole(reason));
    let Ok(tokens) = Tokenizer::new(grammar, value).tokenize_with_location() else { return refuse(Reason::SqlUnreadable) };
    if tokens.len() > TOKENS {
        return refuse(Reason::SqlDeep);
    }
    let (mut depth, mut chain, mut end) = (0_usize, 0_usize, 0_usize);
    let mut places = Places::new(value);
    let mut mark = DefaultHasher::new();
    for token in &tokens {
        let (start, stop) = (places.offset(token.span.start), places.offset(token.span.end));
        let raw = value.get(start..stop).unwrap_or_default();
        let at = Span::new(start, stop);
        let says = !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF);
        if says {
            end = stop;
            match &token.token {
                Token::Word(word) if word.keyword != Keyword::NoKeyword && word.quote_style.is_none() => {
                    raw.bytes().for_each(|byte| mark.write_u8(byte.to_ascii_uppercase()));
                }
                _ => mark.write(raw.as_bytes()),
            }
            // No text has this byte.
            mark.write_u8(0xff);
        }
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                chain += 1;
            }
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Whitespace(space) => comment(space, dialect).map_err(|reason| Refused::new(reason, at))?,
            Token::Char(_) | Token::Backslash => return Err(Refused::new(Reason::SqlUnreadable, at)),
            Token::Comma | Token::Period | Token::Number(..) | Token::SemiColon | Token::EOF | Token::Placeholder(_) => {}
            token if is_string(token) => literal(token, raw, dialect).map_err(|reason| Refused::new(reason, at))?,
            _ => chain += 1,
        }
        if depth > DEPTH || chain > CHAIN {
            return refuse(Reason::SqlDeep);
        }
    }
    // Comments that a server runs are read as code by its parser: they are found in the text.
    hints(value, &tokens)?;
    Ok(Tokens { tokens, end, chain, mark: mark.finish() })
}

/// A setting of SQLite that is asked for.
pub(super) struct Pragma {
    pub(super) name: String,
    /// What stands in brackets behind it.
    pub(super) of: Option<String>,
}

/// The setting that is asked for, where a text is about one: `PRAGMA name` or `PRAGMA name(of)`, in whatever schema. It is refused where it is written
/// in any other way.
pub(super) fn pragma(tokens: &[TokenWithSpan]) -> Option<Result<Pragma, Refused>> {
    let says = |token: &&Token| !matches!(token, Token::Whitespace(_) | Token::EOF);
    let mut tokens: Vec<&Token> = tokens.iter().map(|token| &token.token).filter(says).collect();
    while tokens.last() == Some(&&Token::SemiColon) {
        tokens.pop();
    }
    let (first, rest) = tokens.split_first()?;
    if !matches!(first, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("pragma")) {
        return None;
    }
    let name = |token: &Token| match token {
        Token::Word(word) => Some(word.value.clone()),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Some(text.clone()),
        _ => None,
    };
    let rest = match rest {
        [Token::Word(_), Token::Period, rest @ ..] => rest,
        rest => rest,
    };
    let found = match rest {
        [Token::Word(word)] => Some(Pragma { name: word.value.to_ascii_lowercase(), of: None }),
        [Token::Word(word), Token::LParen, of, Token::RParen] => {
            name(of).map(|of| Pragma { name: word.value.to_ascii_lowercase(), of: Some(of) })
        }
        _ => None,
    };
    Some(found.ok_or(Refused::whole(Reason::SqlStatement)))
}

fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

fn is_quoted(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_some())
}

/// Comments inside comments end at different places.
fn comment(space: &Whitespace, dialect: Dialect) -> Result<(), Reason> {
    match space {
        Whitespace::MultiLineComment(text) if text.contains("/*") || text.starts_with(['!', '+']) || text.starts_with("M!") => {
            Err(Reason::SqlComment)
        }
        Whitespace::SingleLineComment { prefix, .. } if prefix == "#" && dialect != Dialect::MySql => Err(Reason::SqlComment),
        Whitespace::SingleLineComment { .. }
        | Whitespace::MultiLineComment(_)
        | Whitespace::Space
        | Whitespace::Newline
        | Whitespace::Tab => Ok(()),
    }
}

/// Literals whose end depends on settings (`standard_conforming_strings`, `NO_BACKSLASH_ESCAPES`, `ANSI_QUOTES`).
fn literal(token: &Token, raw: &str, dialect: Dialect) -> Result<(), Reason> {
    let refuse = |holds: bool| if holds { Err(Reason::SqlLiteral) } else { Ok(()) };
    match (token, dialect) {
        (Token::SingleQuotedString(_) | Token::NationalStringLiteral(_), Dialect::Postgres | Dialect::Sqlite | Dialect::Ansi) => {
            refuse(raw.contains("\\'"))
        }
        (Token::DoubleQuotedString(_), Dialect::MySql) => refuse(raw.contains('\\')),
        (Token::TripleSingleQuotedString(_) | Token::TripleDoubleQuotedString(_), _) => Err(Reason::SqlLiteral),
        _ => Ok(()),
    }
}

/// Comments that are code to some servers: `/*! … */`, `/*M! … */`, `/*+ … */`. They are looked for wherever no literal, quoted name or comment is.
fn hints(value: &str, tokens: &[TokenWithSpan]) -> Result<(), Refused> {
    let mut places = Places::new(value);
    let mut covered: Vec<(usize, usize)> = Vec::new();
    for token in tokens {
        let range = (places.offset(token.span.start), places.offset(token.span.end));
        let line = matches!(token.token, Token::Whitespace(Whitespace::SingleLineComment { .. }));
        if is_string(&token.token) || is_quoted(&token.token) || line {
            covered.push(range);
        }
    }
    let mut ranges = covered.iter().peekable();
    for (at, _) in value.match_indices("/*") {
        while ranges.next_if(|(_, stop)| *stop <= at).is_some() {}
        let inside = ranges.peek().is_some_and(|(start, _)| *start <= at);
        let after = value.get(at + 2..).unwrap_or_default();
        if !inside && (after.starts_with(['!', '+']) || after.starts_with("M!")) {
            return Err(Refused::new(Reason::SqlComment, Span::new(at, at + 3)));
        }
    }
    Ok(())
}

/// Bytes for lines and columns, which only rise.
struct Places<'a> {
    value: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    const fn new(value: &'a str) -> Self {
        Self { value, at: 0, line: 1, column: 1 }
    }

    fn offset(&mut self, to: Location) -> usize {
        if (to.line, to.column) < (self.line, self.column) {
            return self.at;
        }
        let rest = self.value.get(self.at..).unwrap_or_default();
        for letter in rest.chars() {
            if (self.line, self.column) >= (to.line, to.column) {
                break;
            }
            if letter == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            self.at += letter.len_utf8();
        }
        self.at
    }
}
