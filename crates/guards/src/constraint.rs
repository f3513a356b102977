//! The operator's own bounds on arguments: `tools.NAME.arguments`.

use crate::{Error, Format, Mismatch, text};
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

/// What a text must not be, in whatever spelling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denied {
    /// `enum`: none of these.
    pub one_of: Vec<String>,
    /// `pattern`: found nowhere in it.
    pub pattern: Option<String>,
}

/// The bounds on one argument, as written. A keyword on a value of another type does not fit, unlike in JSON Schema; of a list (`type: array`) each
/// item must fit.
///
/// A text is compared with a pattern in every reading that a program may make of it: as it stands, percent-decoded, and with the compatible forms
/// of its letters (NFKC). All of them must fit. An enumeration is compared as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraint {
    /// `type`
    pub kind: Option<Kind>,
    /// `minimum`
    pub minimum: Option<Bound>,
    /// `maximum`
    pub maximum: Option<Bound>,
    /// `exclusiveMinimum`
    pub above: Option<Bound>,
    /// `exclusiveMaximum`
    pub below: Option<Bound>,
    /// `multipleOf`, of whole numbers.
    pub multiple_of: Option<u64>,
    /// `minItems`, of a list.
    pub min_items: Option<u64>,
    /// `maxItems`, of a list.
    pub max_items: Option<u64>,
    /// `not`: upper and lower case, look-alike letters and encodings are the same here.
    pub not: Option<Denied>,
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
    not: Option<Not>,
}

