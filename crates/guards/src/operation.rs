//! Which kind of operation a call is: read, write or delete.
//!
//! The operator's word comes first, then what a guard reads in the arguments. What a tool's name and annotations say can only make it graver: they
//! are the server's own. A call of which nothing tells the kind has none, and counts as the gravest where kinds are granted.

use crate::{Found, GuardKind, Guards};
use serde_json::{Map, Value};
use terms::Operation;

/// Words of names of tools that remove something.
const REMOVES: [&str; 12] =
    ["delete", "remove", "drop", "destroy", "purge", "erase", "truncate", "wipe", "prune", "uninstall", "kill", "rm"];
/// Words of names of tools that change something.
const CHANGES: [&str; 26] = [
    "write", "create", "update", "insert", "edit", "set", "put", "post", "patch", "add", "append", "move", "rename", "upload", "send",
    "save", "modify", "replace", "upsert", "import", "install", "commit", "push", "merge", "apply", "publish",
];

/// By what the calls of a tool are parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By what the guard of the argument reads in it.
    Guard,
    /// By the argument's value: it is one of these.
    Values(Vec<String>),
}

/// The calls of a tool that are a tool of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The tool as its server knows it.
    pub tool: String,
    /// The argument that tells.
    pub argument: String,
    /// How it tells.
    pub by: By,
}

/// Why the kind of a call is not the one that its tool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistold {
    /// It is another one.
    Other,
    /// It cannot be told.
    Untold,
}

/// What is known of the kinds of a tool's calls before there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    word: Option<Operation>,
    least: Option<Operation>,
    told: bool,
    method: Method,
    part: Option<Part>,
}

/// The argument beside a guarded URL that says what is asked of it (RFC 9110, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Method {
    /// There is no guarded URL.
    #[default]
    Absent,
    /// The server alone says that there is such an argument: it can make a call graver, and no more.
    Hints,
    /// The operator bounds it.
    Tells,
}

impl Method {
    const NAME: &'static str = "method";

    /// What a call asks for; none where it does not say.
    fn of(self, arguments: &Map<String, Value>) -> Option<Operation> {
        match self {
            Self::Absent => None,
            Self::Hints | Self::Tells => match arguments.get(Self::NAME)? {
                Value::Null => None,
                Value::String(method) if matches!(method.as_str(), "GET" | "get" | "HEAD" | "head") => Some(Operation::Read),
                Value::String(method) if method.trim().eq_ignore_ascii_case("DELETE") => Some(Operation::Delete),
                Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(Operation::Write),
            },
        }
    }
}

impl Kinds {
    /// Of a tool of which nothing is known.
    pub const UNKNOWN: Self = Self { word: None, least: None, told: false, method: Method::Absent, part: None };

