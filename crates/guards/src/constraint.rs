//! The operator's own bounds on arguments: `tools.NAME.arguments`.

use crate::{Error, Format, Mismatch};
use regex_automata::meta::Regex;
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The longest pattern, in bytes; its matcher is bounded beside.
const PATTERN: usize = 1_024;
const MATCHER: usize = 1024 * 1024;

/// The type that a value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    String,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// A set of named members.
    Object,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Array, Self::Object];

    /// The name in configuration, as in JSON Schema.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn has(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => {
                value.as_number().is_some_and(|number| !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0))
            }
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// A bound on a number; it belongs to what is allowed.
pub type Bound = Number;

/// What sort of text an argument is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Text {
    /// Bounded by its constraints.
    #[default]
    Bounded,
    /// Free: the operator knows that anything may stand there; it is screened as such.
    Free,
}

/// The bounds on one argument, as written. A keyword on a value of another type does not fit, unlike in JSON Schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraint {
    /// `type`
    pub kind: Option<Kind>,
    /// `minimum`
    pub minimum: Option<Bound>,
    /// `maximum`
    pub maximum: Option<Bound>,
    /// `enum`: the only values.
    pub one_of: Option<Vec<Value>>,
    /// `minLength`, in Unicode characters.
    pub min_length: Option<u64>,
    /// `maxLength`, in Unicode characters.
    pub max_length: Option<u64>,
    /// `pattern`: found anywhere in the text, as in JSON Schema; `^…$` for the whole. Linear time: no look-around.
    pub pattern: Option<String>,
    /// `format`; the pattern and the enumeration are then compared with the normal form.
    pub format: Option<Format>,
    /// `text`
    pub text: Text,
}

/// An argument's normal form where it differs from what was sent: a fact for the decision; what is sent stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normal {
    /// The argument.
    pub argument: String,
    /// Its normal form.
    pub form: String,
}

/// The constraints of one tool, compiled.
#[derive(Debug, Default)]
pub struct Constraints {
    checks: BTreeMap<String, Check>,
}

#[derive(Debug)]
struct Check {
    constraint: Constraint,
    pattern: Option<Regex>,
}

impl Constraints {
    /// Compiles the constraints of one tool, by the name of the argument.
    ///
    /// # Errors
    /// Every [`Error`] with its argument: bounds that contradict each other, patterns that are no linear-time patterns.
    pub fn compile(constraints: BTreeMap<String, Constraint>) -> Result<Self, Vec<(String, Error)>> {
        let mut checks = BTreeMap::new();
        let mut errors = Vec::new();
        for (argument, constraint) in constraints {
            match Check::new(&argument, constraint) {
                Ok(check) => drop(checks.insert(argument, check)),
                Err(error) => errors.push((argument, error)),
            }
        }
        if errors.is_empty() { Ok(Self { checks }) } else { Err(errors) }
    }

    /// Checks the arguments of a call. An argument that is not there is the schema's affair.
    ///
    /// # Errors
    /// The first [`Mismatch`], in the order of names.
    pub fn check(&self, arguments: &Map<String, Value>) -> Result<Vec<Normal>, Mismatch> {
        let mut normals = Vec::new();
        for (argument, check) in &self.checks {
            let Some(value) = arguments.get(argument) else { continue };
            let normal = check.judge(value).map_err(|keyword| Mismatch::new(pointer(argument), keyword))?;
            normals.extend(normal.map(|form| Normal { argument: argument.clone(), form }));
        }
        Ok(normals)
    }

    /// The arguments that are marked `text: free`.
    pub fn free_text(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().filter(|(_, check)| check.constraint.text == Text::Free).map(|(argument, _)| argument.as_str())
    }

    /// The arguments that are constrained.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.checks.keys().map(String::as_str)
    }
}

