//! `transport.bounds`: connections are counted, and nobody who is slow is waited for without end.

use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use testkit::{Http, World};

const LONG: Duration = Duration::from_secs(120);

fn knock(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.data()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Whether the gateway answers on this connection.
fn serves(mut stream: TcpStream, world: &World) -> bool {
    let asked = stream.write_all(format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.data()).as_bytes());
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// All that comes until the gateway closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    assert!(!end.is_err_and(|fault| fault.kind() == std::io::ErrorKind::WouldBlock), "the connection stayed open");
    String::from_utf8_lossy(&answer).into_owned()
}

fn refused(world: &World, listener: &str, bound: &str) -> u64 {
    let text = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
    let name = format!("bastide_connections_refused_total{{listener=\"{listener}\",bound=\"{bound}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[test]
fn one_source_has_its_share_of_connections() {
    let world = World::with().section("bounds", "connections: 2\nheader: 60s").start();
    let before = world.audit().len();
    // This machine may have eight times as many as any other source.
    let open: Vec<TcpStream> = (0..16).map(|_| knock(&world)).collect();
    let end = Instant::now() + LONG;
    while refused(&world, "data", "source") < 3 {
        assert!(Instant::now() < end, "{} of 3 are counted", refused(&world, "data", "source"));
        assert_eq!(rest(&mut knock(&world)), "", "one more was taken");
    }
    drop(open);
    while !serves(knock(&world), &world) {
        assert!(Instant::now() < end, "no place came free");
    }
    assert_eq!(world.audit().len(), before, "connections are counted, not recorded");
}

#[test]
fn all_connections_together_leave_room_for_who_stops_the_gateway() {
    let few = "ulimit -n $((232 + 4 * $(nproc)))\nexec";
    let world = World::with().started_by(few).section("bounds", "connections: 1000\nheader: 60s").start();
    let mut agent = world.connect(&[]);
    agent.open();
    let end = Instant::now() + LONG;
    let mut open = Vec::new();
    while refused(&world, "data", "total") == 0 {
        assert!(Instant::now() < end && open.len() < 400, "{} connections", open.len());
        open.push(knock(&world));
    }
    let mut locals = Vec::new();
    while refused(&world, "local", "total") == 0 {
        assert!(Instant::now() < end && locals.len() < 400, "{} local connections", locals.len());
        locals.push(UnixStream::connect(world.state().join("bastide.sock")).unwrap());
    }
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "who is in is served");
    assert_eq!(world.json(&["kill", "--all", "--reason", "tested"])["ended_sessions"], 1);
}

/// How many of these connections the other side keeps open, though it was sent nothing.
fn kept(open: &[TcpStream]) -> usize {
    let is_kept = |stream: &&TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.peek(&mut [0]).is_err_and(|fault| fault.kind() == std::io::ErrorKind::WouldBlock)
    };
    open.iter().filter(is_kept).count()
}

#[test]
fn a_full_admin_listener_is_counted_and_keeps_nobody_from_a_kill() {
    const PLACES: usize = 64;
    let world = World::new();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let (end, mut ended) = (Instant::now() + LONG, 0);
    loop {
        let crowd: Vec<TcpStream> = (0..2 * PLACES).map(|_| TcpStream::connect(world.admin().address).unwrap()).collect();
        ended += world.json(&["kill", "--all", "--reason", "tested"])["ended_sessions"].as_u64().unwrap();
        // Who says nothing is closed after a while: on a slow machine before the kill is over.
        if kept(&crowd) == PLACES {
            break;
        }
        assert!(Instant::now() < end, "{} of {PLACES} places were taken during the kill", kept(&crowd));
        drop(crowd);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(ended, 1);
    // The crowd has gone; what tells of it is at that listener.
    while refused(&world, "admin", "total") < PLACES as u64 {
        assert!(Instant::now() < end, "{} of {PLACES} are counted", refused(&world, "admin", "total"));
    }
    assert_eq!(refused(&world, "admin", "source"), 0);
}

#[test]
fn a_full_enrolment_listener_is_counted() {
    const PLACES: usize = 64;
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    let address: SocketAddr = world.ready["enrol"].as_str().unwrap().strip_prefix("https://").unwrap().parse().unwrap();
    let end = Instant::now() + LONG;
    let mut open = Vec::new();
    while refused(&world, "enrolment", "total") == 0 {
        assert!(Instant::now() < end, "{} connections", open.len());
        open.extend((0..2 * PLACES).map(|_| TcpStream::connect(address).unwrap()));
    }
}

#[test]
fn who_is_slow_with_a_head_is_told_and_who_says_nothing_is_closed() {
    let world = World::with().section("bounds", "header: 4s").start();
    let mut silent = knock(&world);
    assert_eq!(rest(&mut silent), "");
    let mut slow = knock(&world);
    let end = Instant::now() + LONG;
    let mut at = 0;
    let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\n", world.data());
    // A byte now and then does not begin the time anew.
    while slow.write_all(head.as_bytes().get(at..=at).unwrap_or(b"x")).is_ok() {
        at += 1;
        assert!(Instant::now() < end, "it may go on for ever");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut late = knock(&world);
    late.write_all(head.as_bytes()).unwrap();
    let answer = rest(&mut late).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 408 ") && answer.contains("connection: close"), "{answer}");
    let mut kept = knock(&world);
    kept.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let answer = rest(&mut kept);
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("408"), "an idle connection was told that it is late: {answer}");
    assert!(serves(knock(&world), &world));
}

#[test]
fn who_is_slow_with_a_body_is_told() {
    let world = World::with().section("bounds", "body: 1s").start();
    let agent = world.agent();
    let mut slow = knock(&world);
    let head: String = agent
        .headers(&[("Mcp-Session-Id", agent.session.as_deref().unwrap()), ("Host", &world.data().to_string())])
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    slow.write_all(format!("POST /mcp HTTP/1.1\r\n{head}Content-Length: 500\r\n\r\n{{").as_bytes()).unwrap();
    let answer = rest(&mut slow).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 408 ") && answer.contains("connection: close"), "{answer}");
    let stranger = Http::new(world.data(), "/mcp", None);
    let answer = stranger.raw(format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 500\r\n\r\n{{", world.data()).as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 401 "), "a stranger's body was waited for");
}