    /// Of a tool that the operator says is `word`, whose `definition` hints, and of whose arguments some have `guards` and some, the `bounded` ones,
    /// are constrained by the operator.
    pub fn new<'a>(
        word: Option<Operation>,
        definition: &Map<String, Value>,
        guards: &Guards,
        bounded: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let method = match guards.holds(GuardKind::Http) {
            false => Method::Absent,
            true if bounded.into_iter().any(|name| name == Method::NAME) => Method::Tells,
            true => Method::Hints,
        };
        Self { word, least: hint(definition), told: guards.tell() || method == Method::Tells, method, part: None }
    }

    /// Of the calls of a tool that are `operation` by `part`.
    pub const fn of_part(operation: Operation, part: Part) -> Self {
        Self { word: Some(operation), least: None, told: false, method: Method::Absent, part: Some(part) }
    }

    /// What part of a tool it is.
    pub const fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// What the operator says.
    pub const fn word(&self) -> Option<Operation> {
        self.word
    }

    /// What its name and annotations say where that is graver than the operator's word.
    pub fn contradicts(&self) -> Option<Operation> {
        self.least.filter(|least| self.word.is_some_and(|word| word < *least))
    }

    /// The kinds that a call may turn out to be; none of a kind where nothing tells.
    pub fn possible(&self) -> &'static [Option<Operation>] {
        const READ: Option<Operation> = Some(Operation::Read);
        const WRITE: Option<Operation> = Some(Operation::Write);
        const DELETE: Option<Operation> = Some(Operation::Delete);
        match (self.word, self.told, self.least) {
            (Some(Operation::Read), ..) => &[READ],
            (Some(Operation::Write), ..) => &[WRITE],
            (Some(Operation::Delete), ..) => &[DELETE],
            (None, false, _) => &[None],
            // An argument that tells may be left out: then nothing does.
            (None, true, None | Some(Operation::Read)) => &[READ, WRITE, DELETE, None],
            (None, true, Some(Operation::Write)) => &[WRITE, DELETE, None],
            (None, true, Some(Operation::Delete)) => &[DELETE, None],
        }
    }

    /// What a call with these arguments is, of which the guards `found` this; none where nothing tells.
    ///
    /// # Errors
    /// [`Mistold`] when it is not what its tool is for.
    pub fn of(&self, arguments: &Map<String, Value>, found: &[Found]) -> Result<Option<Operation>, Mistold> {
        if let (Some(part), Some(word)) = (&self.part, self.word) {
            match &part.by {
                By::Values(values) => {
                    let value = arguments.get(&part.argument).and_then(Value::as_str).ok_or(Mistold::Untold)?;
                    if !values.iter().any(|one| one == value) {
                        return Err(Mistold::Other);
                    }
                }
                By::Guard => {
                    let found = found.iter().find(|found| found.argument == part.argument).ok_or(Mistold::Untold)?;
                    let read = found.judged.iter().map(|judged| judged.operation).collect::<Option<Vec<_>>>().ok_or(Mistold::Untold)?;
                    match read.into_iter().max() {
                        None => return Err(Mistold::Untold),
                        Some(read) if read != word => return Err(Mistold::Other),
                        Some(_) => {}
                    }
                }
            }
        }
        let method = self.method.of(arguments);
        let told = found.iter().filter(|found| found.kind.tells()).flat_map(|found| &found.judged).map(|judged| judged.operation);
        let told: Vec<Option<Operation>> = told.chain((self.method == Method::Tells).then_some(method)).collect();
        let read = told.iter().copied().chain([method]).flatten().max();
        match self.word {
            Some(word) if read.is_some_and(|read| read > word) => Err(Mistold::Other),
            Some(word) => Ok(Some(word)),
            // One that tells nothing may be about more than the others say.
            None if told.is_empty() || told.contains(&None) => Ok(None),
            None => {
                // A path that may be written says nothing of what is done, but that it may be more than a reading.
                let beside = found.iter().flat_map(|found| &found.judged).filter_map(|judged| judged.operation).max();
                Ok([read, beside, self.least].into_iter().flatten().max())
            }
        }
    }
}

impl GuardKind {
    /// Whether it reads in an argument which kind of operation a call is. What a path or a URL is for is not written in it.
    pub const fn tells(self) -> bool {
        match self {
            Self::Sql | Self::Process => true,
            Self::Files | Self::Http => false,
        }
    }
}

/// The least that a tool does by its name and annotations; none where they say nothing or that it reads.
pub fn hint(definition: &Map<String, Value>) -> Option<Operation> {
    let annotations = definition.get("annotations");
    let says = |name: &str| annotations.and_then(|annotations| annotations.get(name)).and_then(Value::as_bool);
    let stated = match (says("destructiveHint"), says("readOnlyHint")) {
        (Some(true), read) if read != Some(true) => Some(Operation::Delete),
        (_, Some(false)) => Some(Operation::Write),
        (_, Some(true) | None) => None,
    };
    let name = definition.get("name").and_then(Value::as_str).unwrap_or_default();
    stated.max(by_name(name))
}

fn by_name(name: &str) -> Option<Operation> {
    let words = words(name);
    if words.iter().any(|word| REMOVES.contains(&word.as_str())) {
        Some(Operation::Delete)
    } else if words.iter().any(|word| CHANGES.contains(&word.as_str())) {
        Some(Operation::Write)
    } else {
        None
    }
}

