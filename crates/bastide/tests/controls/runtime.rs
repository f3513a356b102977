//! How local servers run.

mod environment;
mod identities;
mod image;
mod isolation;
mod limits;
mod restart;
mod sandbox;

use std::time::{Duration, Instant};
use testkit::{Setup, World};

/// A server in Python with one tool, `run`, which runs `CODE` and answers what that leaves in `said`.
const SCRIPT: &str = r#"import json, os, sys
found = ''
# BEGIN
def run():
CODE
    return said
for line in sys.stdin:
    message = json.loads(line)
    if 'id' not in message: continue
    method = message['method']
    if method == 'initialize': result = {'protocolVersion': message['params']['protocolVersion'], 'capabilities': {'tools': {}}, 'serverInfo': {'name': 'script', 'version': '1'}}
    elif method == 'tools/list': result = {'tools': [{'name': 'run', 'description': 'found: ' + found, 'inputSchema': {'type': 'object'}}]}
    elif method == 'tools/call': result = {'content': [{'type': 'text', 'text': run()}]}
    else:
        print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'error': {'code': -32601, 'message': 'Method not found'}}), flush=True)
        continue
    print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': result}), flush=True)
"#;

/// A world with a server `name` that runs `code` when its tool is called; `tester` may call it, and the canary.
pub(super) fn python(name: &str, code: &str, more: &str) -> Setup {
    let code: String = code.lines().map(|line| format!("    {line}\n")).collect();
    let role = format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ canary: [\"*\"], {name}: [\"*\"] }}");
    World::with()
        .file("bin/script/script.py", &SCRIPT.replace("CODE\n", &code))
        .server(name, &format!("run: [/usr/bin/python3, {{bin}}/script/script.py]\n{more}"))
        .role("tester", &role)
}

/// Writes `to` for `from` in the script of [`python`], before it is locked.
fn replace(world: &World, from: &str, to: &str) {
    let path = world.path("bin/script/script.py");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// Lets the script of [`python`] begin with `code`.
pub(super) fn prepend(world: &World, code: &str) {
    replace(world, "# BEGIN", code);
}

fn command(pid: u32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

#[track_caller]
pub(super) fn until(mut done: impl FnMut() -> bool) {
    const LONGEST: Duration = Duration::from_secs(90);
    let end = Instant::now() + LONGEST;
    while !done() {
        assert!(Instant::now() < end, "not within {LONGEST:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of this world's local servers: those whose program lies in its folder `bin`.
fn servers(world: &World) -> Vec<u32> {
    let bin = world.path("bin/");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).take(2).any(|word| word.starts_with(bin.as_os_str().as_encoded_bytes()))
    })
    .collect()
}
