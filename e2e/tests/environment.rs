//! Servers in Python environments: what was approved of one is what starts, however often it starts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::Peers;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use testkit::World;

/// A server that imports a module of its own, which Python would compile into its folder.
const SERVER: &str = r#"
import json, sys
from tiny_words import answer
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        result = answer(message["method"], message.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;
const WORDS: &str = r#"
def answer(method, params):
    if method == "initialize":
        info = {"name": "tiny", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}
    return {"content": [{"type": "text", "text": "hello"}]}
"#;

fn compiled(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| entry.file_name() == "__pycache__")
}

#[test]
fn a_python_server_starts_again_and_hidden_code_does_not() {
    let Some(peers) = Peers::find() else { return };
    let home = tempfile::tempdir().unwrap();
    let environment = home.path().join("environment");
    let made = Command::new(peers.python("python")).args(["-m", "venv", "--without-pip"]).arg(&environment).status().unwrap();
    assert!(made.success());
    let library = std::fs::read_dir(environment.join("lib")).unwrap().flatten().next().unwrap().path().join("site-packages");
    std::fs::write(library.join("tiny.py"), SERVER).unwrap();
    std::fs::write(library.join("tiny_words.py"), WORDS).unwrap();
    let python = environment.join("bin/python").display().to_string();
    let entry = format!("run: [{python:?}, -m, tiny]\nsandbox: {{ read: [{:?}] }}", environment.display().to_string());
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { tiny: [\"*\"] }";
    let mut world = World::with().server("tiny", &entry).role("tester", role).start();
    for _ in 0..2 {
        assert_eq!(world.agent().call("tiny__hello", json!({})).text(), "hello");
        world.stop();
        world.serve();
    }
    assert!(!compiled(&library), "running the server changed what was approved");
    std::fs::create_dir(library.join("__pycache__")).unwrap();
    std::fs::write(library.join("__pycache__/tiny_words.cpython-311.pyc"), "code").unwrap();
    let refused = world.agent().call("tiny__hello", json!({}));
    assert_eq!(refused.refused(), "supply.pinning/changed", "{refused:?}");
}
