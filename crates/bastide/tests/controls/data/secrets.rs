//! `data.secrets`: keys, tokens and passwords are found on the way in and on the way out.

use serde_json::{Value, json};
use testkit::World;

/// What the canary's `secret_leak` tells of each sort; none is real.
const LEAKS: [(&str, &[&str]); 2] = [
    ("aws", &["AKIAQ7XJ2V5TN3KD6WRB", "qL8vT3nXzR5kWm2YpB7cJd9HfGs1aE4uVx6NoKi0"]),
    ("github", &["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"]),
];

fn found(record: &Value) -> Vec<(&str, &str)> {
    let list = record["obligations"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|one| (one["class"].as_str().unwrap(), one["action"].as_str().unwrap())).collect()
}

#[test]
fn what_a_server_leaks_is_taken_out_and_counted() {
    let world = World::new();
    let mut agent = world.agent();
    for (kind, values) in LEAKS {
        let answer = agent.call("canary__secret_leak", json!({"kind": kind}));
        assert!(!answer.is_error(), "{kind}: {}", answer.0);
        for value in values {
            assert!(!answer.0.to_string().contains(value), "{kind}: {}", answer.0);
            assert!(!world.holds("state", value.as_bytes()), "{kind}: it was kept");
        }
        let audit = world.audit();
        let call = audit.iter().rfind(|record| record["tool"] == "secret_leak").unwrap();
        assert!(found(call).contains(&("secret", "redact")), "{kind}: {call}");
        assert_eq!(call["decision"]["verdict"], "changed");
    }
    let harmless = agent.call("canary__echo", json!({"text": "The token of our esteem is a password to the heart."}));
    assert_eq!(harmless.text(), "The token of our esteem is a password to the heart.");
}

#[test]
fn a_secret_in_a_subscription_does_not_reach_a_server() {
    let world = World::with().section("inspect", "secrets: { action: block }").start();
    let secret = "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";
    let mut agent = world.client("agent:tester", "/mcp/canary");
    let wanted = json!({"notifications": {"resourceSubscriptions": [format!("canary://page/{secret}")]}});
    let answer = agent.ask_modern("subscriptions/listen", wanted).answer();
    assert_eq!(answer.refused(), "data.secrets/blocked", "{}", answer.0);
    assert!(!world.journal().iter().any(|message| message.to_string().contains(secret)), "it was let through");
    assert!(!world.holds("state", secret.as_bytes()), "it was kept");
}

#[test]
fn a_secret_in_arguments_is_not_on_record() {
    let world = World::new();
    let secret = "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";
    world.agent().call("canary__write_note", json!({"name": "n", "text": format!("use {secret}")}));
    assert_eq!(world.reached()[0]["arguments"]["text"], format!("use {secret}"), "what was decided on is what runs");
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "write_note").unwrap();
    assert_eq!(call["arguments"]["name"], "n");
    assert!(!world.holds("state", secret.as_bytes()), "it was kept");
    assert!(found(call).contains(&("secret", "flag")), "{call}");
}

#[test]
fn encodings_hide_nothing() {
    let world = World::new();
    let mut agent = world.agent();
    for (case, text) in [
        ("base64", "Z2hwX3E3WnQzTHdYYzlSYjJWbjVLZDhKczFIZjRHbTZQeTN4U29LQg=="),
        (
            "percent",
            "%67%68%70%5F%71%37%5A%74%33%4C%77%58%63%39%52%62%32%56%6E%35%4B%64%38%4A%73%31%48%66%34%47%6D%36%50%79%33%78%53%6F%4B%42",
        ),
    ] {
        let answer = agent.call("canary__echo", json!({"text": text}));
        assert!(!answer.0.to_string().contains(text), "{case}: {}", answer.0);
    }
}

#[test]
fn where_secrets_are_blocked_neither_side_gets_one() {
    let world = World::with().section("inspect", "secrets: { action: block }").start();
    let mut agent = world.agent();
    let inward = agent.call("canary__echo", json!({"text": "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"}));
    assert_eq!(inward.refused(), "data.secrets/blocked");
    assert_eq!(world.record(inward.reference())["decision"]["code"], "data.secrets/blocked");
    assert!(world.reached().is_empty(), "it went to the server");

    let outward = agent.call("canary__secret_leak", json!({"kind": "aws"}));
    assert_eq!(outward.refused(), "data.secrets/blocked");
    assert!(!outward.0.to_string().contains("AKIA"), "{}", outward.0);
    let record = world.record(outward.reference());
    assert_eq!((&record["decision"]["code"], &record["result"]["status"]), (&json!("data.secrets/blocked"), &json!("withheld")));
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn where_secrets_are_flagged_they_pass_on_record() {
    let world = World::with().section("inspect", "secrets: { action: flag }").start();
    let answer = world.agent().call("canary__secret_leak", json!({"kind": "github"}));
    assert!(answer.text().contains("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"), "{}", answer.0);
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "secret_leak").unwrap();
    assert!(found(call).contains(&("secret", "flag")), "{call}");
    assert!(!call.to_string().contains("ghp_q7Zt"), "the record holds it: {call}");
}

#[test]
fn prompts_resources_and_errors_are_searched_too() {
    let world = World::new();
    let mut agent = world.agent();
    let who = "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";
    let prompt = agent.ask("prompts/get", json!({"name": "canary__greet", "arguments": {"who": who}}));
    assert!(prompt.code().is_none() && !prompt.0.to_string().contains(who), "{}", prompt.0);
    let note = agent.call("canary__write_note", json!({"name": "leak", "text": who}));
    assert_eq!(note.text(), "written");
    let read = agent.call("canary__read_note", json!({"name": "leak"}));
    assert!(!read.is_error() && !read.0.to_string().contains(who), "{}", read.0);
}

