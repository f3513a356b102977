//! What redaction leaves of a message: random JSON with values of many kinds in it, coded in many ways.
#![allow(clippy::unwrap_used, reason = "a test may")]

use detect::{Actions, Budget, Channel, Engine, Marks, Numbers, Report, Rules, Scratch, mark, redact};
use proptest::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::sync::LazyLock;
use terms::{Action, Class};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Rules::built_in().unwrap()).unwrap());
/// Texts that hold a value, and the value, which has to go.
static PLANTS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let rules = Rules::built_in().unwrap();
    let hits = rules.iter().filter(|rule| rule.class == Class::Secret).flat_map(|rule| rule.hit.first()).map(|parts| parts.concat());
    let others = [
        "card 4111 1111 1111 1111",
        "IBAN DE89 3704 0044 0532 0130 00",
        "SSN: 536-22-8726",
        "mail ana.lopez@example.org",
        "phone +49 30 901820",
        "Patient: Maria Gonzalez",
        "postgres://app:s3cr-et9x@db.example.org/main",
        "password = hunter2-Kq8!x",
    ];
    let texts = hits.chain(others.map(str::to_owned)).filter(|text| text.len() < 300 && !text.contains('\n'));
    texts
        .map(|text| {
            let all = format!("see {text} there");
            let found = inspect(&all).findings;
            let value = found.first().map(|one| all[one.span.start..one.span.end].to_owned()).unwrap_or_default();
            assert!(value.len() > 6, "nothing is found in {text}");
            (text, value)
        })
        .collect()
});

fn inspect(text: &str) -> Report {
    ENGINE.inspect(text, Channel::Result, &Budget::default(), &mut Scratch::default())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    let group = |part: &[u8]| part.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
    bytes.chunks(3).flat_map(|part| [18, 12, 6, 0].into_iter().take(part.len() + 1).map(move |shift| digit(group(part), shift))).collect()
}

/// How many codings there are.
const CODINGS: usize = 8;

fn coded(text: &str, coding: usize) -> String {
    match coding {
        0 => text.to_owned(),
        1 => base64(text.as_bytes()),
        2 => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        3 => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        4 => text.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect(),
        5 => text.chars().map(|letter| format!("&#{};", u32::from(letter))).collect(),
        6 => text.chars().flat_map(|letter| [letter, '\u{200b}']).collect(),
        _ => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            out.write_all(text.as_bytes()).unwrap();
            base64(&out.finish().unwrap())
        }
    }
}

/// What a reader may take `text` for: each coding undone, up to three times. Written apart from the engine's own.
fn views(text: &str, depth: usize, out: &mut Vec<String>) {
    out.push(text.to_owned());
    if depth == 0 {
        return;
    }
    let plain = unescaped(&text.replace('\u{200b}', ""));
    if plain != text {
        views(&plain, depth - 1, out);
    }
    for run in text.split(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '+' | '/')).filter(|run| run.len() >= 12) {
        let hex = (run.len() % 2 == 0)
            .then(|| (0..run.len()).step_by(2).map(|at| u8::from_str_radix(&run[at..at + 2], 16)).collect::<Result<Vec<u8>, _>>());
        let packed = unbase64(run);
        let mut unpacked = Vec::new();
        let _ = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked);
        for bytes in [hex.and_then(Result::ok).unwrap_or_default(), packed, unpacked] {
            if let Ok(text) = String::from_utf8(bytes)
                && !text.is_empty()
            {
                views(&text, depth - 1, out);
            }
        }
    }
}

