//! Which kind of operation a call is: read, write or delete.
//!
//! The operator's word comes first, then what a guard reads in the arguments. What a tool's name and annotations say can only make it graver: they
//! are the server's own. A call of which nothing tells the kind has none, and counts as the gravest where kinds are granted.

use crate::{Found, GuardKind};
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
    part: Option<Part>,
}

impl Kinds {
    /// Of a tool of which nothing is known.
    pub const UNKNOWN: Self = Self { word: None, least: None, told: false, part: None };

    /// Of a tool that the operator says is `word`, whose `definition` hints, and of whose arguments one has a guard that `tells`.
    pub fn new(word: Option<Operation>, definition: &Map<String, Value>, tells: bool) -> Self {
        Self { word, least: hint(definition), told: tells, part: None }
    }

    /// Of the calls of a tool that are `operation` by `part`.
    pub const fn of_part(operation: Operation, part: Part) -> Self {
        Self { word: Some(operation), least: None, told: false, part: Some(part) }
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
        let read =
            found.iter().filter(|found| found.kind.tells()).flat_map(|found| &found.judged).filter_map(|judged| judged.operation).max();
        match (self.word, read) {
            (Some(word), Some(read)) if read > word => Err(Mistold::Other),
            (Some(word), _) => Ok(Some(word)),
            (None, Some(read)) => {
                // A path that may be written says nothing of what is done, but that it may be more than a reading.
                let beside = found.iter().flat_map(|found| &found.judged).filter_map(|judged| judged.operation).max();
                Ok([Some(read), beside, self.least].into_iter().flatten().max())
            }
            (None, None) => Ok(None),
        }
    }
}

impl GuardKind {
    /// Whether it reads in an argument which kind of operation a call is. What starts as a program may do anything; what a path or a URL is for is
    /// not written in it.
    pub const fn tells(self) -> bool {
        match self {
            Self::Sql => true,
            Self::Files | Self::Http | Self::Process => false,
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
    use std::collections::BTreeMap;

    fn definition(name: &str, annotations: Value) -> Map<String, Value> {
        json!({"name": name, "annotations": annotations}).as_object().cloned().unwrap()
    }

    fn sql(text: &str) -> (Map<String, Value>, Vec<Found>) {
        let words = Words { dialect: Some("postgres".into()), mode: Some("read-write".into()), ..Words::default() };
        let guards = Guards::new(BTreeMap::from([("sql".to_owned(), Guard::new(GuardKind::Sql, &words).unwrap())]));
        let arguments = json!({"sql": text}).as_object().cloned().unwrap();
        let found = guards.judge(&arguments, &Lexical).unwrap();
        (arguments, found)
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
        let reads = Kinds::new(Some(Operation::Read), &definition("execute", json!({})), true);
        let (arguments, found) = sql("SELECT 1");
        assert_eq!(reads.of(&arguments, &found), Ok(Some(Operation::Read)));
        let (arguments, found) = sql("UPDATE t SET a = 1");
        assert_eq!(reads.of(&arguments, &found), Err(Mistold::Other));
        let writes = Kinds::new(Some(Operation::Write), &definition("execute", json!({})), true);
        assert_eq!(writes.of(&arguments, &found), Ok(Some(Operation::Write)));
        let (arguments, found) = sql("DELETE FROM t");
        assert_eq!(writes.of(&arguments, &found), Err(Mistold::Other));
    }

    #[test]
    fn without_a_word_the_statement_tells_and_hints_tighten() {
        let plain = Kinds::new(None, &definition("execute", json!({"readOnlyHint": true})), true);
        let named = Kinds::new(None, &definition("write_query", json!({})), true);
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
