//! Guards of arguments, made of the words of a policy.

use crate::path::Links;
use crate::{Error, Reason, Refused, argv, path, sql, url};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use terms::Operation;

/// Texts of one list that are judged.
const ITEMS: usize = 1_000;

/// Which guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardKind {
    /// Paths.
    Files,
    /// SQL statements.
    Sql,
    /// URLs.
    Http,
    /// Commands.
    Process,
}

impl GuardKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Files, Self::Sql, Self::Http, Self::Process];

    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Sql => "sql",
            Self::Http => "http",
            Self::Process => "process",
        }
    }

    /// The words that belong to its policy.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Files => &["roots", "write", "follow_symlinks_outside", "cwd"],
            Self::Sql => &["dialect", "mode", "tables", "single_statement", "functions", "rows", "literals"],
            Self::Http => &["schemes", "allow_hosts", "deny_private"],
            Self::Process => &["allowed", "shell_metacharacters", "inline_code", "env_prefix", "exec_options", "paths_outside_cwd", "cwd"],
        }
    }
}

/// A policy as it is written; what is not said has the strictest meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// files: the folders.
    pub roots: Option<Vec<String>>,
    /// files: whether what is named may be written.
    pub write: Option<bool>,
    /// files: whether links may lead outside.
    pub follow_symlinks_outside: Option<bool>,
    /// http: the schemes.
    pub schemes: Option<Vec<String>>,
    /// http: the hosts.
    pub allow_hosts: Option<Vec<String>>,
    /// http: whether inner addresses are refused.
    pub deny_private: Option<bool>,
    /// sql: whose grammar.
    pub dialect: Option<String>,
    /// sql: `read-only` or `read-write`.
    pub mode: Option<String>,
    /// sql: the only tables.
    pub tables: Option<Vec<String>>,
    /// sql: whether there may be only one statement.
    pub single_statement: Option<bool>,
    /// sql: functions beside those that only compute.
    pub functions: Option<Vec<String>>,
    /// sql: the most rows.
    pub rows: Option<u64>,
    /// sql: `inline` or `parameters`.
    pub literals: Option<String>,
    /// process: the programs.
    pub allowed: Option<Vec<String>>,
    /// process: `deny` or `allow`.
    pub shell_metacharacters: Option<String>,
    /// process: `deny` or `allow`.
    pub inline_code: Option<String>,
    /// process: `deny` or `allow`.
    pub env_prefix: Option<String>,
    /// process: `deny` or `allow`.
    pub exec_options: Option<String>,
    /// process: `deny` or `allow`.
    pub paths_outside_cwd: Option<String>,
    /// files, process: where relative paths begin.
    pub cwd: Option<String>,
}

impl Words {
    /// The words that are said.
    fn said(&self) -> Vec<&'static str> {
        let Self {
            roots,
            write,
            follow_symlinks_outside,
            schemes,
            allow_hosts,
            deny_private,
            dialect,
            mode,
            tables,
            single_statement,
            functions,
            rows,
            literals,
            allowed,
            shell_metacharacters,
            inline_code,
            env_prefix,
            exec_options,
            paths_outside_cwd,
            cwd,
        } = self;
        let all = [
            ("roots", roots.is_some()),
            ("write", write.is_some()),
            ("follow_symlinks_outside", follow_symlinks_outside.is_some()),
            ("schemes", schemes.is_some()),
            ("allow_hosts", allow_hosts.is_some()),
            ("deny_private", deny_private.is_some()),
            ("dialect", dialect.is_some()),
            ("mode", mode.is_some()),
            ("tables", tables.is_some()),
            ("single_statement", single_statement.is_some()),
            ("functions", functions.is_some()),
            ("rows", rows.is_some()),
            ("literals", literals.is_some()),
            ("allowed", allowed.is_some()),
            ("shell_metacharacters", shell_metacharacters.is_some()),
            ("inline_code", inline_code.is_some()),
            ("env_prefix", env_prefix.is_some()),
            ("exec_options", exec_options.is_some()),
            ("paths_outside_cwd", paths_outside_cwd.is_some()),
            ("cwd", cwd.is_some()),
        ];
        all.into_iter().filter(|(_, said)| *said).map(|(word, _)| word).collect()
    }
}

/// What a guard found of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its normal form.
    pub normal: String,
    /// What it would do, where the guard can tell.
    pub operation: Option<Operation>,
    /// What is to be sent in its place, where the policy bounds it so.
    pub replace: Option<String>,
}