fn unbase64(run: &str) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in run.bytes() {
        held = held << 6 | DIGITS.iter().position(|digit| *digit == byte).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(letter) = rest.chars().next() {
        let number =
            |digits: Option<&str>, radix| digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32);
        let found = if let Some(after) = rest.strip_prefix("\\u") {
            number(after.get(..4), 16).map(|letter| (letter, 6))
        } else if let Some(after) = rest.strip_prefix("&#") {
            let len = after.find(';').unwrap_or(0);
            number(after.get(..len), 10).map(|letter| (letter, len + 3))
        } else if let Some(after) = rest.strip_prefix('%') {
            number(after.get(..2), 16).map(|letter| (letter, 3))
        } else {
            None
        };
        let (letter, len) = found.unwrap_or((letter, letter.len_utf8()));
        match u8::try_from(letter) {
            Ok(byte) if found.is_some() && rest.starts_with('%') => out.push(byte),
            _ => out.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
        rest = &rest[len..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// One value of a message: a text between words that holds a planted one, or something harmless.
#[derive(Clone, Debug)]
struct Leaf {
    plant: usize,
    codings: Vec<usize>,
    around: (String, String),
}

impl Leaf {
    fn text(&self) -> String {
        let (text, _) = &PLANTS[self.plant % PLANTS.len()];
        let coded = self.codings.iter().fold(text.clone(), |text, coding| coded(&text, *coding));
        format!("{} {coded} {}", self.around.0, self.around.1)
    }
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let words = || {
        prop::sample::select(vec!["", "all is well,", "as it says:", "straße →", "{\"note\":", "two lines\n", "and"])
            .prop_map(str::to_owned)
    };
    (any::<usize>(), prop::collection::vec(0..CODINGS, 0..3), (words(), words())).prop_map(|(plant, codings, around)| Leaf {
        plant,
        codings,
        around,
    })
}

/// A message and the values in it.
fn message() -> impl Strategy<Value = (Value, Vec<Leaf>)> {
    let harmless = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..100_000_i64).prop_map(Value::from),
        Just(Value::Null),
        Just(Value::from(4_111_111_111_111_111_i64)),
        "[a-z]{0,12}( [a-z]{1,9}){0,4}".prop_map(Value::from),
    ];
    prop::collection::vec((leaf(), prop::collection::vec(harmless, 0..3), 0..3_usize), 1..5).prop_map(|all| {
        let mut root = serde_json::Map::new();
        let mut leaves = Vec::new();
        for (place, (leaf, beside, shape)) in all.into_iter().enumerate() {
            let text = Value::from(leaf.text());
            let mut items = beside;
            items.push(text.clone());
            let value = match shape {
                0 => text,
                1 => Value::Array(items),
                _ => serde_json::json!({ "kind": "note", "inner": { "items": items } }),
            };
            root.insert(format!("m{place}"), value);
            leaves.push(leaf);
        }
        (Value::Object(root), leaves)
    })
}

/// Every string of `value`, in order.
fn strings<'a>(value: &'a mut Value, out: &mut Vec<&'a mut String>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter_mut().for_each(|item| strings(item, out)),
        Value::Object(members) => members.values_mut().for_each(|item| strings(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `message` with every string screened as one part of it.
fn screened(message: &Value) -> Value {
    let mut out = message.clone();
    let mut texts = Vec::new();
    strings(&mut out, &mut texts);
    let before: Vec<String> = texts.iter().map(|text| (**text).clone()).collect();
    let parts: Vec<&str> = before.iter().map(String::as_str).collect();
    let reports = ENGINE.inspect_parts(&parts, Channel::Result, &Budget::default(), &mut Scratch::default());
    let mut numbers = Numbers::default();
    for ((text, part), report) in texts.into_iter().zip(parts).zip(reports) {
        let decided: Vec<_> = report.findings.iter().map(|one| (one, Action::Redact)).collect();
        *text = mark(part, &decided, &mut Marks { numbers: &mut numbers, reference: None, tokens: None }).into_owned();
    }
    out
}

/// A value without what is in its strings: what a schema speaks of.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(members) => Value::Object(members.iter().map(|(name, value)| (name.clone(), shape(value))).collect()),
        other => other.clone(),
    }
}

fn gone(text: &str, leaves: &[Leaf]) -> Result<(), TestCaseError> {
    let mut seen = Vec::new();
    views(text, 4, &mut seen);
    for leaf in leaves {
        let (_, value) = &PLANTS[leaf.plant % PLANTS.len()];
        prop_assert!(seen.iter().all(|view| !view.contains(value.as_str())), "{value} is left of {leaf:?} in {text}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn of_a_message_no_planted_value_is_left_and_its_shape_stays((message, leaves) in message()) {
        let mut out = screened(&message);
        prop_assert_eq!(shape(&out), shape(&message));
        prop_assert_eq!(&screened(&out), &out, "the second time nothing more is taken out");
        let mut texts = Vec::new();
        strings(&mut out, &mut texts);
        for text in texts {
            gone(text, &leaves)?;
        }
    }

    #[test]
    fn a_text_that_is_json_stays_json_without_a_planted_value((message, leaves) in message(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&message).unwrap() } else { message.to_string() };
        let actions = Actions::all(Action::Redact);
        let out = redact(&text, &inspect(&text).findings, &actions).into_owned();
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok_and(|out| out.is_object()), "{out}");
        prop_assert_eq!(&redact(&out, &inspect(&out).findings, &actions), &out, "the second time nothing more is taken out");
        gone(&out, &leaves)?;
    }

    #[test]
    fn a_key_that_is_split_over_strings_is_taken_out_of_all(plant in any::<usize>(), cut in 6..14_usize, before in "[a-z]{1,9}:", after in "[a-z ]{0,20}") {
        // Without digits it may be words behind one another.
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        let sure: Vec<_> = PLANTS.iter().filter(|(text, value)| text == value && digits(text) > 1 && text.len() > 24 && !text.contains(' ')).collect();
        let (value, _) = sure[plant % sure.len()];
        let sound = inspect(&format!("see {value} there")).findings.iter().any(|one| one.class == Class::Secret && one.confidence >= 0.9);
        prop_assume!(sound);
        let message = serde_json::json!([before, &value[..cut], &value[cut..], format!(" {after}")]);
        let out = screened(&message);
        let all: String = out.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        prop_assert!(!all.contains(value.as_str()) && !out[2].as_str().unwrap().contains(&value[cut..]), "{value} is left: {out}");
    }
}