/// What a text must not be, compiled.
#[derive(Debug)]
struct Not {
    values: Vec<String>,
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
            let forms = check.judge_all(value).map_err(|keyword| Mismatch::new(pointer(argument), keyword))?;
            normals.extend(forms.into_iter().map(|form| Normal { argument: argument.clone(), form }));
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
        if let (Some(above), Some(below)) = (&constraint.above, &constraint.below)
            && !matches!(compare(above, below), Some(Ordering::Less))
        {
            return refuse("exclusiveMinimum is not below exclusiveMaximum");
        }
        if constraint.min_items > constraint.max_items && constraint.max_items.is_some() {
            return refuse("minItems is above maxItems");
        }
        if constraint.multiple_of == Some(0) {
            return refuse("multipleOf is more than nothing");
        }
        let listed = constraint.min_items.is_some() || constraint.max_items.is_some();
        if listed && constraint.kind != Some(Kind::Array) {
            return refuse("it has bounds of a list; write `type: array`");
        }
        if constraint.min_length > constraint.max_length && constraint.max_length.is_some() {
            return refuse("minLength is above maxLength");
        }
        let numeric = constraint.minimum.is_some()
            || constraint.maximum.is_some()
            || constraint.above.is_some()
            || constraint.below.is_some()
            || constraint.multiple_of.is_some();
        let textual = constraint.min_length.is_some()
            || constraint.max_length.is_some()
            || constraint.pattern.is_some()
            || constraint.format.is_some()
            || constraint.not.is_some();
        if numeric && (textual || !matches!(constraint.kind, None | Some(Kind::Integer | Kind::Number | Kind::Array))) {
            return refuse("it has bounds of a number and is none");
        }
        if textual && !matches!(constraint.kind, None | Some(Kind::String | Kind::Array)) {
            return refuse("it has bounds of a text and is none");
        }
        if constraint.one_of.as_ref().is_some_and(Vec::is_empty) {
            return refuse("the enumeration is empty");
        }
        let pattern = constraint.pattern.as_deref().map(compile).transpose()?;
        let not = constraint.not.as_ref().map(Not::new).transpose()?;
        if not.as_ref().is_some_and(|not| not.values.is_empty() && not.pattern.is_none()) {
            return refuse("`not` says nothing");
        }
        Ok(Self { constraint, pattern, not })
    }

    /// The normal form where it differs, or the keyword that failed; of a list those of its items.
    fn judge_all(&self, value: &Value) -> Result<Vec<String>, &'static str> {
        if self.constraint.kind != Some(Kind::Array) {
            return self.judge(value).map(|normal| normal.into_iter().collect());
        }
        let items = value.as_array().ok_or("type")?;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let least = self.constraint.min_items.is_none_or(|least| count >= least);
        let most = self.constraint.max_items.is_none_or(|most| count <= most);
        match (least, most) {
            (false, _) => Err("minItems"),
            (true, false) => Err("maxItems"),
            (true, true) => items.iter().filter_map(|item| self.judge(item).transpose()).collect(),
        }
    }

    /// The normal form where it differs, or the keyword that failed.
    fn judge(&self, value: &Value) -> Result<Option<String>, &'static str> {
        let of = &self.constraint;
        let demand = |keyword, holds: bool| if holds { Ok(()) } else { Err(keyword) };
        demand("type", of.kind.is_none_or(|kind| kind == Kind::Array || kind.has(value)))?;
        let bound = |bound: &Option<Bound>, wrong: Ordering| {
            bound.as_ref().is_none_or(|bound| {
                let order = value.as_number().and_then(|number| compare(number, bound));
                order.is_some_and(|order| order != wrong)
            })
        };
        demand("minimum", bound(&of.minimum, Ordering::Less))?;
        demand("maximum", bound(&of.maximum, Ordering::Greater))?;
        let beyond = |bound: &Option<Bound>, right: Ordering| {
            bound.as_ref().is_none_or(|bound| value.as_number().and_then(|number| compare(number, bound)) == Some(right))
        };
        demand("exclusiveMinimum", beyond(&of.above, Ordering::Greater))?;
        demand("exclusiveMaximum", beyond(&of.below, Ordering::Less))?;
        let whole = |one: u64| value.as_number().and_then(integer).is_some_and(|number| number % i128::from(one) == 0);
        demand("multipleOf", of.multiple_of.is_none_or(whole))?;
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
            let fits = |text: &str| match of.format {
                Some(_) => pattern.is_match(text),
                None => text::readings(text).is_some_and(|all| all.iter().all(|reading| pattern.is_match(reading.as_ref()))),
            };
            demand("pattern", normal.as_deref().is_some_and(fits))?;
        }
        if let Some(not) = &self.not {
            demand("not", text.is_some_and(|text| not.lets(text)))?;
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

impl Not {
    fn new(denied: &Denied) -> Result<Self, Error> {
        let pattern = denied.pattern.as_deref().map(|pattern| compile(&format!("(?i:{pattern})"))).transpose()?;
        // By itself it must be one: brackets of the pattern do not close ours.
        denied.pattern.as_deref().map(compile).transpose()?;
        Ok(Self { values: denied.one_of.iter().map(|value| same_to_eyes(value)).collect(), pattern })
    }

    /// Whether no reading of the text is one that must not be. A text that hides letters, or is encoded over and over, has such.
    fn lets(&self, text: &str) -> bool {
        let Some(readings) = text::readings(text).filter(|_| text::hidden(text).is_none()) else { return false };
        readings.iter().all(|reading| {
            let alike = same_to_eyes(reading);
            let named = self.values.contains(&alike);
            !named && self.pattern.as_ref().is_none_or(|pattern| !pattern.is_match(reading.as_ref()) && !pattern.is_match(alike.as_str()))
        })
    }
}

/// A text as people take it: compatible forms of letters, those of other scripts that look the same, one case, no spaces around.
fn same_to_eyes(text: &str) -> String {
    text::folded(text.trim()).chars().map(text::skeleton).flat_map(char::to_lowercase).map(text::skeleton).collect()
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
    fn ranges_steps_and_lists_are_bounded() {
        let open = || Constraint { above: Some(0.into()), below: Some(1.into()), ..Constraint::default() };
        let step = || Constraint { multiple_of: Some(5), ..Constraint::default() };
        let list = || Constraint {
            kind: Some(Kind::Array),
            min_items: Some(1),
            max_items: Some(2),
            pattern: Some("^[a-z]+$".to_owned()),
            ..Constraint::default()
        };
        for (constraint, value, expected) in [
            (open(), json!(0.5), None),
            (open(), json!(0), Some("/x exclusiveMinimum")),
            (open(), json!(1.0), Some("/x exclusiveMaximum")),
            (open(), json!("0.5"), Some("/x exclusiveMinimum")),
            (step(), json!(-10), None),
            (step(), json!(7), Some("/x multipleOf")),
            (step(), json!(5.5), Some("/x multipleOf")),
            (list(), json!(["a", "b"]), None),
            (list(), json!([]), Some("/x minItems")),
            (list(), json!(["a", "b", "c"]), Some("/x maxItems")),
            (list(), json!(["a", "B"]), Some("/x pattern")),
            (list(), json!(["a", ["b"]]), Some("/x pattern")),
            (list(), json!("a"), Some("/x type")),
        ] {
            let shown = format!("{constraint:?} {value}");
            assert_eq!(fails(constraint, value).as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn a_pattern_holds_in_every_reading() {
        let plain = || Constraint { pattern: Some("^[^/.:]+$".to_owned()), ..Constraint::default() };
        for fits in ["report", "日本", "100% sure", "été"] {
            assert_eq!(fails(plain(), json!(fits)), None, "{fits}");
        }
        for odd in ["a／b", "a%2fb", "a%252fb", "a%25252525252fb", "．．", "a∕b", "%c0%af", "a%u2215b", "a：b"] {
            assert_eq!(fails(plain(), json!(odd)).as_deref(), Some("/x pattern"), "{odd}");
        }
    }

    #[test]
    fn what_must_not_be_is_known_in_every_spelling() {
        let not = || Constraint {
            not: Some(Denied { one_of: vec!["main".into(), "Release".into()], pattern: Some("^prod-".into()) }),
            ..Constraint::default()
        };
        for fits in ["feature", "mainline", "a-prod-1", "re lease", "größe", "日本"] {
            assert_eq!(fails(not(), json!(fits)), None, "{fits}");
        }
        for odd in [
            "main",
            "MAIN",
            " main ",
            "ｍａｉｎ",
            "m\u{430}in",
            "%6dain",
            "%256dain",
            "ma\u{200b}in",
            "RELEASE",
            "PROD-1",
            "рrod-1",
            "ｐrod-x",
        ] {
            assert_eq!(fails(not(), json!(odd)).as_deref(), Some("/x not"), "{odd}");
        }
        assert_eq!(fails(not(), json!(7)).as_deref(), Some("/x not"));
        let broken = Constraint { not: Some(Denied { pattern: Some("a)|(b".into()), ..Denied::default() }), ..Constraint::default() };
        assert!(Constraints::compile(BTreeMap::from([("x".to_owned(), broken)])).is_err());
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
