//! What a decision costs. Run with `--release -- --ignored --nocapture`: the figures of a debug build say nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

use policy::{Arguments, CedarSource, Engine, Entry, Facts, Place, RoleSource, ServerEntries, Sources, Subject};
use std::hint::black_box;
use std::time::{Duration, Instant};
use terms::{Authenticated, Label, Name, Principal, ServerName, Workload};

/// 50 roles of 18 entries over 6 servers, and 100 Cedar policies, of which every other one reads the context.
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
            "forbid (principal in Role::\"r{}\", action == Action::\"call\", resource in Server::\"s{}\") when {{ {} resource.name like \"*secret{at}*\" }};\n",
            at % 50,
            at % 6,
            if at % 4 < 2 { "context has client && context.client == \"Cursor\" &&" } else { "" },
        )
    };
    let cedar = vec![CedarSource { file: "extra.cedar".to_owned(), text: (0..100).map(forbid).collect() }];
    Engine::compile(Sources { roles: roles.collect(), servers, cedar, ..Sources::default() }).unwrap()
}

fn each(count: u32, mut work: impl FnMut(u32)) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|at| {
            let start = Instant::now();
            work(at);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn principal(user: Option<&str>) -> Principal {
    Principal {
        agent: Name::new("a7").unwrap(),
        user: user.map(|user| Name::new(user).unwrap()),
        workload: Workload::Local { uid: 1, executable: Some("/usr/bin/agent".to_owned()) },
        authenticated: Authenticated::Peer,
    }
}

/// Of 1,000 rules and 500 tools. On `s1` Cedar is asked about members of six roles, on `s2` about none.
#[test]
#[ignore = "measures a release build"]
fn decisions_are_quick() {
    let engine = engine();
    assert_eq!(engine.len(), 1_000);
    let names: Vec<String> = (0..500).map(|at| format!("read_{at}")).collect();
    let mut slow = Vec::new();
    for (label, user, server) in [("one role, no Cedar", None, "s2"), ("one role", None, "s1"), ("six roles", Some("u3"), "s1")] {
        let (principal, server) = (principal(user), ServerName::new(server).unwrap());
        let decide = |name: &str| black_box(engine.decide(&Facts::new(&principal, &server, Subject::Tool(name)))).allows();
        decide("read_warm");
        let uncached = each(500, |at| assert!(decide(&names[at as usize])));
        let cached = each(50_000, |at| assert!(decide(&names[at as usize % 500])));
        println!("{label}: median and 99th of a hundred, uncached {uncached:?}, cached {cached:?}");
        slow.extend((uncached.0 > Duration::from_micros(10) || cached.0 > Duration::from_micros(1)).then_some(label));
    }
    assert_eq!(slow, Vec::<&str>::new());
}

#[test]
#[ignore = "measures a release build"]
fn long_lists_are_quick() {
    let engine = engine();
    let names: Vec<String> = (0..5_000).map(|at| format!("{}_{at}", if at % 2 == 0 { "read" } else { "write" })).collect();
    let mut slow = Vec::new();
    for (label, user, server) in [("one role, no Cedar", None, "s2"), ("one role", None, "s1"), ("six roles", Some("u3"), "s1")] {
        let (principal, server) = (principal(user), ServerName::new(server).unwrap());
        let list = || {
            let subjects = names.iter().map(|name| Facts::new(&principal, &server, Subject::Tool(name)).arguments(Arguments::Any));
            subjects.filter(|facts| engine.decide(facts).shows()).count()
        };
        assert_eq!(list(), 2_500);
        let spent = each(50, |_| assert_eq!(black_box(list()), 2_500));
        println!("{label}: a list of 5,000 tools, median and 99th of a hundred {spent:?}");
        slow.extend((spent.0 > Duration::from_millis(2)).then_some(label));
    }
    assert_eq!(slow, Vec::<&str>::new());
}
