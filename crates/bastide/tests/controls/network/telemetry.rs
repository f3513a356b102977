//! `network.telemetry`: what servers send and get is counted, and departures from the list are events.

use super::{Outside, events, run, world};
use crate::runtime::until;
use serde_json::json;

#[test]
fn connections_bytes_and_refusals_are_counted_per_server() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
address = ask('localhost')[1]
for _ in range(2): say(address, PORT, get % 'localhost:PORT')
for at in range(60): ask('evil%d.example' % at)
said = json.dumps('done')"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed());
    assert_eq!(run(&world), json!("done"));
    until(|| events(&world, "network.closed").len() == 2);
    let metrics = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
    let value = |start: &str| {
        let line = metrics.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    assert_eq!(value("bastide_egress_connections_total{server=\"script\"}"), 2);
    assert!(value("bastide_egress_bytes_total{server=\"script\",direction=\"out\"}") > 50);
    assert!(value("bastide_egress_bytes_total{server=\"script\",direction=\"back\"}") > 50);
    assert_eq!(value("bastide_egress_stopped_total{server=\"script\",reason=\"name\"}"), 20);
    // A flood is counted, so that it cannot fill the log; the count is on record when the server has ended, if not before.
    assert_eq!(events(&world, "network.refused").len(), 20);
    world.json(&["kill", "--server", "script", "--reason", "trial"]);
    until(|| events(&world, "network.refused").iter().any(|record| record["detail"]["count"] == 40));
}
