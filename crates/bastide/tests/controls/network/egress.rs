//! `network.egress`: a server reaches only the hosts and ports on its list; everything else is refused and recorded.

use super::{Names, Outside, PAGE, events, refused, run, world, world_with};
use crate::runtime::until;
use serde_json::json;
use std::io::Read as _;
use std::time::{Duration, Instant};

#[test]
fn a_server_reaches_what_is_listed_by_name_and_through_the_proxy() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
address = ask('LocalHost')[1]
said = json.dumps([tried(lambda: say(address, PORT, get % 'localhost:PORT')), tried(lambda: connect('localhost:PORT', get % 'localhost:PORT')), tried(lambda: connect('127.0.0.1:PORT', get % '127.0.0.1:PORT'))])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed());
    let said = run(&world);
    for at in 0..3 {
        assert!(said[at].as_str().unwrap().ends_with(PAGE), "{said}");
    }
    assert_eq!(outside.came(), 3);
    until(|| events(&world, "network.closed").len() == 3);
    let opened = events(&world, "network.opened");
    assert_eq!(
        (&opened[0]["server"], &opened[0]["decision"], &opened[0]["detail"]["name"], &opened[0]["detail"]["address"]),
        (
            &json!("script"),
            &json!({"verdict": "allowed", "policies": [], "control": "network.egress"}),
            &json!("localhost"),
            &json!("127.0.0.1")
        )
    );
    let closed = events(&world, "network.closed");
    assert!(closed[0]["detail"]["bytes_out"].as_u64() > Some(20) && closed[0]["detail"]["bytes_back"].as_u64() > Some(20), "{closed:?}");
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn urllib_and_fetch_reach_what_is_listed_as_they_are() {
    if !testkit::layers::are_there() {
        return;
    }
    if !std::path::Path::new("/usr/bin/node").exists() {
        assert!(std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "node is missing");
        return eprintln!("skipped: node is missing");
    }
    let code = r#"
import subprocess, urllib.request
def page(url):
    try: return urllib.request.urlopen(url, timeout=20).read().decode()
    except OSError as fault: return 'failed'
def node(url):
    program = 'fetch(process.argv[1]).then(answer => answer.text()).then(console.log, fault => console.log("failed"))'
    return subprocess.run(['/usr/bin/node', '-e', program, url], capture_output=True, text=True, timeout=60).stdout.strip()
said = json.dumps([reach('http://%s:PORT/' % name) for reach in (page, node) for name in ('web.example', 'a.b.wild.example', 'evil.example')])"#;
    let outside = Outside::new();
    let names = Names::new(|_, _| [127, 0, 0, 1]);
    let list = format!("\"http://web.example:{0}\", \"http://*.wild.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    assert_eq!(run(&world), json!([PAGE, PAGE, "failed", PAGE, PAGE, "failed"]));
    assert_eq!(refused(&world, "name")["detail"]["name"], "evil.example");
}

#[test]
fn programs_that_know_nothing_of_it_reach_what_is_listed() {
    if !testkit::layers::are_there() {
        return;
    }
    if !std::path::Path::new("/usr/bin/node").exists() {
        assert!(std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "node is missing");
        return eprintln!("skipped: node is missing");
    }
    // A name of its own would be in /etc/hosts of nobody: the resolver of the language asks the stub, and goes where it says.
    let code = r#"
import subprocess
program = '''
const { Resolver } = require("dns");
new Resolver().resolve4("localhost", (fault, all) => {
    if (fault) { console.log(String(fault)); return; }
    require("http").get({ host: all[0], port: PORT, headers: { Host: "localhost:PORT" } }, answer => answer.pipe(process.stdout)).on("error", fault => console.log(String(fault)));
});
'''
node = subprocess.run(['/usr/bin/node', '-e', program], capture_output=True, text=True, timeout=60)
import http.client
class Named(http.client.HTTPConnection):
    def connect(self): self.sock = socket.create_connection((ask(self.host)[1], self.port), 20)
page = Named('localhost', PORT); page.request('GET', '/')
said = json.dumps([node.stdout + node.stderr, page.getresponse().read().decode()])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed());
    assert_eq!(run(&world), json!([PAGE, PAGE]));
}

#[test]
fn a_server_reaches_nothing_else_and_each_attempt_is_on_record() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
address = ask('localhost')[1]
def datagram(to):
    socket.socket(socket.AF_INET6 if ':' in to else socket.AF_INET, socket.SOCK_DGRAM).sendto(b'secret', (to, 53)); return 'sent'
