//! The engine through its public face.
#![allow(clippy::unwrap_used, reason = "a test may")]

use detect::{Actions, Budget, Channel, Engine, Report, Rules, Scratch, Stream, hidden, jsonl, redact};
use proptest::prelude::*;
use std::sync::LazyLock;
use terms::{Class, Span};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Rules::built_in().unwrap()).unwrap());
const CARD: &str = "4111 1111 1111 1111";

fn key() -> String {
    ["ghp", "_oe3nflC7dNYXxIzGXSYBj2EeXqDuZM0EE8xY"].concat()
}

fn inspect(text: &str) -> Report {
    ENGINE.inspect(text, Channel::Result, &Budget::default(), &mut Scratch::default())
}

fn kinds(text: &str) -> Vec<String> {
    inspect(text).findings.into_iter().map(|one| one.kind.into_owned()).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    let group = |part: &[u8]| part.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
    bytes.chunks(3).flat_map(|part| [18, 12, 6, 0].into_iter().take(part.len() + 1).map(move |shift| digit(group(part), shift))).collect()
}

#[test]
fn every_rule_finds_its_hits_and_passes_its_look_alikes() {
    let mut wrong = Vec::new();
    for rule in Rules::built_in().unwrap().iter() {
        if rule.hit.is_empty() || rule.pass.len() < 3 {
            wrong.push(format!("{} has too few examples", rule.kind));
        }
        for hit in &rule.hit {
            let found = kinds(&format!("value: {} end", hit.concat()));
            if !found.contains(&rule.kind) {
                wrong.push(format!("{} misses {}: {found:?}", rule.kind, hit.concat()));
            }
        }
        for pass in &rule.pass {
            if kinds(&format!("value: {} end", pass.concat())).contains(&rule.kind) {
                wrong.push(format!("{} takes {}", rule.kind, pass.concat()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn cards_need_range_length_grouping_and_check_digit() {
    for text in [CARD, "4111-1111-1111-1111", "4111111111111111", "3782 822463 10005", "no.4111111111111111, and"] {
        let expect = !text.starts_with("no.");
        assert_eq!(kinds(&format!("pay {text} now")) == ["card"], expect, "{text}");
    }
    for text in [
        "4111 1111 1111 1112",
        "41 11 11 11 11 11 11 11",
        "1234567890123452",
        "x4111111111111111",
        "41111111111111110",
        "0.4111111111111111",
    ] {
        assert!(kinds(&format!("pay {text} now")).is_empty(), "{text}");
    }
}

#[test]
fn addresses_are_found_and_their_like_is_not() {
    assert_eq!(inspect("to: ana.b+x@mail.example.org.").findings[0].span, Span::new(4, 28));
    for text in ["git@github.com:a/b.git", "postgres://u:p@db.example.org/x", "logo@2x.png", "@scope/name", "left-pad@1.2.3"] {
        assert!(kinds(text).is_empty(), "{text}");
    }
}

#[test]
fn nested_encodings_are_climbed_and_spans_lead_back() {
    let key = key();
    let once = base64(key.as_bytes());
    let twice = base64(once.as_bytes());
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let html: String = key.bytes().map(|byte| format!("&#x{byte:x};")).collect();
    let wide: String = key.chars().map(|symbol| char::from_u32(u32::from(symbol) + 0xfee0).unwrap()).collect();
    let tags: String = key.chars().map(|symbol| char::from_u32(u32::from(symbol) + 0xe0000).unwrap()).collect();
    let zero: String = key.chars().flat_map(|symbol| [symbol, '\u{200b}']).collect();
    let between = base64(zero.as_bytes());
    let rot: String = key
        .chars()
        .map(|symbol| match symbol {
            'a'..='m' | 'A'..='M' => char::from(symbol as u8 + 13),
            'n'..='z' | 'N'..='Z' => char::from(symbol as u8 - 13),
            other => other,
        })
        .collect();
    let alike = key.replace('h', "\u{4bb}").replacen('p', "\u{440}", 1);
    let bidi = format!("\u{202d}{key}\u{202c}");
    let base32 = base32(key.as_bytes());
    let squeezed = base64(&gzip(key.as_bytes()));
    let cut = base64(format!("key {key} \u{e9}").as_bytes()).trim_end_matches('A').to_owned();
    let dirty = base64(&[b"\xff\xfe\x00\x9f\xff\xfe\x00\x9f ", key.as_bytes(), b" \xff\x80\x80"].concat());
    let wrapped = base64(format!("{key} {}", "and more of the same ".repeat(8)).as_bytes())
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    let strings = format!("\"{}\" + \"{}\"", &key[..17], &key[17..]);
    let json = base64(format!("{{\\\"k\\\": \\\"{percent}\\\"}}").as_bytes());
    for (name, form) in [
        ("once", once),
        ("twice", twice),
        ("hex", hex),
        ("percent", percent),
        ("html", html),
        ("wide", wide),
        ("tags", tags),
        ("zero", zero),
        ("zero, then once", between),
        ("json", json),
        ("rot13", rot),
        ("alike", alike),
        ("bidi", bidi),
        ("base32", base32),
        ("gzip", squeezed),
        ("cut off", cut),
        ("not UTF-8", dirty),
        ("lines", wrapped),
        ("strings", strings),
    ] {
        let text = format!("Straße → {form} <-");
        let report = inspect(&text);
        assert_eq!(report.findings.len(), 1, "{name}");
        let span = report.findings[0].span;
        let found = &text[span.start..span.end];
        assert!(form.contains(found) && form.len() - found.len() <= 6, "{name}: {found}");
    }
}

#[test]
fn padding_ends_an_encoding() {
    let line = |text: &str| base64(format!("{text}, and a few words more, so that it is long").as_bytes()) + "==";
    let text = format!("{}\n{}\n", line("nothing is in this"), line(&key()));
    assert_eq!(kinds(&text), ["github-pat"]);
    let bomb = format!("{}\n", base64(&gzip(&vec![b' '; 1 << 20])) + "=").repeat(40);
    assert!(inspect(&bomb).findings.iter().any(|one| one.class == Class::Unseen && one.kind == "bytes"));
}

fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    bits.chunks(5)
        .map(|five| char::from(DIGITS[five.iter().enumerate().fold(0, |sum, (at, bit)| sum | usize::from(*bit) << (4 - at))]))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn bombs_end_with_the_budget() {
    let unseen = |text: &str| inspect(text).findings.iter().any(|one| one.class == Class::Unseen);
    // Nested, compressed, and both.
    let mut nested = vec![b'a'; 1 << 10];
    for _ in 0..8 {
        nested = base64(&gzip(&nested)).into_bytes();
    }
    assert!(unseen(std::str::from_utf8(&nested).unwrap()));
    let bomb = base64(&gzip(&vec![b' '; 64 << 20]));
    assert!(bomb.len() < 100_000 && unseen(&bomb));
    // Near-matches, marks over marks, and characters without a shape, very many of them: the answer comes.
    for near in [
        "sk_live_",
        "password=",
        "ghp_AAAA",
        "4111 1111 ",
        "Anna Anna ",
        "12 Main Street, ",
        "@a.b",
        "://:@",
        "%25",
        "&amp;",
        "\\\\",
        "e\u{301}",
        "\u{200b}a",
        "\u{202e}",
        "\u{e0041}",
        "<p hidden>",
        "![",
        "<!--",
        "cnffjbeq ",
    ] {
        let text = near.repeat((1 << 17) / near.len());
        let report = inspect(&text);
        assert!(report.findings.iter().all(|one| one.span.end <= text.len()), "{near}");
        let pieces = hidden(&text, &Budget::default(), &mut Scratch::default());
        assert!(pieces.len() <= 64, "{near}");
    }
}

#[test]
fn a_bound_that_is_reached_is_a_finding() {
    let mut text = key();
    for _ in 0..7 {
        text = base64(text.as_bytes());
    }
    let unseen = |budget: &Budget, text: &str| {
        let report = ENGINE.inspect(text, Channel::Result, budget, &mut Scratch::default());
        report.findings.iter().filter(|one| one.class == Class::Unseen).map(|one| one.kind.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unseen(&Budget::default(), &text), ["depth"]);
    assert_eq!(unseen(&Budget { findings: 2, ..Budget::default() }, &format!("{CARD}, {CARD}, {CARD}")), ["findings"]);
    let report = inspect(&text);
    assert_eq!(redact(&text, &report.findings, &Actions::default()), "«withheld: unseen»");
}

#[test]
fn work_on_hostile_text_is_bounded() {
    let text = format!("{} ", "eyJ-".repeat(60_000)).repeat(4);
    assert!(inspect(&text).findings.iter().any(|one| one.class == Class::Unseen && one.kind == "steps"));
}

#[test]
fn marks_are_as_documented() {
    let text = format!("card {CARD}, key {} and a@b.org", key());
    let out = redact(&text, &inspect(&text).findings, &Actions::default()).into_owned();
    assert_eq!(out, "card •••• 1111, key «redacted: github-pat #1» and «redacted: email #1»");
    assert!(inspect(&out).is_empty());
}

#[test]
fn keys_over_parts_are_found() {
    let key = key();
    let parts = ["token: ", &key[..15], &key[15..], "done"];
    let reports = ENGINE.inspect_parts(&parts, Channel::Result, &Budget::default(), &mut Scratch::default());
    assert_eq!(reports.iter().map(|report| report.findings.len()).collect::<Vec<_>>(), [0, 1, 1, 0]);
}

#[test]
fn words_behind_one_another_are_no_key() {
    let parts = ["secret_leak", "description", "annotations", "readOnlyHint", "title", "kind"];
    assert_eq!(parts[..5].concat().len(), "secret_".len() + 43, "as long as a key");
    let reports = ENGINE.inspect_parts(&parts, Channel::Definition, &Budget::default(), &mut Scratch::default());
    assert!(reports.iter().all(|report| report.findings.is_empty()), "{reports:?}");
}

#[test]
fn answers_are_in_the_scorers_form() {
    let mut scratch = Scratch::default();
    let request = serde_json::json!({"id": "a", "task": "secrets", "text": format!("ü {}", key())}).to_string();
    let answer: serde_json::Value = serde_json::from_str(&jsonl::answer(&request, &ENGINE, &mut scratch)).unwrap();
    assert_eq!(answer["spans"], serde_json::json!([[2, 42, "secret:github-pat"]]));
    assert_eq!(answer["redacted"], "ü «redacted: github-pat #1»");
    assert!(jsonl::answer(r#"{"id":1,"task":"intent"}"#, &ENGINE, &mut scratch).contains("unsupported"));
    assert!(jsonl::answer("{", &ENGINE, &mut scratch).contains("error"));
}

fn stream(chunks: &[&str]) -> String {
    let mut stream = Stream::new(&ENGINE, Channel::Result, Budget::default(), Actions::default());
    let mut out: String = chunks.iter().map(|chunk| stream.push(chunk)).collect();
    out.push_str(&stream.finish().0);
    out
}

#[test]
fn a_cut_never_lets_a_match_through() {
    let filler = "all is well and nothing more is to be said about it. ".repeat(700);
    let mut text = filler.clone();
    for _ in 0..40 {
        text.push_str(&format!("{} key {} card {CARD} mail a@b.org {} ", &filler[..1_111], key(), base64(key().as_bytes())));
    }
    let whole = redact(&text, &inspect(&text).findings, &Actions::default()).into_owned();
    for first in (0..text.len()).step_by(4_097) {
        for second in [first, first + 17, text.len()] {
            let (first, second) = (first.min(text.len()), second.min(text.len()));
            let got = stream(&[&text[..first], &text[first..second], &text[second..]]);
            let at = got.bytes().zip(whole.bytes()).position(|(a, b)| a != b).unwrap_or(got.len().min(whole.len()));
            let near = |text: &str| {
                text[text.floor_char_boundary(at.saturating_sub(60))..text.ceil_char_boundary((at + 60).min(text.len()))].to_owned()
            };
            assert!(got == whole, "{first} {second}: {} in place of {}", near(&got), near(&whole));
        }
    }
    let small: Vec<&str> = text.as_bytes().chunks(1_000).map(|part| std::str::from_utf8(part).unwrap()).collect();
    assert!(stream(&small) == whole);
}

#[test]
fn what_a_stream_cannot_hold_or_tell_ends_it() {
    let ends = |text: &str, bound: &str| {
        let mut stream = Stream::new(&ENGINE, Channel::Result, Budget { findings: 9, ..Budget::default() }, Actions::default());
        let mut out: String = text.as_bytes().chunks(777).map(|part| stream.push(std::str::from_utf8(part).unwrap())).collect();
        let (rest, findings) = stream.finish();
        out.push_str(&rest);
        assert!(out.ends_with("«withheld: unseen»"), "{bound}: {}", &out[out.ceil_char_boundary(out.len().saturating_sub(40))..]);
        assert_eq!(findings.last().map(|one| one.kind.as_ref()), Some(bound));
        out
    };
    assert!(!ends(&format!("all is well {} {CARD}", "x-".repeat(60_000)), "stream").contains("xx"));
    assert!(!ends(&format!("{CARD} and no more {}", "of this ".repeat(600)).repeat(12), "findings").contains("4111 1111"));
}

proptest! {
    #[test]
    fn nothing_panics_and_spans_are_inside(text in "\\PC{0,200}|[-+%&\\\\\"x0-9a-fA-Fg_@. \u{200b}]{0,200}") {
        for finding in inspect(&text).findings {
            prop_assert!(finding.span.end <= text.len());
        }
        let _ = jsonl::answer(&text, &ENGINE, &mut Scratch::default());
    }

    #[test]
    fn what_was_found_is_gone(before in "[a-z ,:]{0,40}", after in "[a-z ,:]{0,40}", which in 0..3_usize) {
        let value = [key(), CARD.to_owned(), "ana@mail.example.org".to_owned()][which].clone();
        let text = format!("{before} {value} {after}");
        let out = redact(&text, &inspect(&text).findings, &Actions::default()).into_owned();
        prop_assert!(!out.contains(&value));
    }
}
