//! What the operator says about single tools.

use super::File;
use super::limit::Served;
use crate::decode::{Decode, Reader, choice, parsed, section};
use crate::tree::Node;
use crate::unit::Size;
use serde_json::{Number, Value as Json};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use terms::{Label, Operation, ServerName};

/// A tool of a server, written `server__tool`; the first `__` splits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolKey {
    /// The server.
    pub server: ServerName,
    /// The tool's bare name.
    pub tool: String,
}

impl FromStr for ToolKey {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (server, tool) = text.split_once("__").ok_or(())?;
        if tool.is_empty() || tool.len() > 256 || tool.chars().any(char::is_control) {
            return Err(());
        }
        Ok(Self { server: ServerName::new(server).map_err(drop)?, tool: tool.to_owned() })
    }
}

impl fmt::Display for ToolKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}__{}", self.server, self.tool)
    }
}

impl Decode for ToolKey {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, "a tool written server__tool")
    }
    fn schema() -> Json {
        serde_json::json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*__.+$"})
    }
}

section! {
    /// What the operator says about a tool.
    Tool {
        /// What it does to the world.
        operation, "operation": Option<Operation> = None;
        /// How its calls are parted into tools of their own.
        split, "split": Option<Split> = None;
        /// Bounds on its arguments, by name.
        arguments, "arguments": BTreeMap<String, Argument> = BTreeMap::new();
        /// What happens to its results.
        result, "result": Option<ResultRule> = None;
        /// Units of cost of one call; absent: one.
        cost, "cost": Option<u32> = None;
        /// How much may be asked of it, and so of what is behind it.
        limits, "limits": Served = Served::default();
    }
}

section! {
    /// How the calls of a tool that does several kinds of things are parted into tools of their own, `server__tool.part`.
    Split {
        /// The argument that tells.
        by, "by": String;
        /// The parts, by the end of their names.
        parts, "parts": BTreeMap<PartName, Portion> = BTreeMap::new();
    }
}

section! {
    /// One part of a tool.
    Portion {
        /// What its calls do to the world.
        operation, "operation": Operation;
        /// The argument's values; absent, its guard tells.
        values, "values": Option<Vec<String>> = None;
    }
}

impl Split {
    /// The parts: those that are written, else one for each kind that the guard of the argument tells apart.
    pub(crate) fn portions(&self, tool: &Tool) -> BTreeMap<PartName, Portion> {
        if !self.parts.is_empty() {
            return self.parts.clone();
        }
        let reads = match tool.arguments.get(&self.by).and_then(|argument| argument.guard) {
            Some(GuardKind::Sql) => "select",
            Some(GuardKind::Files | GuardKind::Http | GuardKind::Process) | None => "read",
        };
        let all = [(reads, Operation::Read), ("write", Operation::Write), ("delete", Operation::Delete)];
        all.into_iter().map(|(name, operation)| (PartName(name.to_owned()), Portion { operation, values: None })).collect()
    }
}

impl File {
    /// The names under which a tool of a server is there: its own, or those of its parts.
    pub fn names_of(&self, server: &ServerName, tool: &str) -> Vec<String> {
        let rule = self.tools.get(&ToolKey { server: server.clone(), tool: tool.to_owned() });
        match rule.and_then(|rule| Some((rule, rule.split.as_ref()?))) {
            Some((rule, split)) => split.portions(rule).keys().map(|part| format!("{tool}.{part}")).collect(),
            None => vec![tool.to_owned()],
        }
    }

    /// What the file says that a tool of this name does, or a part of one.
    pub fn operation_of(&self, server: &ServerName, name: &str) -> Option<Operation> {
        let rule = |tool: &str| self.tools.get(&ToolKey { server: server.clone(), tool: tool.to_owned() });
        let own = rule(name).and_then(|rule| rule.operation);
        own.or_else(|| {
            let (tool, part) = name.rsplit_once('.')?;
            let rule = rule(tool)?;
            Some(rule.split.as_ref()?.portions(rule).get(&part.parse::<PartName>().ok()?)?.operation)
        })
    }
}

/// The end of the name of a part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName(String);

impl PartName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PartName {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let good = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Decode for PartName {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, "the end of a name: 1 to 32 of a-z, 0-9, _ and -")
    }
    fn schema() -> Json {
        serde_json::json!({"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"})
    }
}

section! {
    /// Bounds on the results of a tool.
    ResultRule {
        /// The label of what it returns.
        label, "label": Option<Label> = None;
        /// The most bytes.
        max, "max": Option<Size> = None;
        /// The most lines.
        lines, "lines": Option<u32> = None;
    }
}

