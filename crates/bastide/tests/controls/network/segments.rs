//! `network.segments`: each server sits in a network of its own.

use super::{CLIENT, Outside, events};
use crate::runtime::{prepend, python};
use serde_json::json;

#[test]
fn two_servers_do_not_reach_each_other() {
    if !testkit::layers::are_there() {
        return;
    }
    // The first listens on every address that it has, and on a socket without a file; the second knocks at all of them.
    let code = r#"
import os
if os.environ['PART'] == 'listens':
    global kept
    kept = [socket.create_server(('0.0.0.0', 7777)), socket.socket(socket.AF_UNIX)]
    kept[1].bind('\0bastide-neighbour'); kept[1].listen()
    said = json.dumps([tried(lambda: socket.create_connection(('127.0.0.1', 7777), 5) and 'reached')])
else:
    def hidden():
        socket.socket(socket.AF_UNIX).connect('\0bastide-neighbour'); return 'reached'
    said = json.dumps([tried(lambda: socket.create_connection((to, 7777), 5) and 'reached') for to in ['127.0.0.1', '198.18.0.1', '198.18.0.2', '::1', ask('localhost')[1]]] + [tried(hidden)])"#;
    let outside = Outside::new();
    let entry = |part| format!("env: {{ PART: {part} }}\nsandbox: {{ egress: [{}] }}", outside.listed());
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { first: [\"*\"], second: [\"*\"] }";
    let second = format!("run: [/usr/bin/python3, {{bin}}/script/script.py]\n{}", entry("knocks"));
    let mut world = python("first", code, &entry("listens")).server("second", &second).role("tester", role).write();
    prepend(&world, CLIENT);
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.call("first__run", json!({})).text(), r#"["reached"]"#);
    let knocked = agent.call("second__run", json!({})).text();
    assert_eq!(
        knocked,
        serde_json::to_string(&json!(["failed", "failed", "failed", "failed", "failed", "failed"])).unwrap().replace(',', ", ")
    );
    assert_eq!(outside.came(), 0);
    assert!(events(&world, "network.opened").is_empty());
}