impl Check {
    fn new(argument: &str, constraint: Constraint) -> Result<Self, Error> {
        let refuse = |why| Err(Error::Constraint { argument: argument.to_owned(), why });
        if let (Some(least), Some(most)) = (&constraint.minimum, &constraint.maximum)
            && !matches!(compare(least, most), Some(Ordering::Less | Ordering::Equal))
        {
            return refuse("minimum is above maximum");
        }
        if constraint.min_length > constraint.max_length && constraint.max_length.is_some() {
            return refuse("minLength is above maxLength");
        }
        let numeric = constraint.minimum.is_some() || constraint.maximum.is_some();
        let textual = constraint.min_length.is_some()
            || constraint.max_length.is_some()
            || constraint.pattern.is_some()
            || constraint.format.is_some();
        if numeric && (textual || !matches!(constraint.kind, None | Some(Kind::Integer | Kind::Number))) {
            return refuse("it has bounds of a number and is none");
        }
        if textual && !matches!(constraint.kind, None | Some(Kind::String)) {
            return refuse("it has bounds of a text and is none");
        }
        if constraint.one_of.as_ref().is_some_and(Vec::is_empty) {
            return refuse("the enumeration is empty");
        }
        let pattern = constraint.pattern.as_deref().map(compile).transpose()?;
        Ok(Self { constraint, pattern })
    }

    /// The normal form where it differs, or the keyword that failed.
    fn judge(&self, value: &Value) -> Result<Option<String>, &'static str> {
        let of = &self.constraint;
        let demand = |keyword, holds: bool| if holds { Ok(()) } else { Err(keyword) };
        demand("type", of.kind.is_none_or(|kind| kind.has(value)))?;
        let bound = |bound: &Option<Bound>, wrong: Ordering| {
            bound.as_ref().is_none_or(|bound| {
                let order = value.as_number().and_then(|number| compare(number, bound));
                order.is_some_and(|order| order != wrong)
            })
        };
        demand("minimum", bound(&of.minimum, Ordering::Less))?;
        demand("maximum", bound(&of.maximum, Ordering::Greater))?;
        if of.min_length.is_some() || of.max_length.is_some() {
            let length = value.as_str().map(|text| u64::try_from(text.chars().count()).unwrap_or(u64::MAX)).ok_or("type")?;
            demand("minLength", of.min_length.is_none_or(|least| length >= least))?;
            demand("maxLength", of.max_length.is_none_or(|most| length <= most))?;
        }
        let text = value.as_str();
        let normal = match of.format {
            Some(format) => Some(text.and_then(|text| format.normal(text)).ok_or("format")?),
            None => text.map(std::borrow::Cow::Borrowed),
        };
        if let Some(pattern) = &self.pattern {
            demand("pattern", normal.as_deref().is_some_and(|text| pattern.is_match(text)))?;
        }
        if let Some(values) = &of.one_of {
            let known = |one: &Value| match (one.as_str(), normal.as_deref()) {
                (Some(one), Some(text)) => one == text,
                _ => same(one, value),
            };
            demand("enum", values.iter().any(known))?;
        }
        Ok(normal.filter(|normal| Some(normal.as_ref()) != text).map(std::borrow::Cow::into_owned))
    }
}

fn pointer(argument: &str) -> String {
    format!("/{}", argument.replace('~', "~0").replace('/', "~1"))
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    if pattern.len() > PATTERN {
        return Err(Error::PatternTooLong { most: PATTERN });
    }
    let config = Regex::config().nfa_size_limit(Some(MATCHER)).onepass_size_limit(Some(MATCHER)).hybrid_cache_capacity(MATCHER);
    Regex::builder().configure(config).build(pattern).map_err(|_| Error::Pattern)
}

/// Equal values; numbers by what they are worth.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other) == Some(Ordering::Equal),
        _ => one == other,
    }
}

