//! SQL: what a statement does, by its parse, and nothing that the parser of its dialect does not read.
//!
//! The order is: bounds on length, parts and nesting; the tokens, with comments and literals that servers read differently refused; the parse; a walk over
//! all of it in which only known kinds of statements, tables and functions pass. What is not known is refused.
//!
//! Control: `tools.database`.

mod column;
mod function;
mod token;
mod walk;

use crate::text;
use crate::{Error, Judged, Reason, Refused};
use sqlparser::ast::{Fetch, LimitClause, Query, Statement, Visit as _};
use sqlparser::dialect::{AnsiDialect, Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use std::panic::{AssertUnwindSafe, catch_unwind};
use terms::{Operation, Span};
use token::Tokens;
use walk::{Inline, Walk};

/// The longest text, in bytes.
const SQL: usize = 64 << 10;
/// How deep the parser goes.
const RECURSION: usize = 64;
/// Bytes of stack for one level of a tree and for what is below it; where less is left, a tree gets a stack of its own of [`STACK`] bytes. What is not
/// used of that is never there.
const LEVEL: usize = if cfg!(debug_assertions) { 128 << 10 } else { 16 << 10 };
const BASE: usize = 256 << 10;
const STACK: usize = 64 << 20;

/// Whose grammar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
    /// The standard (ISO/IEC 9075).
    Ansi,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::MySql, Self::Sqlite, Self::Ansi];

    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
            Self::Ansi => "ansi",
        }
    }

    /// The dialect of this name; `postgresql` and `mariadb` are taken too.
    pub fn named(name: &str) -> Option<Self> {
        let alias = match name {
            "postgresql" => "postgres",
            "mariadb" => "mysql",
            other => other,
        };
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == alias)
    }

    fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::MySql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
            Self::Ansi => &AnsiDialect {},
        }
    }
}

/// What statements may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Read.
    #[default]
    ReadOnly,
    /// Insert, update and delete rows too; never definitions, rights, settings or files.
    ReadWrite,
}

/// How many statements there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statements {
    /// One.
    #[default]
    One,
    /// Several, each judged.
    Several,
}

/// How values may arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Literals {
    /// In the text.
    #[default]
    Inline,
    /// As parameters only.
    Parameters,
}

/// What may be asked of a database.
#[derive(Clone, Debug)]
pub struct Policy {
    dialect: Dialect,
    mode: Mode,
    statements: Statements,
    literals: Literals,
    tables: Option<Vec<Table>>,
    functions: Vec<String>,
    rows: Option<u64>,
}

/// An entry of `tables`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    /// The names before it, none for the default schema.
    schema: Vec<String>,
    /// Its name; none for all of a schema.
    name: Option<String>,
    /// The only columns of it.
    columns: Option<Vec<String>>,
}

impl Table {
    /// `orders`, `sales.orders`, `sales.*`, `orders(id, total)`.
    fn parse(entry: &str) -> Option<Self> {
        let (name, columns) = match entry.split_once('(') {
            Some((name, rest)) => {
                let columns: Vec<String> = rest.trim_end().strip_suffix(')')?.split(',').map(|column| column.trim().to_owned()).collect();
                (name.trim(), Some(columns))
            }
            None => (entry, None),
        };
        let word =
            |word: &str| !word.is_empty() && !word.contains(['"', '`', '\'', ';', '(', ')', ' ', '*']) && text::control(word).is_none();
        if columns.as_ref().is_some_and(|columns| !columns.iter().all(|column| word(column))) {
            return None;
        }
        let mut schema: Vec<String> = name.split('.').map(str::to_owned).collect();
        let last = schema.pop()?;
        let name = if last == "*" && !schema.is_empty() && columns.is_none() { None } else { Some(last) };
        (schema.iter().chain(&name).all(|part| word(part))).then_some(Self { schema, name, columns })
    }
}