/// A guard with its policy.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Paths.
    Files(path::Policy),
    /// SQL statements.
    Sql(sql::Policy),
    /// URLs.
    Http(url::Policy),
    /// Commands.
    Process(argv::Policy),
}

impl Guard {
    /// A guard of the words of its policy.
    ///
    /// # Errors
    /// [`Error::Policy`] with the word that is wrong.
    pub fn new(kind: GuardKind, words: &Words) -> Result<Self, Error> {
        if let Some(key) = words.said().into_iter().find(|word| !kind.words().contains(word)) {
            return Err(Error::Policy { key, why: "the word belongs to another guard" });
        }
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        Ok(match kind {
            GuardKind::Files => {
                let access = if words.write == Some(true) { path::Access::Write } else { path::Access::Read };
                let follow = if words.follow_symlinks_outside == Some(true) { path::Follow::Anywhere } else { path::Follow::Inside };
                Self::Files(path::Policy::new(&list(&words.roots), words.cwd.as_deref(), access, follow)?)
            }
            GuardKind::Http => {
                let inner = if words.deny_private == Some(false) { url::Inner::Open } else { url::Inner::Refused };
                let schemes = words.schemes.clone().unwrap_or_else(|| vec!["https".to_owned()]);
                Self::Http(url::Policy::new(&schemes, &list(&words.allow_hosts), inner)?)
            }
            GuardKind::Sql => Self::Sql(database(words)?),
            GuardKind::Process => {
                let ways = argv::Ways {
                    shell: way("shell_metacharacters", words.shell_metacharacters.as_deref())?,
                    inline_code: way("inline_code", words.inline_code.as_deref())?,
                    env_prefix: way("env_prefix", words.env_prefix.as_deref())?,
                    exec_options: way("exec_options", words.exec_options.as_deref())?,
                    paths_outside_cwd: way("paths_outside_cwd", words.paths_outside_cwd.as_deref())?,
                };
                Self::Process(argv::Policy::new(&list(&words.allowed), ways, words.cwd.as_deref())?)
            }
        })
    }

    /// Which one it is.
    pub const fn kind(&self) -> GuardKind {
        match self {
            Self::Files(_) => GuardKind::Files,
            Self::Sql(_) => GuardKind::Sql,
            Self::Http(_) => GuardKind::Http,
            Self::Process(_) => GuardKind::Process,
        }
    }

    /// Judges one text.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge_text(&self, text: &str, links: &dyn Links) -> Result<Judged, Refused> {
        match self {
            Self::Files(policy) => policy.judge(text, links),
            Self::Sql(policy) => policy.judge(text),
            Self::Http(policy) => policy.judge(text),
            Self::Process(policy) => policy.judge(text),
        }
    }

    /// Judges an argument: a text, or a list of texts, each for itself; a list of words is one command.
    ///
    /// # Errors
    /// [`Refused`], for the first text that is.
    pub fn judge(&self, value: &Value, links: &dyn Links) -> Result<Vec<Judged>, Refused> {
        match (self, value) {
            (_, Value::String(text)) => self.judge_text(text, links).map(|judged| vec![judged]),
            (_, Value::Array(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                let texts = texts.ok_or(Refused::whole(Reason::NoText))?;
                match self {
                    Self::Process(policy) => policy.judge_words(&texts).map(|judged| vec![judged]),
                    Self::Files(_) | Self::Sql(_) | Self::Http(_) if texts.len() > ITEMS => Err(Refused::whole(Reason::TooLong)),
                    Self::Files(_) | Self::Sql(_) | Self::Http(_) => texts.iter().map(|text| self.judge_text(text, links)).collect(),
                }
            }
            (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(Refused::whole(Reason::NoText)),
        }
    }
}

fn way(key: &'static str, word: Option<&str>) -> Result<argv::Way, Error> {
    match word {
        None | Some("deny") => Ok(argv::Way::Denied),
        Some("allow") => Ok(argv::Way::Allowed),
        Some(_) => Err(Error::Policy { key, why: "write deny or allow" }),
    }
}

fn database(words: &Words) -> Result<sql::Policy, Error> {
    let dialect = words.dialect.as_deref().and_then(sql::Dialect::named);
    let dialect = dialect.ok_or(Error::Policy { key: "dialect", why: "write postgres, mysql, sqlite or ansi" })?;
    let mode = match words.mode.as_deref() {
        None | Some("read-only") => sql::Mode::ReadOnly,
        Some("read-write") => sql::Mode::ReadWrite,
        Some(_) => return Err(Error::Policy { key: "mode", why: "write read-only or read-write" }),
    };
    let literals = match words.literals.as_deref() {
        None | Some("inline") => sql::Literals::Inline,
        Some("parameters") => sql::Literals::Parameters,
        Some(_) => return Err(Error::Policy { key: "literals", why: "write inline or parameters" }),
    };
    let statements = if words.single_statement == Some(false) { sql::Statements::Several } else { sql::Statements::One };
    let mut policy = sql::Policy::new(dialect).mode(mode).statements(statements).literals(literals);
    if let Some(tables) = &words.tables {
        policy = policy.tables(tables)?;
    }
    if let Some(functions) = &words.functions {
        policy = policy.functions(functions);
    }
    if let Some(rows) = words.rows {
        policy = policy.rows(rows);
    }
    Ok(policy)
}

/// What a guard found of one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The argument.
    pub argument: String,
    /// The guard.
    pub kind: GuardKind,
    /// Its texts, in order.
    pub judged: Vec<Judged>,
}

