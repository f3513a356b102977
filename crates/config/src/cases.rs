//! Expected decisions: the files that `policy test` reads.

use crate::decode::{Decode, Field, Reader, choice, parsed, section};
use crate::file::ToolKey;
use crate::problem::{Fault, Place, Problem, Problems};
use crate::tree::{self, Node};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::str::FromStr;
use terms::{Name, ServerName};

/// Largest file, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// A program, written `agent:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub Name);

impl FromStr for Caller {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Name::new(text.strip_prefix("agent:").ok_or(())?).map(Self).map_err(drop)
    }
}

impl Decode for Caller {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, "agent:NAME")
    }
    fn schema() -> Json {
        serde_json::json!({"type": "string", "pattern": "^agent:.+$"})
    }
}

choice! {
    /// What a call is expected to end in.
    Expect {
        /// It is allowed.
        Allow = "allow",
        /// It waits for a person.
        Hold = "hold",
        /// It is refused.
        Refuse = "refuse",
    }
}

section! {
    /// One expected decision.
    Case {
        /// Which program calls.
        caller, "as": Caller;
        /// For whom.
        user, "user": Option<Name> = None;
        /// Which tool, written server__tool.
        call, "call": ToolKey;
        /// With which arguments; without any, only the right to call is decided.
        arguments, "arguments": Option<BTreeMap<String, Json>> = None;
        /// In what it ends.
        expect, "expect": Expect;
        /// With which code, of a call that is refused.
        code, "code": Option<String> = None;
    }
}

choice! {
    /// What is expected to be done with what is found.
    Handled {
        /// It passes and is on record: by the preset, or because an entry of `inspect.suppress` lets it.
        Flag = "flag",
        /// It is shown in part.
        Mask = "mask",
        /// It is replaced by a token.
        Tokenise = "tokenise",
        /// It is replaced by a mark.
        Redact = "redact",
        /// All of it is withheld.
        Block = "block",
    }
}

section! {
    /// A text, and what the screens are expected to make of it.
    Screened {
        /// The text.
        text, "text": String;
        /// The kinds that are found in it.
        finds, "finds": Vec<String> = Vec::new();
        /// The kinds that are not.
        not, "not": Vec<String> = Vec::new();
        /// What is done with all that `finds` names.
        action, "action": Option<Handled> = None;
        /// The server that returns it; absent: nobody in particular.
        server, "server": Option<ServerName> = None;
        /// The tool of that server.
        tool, "tool": Option<String> = None;
    }
}

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// A call that is decided.
    Call(Case),
    /// A text that is screened.
    Text(Screened),
}

impl Decode for Expected {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.member("inspect").is_none() {
            return Case::decode(node, reader).map(Self::Call);
        }
        let before = reader.problems.len();
        let members = reader.members(node, &["inspect"])?;
        let screened = match reader.field::<Screened>(members, "inspect") {
            Field::Read(screened) => screened,
            Field::Wrong => return None,
            Field::Absent => {
                reader.missing(node, "inspect");
                return None;
            }
        };
        let wrong = |reader: &mut Reader, key: &str, message: &str| {
            let place = node.place_of(&["inspect", key]);
            reader.within("inspect", |reader| {
                reader.within(key, |reader| {
                    reader.note(place, Fault::Misfit, message.to_owned(), None);
                    None::<Self>
                })
            })
        };
        match (&screened.tool, &screened.server, screened.action) {
            _ if reader.problems.len() > before => None,
            _ if screened.finds.is_empty() && screened.not.is_empty() => wrong(reader, "finds", "inspect needs `finds` or `not`"),
            (Some(_), None, _) => wrong(reader, "tool", "`tool` needs the `server` that it is of"),
            (_, _, Some(_)) if screened.finds.is_empty() => wrong(reader, "action", "`action` needs `finds`"),
            _ => Some(Self::Text(screened)),
        }
    }
    fn schema() -> Json {
        serde_json::json!({"oneOf": [Case::schema(), {"type": "object", "properties": {"inspect": Screened::schema()}, "required": ["inspect"], "additionalProperties": false}]})
    }
}

