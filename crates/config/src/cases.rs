//! Expected decisions: the files that `policy test` reads.

use crate::decode::{Decode, Reader, choice, parsed, section};
use crate::file::ToolKey;
use crate::problem::{Fault, Place, Problem, Problems};
use crate::tree::{self, Node};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::str::FromStr;
use terms::Name;

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

section! {
    /// A file of expected decisions.
    Cases {
        /// The decisions.
        cases, "cases": Vec<Case>;
    }
}

/// Reads a file of expected decisions, each with the place that it stands at. `name` is shown in problems.
///
/// # Errors
/// [`Problems`] with everything that is wrong, a file without a case included.
pub fn cases(name: &str, bytes: &[u8]) -> Result<Vec<(Case, Place)>, Problems> {
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
        assert_eq!((found[0].0.expect, found[0].0.caller.0.as_str()), (Expect::Allow, "coder"));
        assert_eq!(found[1].0.arguments.as_ref().unwrap()["n"], 3);
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
        ] {
            let said = cases("c.yaml", text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