said = json.dumps([tried(what) for what in [
    lambda: ask('evil.example')[1],
    lambda: say(address, PORT + 1, 'x'),
    lambda: say('127.0.0.1', PORT, get % 'localhost:PORT'),
    lambda: say('198.18.77.7', PORT, get % 'localhost:PORT'),
    lambda: say('1.1.1.1', 443, 'x'),
    lambda: say('169.254.169.254', 80, 'x'),
    lambda: say('::1', PORT, 'x'),
    lambda: say('2606:4700::1111', 443, 'x'),
    lambda: datagram('8.8.8.8'),
    lambda: datagram('2001:4860:4860::8888'),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) and 'made',
    lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW) and 'made',
    lambda: say(address, PORT, get % 'evil.example').replace('HTTP', 'answered'),
] for _ in [0]] + [tried(lambda: connect(target, 'x'))[:12] for target in ['evil.example:443', 'localhost:22', '169.254.169.254:80', '[::ffff:127.0.0.1]:22', '10.0.0.1:443']])"#;
    let outside = Outside::new();
    let world = world(&code.replace("PORT + 1", "(PORT % 60000) + 1"), &outside, &outside.listed());
    let said = run(&world);
    let said: Vec<&str> = said.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let (tried, proxied) = said.split_at(13);
    assert!(tried.iter().all(|one| matches!(*one, "failed" | "nothing")), "{said:?}");
    assert_eq!(proxied, ["HTTP/1.1 403"; 5]);
    assert_eq!(outside.came(), 0);
    for (reason, control, technique) in [
        ("name", "network.egress", "T1071"),
        ("port", "network.egress", "T1071"),
        ("address", "network.egress", "T1552.005"),
        ("stray", "network.segments", "T1046"),
        ("unnamed", "network.segments", "T1046"),
        ("other-host", "network.egress", "T1090.004"),
    ] {
        let record = refused(&world, reason);
        assert_eq!(
            (&record["server"], &record["decision"]["control"], &record["mitre"][0]),
            (&json!("script"), &json!(control), &json!(technique)),
            "{record}"
        );
        assert!(record["severity"].is_string(), "{record}");
    }
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn every_request_of_a_connection_names_its_host() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
first = 'GET / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n'
said = json.dumps(tried(lambda: say(ask('localhost')[1], PORT, first + get % 'evil.example')))"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed());
    run(&world);
    assert_eq!(refused(&world, "other-host")["decision"]["control"], "network.egress");
}

#[test]
fn without_a_list_there_is_no_network_at_all() {
    let code = r#"said = json.dumps([tried(lambda: ask('localhost')), tried(lambda: connect('localhost:PORT', 'x')), tried(lambda: say('127.0.0.1', PORT, 'x'))])"#;
    let outside = Outside::new();
    assert_eq!(run(&world(code, &outside, "")), json!(["failed", "failed", "failed"]));
    assert_eq!(outside.came(), 0);
}

#[test]
fn a_killed_server_has_no_network_at_once() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
stream = socket.create_connection((ask('localhost')[1], PORT), 20)
import time, threading
def speak():
    while True: stream.sendall(b'more'); time.sleep(0.01)
stream.sendall(b'whatever\n'); threading.Thread(target=speak, daemon=True).start()
said = json.dumps('open')"#;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outside = Outside { port: listener.local_addr().unwrap().port(), came: std::sync::Arc::default() };
    let list = format!("\"tcp://localhost:{0}\", \"tcp://127.0.0.1:{0}\", \"tcp://[::1]:{0}\"", outside.port);
    let world = world(code, &outside, &list);
    assert_eq!(run(&world), json!("open"));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    let ended = std::thread::spawn(move || {
        while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        Instant::now()
    });
    let began = Instant::now();
    world.json(&["kill", "--server", "script", "--reason", "trial"]);
    let cut = ended.join().unwrap();
    assert!(cut.duration_since(began) < Duration::from_secs(10), "{:?}", cut.duration_since(began));
    until(|| events(&world, "network.closed").iter().any(|record| record["detail"]["end"] == "cut"));
}

#[test]
fn an_entry_that_cannot_be_used_is_refused_by_its_place() {
    for (entry, said) in [
        ("*", "egress is host:port"),
        ("mail.example.com:25", "smtp://"),
        ("0.0.0.0/0:443", "wider than /8"),
        ("gopher://example.com:70", "is not a protocol"),
        ("example.com:3128", "the proxy's own"),
    ] {
        let world = testkit::World::with()
            .server("script", &format!("run: [/usr/bin/python3]\nsandbox: {{ egress: [\"ok.example:443\", \"{entry}\"] }}"))
            .write();
        let output = world.run(&["policy", "check"]);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(said) && text.contains("egress"), "{entry}: {text}");
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
}

#[test]
fn doctor_says_what_is_reached_and_what_leads_inwards() {
    let outside = Outside::new();
    let list = format!("\"http://localhost:{}\"", outside.port);
    let world = crate::runtime::python("script", "said = ''", &format!("sandbox: {{ egress: [{list}] }}")).write();
    let output = world.run(&["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout);
    for part in [
        "script reaches what is listed".to_owned(),
        "which is of this host and not listed".to_owned(),
        format!("127.0.0.1:{}", outside.port),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
}

#[test]
fn the_doors_of_the_canary_and_open_lists_are_seen_by_the_assessment() {
    if !testkit::layers::are_there() {
        return;
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bastide"));
    let folder = program.parent().unwrap().display();
    for (listed, outcome, unlisted) in [("10.0.0.0/8:443", "pass", 2), ("probe.invalid:443", "pass", 3), ("8.0.0.0/8:443", "part", 2)] {
        let entry = format!(
            "run: [{}, __canary]\nsecrets: {{ CANARY_SECRET: vault:probed/secret }}\nsandbox: {{ read: [{folder}], egress: [\"{listed}\"] }}",
            program.display()
        );
        let role = "members: [\"agent:probe/a\"]\nallow: { probed: [echo, add, read_mail, leak, meta, reach, stop, change] }";
        let world = testkit::World::with()
            .allow("[echo]")
            .server("probed", &entry)
            .role("prober", role)
            .secret("probed/secret", "first-credential-of-the-canary")
            .start();
        let output = world.run(&["assess", "--control", "network.egress", "--json"]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let control = answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == "network.egress").unwrap();
        assert_eq!(control["outcome"], outcome, "{control:#}");
        let steps = control["evidence"]["steps"].as_array().unwrap();
        assert!(steps.iter().any(|doors| doors["found"] == "443, 3128"), "{control:#}");
        let refused = steps.iter().filter(|step| step["expected"] == "the proxy refuses").count();
        assert_eq!(refused, unlisted, "{control:#}");
    }
}
