//! What a person and a client meet first: a gateway that is started for them, output that nobody reads to its end, files that others may change.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use testkit::World;

#[track_caller]
fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !done() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The gateway that `connect` started; ended with the test.
struct Started(Pid);

impl Started {
    fn of(world: &World) -> Self {
        let pid = fs::read_to_string(world.state().join("owner.pid")).unwrap();
        Self(Pid::from_raw(pid.trim().parse().unwrap()).unwrap())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::TERM);
    }
}

fn locked() -> World {
    let world = World::with().write();
    world.json(&["lock", "--yes"]);
    world
}

#[test]
fn connect_starts_a_gateway_that_stays_and_that_the_next_one_finds() {
    let world = locked();
    let mut command = world.command(&["connect", "--as", "tester"]);
    command.env("GITHUB_TOKEN", "not-for-the-gateway");
    let mut first = testkit::Stdio::launch(&mut command, &world.path("connect.log"));
    first.open();
    let started = Started::of(&world);
    assert_eq!(first.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let environment = fs::read(format!("/proc/{}/environ", started.0.as_raw_nonzero())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("not-for-the-gateway"), "the client's keys went along");
    first.process().close();
    first.process().wait(Duration::from_secs(90));
    let mut second = world.connect(&[]);
    second.open();
    assert_eq!(second.call("canary__echo", json!({"text": "again"})).text(), "again");
    assert_eq!(Started::of(&world).0, started.0, "another gateway was started");
    let log = world.state().join("serve.log");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn clients_that_come_at_once_share_one_gateway() {
    let world = locked();
    let mut clients: Vec<_> = (0..4).map(|_| world.connect(&[])).collect();
    for client in &mut clients {
        client.open();
        assert_eq!(client.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    }
    let _started = Started::of(&world);
    assert_eq!(world.json(&[])["gateway"]["sessions"], 4);
}

#[test]
fn connect_says_why_no_gateway_could_be_started_and_what_to_do() {
    let world = locked();
    let taken = std::net::TcpListener::bind(world.data()).unwrap();
    let output = world.run(&["connect", "--as", "tester"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot be listened on") && said.contains("bastide serve --config"), "{said}");
    assert!(output.stdout.is_empty());
    drop(taken);
    let output = world.run(&["connect", "--no-start"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("no gateway listens") && said.contains(&format!("bastide serve --config '{}'", world.config().display())),
        "{said}"
    );
    assert!(!world.state().join("bastide.sock").exists());
}

/// Runs `arguments` with both outputs on something that takes nothing.
fn unheard(world: &World, arguments: &[&str], take: fn() -> Stdio) -> Output {
    let mut command = world.command(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(take()).stderr(take()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "{arguments:?} hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn full() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn output_that_nobody_takes_ends_no_verb_in_a_panic() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    let verbs: [&[&str]; 14] = [
        &["lock", "--check"],
        &["lock"],
        &["server", "list"],
        &["server", "approve", "nobody"],
        &["audit", "show"],
        &["audit", "verify"],
        &["audit", "export"],
        &["doctor"],
        &["policy", "check"],
        &["token", "list"],
        &["completions", "bash"],
        &["man"],
        &["schema"],
        &[],
    ];
    for verb in verbs {
        for take in [full as fn() -> Stdio, closed] {
            let code = unheard(&world, verb, take).status.code();
            assert!(code.is_some_and(|code| code <= 3), "{verb:?}: {code:?}");
        }
    }
    // A gateway whose log nobody takes serves all the same.
    world.stop();
    let mut command = world.command(&["serve", "--json"]);
    let mut gateway = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full()).spawn().unwrap();
    until(|| world.state().join("bastide.sock").exists() && world.run(&["token", "list"]).status.success());
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert!(gateway.try_wait().unwrap().is_none());
    kill_process(Pid::from_child(&gateway), Signal::TERM).unwrap();
    assert_eq!(gateway.wait().unwrap().code(), Some(0));
}

/// What `serve` and `doctor` say of a configuration that they must not believe.
#[track_caller]
fn refused(world: &World, wanted: &str) {
    let output = world.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(wanted), "{said}");
    let doctor = world.run(&["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(1));
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(doctor["findings"].as_array().unwrap().iter().any(|finding| finding.to_string().contains(wanted)), "{doctor}");
}

#[test]
fn a_configuration_that_others_may_change_is_not_believed() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = locked();
    let mode = |path: &str, mode| fs::set_permissions(world.path(path), Permissions::from_mode(mode)).unwrap();
    mode("bastide.yaml", 0o602);
    refused(&world, "others may write");
    mode("bastide.yaml", 0o600);
    mode("", 0o777);
    refused(&world, "others may replace what is in");
    mode("", 0o755);
    fs::create_dir(world.path("policies")).unwrap();
    fs::write(world.path("policies/more.cedar"), "forbid(principal, action, resource) when { false };\n").unwrap();
    mode("policies/more.cedar", 0o606);
    refused(&world, "more.cedar");
    mode("policies/more.cedar", 0o600);
    mode("policies", 0o707);
    refused(&world, "policies");
    mode("policies", 0o700);
    assert_eq!(world.run(&["policy", "check"]).status.code(), Some(0));
    if rustix::process::geteuid().is_root() {
        for owned in ["bastide.yaml", "policies/more.cedar"] {
            std::os::unix::fs::chown(world.path(owned), Some(65_534), None).unwrap();
            refused(&world, "belongs to another user");
            std::os::unix::fs::chown(world.path(owned), Some(0), None).unwrap();
        }
    }
}

#[test]
fn a_link_of_somebody_else_to_the_configuration_is_not_followed() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = locked();
    fs::create_dir(world.path("links")).unwrap();
    fs::set_permissions(world.path("links"), Permissions::from_mode(0o777)).unwrap();
    let link = world.path("links/configuration");
    symlink(world.path(""), &link).unwrap();
    let program = world.command(&[]).get_program().to_owned();
    let checked = |file: &str| {
        let output = Command::new(&program).args(["policy", "check", "--config"]).arg(link.join(file)).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // Whoever may write where the link is lets it lead elsewhere.
    let (code, said) = checked("bastide.yaml");
    assert!(code == Some(2) && said.contains("others may replace what is in"), "{said}");
    fs::set_permissions(world.path("links"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(checked("bastide.yaml").0, Some(0));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
        let (code, said) = checked("bastide.yaml");
        assert!(code == Some(2) && said.contains("is a link of another user"), "{said}");
    }
}

#[test]
fn what_it_is_told_right_after_it_is_ready_is_heard() {
    let mut world = locked();
    for round in 0..10 {
        world.serve();
        world.gateway().signal(Signal::HUP);
        assert_eq!(world.stop(), Some(0), "round {round}");
        assert_eq!(world.verify()["ok"], true, "round {round}");
    }
}