section! {
    /// A file of expectations.
    Cases {
        /// The expectations.
        cases, "cases": Vec<Expected>;
    }
}

/// Reads a file of expectations, each with the place that it stands at. `name` is shown in problems.
///
/// # Errors
/// [`Problems`] with everything that is wrong, a file without a case included.
pub fn cases(name: &str, bytes: &[u8]) -> Result<Vec<(Expected, Place)>, Problems> {
    let whole = |message: String| Problem { place: Place::START, key: String::new(), fault: Fault::Syntax, message, nearest: None };
    if bytes.len() > MOST_BYTES {
        return Err(Problems::new(name, "", vec![whole(format!("the file is larger than {MOST_BYTES} bytes"))]));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(Problems::new(name, "", vec![whole("the file is not UTF-8".into())])) };
    let (root, mut problems) = tree::read(text);
    let mut reader = Reader::default();
    let read = root.as_ref().and_then(|root| Cases::decode(root, &mut reader));
    problems.extend(reader.problems);
    let place = |at: usize| root.as_ref().map_or(Place::START, |root| root.place_of(&["cases", &at.to_string()]));
    match read {
        Some(read) if problems.is_empty() && !read.cases.is_empty() => {
            Ok(read.cases.into_iter().enumerate().map(|(at, case)| (case, place(at))).collect())
        }
        _ => {
            if problems.is_empty() {
                problems.push(whole(
                    "there is no case: write `cases:` and under it `- { as: agent:NAME, call: server__tool, expect: allow }`".into(),
                ));
            }
            Err(Problems::new(name, text, problems))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_with_their_places() {
        let text = "cases:\n- { as: agent:coder, call: files__read, expect: allow }\n- as: agent:coder\n  user: ana\n  call: db__run\n  arguments: { sql: DROP TABLE x, n: 3 }\n  expect: refuse\n  code: access.deny-by-default/denied\n";
        let found = cases("c.yaml", text.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|(_, place)| place.line).collect::<Vec<_>>(), [2, 3]);
        let call = |at: usize| match &found[at].0 {
            Expected::Call(case) => case,
            Expected::Text(_) => panic!("it is a call"),
        };
        assert_eq!((call(0).expect, call(0).caller.0.as_str()), (Expect::Allow, "coder"));
        assert_eq!(call(1).arguments.as_ref().unwrap()["n"], 3);
    }

    #[test]
    fn texts_stand_beside_calls() {
        let text = "cases:\n- inspect: { text: E-204311, finds: [employee-id], not: [email], action: redact, server: odd, tool: echo }\n";
        let found = cases("c.yaml", text.as_bytes()).unwrap();
        let Expected::Text(screened) = &found[0].0 else { panic!("it is a text") };
        assert_eq!((screened.finds.as_slice(), screened.action), (["employee-id".to_owned()].as_slice(), Some(Handled::Redact)));
        assert_eq!(found[0].1.line, 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "there is no case"),
            ("cases: []", "there is no case"),
            ("cases:\n- { as: coder, call: files__read, expect: allow }", "agent:NAME"),
            ("cases:\n- { as: agent:a, call: files, expect: allow }", "server__tool"),
            ("cases:\n- { as: agent:a, call: files__a, expect: alow }", "allow"),
            ("cases:\n- { as: agent:a, call: files__a }", "expect"),
            ("case: []", "cases"),
            ("cases:\n- inspect: { finds: [email] }", "text"),
            ("cases:\n- inspect: { text: x }", "2:3 inspect needs `finds` or `not`"),
            ("cases:\n- inspect: { text: x, finds: [email], action: eat }", "cases[0].inspect.action must be one of"),
            ("cases:\n- inspect: { text: x, finds: [email], tool: echo }", "`tool` needs the `server`"),
            ("cases:\n- inspect: { text: x, not: [email], action: flag }", "`action` needs `finds`"),
            ("cases:\n- inspect: { text: x, fnds: [email] }", "did you mean \"finds\""),
            ("cases:\n- { inspect: { text: x, finds: [email] }, expect: allow }", "expect"),
            ("cases:\n- inspect:", "inspect"),
        ] {
            let said = cases("c.yaml", text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