section! {
    /// Bounds on one argument: keywords of JSON Schema, or a guard and its policy.
    Argument {
        /// The type.
        kind, "type": Option<JsonType> = None;
        /// The smallest number.
        minimum, "minimum": Option<Number> = None;
        /// The largest number.
        maximum, "maximum": Option<Number> = None;
        /// What a number must be above.
        above, "exclusiveMinimum": Option<Number> = None;
        /// What a number must be below.
        below, "exclusiveMaximum": Option<Number> = None;
        /// What a whole number must be a multiple of.
        multiple_of, "multipleOf": Option<u64> = None;
        /// The fewest items of a list.
        min_items, "minItems": Option<u64> = None;
        /// The most items of a list.
        max_items, "maxItems": Option<u64> = None;
        /// What a text must not be, in whatever spelling.
        not, "not": Option<Denied> = None;
        /// The only values.
        one_of, "enum": Option<Vec<Json>> = None;
        /// The fewest characters.
        min_length, "minLength": Option<u64> = None;
        /// The most characters.
        max_length, "maxLength": Option<u64> = None;
        /// A regular expression that is found in the text.
        pattern, "pattern": Option<String> = None;
        /// A format of JSON Schema.
        format, "format": Option<String> = None;
        /// Says that open-ended text is meant to be accepted.
        text, "text": Option<FreeText> = None;
        /// Who judges the value.
        guard, "guard": Option<GuardKind> = None;
        /// files: the folders.
        roots, "roots": Option<Vec<String>> = None;
        /// files: whether it may be written.
        write, "write": Option<bool> = None;
        /// files: whether links may lead outside.
        follow_symlinks_outside, "follow_symlinks_outside": Option<bool> = None;
        /// http: the schemes.
        schemes, "schemes": Option<Vec<String>> = None;
        /// http: the hosts.
        allow_hosts, "allow_hosts": Option<Vec<String>> = None;
        /// http: whether private addresses are refused.
        deny_private, "deny_private": Option<bool> = None;
        /// sql: whose grammar.
        dialect, "dialect": Option<String> = None;
        /// sql: read-only or read-write.
        mode, "mode": Option<String> = None;
        /// sql: the tables.
        tables, "tables": Option<Vec<String>> = None;
        /// sql: whether there may be only one statement.
        single_statement, "single_statement": Option<bool> = None;
        /// sql: functions beside those that only compute.
        functions, "functions": Option<Vec<String>> = None;
        /// sql: the most rows.
        rows, "rows": Option<u64> = None;
        /// sql: whether values may stand in the text.
        literals, "literals": Option<String> = None;
        /// process: the programs.
        allowed, "allowed": Option<Vec<String>> = None;
        /// process: whether characters of the shell are refused.
        shell_metacharacters, "shell_metacharacters": Option<String> = None;
        /// process: whether code in arguments is refused.
        inline_code, "inline_code": Option<String> = None;
        /// process: whether variables before the program are refused.
        env_prefix, "env_prefix": Option<String> = None;
        /// process: whether options that start programs are refused.
        exec_options, "exec_options": Option<String> = None;
        /// process: whether paths outside the folder are refused.
        paths_outside_cwd, "paths_outside_cwd": Option<String> = None;
        /// process: the folder.
        cwd, "cwd": Option<String> = None;
    }
}

section! {
    /// What a text must not be.
    Denied {
        /// None of these.
        one_of, "enum": Vec<String> = Vec::new();
        /// A regular expression that is found nowhere in it.
        pattern, "pattern": Option<String> = None;
    }
}

impl Argument {
    /// The keys that mean something only beside a guard.
    pub(crate) const OF_GUARDS: &'static [&'static str] = &[
        "roots",
        "write",
        "follow_symlinks_outside",
        "schemes",
        "allow_hosts",
        "deny_private",
        "dialect",
        "mode",
        "tables",
        "single_statement",
        "functions",
        "rows",
        "literals",
        "allowed",
        "shell_metacharacters",
        "inline_code",
        "env_prefix",
        "exec_options",
        "paths_outside_cwd",
        "cwd",
    ];

    /// Whether it bounds a text, or says that any is meant.
    pub(crate) fn bounds_text(&self) -> bool {
        self.text.is_some()
            || self.guard.is_some()
            || self.one_of.is_some()
            || self.max_length.is_some()
            || self.pattern.is_some()
            || self.format.is_some()
            || matches!(self.kind, Some(JsonType::Integer | JsonType::Number | JsonType::Boolean))
    }

    /// The guard, with the words of its policy; none where none is named.
    ///
    /// # Errors
    /// [`guards::Error`], with the word that is wrong.
    pub(crate) fn guarded(&self) -> Result<Option<guards::Guard>, guards::Error> {
        let kind = match self.guard {
            None => return Ok(None),
            Some(GuardKind::Files) => guards::GuardKind::Files,
            Some(GuardKind::Sql) => guards::GuardKind::Sql,
            Some(GuardKind::Http) => guards::GuardKind::Http,
            Some(GuardKind::Process) => guards::GuardKind::Process,
        };
        let words = guards::Words {
            roots: self.roots.clone(),
            write: self.write,
            follow_symlinks_outside: self.follow_symlinks_outside,
            schemes: self.schemes.clone(),
            allow_hosts: self.allow_hosts.clone(),
            deny_private: self.deny_private,
            dialect: self.dialect.clone(),
            mode: self.mode.clone(),
            tables: self.tables.clone(),
            single_statement: self.single_statement,
            functions: self.functions.clone(),
            rows: self.rows,
            literals: self.literals.clone(),
            allowed: self.allowed.clone(),
            shell_metacharacters: self.shell_metacharacters.clone(),
            inline_code: self.inline_code.clone(),
            env_prefix: self.env_prefix.clone(),
            exec_options: self.exec_options.clone(),
            paths_outside_cwd: self.paths_outside_cwd.clone(),
            cwd: self.cwd.clone(),
        };
        guards::Guard::new(kind, &words).map(Some)
    }
}

choice! {
    /// A type of JSON Schema.
    JsonType {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// True or false.
        Boolean = "boolean",
        /// A list.
        Array = "array",
        /// Named members.
        Object = "object",
    }
}

choice! {
    /// Says that open-ended text is meant.
    FreeText {
        /// Anything may stand there.
        Free = "free",
    }
}

choice! {
    /// Who judges a value.
    GuardKind {
        /// Paths.
        Files = "files",
        /// SQL.
        Sql = "sql",
        /// URLs.
        Http = "http",
        /// Commands.
        Process = "process",
    }
}
