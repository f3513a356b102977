//! What the guards of a call cost. Run with `--release -- --ignored --nocapture`: the figures of a debug build say nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

use guards::path::Lexical;
use guards::smuggling::Declared;
use guards::{Guard, GuardKind, Guards, Words};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

const CALLS: u32 = 20_000;

/// The median of eleven rounds: what one call costs.
fn each(mut work: impl FnMut()) -> Duration {
    let mut rounds: Vec<Duration> = (0..11)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| work());
            start.elapsed() / CALLS
        })
        .collect();
    rounds.sort_unstable();
    rounds[5]
}

fn strings(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|one| (*one).to_owned()).collect())
}

fn guard(kind: GuardKind) -> Guard {
    let words = match kind {
        GuardKind::Files => Words { roots: strings(&["/home/ana/work", "/srv/data"]), write: Some(true), ..Words::default() },
        GuardKind::Http => {
            Words { schemes: strings(&["https"]), allow_hosts: strings(&["*.example.com", "api.shop.test"]), ..Words::default() }
        }
        GuardKind::Sql => Words { dialect: Some("postgres".into()), tables: strings(&["orders", "customers"]), ..Words::default() },
        GuardKind::Process => Words { allowed: strings(&["git", "ls", "tar"]), cwd: Some("/home/ana/work".into()), ..Words::default() },
    };
    Guard::new(kind, &words).unwrap()
}

/// A call of one kilobyte: the guarded text, and the rest of it as text that nobody judges.
fn call(argument: &str, text: &str) -> Map<String, Value> {
    let rest = "the quick brown fox jumps over the lazy dog; ".repeat(30);
    let rest = rest.get(..1_000_usize.saturating_sub(text.len())).unwrap_or_default();
    let Value::Object(arguments) = json!({argument: text, "content": rest}) else { unreachable!() };
    arguments
}

#[test]
#[ignore = "measures a release build"]
fn guards_are_quick() {
    let path = "/home/ana/work/projects/2026/gateway/crates/guards/src/path.rs";
    let odd = "/home/ana/work/projects/réunion/100%25 done/plan (final).md";
    let url = "https://static.cdn.example.com/assets/2026/11/index.html?lang=en&theme=dark#top";
    let short = "SELECT id, total FROM orders WHERE customer = 7 ORDER BY total DESC LIMIT 20";
    let long = "SELECT o.id, o.total, c.name, count(*) OVER (PARTITION BY c.id) AS n, sum(o.total) FILTER (WHERE o.total > 10) OVER (ORDER BY o.id) AS running \
        FROM orders o JOIN customers c ON c.id = o.customer WHERE o.total BETWEEN 10 AND 500 AND c.name ILIKE '%inc%' AND o.id IN (SELECT id FROM orders WHERE total > 100) \
        GROUP BY o.id, c.id ORDER BY 2 DESC NULLS LAST LIMIT 100 OFFSET 40";
    let command = "git log --oneline --since='2 weeks ago' --author=ana -n 50 -- crates/guards/src docs/configuration.md";
    let lists = Declared::new(
        Some(&json!({"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}})),
        ["path"],
    );
    for (name, kind, argument, text) in [
        ("files", GuardKind::Files, "path", path),
        ("files, other letters", GuardKind::Files, "path", odd),
        ("http", GuardKind::Http, "url", url),
        ("sql, a short statement", GuardKind::Sql, "sql", short),
        ("sql, a long statement", GuardKind::Sql, "sql", long),
        ("process", GuardKind::Process, "command", command),
    ] {
        let guards = Guards::new(BTreeMap::from([(argument.to_owned(), guard(kind))]));
        let arguments = call(argument, text);
        guards.judge(&arguments, &Lexical).expect("a plain value");
        let cost = each(|| drop(black_box(guards.judge(black_box(&arguments), &Lexical))));
        println!("{name:<24} {:>4} bytes: {:>8.2} µs", text.len(), cost.as_secs_f64() * 1e6);
    }
    let arguments = call("path", path);
    let cost = each(|| drop(black_box(lists.check(black_box(&arguments)))));
    println!("smuggling, every call               {:>8.2} µs", cost.as_secs_f64() * 1e6);
    let none = Guards::default();
    let cost = each(|| {
        if !black_box(&none).is_empty() {
            drop(black_box(none.judge(&arguments, &Lexical)));
        }
    });
    println!("no guard                            {:>8.4} µs", cost.as_secs_f64() * 1e6);
}
