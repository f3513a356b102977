//! Hostile servers in three languages behind the built gateway: every attempt to escape or to carry something away fails and harms nobody, and
//! each has its effect where what holds it is left out. What has none does not count. This program is its own helper.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod attempt;
mod daemons;
mod doors;
mod files;
mod kernel;
mod ladder;
mod launcher;
mod measure;
mod meeting;
mod outside;
mod processes;
mod programs;
mod reason;
mod twin;

use attempt::{Attempt, Class, Language, Recorded, Twin};
use daemons::{End, Heart};
use outside::Outside;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::{Http, Names, World};

/// Fewest attempts that count.
const FEWEST: usize = 150;
const LONGEST: Duration = Duration::from_secs(60);
const CLASSES: [&Class; 21] = [
    &files::OUTSIDE,
    &files::LINKS,
    &files::STATE,
    &processes::PROC,
    &processes::CONTROL,
    &launcher::LAUNCHER,
    &launcher::FOREIGN,
    &daemons::DAEMONS,
    &kernel::SPACES,
    &kernel::KERNEL,
    &kernel::MACHINE,
    &kernel::RIGHTS,
    &kernel::INHERITED,
    &meeting::MEETING,
    &meeting::SHARES,
    &meeting::DIRECT,
    &meeting::SOCKETS,
    &doors::NAMES,
    &doors::PROXY,
    &doors::SPEECH,
    &doors::INWARDS,
];

