//! What must hold beside an entry: `when`. Every test of it must; one of a fact that is not there does not.

use crate::glob::quote;
use crate::member::of;
use crate::{Arguments, Environment, Facts, Glob, Holds, Network, Subject};
use serde_json::Value;
use terms::{Label, Operation};

/// The tests of one `when`; none always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When(pub Vec<Test>);

/// One test of one fact. Of several values any will do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// The server's name.
    Server(Vec<Glob>),
    /// The name of a tool.
    Tool(Vec<Glob>),
    /// The name of a prompt.
    Prompt(Vec<Glob>),
    /// The address of a resource.
    Resource(Vec<Glob>),
    /// The method of MCP.
    Method(Vec<String>),
    /// What a tool does to the world.
    Operation(Vec<Operation>),
    /// The label of what comes back.
    Label(Vec<Label>),
    /// What the client calls itself.
    Client(Vec<Glob>),
    /// Where it comes from.
    Network(Vec<Network>),
    /// How it comes in.
    Environment(Vec<Environment>),
    /// How many calls the session has made.
    Depth(Range),
    /// An argument of the tool, at the top level.
    Argument(String, Compare),
}

/// What an argument is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compare {
    /// It is one of these.
    OneOf(Vec<Scalar>),
    /// It is a text that fits one of these.
    Like(Vec<Glob>),
    /// It is a whole number of these.
    Within(Range),
}

/// A value that something can be equal to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// A text, compared byte by byte.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// True or false.
    Truth(bool),
}

/// Whole numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The least.
    pub from: Option<i64>,
    /// The greatest.
    pub to: Option<i64>,
}

impl Range {
    const fn has(self, number: i64) -> bool {
        let low = match self.from {
            Some(from) => from <= number,
            None => true,
        };
        let high = match self.to {
            Some(to) => number <= to,
            None => true,
        };
        low && high
    }
}

impl When {
    /// Whether there is no test.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it reads arguments.
    pub fn reads_arguments(&self) -> bool {
        self.0.iter().any(|test| matches!(test, Test::Argument(..)))
    }

    /// Whether all of it holds.
    pub fn holds(&self, facts: &Facts<'_>) -> Holds {
        let mut least = Holds::Yes;
        for test in &self.0 {
            least = least.min(test.holds(facts));
            if least == Holds::No {
                break;
            }
        }
        least
    }

    /// The same as a Cedar expression, for calls of the tool that is shown as `tool`; none where there is no test.
    pub(crate) fn as_cedar(&self, tool: Option<&str>) -> Option<String> {
        (!self.is_empty()).then(|| self.0.iter().map(|test| test.as_cedar(tool)).collect::<Vec<_>>().join(" && "))
    }
}

fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

impl Test {
    /// Whether it holds.
    pub fn holds(&self, facts: &Facts<'_>) -> Holds {
        match self {
            Self::Server(globs) => Holds::of(any(globs, facts.server.as_str())),
            Self::Tool(globs) => Holds::of(matches!(facts.subject, Subject::Tool(name) if any(globs, name))),
            Self::Prompt(globs) => Holds::of(matches!(facts.subject, Subject::Prompt(name) if any(globs, name))),
            Self::Resource(globs) => Holds::of(matches!(facts.subject, Subject::Resource(uri) if any(globs, uri))),
            Self::Method(methods) => Holds::of(methods.iter().any(|method| method == facts.method())),
            Self::Operation(list) => Holds::of(facts.operation.is_some_and(|operation| list.contains(&operation))),
            Self::Label(list) => Holds::of(facts.label.is_some_and(|label| list.contains(&label))),
            Self::Client(globs) => of(&facts.situation, |now| now.client.is_some_and(|client| any(globs, client))),
            Self::Network(list) => {
                of(&facts.situation, |now| now.address.is_some_and(|address| list.iter().any(|one| one.contains(address))))
            }
            Self::Environment(list) => of(&facts.situation, |now| list.iter().any(|one| one.holds(facts.principal, now))),
            Self::Depth(range) => {
                of(&facts.situation, |now| now.depth.is_some_and(|depth| range.has(i64::try_from(depth).unwrap_or(i64::MAX))))
            }
            Self::Argument(name, compare) => match facts.arguments {
                Arguments::Absent => Holds::No,
                Arguments::Any => Holds::Maybe,
                Arguments::Are(members) => Holds::of(members.get(name).is_some_and(|value| compare.holds(value))),
            },
        }
    }

