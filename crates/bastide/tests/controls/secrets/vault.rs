//! `secrets.vault`: credentials rest sealed, and without their key no server that needs one is reached.

use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{Setup, World};

/// Nothing that a screen would find by its look.
const VALUE: &str = "plain words of the ledger that nobody guesses";
const ROLE: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], ledger: [\"*\"], far: [\"*\"] }";

/// A local and a remote server that need a credential, beside a canary that needs none.
fn setup() -> Setup {
    let entry = "run: [{bin}/canary-server, --journal, {box}/ledger.jsonl]\nsecrets: { LEDGER: vault:ledger/token }\nsandbox: { read: [{bin}], write: [{box}] }";
    let setup = World::with().server("ledger", entry).remote("far", "auth: { bearer: vault:far/token }\ntrust: internal");
    setup.role("tester", ROLE).secret("ledger/token", VALUE).secret("far/token", "another line of plain words for far away")
}

/// How often a server heard of a call.
fn heard(world: &World, server: &str) -> usize {
    let text = fs::read_to_string(world.path(&format!("box/{server}.jsonl"))).unwrap_or_default();
    text.lines().filter(|line| line.contains("tools/call")).count()
}

/// Both servers that need a credential are refused with `code` and hear nothing, and the canary works.
fn assert_refused(world: &World, code: &str) {
    let mut agent = world.agent();
    for (tool, server) in [("ledger__echo", "ledger"), ("far__echo", "far")] {
        let refused = agent.call(tool, json!({"text": "hi"}));
        assert_eq!(refused.refused(), code, "{tool}");
        let record = world.record(refused.reference());
        assert_eq!((&record["decision"]["code"], &record["server"]), (&json!(code), &json!(server)));
        assert_eq!(heard(world, server), 0, "{tool}");
    }
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "a server that needs no credential");
}

#[test]
fn servers_get_what_they_need() {
    let world = setup().start();
    let mut agent = world.agent();
    assert!(agent.call("ledger__environment", json!({})).text().lines().any(|name| name == "LEDGER"));
    assert!(!agent.call("canary__environment", json!({})).text().contains("LEDGER"));
    assert!(agent.call("far__headers", json!({})).text().lines().any(|name| name == "authorization"));
}

#[test]
fn who_needs_a_credential_waits_while_another_is_put_in() {
    // So many and so long that it takes a moment to learn them.
    let many = (0..40).fold(setup(), |setup, at| setup.secret(&format!("spare/of-{at}"), &format!("the {at}. long value; ").repeat(30)));
    let (world, done) = (many.start(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let putting = scope.spawn(|| {
            for at in 0..6 {
                let put =
                    testkit::run(&mut world.command(&["secret", "put", "spare/of-0"]), format!("a newer value, number {at}").as_bytes());
                assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) && !putting.is_finished() {
            // A server of its own for each session, started with its credential.
            assert_eq!(world.agent().call("ledger__echo", json!({"text": "hi"})).text(), "hi");
        }
    });
}

#[test]
fn nothing_on_disk_shows_a_value() {
    let mut world = setup().start();
    world.agent().call("ledger__echo", json!({"text": "hi"}));
    world.stop();
    for needle in [VALUE.as_bytes(), &VALUE.as_bytes()[..16], b"cGxhaW4gd29yZHMgb2YgdGhlIGxlZGdlci"] {
        assert!(!world.holds("", needle), "a credential rests in the open");
    }
    let mode = |name: &str| fs::metadata(world.state().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("vault.key"), mode("state.db")), (0o600, 0o600));
    for verb in [&["secret", "list"][..], &["server", "show", "ledger"], &["doctor"], &["audit", "show"]] {
        let output = world.run(verb);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("plain words"), "{verb:?}: {said}");
    }
}

#[test]
fn with_another_key_file_the_vault_stays_locked() {
    let mut world = setup().start();
    world.stop();
    fs::write(world.state().join("vault.key"), [7_u8; 64]).unwrap();
    world.serve();
    assert_refused(&world, "secrets.vault/locked");
    let put = testkit::run(&mut world.command(&["secret", "put", "ledger/token"]), b"new");
    assert!(!put.status.success(), "a value went into a vault that is locked");
}

#[test]
fn without_its_key_file_the_vault_stays_locked() {
    let mut world = setup().start();
    world.stop();
    fs::remove_file(world.state().join("vault.key")).unwrap();
    world.serve();
    assert_refused(&world, "secrets.vault/locked");
    assert!(!world.state().join("vault.key").exists(), "another key was made");
}

#[test]
fn a_key_file_that_others_can_read_is_not_used() {
    let mut world = setup().start();
    world.stop();
    fs::set_permissions(world.state().join("vault.key"), Permissions::from_mode(0o644)).unwrap();
    world.serve();
    assert_refused(&world, "secrets.vault/locked");
}

#[test]
fn an_entry_that_was_moved_to_another_name_does_not_open() {
    let mut world = setup().secret("ledger/spare", "the words of the spare entry of the ledger").start();
    world.stop();
    // What was sealed as `spare` now stands where `token` is looked up.
    assert!(world.tamper("ledgertoken", "ledgergoner") > 0);
    assert!(world.tamper("ledgerspare", "ledgertoken") > 0);
    world.serve();
    let refused = world.agent().call("ledger__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "secrets.vault/locked");
    assert_eq!(heard(&world, "ledger"), 0);
}

#[test]
fn a_credential_that_was_removed_is_named_to_the_operator_alone() {
    let world = setup().start();
    world.json(&["secret", "remove", "ledger/token"]);
    world.json(&["secret", "remove", "far/token"]);
    assert_refused(&world, "secrets.vault/absent");
    let answer = world.agent().call("ledger__echo", json!({"text": "hi"}));
    assert!(!answer.0.to_string().contains("ledger/token"), "{}", answer.0);
    let cause = world.record(answer.reference())["detail"]["cause"].clone();
    assert!(cause.as_str().is_some_and(|cause| cause.contains("ledger/token")), "{cause}");
}

#[test]
fn a_replaced_value_is_what_the_next_session_gets() {
    let world = setup().start();
    let put = testkit::run(world.command(&["secret", "put", "far/token"]).arg("--json"), b"a third line of plain words");
    let kept: Value = serde_json::from_slice(&put.stdout).unwrap();
    assert_eq!(kept["version"], 2);
    assert!(!world.agent().call("far__echo", json!({"text": "hi"})).is_error());
}
