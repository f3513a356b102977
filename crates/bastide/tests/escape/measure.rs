//! How long it takes until a server that an operator kills is gone, with what belongs to it: `cargo test -p bastide --test escape -- measure`.

use crate::Gate;
use crate::attempt::Effect::Told;
use crate::attempt::{Attempt, py};
use crate::daemons::Heart;
use crate::outside::ENDED;
use serde_json::json;
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;
const LONGEST: Duration = Duration::from_secs(30);
const HELD: &str = "holds a connection and three children";

/// What is measured with.
pub(crate) const OWN: &[Attempt] = &[py(
    HELD,
    Told,
    &[],
    "
global held
held = socket.create_connection((address('web.example'), WEB), 10)
held.sendall(f'GET /{TAG} HTTP/1.1\\r\\nHost: web.example:{WEB}\\r\\n\\r\\n'.encode())
for _ in range(3):
    if os.fork() == 0: beat()
beats(); say('up')",
)];

/// Prints the figures. What is promised is not asserted: other work on the machine decides it as well.
pub(crate) fn print(gate: &mut Gate) {
    let (number, _) = crate::all().into_iter().find(|(_, attempt)| attempt.what == HELD).unwrap();
    let (mut processes, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut heart = Heart::new(&gate.outside);
        let mut agent = gate.world.agent();
        let ears = gate.outside.ears.clone();
        let answer = agent.call("python__run", json!({"attempt": number, "victim": gate.outside.victim(), "gateway": gate.pid}));
        assert_eq!(answer.text(), "up", "{}", answer.0);
        assert!(heart.beats(LONGEST));
        ears.forget();
        let mut admin = gate.world.admin();
        admin.token = Some(std::fs::read_to_string(gate.world.state().join("admin.key")).unwrap().trim().to_owned());
        let headers = admin.headers(&[]);
        let body = br#"{"scope":"server:python","reason":"measured"}"#;
        let ended = std::thread::spawn(move || {
            let end = Instant::now() + LONGEST;
            while !ears.heard(ENDED) {
                assert!(Instant::now() < end, "the connection is still open");
                std::thread::sleep(Duration::from_micros(200));
            }
            Instant::now()
        });
        let stopped = std::thread::spawn(move || heart.stops(LONGEST).then(Instant::now).unwrap());
        let began = Instant::now();
        let answer = admin.send("POST", "/api/v1/kill", &headers, body);
        assert_eq!(answer.status, 200);
        processes.push(stopped.join().unwrap() - began);
        connections.push(ended.join().unwrap() - began);
        gate.world.json(&["release", "--server", "python", "--reason", "measured"]);
    }
    for (what, times) in [("the last process is gone", &mut processes), ("its connection is closed", &mut connections)] {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        println!("from the act until {what}: median {:?}, 95 of 100 within {:?}, longest {:?}", at(50), at(95), at(100));
    }
}
