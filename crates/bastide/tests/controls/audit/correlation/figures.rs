//! The dashboard and the alert rules name metrics that a running gateway has.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::World;

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Every expression of the dashboard.
fn asked(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| match (name.as_str(), inner) {
            ("expr" | "query", Value::String(text)) => found.push(text.clone()),
            _ => asked(inner, found),
        }),
        Value::Array(items) => items.iter().for_each(|inner| asked(inner, found)),
        _ => {}
    }
}

/// The metrics of ours in expressions.
fn named(expressions: &str) -> BTreeSet<&str> {
    let words = expressions.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| (word.starts_with("bastide_") || word.starts_with("mcp_")) && *word != "mcp_method_name").collect()
}

/// The series that `/metrics` may have, by the types that it states.
fn shown(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let suffixes = |sort: &str| match sort {
        "counter" => vec!["_total"],
        "histogram" => vec!["_bucket", "_count", "_sum"],
        _ => vec![""],
    };
    types.flat_map(|(name, sort)| suffixes(sort).into_iter().map(move |suffix| format!("{name}{suffix}"))).collect()
}

/// Every metric of ours in these expressions is one that is shown.
fn check(expressions: &str, metrics: &str) {
    let (named, shown) = (named(expressions), shown(metrics));
    assert!(named.len() >= 8, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "no such metrics: {missing:?}\n{metrics}");
}

fn scraped(world: &World) -> String {
    String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap()
}

/// How long a certificate lasts that is in force, in seconds.
fn lasts(metrics: &str, certificate: &str) -> Option<i64> {
    let of = |moment: &str| {
        let series = format!("bastide_certificate_{moment}_timestamp_seconds{{certificate=\"{certificate}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse::<i64>().ok())
    };
    Some(of("ends")? - of("begins")?)
}

#[test]
fn the_dashboard_and_the_rules_name_metrics_that_there_are() {
    let world = World::new();
    world.agent().call("canary__echo", serde_json::json!({"text": "hi"}));
    let mut secured = World::with().authority("1h").write();
    secured.json(&["lock", "--yes"]);
    secured.json(&["ca", "init"]);
    secured.serve();
    let end = Instant::now() + Duration::from_secs(60);
    while lasts(&scraped(&secured), "issuer").is_none() {
        assert!(Instant::now() < end, "the issuer is not looked at");
        std::thread::sleep(Duration::from_millis(100));
    }
    let metrics = scraped(&world) + &scraped(&secured);
    let dashboard: Value = serde_json::from_slice(&std::fs::read(deployed("grafana/bastide.json")).unwrap()).unwrap();
    let mut expressions = Vec::new();
    asked(&dashboard, &mut expressions);
    check(&expressions.join("\n"), &metrics);

    let rules = std::fs::read_to_string(deployed("prometheus/bastide.rules.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&rules).unwrap();
    let mut expressions = Vec::new();
    asked(&rules, &mut expressions);
    check(&expressions.join("\n"), &metrics);
    let alerts = rules["groups"][0]["rules"].as_array().unwrap();
    let whole = |alert: &Value| ["alert", "expr"].iter().all(|key| alert[*key].is_string()) && alert["annotations"]["summary"].is_string();
    assert!(alerts.len() >= 10 && alerts.iter().all(whole), "{alerts:#?}");
    for series in ["bastide_audit_writable 1", "bastide_server_aside{server=\"canary\"} 0"] {
        assert!(metrics.lines().any(|line| line == series), "{series}: {metrics}");
    }
    assert!(["data", "enrol"].iter().all(|listener| lasts(&metrics, listener).is_some_and(|life| (3600..2 * 3600).contains(&life))));
    assert!(["data-crl", "enrol-crl"].iter().all(|list| lasts(&metrics, list).is_some_and(|life| life > 24 * 3600)), "{metrics}");
    assert!(lasts(&metrics, "issuer").is_some_and(|life| life > 3600), "{metrics}");
    // Where Prometheus is there, its own tool reads them too.
    if let Ok(checked) = Command::new("promtool").arg("check").arg("rules").arg(deployed("prometheus/bastide.rules.yaml")).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