fn main() {
    if std::env::args().nth(1).as_deref() == Some(sandbox::ARGUMENT) {
        sandbox::enter();
    }
    if std::env::args().any(|word| word == "--list") {
        return;
    }
    if !testkit::layers::are_there() {
        return;
    }
    if let Some(missing) = Language::ALL.into_iter().find(|language| !twin::is_there(*language)) {
        assert!(std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "{missing:?} is missing");
        return println!("skipped: {missing:?} is missing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut gate = Gate::start();
    let mut wrong = Vec::new();
    match std::env::args().nth(1).as_deref() {
        Some("measure") => return measure::print(&mut gate),
        Some("reasons") => {
            for class in CLASSES {
                gate.attack(class, &mut wrong);
            }
            return gate.reasons.iter().for_each(|(class, what, reason)| println!("{class} | {what} | {reason}"));
        }
        Some("ladder") => runtime.block_on(ladder::climb(&mut gate.outside, &mut wrong)),
        Some(_) | None => {
            all_attempts(&mut gate, &runtime, &mut wrong);
            runtime.block_on(ladder::climb(&mut gate.outside, &mut wrong));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("test result: ok. {} passed; 0 failed; 0 ignored", CLASSES.len());
}

fn all_attempts(gate: &mut Gate, runtime: &tokio::runtime::Runtime, wrong: &mut Vec<String>) {
    let began = Instant::now();
    for class in CLASSES {
        let began = Instant::now();
        gate.attack(class, wrong);
        println!("{:5.1} s {}", began.elapsed().as_secs_f64(), class.name);
    }
    let expected = reason::table();
    for (class, what, reason) in &gate.reasons {
        let known = expected.get(&(*class, *what)).is_some_and(|reasons| reasons.contains(&reason.as_str()));
        if !known {
            wrong.push(format!("{class}: {what}: failed for {reason}, and not for {:?}", expected.get(&(*class, *what))));
        }
    }
    println!("behind the gateway: {:.0} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let counted = runtime.block_on(twins(gate, wrong));
    println!("without what holds them: {:.0} s", began.elapsed().as_secs_f64());
    let sum: usize = counted.iter().map(|(_, count)| count).sum();
    for (class, count) in &counted {
        println!("{count:4} {class}");
    }
    println!("{sum:4} attempts failed, and work without what holds them");
    assert!(sum >= FEWEST, "only {sum} attempts count");
    assert!(counted.iter().all(|(_, count)| count * 10 <= sum), "a class is more than a tenth");
}

/// Every attempt with its number.
fn all() -> Vec<(usize, &'static Attempt)> {
    CLASSES
        .iter()
        .flat_map(|class| class.attempts)
        .chain(ladder::OWN)
        .chain(measure::OWN)
        .enumerate()
        .map(|(at, attempt)| (at + 1, attempt))
        .collect()
}

fn of(class: &Class) -> impl Iterator<Item = (usize, &'static Attempt)> {
    let first = CLASSES.iter().take_while(|one| one.name != class.name).map(|one| one.attempts.len()).sum::<usize>() + 1;
    class.attempts.iter().enumerate().map(move |(at, attempt)| (first + at, attempt))
}

struct Gate {
    world: World,
    agent: Http,
    outside: Outside,
    pid: u32,
    /// How often each server was ended so far: by server, event, and what that event names.
    ended: BTreeMap<(&'static str, &'static str, &'static str), usize>,
    /// Why each attempt failed: its class, what it does, and the reason.
    reasons: Vec<(&'static str, &'static str, String)>,
    _names: Names,
}

impl Gate {
    fn start() -> Self {
        let names = Names::new(|name, _| {
            let inner = name.strip_suffix(".inner.example").and_then(|label| label.strip_prefix('a'));
            inner
                .and_then(|label| label.replace('-', ".").parse::<std::net::Ipv4Addr>().ok())
                .map_or([127, 0, 0, 1], |found| found.octets())
        });
        let (web, tls) = (testkit::free_port(), testkit::free_port());
        let egress = format!(
            "\"http://web.example:{web}\", \"http://127.0.0.1:{web}\", \"tls.example:{tls}\", \"127.0.0.1:{tls}\", \"http://*.inner.example:{web}\", \"*.wild.example:443\""
        );
        let entry = |run: &str, memory: &str| {
            format!(
                "run: [{run}]\nrevision: \"2025-11-25\"\nrestart: {{ delay: 1ms, most: 1000, within: 1s }}\nsandbox: {{ write: [{{root}}/given], egress: [{egress}], memory: {memory} }}"
            )
        };
        let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], python: [\"*\"], brief: [\"*\"], node: [\"*\"], static: [\"*\"] }";
        let mut world = World::with()
            .server("python", &entry("/usr/bin/python3, {bin}/python/server.py", "512MiB"))
            .server("brief", &format!("{}\ncall: 6s", entry("/usr/bin/python3, {bin}/python/server.py", "512MiB")))
            .server("node", &entry("/usr/bin/node, {bin}/node/server.js", "1GiB"))
            .server("static", &entry("{bin}/static/server", "64MiB"))
            .role("tester", role)
            .section("dns", &format!("resolver: \"{}\"", names.url))
            .secret("some/secret", "nobody-knows-it")
            .write();
        let outside = Outside::new(&world, web, tls);
        programs::write(&outside, &all());
        world.json(&["lock", "--yes"]);
        world.serve();
        let (agent, pid) = (world.agent(), world.gateway().pid());
        Self { world, agent, outside, pid, ended: BTreeMap::new(), reasons: Vec::new(), _names: names }
    }

    fn call(&mut self, server: &str, number: usize) -> testkit::Answer {
        let arguments = json!({"attempt": number, "victim": self.outside.victim(), "gateway": self.pid});
        self.agent.call(&format!("{server}__run"), arguments)
    }

    /// Waits until `server` answers again.
    fn up(&mut self, server: &str) {
        let end = Instant::now() + LONGEST;
        while self.call(server, 0).text() != "up" {
            assert!(Instant::now() < end, "{server} does not come up again");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn attack(&mut self, class: &Class, wrong: &mut Vec<String>) {
        for (number, attempt) in of(class) {
            let server = attempt.language.server();
            if let Some(end) = daemons::end_of(attempt) {
                if let Err(what) = self.outlive(number, attempt, end) {
                    wrong.push(format!("{}: {} ({server}): {what}", class.name, attempt.what));
                }
                continue;
            }
            let answer = self.call(server, number);
            let text = answer.0.to_string();
            self.reasons.push((class.name, attempt.what, reason::of(&answer)));
            let mut fault = |what: &str| wrong.push(format!("{}: {} ({server}): {what}: {text}", class.name, attempt.what));
            if text.contains("DONE") || text.contains(&self.outside.secret) || self.outside.ears.heard(&self.mark(number)) {
                fault("it has its effect");
            }
            let changes = self.outside.changes();
            if !changes.is_empty() {
                fault(&format!("it changed {changes:?}"));
                self.outside.restore();
            }
            let event = match attempt.recorded {
                Recorded::Breach(call) => Some(("sandbox.breach", call)),
                Recorded::Limit => Some(("sandbox.limit", "memory")),
                Recorded::Not | Recorded::Refused(_) => None,
            };
            match event {
                Some((event, named)) if answer.is_error() => {
                    *self.ended.entry((server, event, named)).or_default() += 1;
                    self.up(server);
                }
                Some(_) => fault("it was not ended"),
                None if answer.is_error() => {
                    fault("the server ended");
                    self.up(server);
                }
                None => {}
            }
        }
        self.look(class, wrong);
    }

    /// Has a server leave something running, and ends it.
    fn outlive(&mut self, number: usize, attempt: &Attempt, end: End) -> Result<(), String> {
        let server = if end == End::Timeout { "brief" } else { attempt.language.server() };
        let mut heart = Heart::new(&self.outside);
        let mut agent = self.world.agent();
        let arguments = json!({"attempt": number, "victim": self.outside.victim(), "gateway": self.pid});
        let answer = agent.call(&format!("{server}__run"), arguments);
        let act = |verb: &str| drop(self.world.json(&[verb, "--server", server, "--reason", "tested"]));
        match end {
            End::Exit | End::Timeout if !answer.is_error() => return Err(format!("it answered: {}", answer.0)),
            End::Kill | End::Session if answer.is_error() || answer.text() != "up" => return Err(answer.0.to_string()),
            End::Exit | End::Timeout => {}
            End::Session => {
                if !heart.beats(LONGEST) {
                    return Err("it does not run while its server does".to_owned());
                }
                agent.close();
            }
            End::Kill => {
                if !heart.beats(LONGEST) {
                    return Err("it does not run while its server does".to_owned());
                }
                act("kill");
            }
        }
        let stops = heart.stops(LONGEST);
        if end == End::Kill {
            act("release");
        }
        if stops { Ok(()) } else { Err("it outlives its server".to_owned()) }
    }

    fn mark(&self, number: usize) -> String {
        format!("t{number}x{}", self.outside.mark)
    }

    /// After a class: nothing came late, everything is on record, and the others work.
    fn look(&mut self, class: &Class, wrong: &mut Vec<String>) {
        for (number, attempt) in of(class).filter(|(number, _)| self.outside.ears.heard(&self.mark(*number))) {
            wrong.push(format!("{}: {}: {number} was heard outside", class.name, attempt.what));
        }
        assert_eq!(self.agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "after {}", class.name);
        let end = Instant::now() + LONGEST;
        let missing = loop {
            let audit = self.world.audit();
            let missing = self.missing(class, &audit);
            if missing.is_empty() || Instant::now() > end {
                break missing;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        wrong.extend(missing.into_iter().map(|what| format!("{}: not on record: {what}", class.name)));
    }

    fn missing(&self, class: &Class, audit: &[Value]) -> Vec<String> {
        let whole =
            |record: &&Value| record["severity"].is_string() && record["mitre"][0].is_string() && record["decision"]["control"].is_string();
        let mut missing = Vec::new();
        for ((server, event, named), count) in &self.ended {
            let names = |record: &&Value| record["detail"]["call"] == *named || record["detail"]["limit"] == *named;
            let of_server = |record: &&Value| record["event"] == *event && record["server"] == *server;
            let found = audit.iter().filter(of_server).filter(names).filter(whole).count();
            if found != *count {
                missing.push(format!("{event} of {server} for {named}: {found} of {count}"));
            }
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, attempt) in of(class) {
            if let Recorded::Refused(reason) = attempt.recorded {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        for (reason, count) in reasons {
            let of_reason = |record: &&Value| record["event"] == "network.refused" && record["detail"]["reason"] == reason;
            let found =
                audit.iter().filter(of_reason).filter(whole).map(|record| record["detail"]["count"].as_u64().unwrap_or(1)).sum::<u64>();
            if found < count as u64 {
                missing.push(format!("{reason}: {found} of {count}"));
            }
        }
        missing
    }
}

/// Every attempt without what holds it; how many of each class have their effect then.
async fn twins(gate: &mut Gate, wrong: &mut Vec<String>) -> Vec<(&'static str, usize)> {
    let mut counted = Vec::new();
    for class in CLASSES {
        let mut count = 0;
        for (number, attempt) in of(class) {
            gate.outside.restore();
            match (twin::run(&gate.outside, number, attempt, attempt.held).await, attempt.twin) {
                (Ok(()), _) => count += 1,
                (Err(_), Twin::WherePossible) => println!("not here: {}: {}", class.name, attempt.what),
                (Err(said), Twin::Everywhere) => {
                    wrong.push(format!("{}: {}: no effect without {:?}: {said}", class.name, attempt.what, attempt.held));
                }
            }
        }
        counted.push((class.name, count));
    }
    gate.outside.restore();
    counted
}
