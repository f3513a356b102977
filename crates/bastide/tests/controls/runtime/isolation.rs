//! `runtime.sandbox`: two servers behind one gateway do not meet.

use super::{python, until};
use serde_json::json;

/// Is there, in every way that a server can be there, and goes on being so.
const THERE: &str = r#"
import socket, threading, ctypes
libc = ctypes.CDLL(None)
for path in ('/tmp/mine', '/dev/shm/mine', 'OWN/mine'): open(path, 'w').write('marmalade')
held = []
def listens(family, address, kind=socket.SOCK_STREAM):
    one = socket.socket(family, kind); one.bind(address); held.append(one)
    if kind == socket.SOCK_STREAM: one.listen(8)
    def hears():
        while True:
            if kind == socket.SOCK_STREAM: one.accept()
            else: one.recv(64)
            open('OWN/heard', 'a').write(str(address))
    threading.Thread(target=hears, daemon=True).start()
listens(socket.AF_UNIX, '\0between'); listens(socket.AF_UNIX, '/tmp/between'); listens(socket.AF_INET, ('127.0.0.1', 7777))
listens(socket.AF_INET, ('198.18.7.7', 7777)); listens(socket.AF_INET, ('127.0.0.1', 7777), socket.SOCK_DGRAM)
libc.shmget(77, 4096, 0o1666)
if os.fork() == 0:
    import time; time.sleep(600); os._exit(0)
said = json.dumps([os.getpid(), os.environ['KEY']])"#;

/// Looks for it.
const LOOKS: &str = r#"
import socket, ctypes
libc = ctypes.CDLL(None)
def tried(what):
    try: what(); return 'found'
    except OSError: return 'no'
def sends():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(0.5); one.connect(('127.0.0.1', 7777)); one.send(b'x'); one.recv(10)
def connects(family, address):
    one = socket.socket(family); one.settimeout(5); one.connect(address)
others = [name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()]
def all(name):
    text = ''
    for pid in os.listdir('/proc'):
        if pid.isdigit():
            try: text += open(f'/proc/{pid}/{name}').read()
            except OSError: pass
    return text
said = json.dumps({
    'files': [tried(lambda: open(path)) for path in ('/tmp/mine', '/dev/shm/mine', 'OWN/mine')],
    'processes': [others, 'first.py' in all('cmdline')],
    'environment': 'of-the-first' in all('environ'),
    'signals': [tried(lambda: os.kill(-1, 0)), tried(lambda: os.kill(PID, 0))],
    'sockets': [tried(lambda: connects(socket.AF_UNIX, '\0between')), tried(lambda: connects(socket.AF_UNIX, '/tmp/between')),
        tried(lambda: connects(socket.AF_INET, ('127.0.0.1', 7777))), tried(lambda: connects(socket.AF_INET, ('198.18.7.7', 7777))), tried(sends)],
    'seen': [name in open('/proc/net/' + table).read() for name, table in (('between', 'unix'), (':1E61', 'tcp'), (':1E61', 'udp'))],
    'memory': libc.shmget(77, 0, 0),
    'traffic': [line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]],
})"#;

#[test]
fn two_servers_see_nothing_of_each_other() {
    if !testkit::layers::are_there() {
        return;
    }
    // Both have doors, and so a loopback of their own.
    let egress = "egress: [\"tcp://any.example:9999\"]";
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], first: [\"*\"], second: [\"*\"] }";
    let script = |name: &str, code: &str| {
        let lines: String = code.lines().map(|line| format!("    {line}\n")).collect();
        (format!("bin/{name}/{name}.py"), super::SCRIPT.replace("CODE\n", &lines))
    };
    let (first, second) = (script("first", THERE), script("second", LOOKS));
    let mut world = python("script", "said = ''", "")
        .file(&first.0, &first.1)
        .file(&second.0, &second.1)
        .server(
            "first",
            &format!("run: [/usr/bin/python3, {{bin}}/first/first.py]\nenv: {{ KEY: of-the-first }}\nsandbox: {{ write: [{{root}}/own], {egress} }}"),
        )
        .server("second", &format!("run: [/usr/bin/python3, {{bin}}/second/second.py]\nsandbox: {{ {egress} }}"))
        .role("tester", role)
        .write();
    let own = world.path("own");
    std::fs::create_dir(&own).unwrap();
    for name in ["first", "second"] {
        let path = world.path(&format!("bin/{name}/{name}.py"));
        let text = std::fs::read_to_string(&path).unwrap();
        // The number after its own is a thread of its launcher.
        std::fs::write(&path, text.replace("OWN", &own.display().to_string()).replace("PID", "os.getpid() + 2")).unwrap();
    }
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    let there = agent.call("first__run", json!({})).text();
    assert!(there.contains("of-the-first"), "{there}");
    let looks = agent.call("second__run", json!({})).text();
    let looks: serde_json::Value = serde_json::from_str(&looks).unwrap_or_else(|_| panic!("{looks}"));
    let expected = json!({
        "files": ["no", "no", "no"], "processes": [[], false], "environment": false, "signals": ["no", "no"],
        "sockets": ["no", "no", "no", "no", "no"], "seen": [false, false, false], "memory": -1, "traffic": ["lo"],
    });
    assert_eq!(looks, expected);
    assert!(!own.join("heard").exists() && own.join("mine").exists());
    // The first one, meanwhile, is found by itself: what was looked for was there.
    let pids: Vec<u32> = super::servers(&world).into_iter().filter(|pid| super::command(*pid).contains("first.py")).collect();
    assert_eq!(pids.len(), 2, "{pids:?}");
    let spaces = |kind: &str| -> std::collections::BTreeSet<_> {
        let of = |name: &str| super::servers(&world).into_iter().find(|pid| super::command(*pid).contains(name)).unwrap();
        ["first.py", "second.py"].map(|name| std::fs::read_link(format!("/proc/{}/ns/{kind}", of(name))).unwrap()).into()
    };
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        assert_eq!(spaces(kind).len(), 2, "{kind}");
    }
    until(|| agent.call("canary__echo", json!({"text": "hi"})).text() == "hi");
}