/// The words of a name in snake, kebab or camel case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for letter in name.chars().take(256) {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() || !letter.is_ascii_alphabetic() && before.is_ascii_alphabetic() {
            words.push(String::new());
        }
        if letter.is_ascii_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guard, Guards, Words, path::Lexical};
    use serde_json::json;

    fn definition(name: &str, annotations: Value) -> Map<String, Value> {
        json!({"name": name, "annotations": annotations}).as_object().cloned().unwrap()
    }

    fn guard(kind: GuardKind) -> Guard {
        let list = |one: &[&str]| Some(one.iter().map(|one| (*one).to_owned()).collect());
        let words = match kind {
            GuardKind::Sql => Words { dialect: Some("postgres".into()), mode: Some("read-write".into()), ..Words::default() },
            GuardKind::Process => Words { allowed: list(&["git", "ls", "rm", "make"]), ..Words::default() },
            GuardKind::Http => Words { allow_hosts: list(&["a.test"]), ..Words::default() },
            GuardKind::Files => Words { roots: list(&["/srv"]), write: Some(true), ..Words::default() },
        };
        Guard::new(kind, &words).unwrap()
    }

    /// Guards of arguments that bear their names.
    fn guards(kinds: &[GuardKind]) -> Guards {
        Guards::new(kinds.iter().map(|kind| (kind.as_str().to_owned(), guard(*kind))).collect())
    }

    fn sql(text: &str) -> (Map<String, Value>, Vec<Found>) {
        let arguments = json!({"sql": text}).as_object().cloned().unwrap();
        let found = guards(&[GuardKind::Sql]).judge(&arguments, &Lexical).unwrap();
        (arguments, found)
    }

    /// What a call of a tool named `run` is.
    fn kind(word: Option<Operation>, kinds: &[GuardKind], bounded: &[&str], arguments: &Value) -> Result<Option<Operation>, Mistold> {
        let (guards, arguments) = (guards(kinds), arguments.as_object().unwrap());
        let found = guards.judge(arguments, &Lexical).unwrap();
        Kinds::new(word, &definition("run", json!({})), &guards, bounded.iter().copied()).of(arguments, &found)
    }

    #[test]
    fn a_command_tells_what_a_call_is() {
        for (command, told, as_read, as_write) in [
            ("git status", Ok(Some(Operation::Read)), Ok(Some(Operation::Read)), Ok(Some(Operation::Write))),
            ("git commit -m x", Ok(Some(Operation::Write)), Err(Mistold::Other), Ok(Some(Operation::Write))),
            ("rm x", Ok(Some(Operation::Delete)), Err(Mistold::Other), Err(Mistold::Other)),
            ("make x", Ok(None), Ok(Some(Operation::Read)), Ok(Some(Operation::Write))),
        ] {
            for value in [json!({"process": command}), json!({"process": command.split(' ').collect::<Vec<_>>()})] {
                let of = |word| kind(word, &[GuardKind::Process], &[], &value);
                assert_eq!((of(None), of(Some(Operation::Read)), of(Some(Operation::Write))), (told, as_read, as_write), "{value}");
            }
        }
    }

    #[test]
    fn a_method_tells_where_the_operator_bounds_it_and_tightens_elsewhere() {
        let url = |method: Value| json!({"http": "https://a.test/", "method": method});
        for (method, told) in [
            (json!("GET"), Operation::Read),
            (json!("head"), Operation::Read),
            (json!("POST"), Operation::Write),
            (json!("delete"), Operation::Delete),
            (json!(" DELETE"), Operation::Delete),
            (json!(" GET"), Operation::Write),
            (json!("ＧET"), Operation::Write),
            (json!(["GET"]), Operation::Write),
        ] {
            let of = |word, bounded: &[&str]| kind(word, &[GuardKind::Http], bounded, &url(method.clone()));
            assert_eq!(of(None, &["method"]), Ok(Some(told)), "{method}");
            assert_eq!(of(None, &[]), Ok(None), "{method}: the server alone says what it is");
            let most = |word| if told > word { Err(Mistold::Other) } else { Ok(Some(word)) };
            assert_eq!(of(Some(Operation::Read), &[]), most(Operation::Read), "{method}");
            assert_eq!(of(Some(Operation::Write), &["method"]), most(Operation::Write), "{method}");
        }
        assert_eq!(kind(None, &[GuardKind::Http], &["method"], &json!({"http": "https://a.test/"})), Ok(None), "it may be left out");
        assert_eq!(kind(None, &[GuardKind::Sql], &["method"], &url(json!("GET"))), Ok(None), "no URL is guarded");
    }

    #[test]
    fn what_one_guard_does_not_tell_another_does_not_make_up_for() {
        let both = |command: &str| json!({"sql": "SELECT 1", "process": command, "files": "/srv/a"});
        assert_eq!(kind(None, &[GuardKind::Sql, GuardKind::Process], &[], &both("ls")), Ok(Some(Operation::Read)));
        assert_eq!(kind(None, &[GuardKind::Sql, GuardKind::Process], &[], &both("make")), Ok(None));
        assert_eq!(kind(None, &[GuardKind::Sql, GuardKind::Files], &[], &both("ls")), Ok(Some(Operation::Write)), "a path may be written");
        assert_eq!(kind(None, &[GuardKind::Files], &[], &both("ls")), Ok(None), "a path alone tells nothing");
    }

    #[test]
    fn names_and_annotations_never_say_that_a_tool_reads() {
        for (name, annotations, expected) in [
            ("read_file", json!({"readOnlyHint": true}), None),
            ("query", json!({}), None),
            ("deleteFile", json!({"readOnlyHint": true}), Some(Operation::Delete)),
            ("git-push", json!({}), Some(Operation::Write)),
            ("settings", json!({}), None),
            ("run", json!({"readOnlyHint": false}), Some(Operation::Write)),
            ("run", json!({"destructiveHint": true}), Some(Operation::Delete)),
            ("create_x", json!({"destructiveHint": false}), Some(Operation::Write)),
        ] {
            assert_eq!(hint(&definition(name, annotations.clone())), expected, "{name} {annotations}");
        }
    }

    #[test]
    fn the_operators_word_is_not_exceeded() {
        let reads = Kinds::new(Some(Operation::Read), &definition("execute", json!({})), &guards(&[GuardKind::Sql]), []);
        let (arguments, found) = sql("SELECT 1");
        assert_eq!(reads.of(&arguments, &found), Ok(Some(Operation::Read)));
        let (arguments, found) = sql("UPDATE t SET a = 1");
        assert_eq!(reads.of(&arguments, &found), Err(Mistold::Other));
        let writes = Kinds::new(Some(Operation::Write), &definition("execute", json!({})), &guards(&[GuardKind::Sql]), []);
        assert_eq!(writes.of(&arguments, &found), Ok(Some(Operation::Write)));
        let (arguments, found) = sql("DELETE FROM t");
        assert_eq!(writes.of(&arguments, &found), Err(Mistold::Other));
    }

    #[test]
    fn without_a_word_the_statement_tells_and_hints_tighten() {
        let plain = Kinds::new(None, &definition("execute", json!({"readOnlyHint": true})), &guards(&[GuardKind::Sql]), []);
        let named = Kinds::new(None, &definition("write_query", json!({})), &guards(&[GuardKind::Sql]), []);
        for (text, of_plain, of_named) in [
            ("SELECT 1", Operation::Read, Operation::Write),
            ("INSERT INTO t VALUES (1)", Operation::Write, Operation::Write),
            ("DELETE FROM t", Operation::Delete, Operation::Delete),
        ] {
            let (arguments, found) = sql(text);
            assert_eq!(plain.of(&arguments, &found), Ok(Some(of_plain)), "{text}");
            assert_eq!(named.of(&arguments, &found), Ok(Some(of_named)), "{text}");
        }
        assert_eq!(plain.of(&Map::new(), &[]), Ok(None), "nothing tells where the argument is left out");
        assert_eq!(Kinds::UNKNOWN.possible(), [None]);
        assert_eq!(named.possible(), [Some(Operation::Write), Some(Operation::Delete), None]);
    }

    #[test]
    fn a_part_takes_its_own_calls_alone() {
        let of = |operation, by| Kinds::of_part(operation, Part { tool: "execute".into(), argument: "sql".into(), by });
        let (arguments, found) = sql("SELECT 1");
        assert_eq!(of(Operation::Read, By::Guard).of(&arguments, &found), Ok(Some(Operation::Read)));
        assert_eq!(of(Operation::Write, By::Guard).of(&arguments, &found), Err(Mistold::Other));
        assert_eq!(of(Operation::Read, By::Guard).of(&Map::new(), &[]), Err(Mistold::Untold));
        let values = of(Operation::Read, By::Values(vec!["list".into(), "get".into()]));
        let of = |value: Value| values.of(json!({"sql": value}).as_object().unwrap(), &[]);
        assert_eq!(of(json!("list")), Ok(Some(Operation::Read)));
        for other in [json!("List"), json!("list "), json!("ｌist"), json!("purge")] {
            assert_eq!(of(other.clone()), Err(Mistold::Other), "{other}");
        }
        for untold in [json!(null), json!(["list"]), json!(1)] {
            assert_eq!(of(untold.clone()), Err(Mistold::Untold), "{untold}");
        }
    }
}
