//! What a decision costs. Run with `--release -- --ignored --nocapture`: the figures of a debug build say nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

use policy::{CedarSource, Engine, Entry, Facts, Place, RoleSource, ServerEntries, Sources, Subject};
use std::hint::black_box;
use std::time::{Duration, Instant};
use terms::{Authenticated, Label, Name, Principal, ServerName, Workload};

/// 50 roles of 18 entries over 6 servers, and 100 Cedar policies.
fn engine() -> Engine {
    let servers: Vec<ServerName> = (0..6).map(|at| ServerName::new(&format!("s{at}")).unwrap()).collect();
    let place = Place::new("bastide.yaml", 1, 0);
    let entry = |text: String| Entry::new(text, place.clone());
    let roles = (0..50).map(|at| RoleSource {
        members: vec![entry(format!("agent:a{at}")), entry(format!("user:u{}", at % 10))],
        clearance: Label::Internal,
        allow: servers
            .iter()
            .map(|server| ServerEntries {
                server: server.clone(),
                place: place.clone(),
                entries: ["read_*", "list_*", "get_issue"].map(|text| entry(text.to_owned())).to_vec(),
            })
            .collect(),
        ..RoleSource::new(Name::new(&format!("r{at}")).unwrap(), place.clone())
    });
    let forbid = |at: usize| {
        format!(
            "forbid (principal in Role::\"r{}\", action == Action::\"call\", resource in Server::\"s{}\") when {{ resource.name like \"*secret{at}*\" }};\n",
            at % 50,
            at % 6
        )
    };
    let cedar = vec![CedarSource { file: "extra.cedar".to_owned(), text: (0..100).map(forbid).collect() }];
    Engine::compile(Sources { roles: roles.collect(), servers, cedar }).unwrap()
}

fn each(count: u32, mut work: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    (0..count).for_each(&mut work);
    start.elapsed() / count
}

#[test]
#[ignore = "measures a release build"]
fn decisions_are_quick() {
    let engine = engine();
    assert_eq!(engine.len(), 1_000);
    let principal = |user: Option<&str>| Principal {
        agent: Name::new("a7").unwrap(),
        user: user.map(|user| Name::new(user).unwrap()),
        workload: Workload::Local { uid: 1, executable: Some("/usr/bin/agent".to_owned()) },
        authenticated: Authenticated::Peer,
    };
    let server = ServerName::new("s1").unwrap();
    let names: Vec<String> = (0..10_000).map(|at| format!("read_{at}")).collect();
    for (label, principal) in [("one role", principal(None)), ("six roles", principal(Some("u3")))] {
        let decide = |name: &str| black_box(engine.decide(&Facts::new(&principal, &server, Subject::Tool(name)))).allows();
        decide("read_warm");
        let uncached = each(10_000, |at| assert!(decide(&names[at as usize])));
        let cached = each(100_000, |_| assert!(decide("read_warm")));
        println!("{label}: uncached {uncached:?}, cached {cached:?}");
        assert!(uncached < Duration::from_micros(30) && cached < Duration::from_micros(3), "{uncached:?} {cached:?}");
    }
}