#[test]
fn what_could_not_be_searched_whole_does_not_pass() {
    let world = World::new();
    let mut agent = world.agent();
    // Six encodings inside one another: deeper than what is looked into.
    let nested = (0..7).fold("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".to_owned(), |text, _| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    });
    let answer = agent.call("canary__echo", json!({"text": nested}));
    assert!(answer.is_error(), "it passed unseen: {}", answer.0);
    assert_eq!(answer.refused(), "intent.input-screening/fault");
    assert_eq!(world.record(answer.reference())["decision"]["code"], "intent.input-screening/fault");
    assert!(world.reached().is_empty());
}

#[test]
fn a_secret_that_runs_on_from_one_block_into_the_next_is_found() {
    let world = World::with().evil("pieces").start();
    let answer = world.agent().call("evil__echo", json!({"text": "hi"}));
    let whole = answer.0.to_string();
    assert!(whole.contains("redacted"), "{whole}");
    assert!(!whole.contains("q7Zt3LwXc9Rb2Vn5Kd8J") && !whole.contains("s1Hf4Gm6Py3xSoKB"), "{whole}");
}

#[test]
fn a_card_is_found_where_it_is_a_number() {
    let world = World::with().evil("pieces").start();
    let answer = world.agent().call("evil__echo", json!({"text": "hi"}));
    let told = &answer.result()["structuredContent"];
    assert_eq!(told, &json!({"card": "•••• 1111", "at": 1_763_742_000_123_u64}), "{}", answer.0);
}

#[test]
fn what_unpacks_to_much_is_not_unpacked_once_for_each_part() {
    // A million blanks, packed, in base64, packed again.
    const BOMB: &str = "eNpL9SsqKY90dQSB8krnMO0w31RTt1Anx1EwCkbBKBjxwLnMqaA4Msor2xYAwEVS3g==";
    let world = World::new();
    let mut agent = world.agent();
    let mut ask = |count: usize| {
        let bombs = (0..count).map(|at| (format!("x{at}"), json!(BOMB)));
        let arguments: serde_json::Map<_, _> = bombs.chain([("who".to_owned(), json!("Ana"))]).collect();
        agent.ask("prompts/get", json!({"name": "canary__greet", "arguments": arguments}))
    };
    assert!(ask(1).code().is_none());
    // What would be gigabytes is refused as what was not seen whole.
    let refused = ask(3_000);
    assert_eq!(refused.refused(), "intent.input-screening/fault");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "intent.input-screening/fault");
}

#[test]
fn passwords_in_sentences_tables_declarations_and_commands_do_not_come_through() {
    let said = [
        ("The admin password has been reset to aDAR7EWBZ2kg.", "aDAR7EWBZ2kg"),
        ("das Kennwort für den NAS ist Ox3Gc2-gmrsck bitte", "Ox3Gc2-gmrsck"),
        ("hasło do bazy: NHoC3O9A9qoO", "NHoC3O9A9qoO"),
        ("비밀번호: oX22LbYi878U", "oX22LbYi878U"),
        ("host,user,password\nweb1,root,52jXBg-jWuyP7\n", "52jXBg-jWuyP7"),
        ("const SIGNING_SECRET: &str = \"NqHAU9LkZ0jJT2byjBfYsfIG4S0WyXEm\";", "NqHAU9LkZ0jJT2byjBfYsfIG4S0WyXEm"),
        ("$ sshpass -p 'zWPy0o-0bdYNC' ssh ops@10.2.3.4", "zWPy0o-0bdYNC"),
        ("Recovery phrase: velvet scan ozone crystal eager mimic fossil puzzle urban donkey ladder swift", "ozone crystal eager"),
        ("Authorization: Token ada31d4143ca16eb233cd7997c576ac8bc0d9c8a", "ada31d4143ca16eb233cd7997c576ac8bc0d9c8a"),
    ];
    let world = World::new();
    let mut agent = world.agent();
    for (text, secret) in said {
        let answer = agent.call("canary__echo", json!({"text": text}));
        assert!(!answer.0.to_string().contains(secret) && answer.0.to_string().contains("«redacted: "), "{text}: {}", answer.0);
        assert!(!world.holds("state", secret.as_bytes()), "{text}: it was kept");
    }
    for harmless in [
        "The password is hashed with PBKDF2-HMAC-SHA256, and checked by the gateway.",
        "password(self, request: SOCKS5UserRequest)",
        "code,reason\n12,password\n13,INVALID_MGF1_MD\n",
        "const TOKEN_KIND: &str = \"token-kind\";",
        "-----BEGIN PRIVATE KEY-----\n<your key here>\n-----END PRIVATE KEY-----",
        "Authorization: Bearer <token>",
    ] {
        assert_eq!(agent.call("canary__echo", json!({"text": harmless})).text(), harmless);
    }
}

#[test]
fn a_password_in_a_sentence_is_blocked_where_secrets_are() {
    let world = World::with().section("inspect", "secrets: { action: block }").start();
    let said = json!({"text": "The admin password has been reset to aDAR7EWBZ2kg."});
    assert_eq!(world.agent().call("canary__echo", said).refused(), "data.secrets/blocked");
    assert!(world.reached().is_empty());
}