impl Policy {
    /// Reading, one statement at a time, of any table.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            mode: Mode::default(),
            statements: Statements::default(),
            literals: Literals::default(),
            tables: None,
            functions: Vec::new(),
            rows: None,
        }
    }

    /// What statements may do.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How many there may be.
    #[must_use]
    pub fn statements(mut self, statements: Statements) -> Self {
        self.statements = statements;
        self
    }

    /// How values may arrive.
    #[must_use]
    pub fn literals(mut self, literals: Literals) -> Self {
        self.literals = literals;
        self
    }

    /// The only tables: `orders`, `sales.orders`, `sales.*`, `orders(id, total)` with its only columns. Without a schema it is the default one.
    ///
    /// # Errors
    /// [`Error::Policy`] where the list is empty or an entry is none of these.
    pub fn tables(mut self, tables: &[String]) -> Result<Self, Error> {
        let entries = tables.iter().map(|table| Table::parse(table)).collect::<Option<Vec<_>>>().filter(|entries| !entries.is_empty());
        self.tables =
            Some(entries.ok_or(Error::Policy { key: "tables", why: "a table is name, schema.name, schema.* or name(column, …)" })?);
        Ok(self)
    }

    /// Functions beside those that are known to be free of effects, with their schema where they are called with one.
    #[must_use]
    pub fn functions(mut self, functions: &[String]) -> Self {
        self.functions = functions.iter().map(|name| name.to_ascii_lowercase()).collect();
        self
    }

    /// The most rows of one query: where it has no limit, it gets this one.
    #[must_use]
    pub fn rows(mut self, most: u64) -> Self {
        self.rows = Some(most);
        self
    }

    /// Judges a text. Its normal form is the parser's print of it; the operation is the gravest of its statements.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, value: &str) -> Result<Judged, Refused> {
        let tokens = self.tokens(value)?;
        if let Some(pragma) = token::pragma(&tokens.tokens).filter(|_| self.dialect == Dialect::Sqlite) {
            return self.pragma(&pragma?);
        }
        // The parser is another's: a panic in it refuses. Its tree is walked, printed and dropped by recursion, for which long chains need room.
        let room = BASE + tokens.chain * LEVEL;
        let read = stacker::maybe_grow(room, STACK, || catch_unwind(AssertUnwindSafe(|| self.read(value, tokens))));
        read.unwrap_or(Err(Refused::whole(Reason::SqlUnreadable)))
    }

    /// The parser reads these with numbers and literals only.
    fn pragma(&self, pragma: &token::Pragma) -> Result<Judged, Refused> {
        match Walk::new(self).pragma(&pragma.name, pragma.of.as_deref()) {
            std::ops::ControlFlow::Break(reason) => Err(Refused::whole(reason)),
            std::ops::ControlFlow::Continue(()) => {
                let of = pragma.of.as_ref().map(|of| format!("('{}')", of.replace('\'', "''"))).unwrap_or_default();
                Ok(Judged { normal: format!("PRAGMA {}{of}", pragma.name), operation: Some(Operation::Read), replace: None })
            }
        }
    }

    fn read(&self, value: &str, tokens: Tokens) -> Result<Judged, Refused> {
        let mark = tokens.mark;
        let parsed = self.parse(tokens)?;
        let whole = |reason| Refused::new(reason, Span::new(0, value.len()));
        let operation = parsed.statements.iter().try_fold(Operation::Read, |worst, statement| {
            let mut walk = Walk::new(self);
            match statement.visit(&mut walk) {
                std::ops::ControlFlow::Continue(()) => Ok(worst.max(walk.operation())),
                std::ops::ControlFlow::Break(reason) => Err(whole(reason)),
            }
        })?;
        if self.literals == Literals::Parameters && parsed.statements.iter().any(Inline::holds) {
            return Err(whole(Reason::SqlInline));
        }
        let replace = match (self.rows, parsed.statements.as_slice()) {
            (Some(most), [Statement::Query(query)]) => self.limited(query, value.get(..parsed.end).unwrap_or(value), most)?,
            (Some(_), statements) if statements.iter().any(|statement| matches!(statement, Statement::Query(_))) => {
                return Err(whole(Reason::SqlStacked));
            }
            _ => None,
        };
        let printed = print(&parsed.statements);
        // Printed as it was written, it was read already.
        let normal = if printed != value.trim() && self.is_fixed(&printed, mark) { printed } else { value.trim().to_owned() };
        Ok(Judged { normal, operation: Some(operation), replace })
    }

    /// Whether the parser prints what it reads of its own print: so it does where that has the tokens of the text, marked `mark`.
    fn is_fixed(&self, printed: &str, mark: u64) -> bool {
        self.tokens(printed)
            .is_ok_and(|tokens| tokens.mark == mark || self.parse(tokens).is_ok_and(|again| print(&again.statements) == printed))
    }

    fn tokens(&self, value: &str) -> Result<Tokens, Refused> {
        if value.len() > SQL {
            return Err(Refused::whole(Reason::TooLong));
        }
        let odd = text::find(value, |letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r'));
        if let Some(at) = odd.or_else(|| text::hidden(value)) {
            return Err(Refused::new(Reason::SqlComment, at));
        }
        // Alone, it ends a comment for some and not for others.
        if value.split("\r\n").any(|line| line.contains('\r')) {
            return Err(Refused::whole(Reason::SqlComment));
        }
        token::read(value, self.dialect, self.dialect.grammar())
    }

    fn parse(&self, tokens: Tokens) -> Result<Parsed, Refused> {
        let refuse = |reason| Err(Refused::whole(reason));
        let parser = Parser::new(self.dialect.grammar()).with_recursion_limit(RECURSION);
        match parser.with_tokens_with_locations(tokens.tokens).parse_statements() {
            Err(sqlparser::parser::ParserError::RecursionLimitExceeded) => refuse(Reason::SqlDeep),
            Err(_) => refuse(Reason::SqlUnreadable),
            Ok(statements) if statements.is_empty() => refuse(Reason::SqlEmpty),
            Ok(statements) if statements.len() > 1 && self.statements == Statements::One => refuse(Reason::SqlStacked),
            Ok(statements) => Ok(Parsed { statements, end: tokens.end }),
        }
    }

    /// The text with a limit on its rows, where it has none; none where it has a lower one.
    fn limited(&self, query: &Query, text: &str, most: u64) -> Result<Option<String>, Refused> {
        let refused = Refused::whole(Reason::SqlRows);
        let within = |limit: Option<u64>| if limit.is_some_and(|limit| limit <= most) { Ok(None) } else { Err(refused) };
        match (&query.limit_clause, &query.fetch) {
            (Some(LimitClause::LimitOffset { limit: Some(limit), .. } | LimitClause::OffsetCommaLimit { limit, .. }), None) => {
                return within(walk::number(limit));
            }
            (None | Some(LimitClause::LimitOffset { limit: None, .. }), Some(Fetch { with_ties: false, percent: false, quantity })) => {
                return within(quantity.as_ref().map_or(Some(1), walk::number));
            }
            (None | Some(LimitClause::LimitOffset { limit: None, .. }), None) => {}
            (Some(_), Some(_)) | (None, Some(_)) => return Err(refused),
        }
        let limited = match self.dialect {
            Dialect::Postgres | Dialect::MySql | Dialect::Sqlite => format!("{text}\nLIMIT {most}"),
            Dialect::Ansi => format!("{text}\nFETCH FIRST {most} ROWS ONLY"),
        };
        // Written behind the text, it must be read as the limit of this query and of nothing in it.
        let again = self.parse(self.tokens(&limited)?)?;
        match again.statements.as_slice() {
            [Statement::Query(other)] if stripped(other) == stripped(query) && (other.limit_clause.is_some() || other.fetch.is_some()) => {
                Ok(Some(limited))
            }
            _ => Err(refused),
        }
    }
}

fn print(statements: &[Statement]) -> String {
    statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

struct Parsed {
    statements: Vec<Statement>,
    /// Where the text ends but for what is at its end: semicolons, comments, spaces.
    end: usize,
}

/// A query without its limit on rows.
fn stripped(query: &Query) -> Query {
    let mut query = query.clone();
    query.fetch = None;
    query.limit_clause = query.limit_clause.and_then(|clause| match clause {
        LimitClause::LimitOffset { offset: Some(offset), limit_by, .. } => {
            Some(LimitClause::LimitOffset { limit: None, offset: Some(offset), limit_by })
        }
        LimitClause::LimitOffset { offset: None, .. } | LimitClause::OffsetCommaLimit { .. } => None,
    });
    query
}

#[cfg(test)]
mod tests;