    fn as_cedar(&self, tool: Option<&str>) -> String {
        let among = |globs: &[Glob], what: &str| {
            let tests: Vec<String> = globs.iter().map(|glob| format!("{what} like {}", glob.as_like())).collect();
            either(&tests)
        };
        match self {
            Self::Server(globs) => among(globs, "resource.server"),
            Self::Tool(globs) => format!("(resource is Tool && {})", among(globs, "resource.name")),
            Self::Prompt(globs) => format!("(resource is Prompt && {})", among(globs, "resource.name")),
            Self::Resource(globs) => format!("(resource is Resource && {})", among(globs, "resource.name")),
            Self::Method(methods) => format!("{}.contains(context.method)", set(methods.iter().map(|method| quote(method)))),
            Self::Operation(list) => {
                let words = set(list.iter().map(|one| quote(one.as_str())));
                format!("(context has operation && {words}.contains(context.operation))")
            }
            Self::Label(list) => {
                let words = set(list.iter().map(|one| quote(one.as_str())));
                format!("(context has label && {words}.contains(context.label))")
            }
            Self::Client(globs) => format!("(context has client && {})", among(globs, "context.client")),
            Self::Network(list) => {
                let tests: Vec<String> = list.iter().map(|one| format!("context.address.isInRange(ip(\"{one}\"))")).collect();
                format!("(context has address && {})", either(&tests))
            }
            Self::Environment(list) => {
                let tests = list.iter().map(|one| match one {
                    Environment::Transport(transport) => {
                        format!("(context has transport && context.transport == {})", quote(transport.as_str()))
                    }
                    Environment::Executable(glob) => format!("(context has executable && context.executable like {})", glob.as_like()),
                });
                either(&tests.collect::<Vec<_>>())
            }
            Self::Depth(range) => format!("(context has depth && {})", within(*range, "context.depth")),
            Self::Argument(name, compare) => {
                let tool = quote(tool.unwrap_or_default());
                let path = format!("context.arguments[{tool}][{}]", quote(name));
                let test = match compare {
                    Compare::OneOf(list) => {
                        let tests: Vec<String> = list.iter().map(|value| format!("{path} == {}", value.as_cedar())).collect();
                        either(&tests)
                    }
                    Compare::Like(globs) => among(globs, &path),
                    Compare::Within(range) => within(*range, &path),
                };
                let there =
                    format!("context has arguments && context.arguments has {tool} && context.arguments[{tool}] has {}", quote(name));
                format!("({there} && {test})")
            }
        }
    }
}

impl Compare {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::OneOf(list) => list.iter().any(|one| one.is(value)),
            Self::Like(globs) => value.as_str().is_some_and(|text| any(globs, text)),
            Self::Within(range) => whole(value).is_some_and(|number| range.has(number)),
        }
    }
}

impl Scalar {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Whole(number) => whole(value) == Some(*number),
            Self::Truth(truth) => value.as_bool() == Some(*truth),
        }
    }

    fn as_cedar(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Whole(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// A value as a whole number, where it is one of 64 bits in any spelling (`1e3` and `1000.0` are 1000).
pub(crate) fn whole(value: &Value) -> Option<i64> {
    /// From here on doubles leave whole numbers out.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let double = value.as_f64().filter(|_| !value.is_u64())?;
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and within what 53 bits hold")]
        (double.fract() == 0.0 && double.abs() < EXACT).then_some(double as i64)
    })
}

/// A disjunction.
fn either(tests: &[String]) -> String {
    match tests {
        [] => "false".to_owned(),
        [one] => one.clone(),
        many => format!("({})", many.join(" || ")),
    }
}

fn set(words: impl Iterator<Item = String>) -> String {
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}

fn within(range: Range, what: &str) -> String {
    let tests = [range.from.map(|from| format!("{what} >= {from}")), range.to.map(|to| format!("{what} <= {to}"))];
    let tests: Vec<String> = tests.into_iter().flatten().collect();
    if tests.is_empty() { format!("{what} == {what}") } else { tests.join(" && ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_compared_by_value() {
        for (value, number) in
            [(json!(1000), Some(1000)), (json!(1e3), Some(1000)), (json!(1.5), None), (json!(u64::MAX), None), (json!("5"), None)]
        {
            assert_eq!(whole(&value), number, "{value}");
        }
        assert!(Compare::Within(Range { from: Some(1), to: Some(10) }).holds(&json!(10)));
        assert!(!Compare::Within(Range { from: Some(1), to: None }).holds(&json!(0)));
        assert!(!Compare::OneOf(vec![Scalar::Text("5".to_owned())]).holds(&json!(5)));
        assert!(!Compare::Like(vec![Glob::new("*").unwrap()]).holds(&json!(["x"])));
    }
}