/// The guards of one tool, by argument.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    guards: BTreeMap<String, Guard>,
}

impl Guards {
    /// The guards of one tool.
    pub const fn new(guards: BTreeMap<String, Guard>) -> Self {
        Self { guards }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// The guard of an argument.
    pub fn kind(&self, argument: &str) -> Option<GuardKind> {
        self.guards.get(argument).map(Guard::kind)
    }

    /// Whether one of them tells which kind of operation a call is.
    pub fn tell(&self) -> bool {
        self.guards.values().any(|guard| guard.kind().tells())
    }

    /// Whether one of them is of this kind.
    pub fn holds(&self, kind: GuardKind) -> bool {
        self.guards.values().any(|guard| guard.kind() == kind)
    }

    /// Whether one of them asks a file system.
    pub fn asks(&self) -> bool {
        self.holds(GuardKind::Files)
    }

    /// Judges the arguments of a call. One that is not there is the schema's affair.
    ///
    /// # Errors
    /// The first argument that is refused, in the order of names, with why.
    pub fn judge(&self, arguments: &Map<String, Value>, links: &dyn Links) -> Result<Vec<Found>, (String, Refused)> {
        let mut found = Vec::new();
        for (argument, guard) in &self.guards {
            let Some(value) = arguments.get(argument) else { continue };
            let judged = guard.judge(value, links).map_err(|refused| (argument.clone(), refused))?;
            found.push(Found { argument: argument.clone(), kind: guard.kind(), judged });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Lexical;
    use serde_json::json;

    fn words() -> Words {
        Words { roots: Some(vec!["/srv".into()]), ..Words::default() }
    }

    #[test]
    fn lists_are_judged_text_by_text() {
        let guard = Guard::new(GuardKind::Files, &words()).unwrap();
        let judge = |value: Value| guard.judge(&value, &Lexical).map(|judged| judged.len()).map_err(|refused| refused.reason);
        assert_eq!(judge(json!("a")), Ok(1));
        assert_eq!(judge(json!(["a", "b"])), Ok(2));
        assert_eq!(judge(json!(["a", "../b"])), Err(Reason::PathOutside));
        for odd in [json!(null), json!(7), json!({"path": "a"}), json!([["a"]]), json!(["a", 7])] {
            assert_eq!(judge(odd), Err(Reason::NoText));
        }
        assert_eq!(judge(Value::from(vec!["a"; 1_001])), Err(Reason::TooLong));
    }

    #[test]
    fn a_policy_is_made_of_its_own_words_only() {
        let error = |kind, words: &Words| match Guard::new(kind, words) {
            Err(Error::Policy { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(error(GuardKind::Http, &words()), "roots");
        assert_eq!(error(GuardKind::Files, &Words::default()), "roots");
        assert_eq!(error(GuardKind::Http, &Words::default()), "allow_hosts");
        assert_eq!(error(GuardKind::Process, &Words::default()), "allowed");
        assert_eq!(error(GuardKind::Sql, &Words::default()), "dialect");
        let sql = |words: Words| Words { dialect: Some("postgres".into()), ..words };
        assert_eq!(error(GuardKind::Sql, &sql(Words { mode: Some("rw".into()), ..Words::default() })), "mode");
        assert_eq!(error(GuardKind::Sql, &sql(Words { tables: Some(vec![]), ..Words::default() })), "tables");
        assert_eq!(
            error(GuardKind::Process, &Words { allowed: Some(vec!["a".into()]), inline_code: Some("maybe".into()), ..Words::default() }),
            "inline_code"
        );
    }
}
