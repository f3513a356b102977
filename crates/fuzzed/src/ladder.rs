//! The decoding ladder and what is searched on each of its rungs.

use crate::Input;
use detect::{Actions, Budget, Channel, Engine, Report, Rules, Scratch};
use std::cell::RefCell;
use std::sync::OnceLock;
use terms::{Action, Class};

/// The built-in rules, and a value that each of them finds.
struct Known {
    engine: Engine,
    secrets: Vec<String>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let rules = Rules::built_in().expect("the built-in rules");
        let short = |text: &String| text.len() < 300 && !text.contains('\n');
        let secrets =
            rules.iter().filter(|rule| rule.class == Class::Secret).flat_map(|rule| &rule.hit).map(|parts| parts.concat()).filter(short);
        let secrets = secrets.collect();
        Known { engine: Engine::new(&rules).expect("the built-in rules"), secrets }
    })
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn inspected(text: &str) -> Report {
    SCRATCH.with_borrow_mut(|scratch| known().engine.inspect(text, Channel::Result, &Budget::default(), scratch))
}

const LETTERS: [&str; 24] = [
    "\\u0041",
    "\\x41",
    "\\\\",
    "%41",
    "%",
    "&amp;",
    "&#x41;",
    "&#65;",
    "\u{200b}",
    "\u{ff21}",
    "\u{1d400}",
    "\" + \"",
    "+",
    "aGVsbG8gd29ybGQsIGhlbGxv",
    "68656c6c6f20776f726c642c2068656c6c6f",
    "JBSWY3DPEBLW64TMMQQQ====",
    "H4sIAAAAAAAAA8tIzcnJVyjPL8pJAQCFEUoNCwAAAA==",
    "a@example.com",
    "4111 1111 1111 1111",
    "ghp_",
    "AKIA",
    "sk-ant-",
    "\n",
    " ",
];

pub(crate) fn climbed(bytes: &[u8]) {
    let text = match bytes.first() {
        Some(b' '..=b'~') => String::from_utf8_lossy(bytes).into_owned(),
        _ => {
            let mut input = Input::new(bytes.get(1..).unwrap_or_default());
            if input.flip() {
                return found(&mut input);
            }
            let mut text = String::new();
            for _ in 0..input.below(40) {
                text.push_str(input.pick(&LETTERS));
                if input.rarely(6) {
                    text.push_str(&input.own(40));
                }
            }
            text
        }
    };
    let report = inspected(&text);
    sound(&text, &report);
    for piece in detect::hidden(&text, &Budget::default(), &mut Scratch::default()) {
        assert!(text.get(piece.span.start..piece.span.end).is_some(), "what is hidden lies in its text");
    }
    assert_eq!(inspected(&text), report, "memory of one inspection does not change another");
    let fresh = known().engine.inspect(&text, Channel::Result, &Budget::default(), &mut Scratch::default());
    assert_eq!(fresh, report, "memory of one inspection does not change another");
}

/// What a report must be.
fn sound(text: &str, report: &Report) {
    for finding in &report.findings {
        assert!(finding.span.start <= finding.span.end && finding.span.end <= text.len(), "a finding lies in its text");
    }
    for run in &report.decoded {
        assert!(report.findings.iter().any(|finding| finding.span == *run), "what was decoded is the place of a finding");
    }
    let all = Actions::all(Action::Redact);
    let clean = detect::redact(text, &report.findings, &all);
    assert!(report.is_empty() == (clean == text) || !report.is_empty(), "a text without findings stays as it is");
    // What was a part of something longer may be something by itself once the rest is taken out, so one look more may find more: but that ends.
    let mut clean = clean.into_owned();
    for _ in 0..=text.len() {
        let again = inspected(&clean);
        if again.is_empty() {
            return;
        }
        clean = detect::redact(&clean, &again.findings, &all).into_owned();
    }
    panic!("what is taken out stays out: {text:?}, then {clean:?}");
}

/// A secret is found behind a few codings.
fn found(input: &mut Input<'_>) {
    let secret = input.pick(&known().secrets.iter().collect::<Vec<_>>());
    let mut text = secret.clone();
    let mut codings = Vec::new();
    for _ in 0..input.below(4) {
        let coding = input.below(7);
        codings.push(coding);
        text = coded(&text, coding);
    }
    let around = input.pick(&[" ", "\n", ": ", "key = "]);
    let text = format!("before{around}{text}{}after", input.pick(&[" ", "\n"]));
    let report = inspected(&text);
    sound(&text, &report);
    for piece in detect::hidden(&text, &Budget::default(), &mut Scratch::default()) {
        assert!(text.get(piece.span.start..piece.span.end).is_some(), "what is hidden lies in its text");
    }
    let seen = |class| report.findings.iter().any(|finding| finding.class == class);
    assert!(seen(Class::Secret) || seen(Class::Unseen), "{secret:?} was not seen through {codings:?}: {text:?}");
}

fn coded(text: &str, coding: usize) -> String {
    use base64::Engine as _;
    let bytes = text.as_bytes();
    match coding {
        0 => base64::engine::general_purpose::STANDARD.encode(text),
        1 => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text),
        2 => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        3 => bytes.iter().map(|byte| format!("%{byte:02X}")).collect(),
        4 => text.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect(),
        5 => text.chars().map(|letter| format!("&#{};", u32::from(letter))).collect(),
        _ => text
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { format!("{letter}\u{200b}") } else { letter.to_string() })
            .collect(),
    }
}