/// The order of two numbers, exact for integers and for an integer against a double; none where a double is no number.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        (Some(one), None) => mixed(one, other.as_f64()?),
        (None, Some(other)) => mixed(other, one.as_f64()?).map(Ordering::reverse),
        (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn mixed(integer: i128, float: f64) -> Option<Ordering> {
    if !float.is_finite() {
        return None;
    }
    // All integers here have at most 64 bits: a double beyond 2^65 is beyond them, one within has an exact whole part in 128 bits.
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if float.abs() >= BEYOND {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    #[expect(clippy::cast_possible_truncation, reason = "finite and below 2^65: the whole part fits 128 bits")]
    let whole = float.trunc() as i128;
    Some(integer.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(constraint: Constraint) -> Constraints {
        Constraints::compile(BTreeMap::from([("x".to_owned(), constraint)])).unwrap()
    }

    fn fails(constraint: Constraint, value: Value) -> Option<String> {
        let arguments = Map::from_iter([("x".to_owned(), value)]);
        compiled(constraint).check(&arguments).err().map(|mismatch| format!("{} {}", mismatch.pointer, mismatch.keyword))
    }

    #[test]
    fn each_keyword_holds_its_bound() {
        let minimum = || Constraint { minimum: Some(3.into()), ..Constraint::default() };
        let maximum = || Constraint { maximum: Some(3.into()), ..Constraint::default() };
        let length = || Constraint { min_length: Some(2), max_length: Some(3), ..Constraint::default() };
        let pattern = || Constraint { pattern: Some("^a+$".to_owned()), ..Constraint::default() };
        let one_of = || Constraint { one_of: Some(vec![json!("a"), json!(1)]), ..Constraint::default() };
        let integer = || Constraint { kind: Some(Kind::Integer), ..Constraint::default() };
        for (constraint, value, expected) in [
            (minimum(), json!(3), None),
            (minimum(), json!(2.999), Some("/x minimum")),
            (minimum(), json!("9"), Some("/x minimum")),
            (maximum(), json!(3), None),
            (maximum(), json!(3.0001), Some("/x maximum")),
            (maximum(), json!(u64::MAX), Some("/x maximum")),
            (maximum(), json!(1e300), Some("/x maximum")),
            (length(), json!("éé"), None),
            (length(), json!("é"), Some("/x minLength")),
            (length(), json!("éééé"), Some("/x maxLength")),
            (length(), json!(["a", "b"]), Some("/x type")),
            (pattern(), json!("aaa"), None),
            (pattern(), json!("aab"), Some("/x pattern")),
            (pattern(), json!(null), Some("/x pattern")),
            (one_of(), json!("a"), None),
            (one_of(), json!(1.0), None),
            (one_of(), json!("1"), Some("/x enum")),
            (integer(), json!(1.0), None),
            (integer(), json!(1.5), Some("/x type")),
            (integer(), json!(true), Some("/x type")),
        ] {
            let shown = format!("{constraint:?} {value}");
            assert_eq!(fails(constraint, value).as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn a_format_notes_its_normal_form_and_compares_with_it() {
        let constraint = Constraint { format: Some(Format::Hostname), one_of: Some(vec![json!("a.example")]), ..Constraint::default() };
        let arguments = Map::from_iter([("x".to_owned(), json!("A.Example."))]);
        let normals = compiled(constraint).check(&arguments).unwrap();
        assert_eq!(normals, [Normal { argument: "x".to_owned(), form: "a.example".to_owned() }]);
    }

    #[test]
    fn what_cannot_be_meant_does_not_compile() {
        let bad = [
            Constraint { minimum: Some(2.into()), maximum: Some(1.into()), ..Constraint::default() },
            Constraint { min_length: Some(2), max_length: Some(1), ..Constraint::default() },
            Constraint { kind: Some(Kind::String), minimum: Some(1.into()), ..Constraint::default() },
            Constraint { kind: Some(Kind::Integer), max_length: Some(1), ..Constraint::default() },
            Constraint { one_of: Some(vec![]), ..Constraint::default() },
            Constraint { pattern: Some("(a)\\1".to_owned()), ..Constraint::default() },
            Constraint { pattern: Some("(?=a)".to_owned()), ..Constraint::default() },
            Constraint { pattern: Some("a".repeat(1_025)), ..Constraint::default() },
        ];
        let constraints: BTreeMap<String, Constraint> = bad.into_iter().enumerate().map(|(at, one)| (at.to_string(), one)).collect();
        let count = constraints.len();
        assert_eq!(Constraints::compile(constraints).unwrap_err().len(), count);
    }

    #[test]
    fn big_integers_compare_exactly() {
        let above = Number::from(9_007_199_254_740_993_u64);
        let double = Number::from_f64(9_007_199_254_740_992.0).unwrap();
        assert_eq!(compare(&above, &double), Some(Ordering::Greater));
        assert_eq!(compare(&double, &above), Some(Ordering::Less));
    }
}
