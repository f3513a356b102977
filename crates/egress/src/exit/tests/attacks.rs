//! Attempts to reach, or to say, what is not on the list.

use super::world::{LONG, SILENCE, Setting, World};
use crate::attempt::Reason;
use crate::exit::checks::Check;
use crate::hello::tests::{extension, message, offers, records, sni};
use crate::query::tests::ask;
use std::net::IpAddr;

/// What is done.
enum Act {
    /// A question for a name.
    Ask(Vec<u8>),
    /// Bytes to a name at a port.
    To(&'static str, u16, Vec<u8>),
    /// Bytes to an address at a port.
    At(&'static str, u16, Vec<u8>),
    /// A head to the proxy, and bytes behind it.
    Proxy(&'static str, Vec<u8>),
}

struct Attack {
    what: &'static str,
    /// The check that holds it, and what is said of it.
    held: Check,
    reason: Reason,
    act: Act,
    addresses: Vec<Vec<IpAddr>>,
    greeting: &'static [u8],
}

fn attack(what: &'static str, held: Check, reason: Reason, act: Act) -> Attack {
    Attack { what, held, reason, act, addresses: Setting::default().addresses, greeting: b"" }
}

impl Attack {
    /// Whether it has its effect, and what is on record, with these checks taken out.
    async fn run(&self, out: Vec<Check>) -> (bool, Vec<String>) {
        let most = if out.is_empty() { SILENCE } else { LONG };
        let world = World::new(Setting { addresses: self.addresses.clone(), greeting: self.greeting, out, ..Setting::default() }).await;
        let effect = match &self.act {
            Act::Ask(question) => {
                world.ask_for(question, most).await.is_some_and(|answer| answer[2] & 0x80 == 0 || answer[3] & 15 == 0 && answer[7] == 1)
            }
            Act::To(name, port, bytes) => {
                let heard = World::say(world.open(name, *port).await, bytes).await;
                world.recorded("stopped").await_or_closed(&world).await;
                match (self.held, self.greeting) {
                    // The first request goes out; the second must not.
                    (Check::Requests, _) => world.got.lock().windows(7).any(|seven| seven == b"/secret"),
                    (_, b"") => !world.got.lock().is_empty(),
                    (_, greeting) => heard == greeting,
                }
            }
            Act::At(address, port, bytes) => {
                World::say(world.reach(address.parse().unwrap(), *port).await, bytes).await;
                !world.got.lock().is_empty()
            }
            Act::Proxy(head, bytes) => {
                let stream = tokio::net::TcpStream::connect(world.proxy).await.unwrap();
                World::say(stream, &[head.as_bytes(), bytes].concat()).await;
                !world.got.lock().is_empty()
            }
        };
        let lines = world.records.0.lock().clone();
        (effect, lines)
    }
}

/// Waits for whichever end of an attempt comes on record.
trait OrClosed {
    async fn await_or_closed(self, world: &World);
}

impl<F: Future<Output = ()>> OrClosed for F {
    async fn await_or_closed(self, world: &World) {
        tokio::select! {
            () = self => {}
            () = world.recorded("closed") => {}
        }
    }
}

fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    records(&message(extensions), 16_000)
}

fn get(head: &str) -> Vec<u8> {
    head.replace('\n', "\r\n").into_bytes()
}

fn questions() -> Vec<Attack> {
    use Check::{Name, Question, Wanted};
    let changed = |name: &str, changes: &[(usize, u8)]| {
        let mut bytes = ask(name, 1);
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes
    };
    let mut pointer = ask("ok.example", 1)[..12].to_vec();
    pointer.extend([0xc0, 12, 0, 1, 0, 1]);
    let mut behind = ask("ok.example", 1);
    behind.extend(b"and this besides");
    let two = [changed("ok.example", &[(5, 2)]), ask("evil.example", 1)[12..].to_vec()].concat();
    let text = |what, kind| attack(what, Wanted, Reason::Question, Act::Ask(ask("ok.example", kind)));
    let odd = |what, bytes| attack(what, Question, Reason::Question, Act::Ask(bytes));
    let name = |what, name| attack(what, Name, Reason::Name, Act::Ask(ask(name, 1)));
    vec![
        name("a name that is not listed", "evil.example"),
        name("data in a label below a listed name", "c2VjcmV0.ok.example"),
        name("a name that ends like a listed one", "notok.example"),
        name("the parent of a star", "wild.example"),
        name("a listed name as the front of another", "ok.example.evil.example"),
        name("the metadata service of a cloud", "metadata.google.internal"),
        text("TXT", 16),
        text("NULL", 10),
        text("ANY", 255),
        text("MX", 15),
        text("CNAME", 5),
        odd("a compressed name", pointer),
        odd("two questions", two),
        odd("another class", changed("ok.example", &[(26, 0), (27, 3)])),
        odd("an update", changed("ok.example", &[(2, 0x28)])),
        odd("bytes behind the question", behind),
        odd("letters that no name has", ask("a+b=.ok.example", 1)),
        odd("a zone transfer by flags", changed("ok.example", &[(2, 0x02)])),
    ]
}

fn places() -> Vec<Attack> {
    use Check::{Address, Connect, Port, Range};
    let good = || hello(&[sni("ok.example")]);
    let literal = |what, head| attack(what, Address, Reason::Address, Act::Proxy(head, b"secret".to_vec()));
    vec![
        attack("this host itself", Range, Reason::Stray, Act::At("127.0.0.1", 443, b"secret".to_vec())),
        attack("this host by another address", Range, Reason::Stray, Act::At("127.1.2.3", 7000, b"secret".to_vec())),
        attack("an address that no name was given", Range, Reason::Unnamed, Act::At("127.64.0.99", 443, b"secret".to_vec())),
        attack("a listed name at the port of another", Port, Reason::Port, Act::To("ok.example", 5432, b"secret".to_vec())),
        attack("TLS at the port of another", Port, Reason::Port, Act::To("ok.example", 7000, good())),
        attack(
            "the proxy asked for a name that is not listed",
            Port,
            Reason::Name,
            Act::Proxy("CONNECT evil.example:443 HTTP/1.1\r\n\r\n", b"secret".to_vec()),
        ),
        attack(
            "the proxy asked for another port",
            Port,
            Reason::Port,
            Act::Proxy("CONNECT ok.example:25 HTTP/1.1\r\n\r\n", b"secret".to_vec()),
        ),
        literal("the proxy asked for a public address", "CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n"),
        literal("the proxy asked for the metadata address", "CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n"),
        literal("the proxy asked for this host", "CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n"),
        literal("the proxy asked for this host in IPv6", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n"),
        literal("the proxy asked for a mapped address", "CONNECT [::ffff:10.0.0.1]:443 HTTP/1.1\r\n\r\n"),
        literal("the proxy asked for a listed address at another port", "CONNECT 192.0.2.7:80 HTTP/1.1\r\n\r\n"),
        attack(
            "a tunnel with a body before it",
            Connect,
            Reason::Malformed,
            Act::Proxy("CONNECT ok.example:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", good()),
        ),
        attack(
            "a tunnel for one host in the name of another",
            Connect,
            Reason::Malformed,
            Act::Proxy("CONNECT ok.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", good()),
        ),
    ]
}

fn speech() -> Vec<Attack> {
    use Check::{Alpn, Form, Hidden, Host, Nameless, Protocol, ServerName};
    let tls = |what, held, reason, bytes| attack(what, held, reason, Act::To("ok.example", 443, bytes));
    let http = |what, held, reason, head| attack(what, held, reason, Act::To("web.example", 80, get(head)));
    let other = |what, reason, bytes: &[u8]| attack(what, Protocol, reason, Act::To("ok.example", 443, bytes.to_vec()));
    let any = |what, bytes: &[u8]| attack(what, Protocol, Reason::Unlisted, Act::To("any.example", 7000, bytes.to_vec()));
    let mut follows = message(&[sni("ok.example")]);
    follows.push(0);
    let mut old = hello(&[sni("ok.example")]);
    old[2] = 0;
    let twice = [sni("ok.example"), sni("evil.example")];
    let mut all = vec![
        tls("another server's name", ServerName, Reason::ServerName, hello(&[sni("evil.example")])),
        tls("a name below the one that is meant", ServerName, Reason::ServerName, hello(&[sni("x.ok.example")])),
        tls("the name with a dot behind it", ServerName, Reason::ServerName, hello(&[sni("ok.example.")])),
        tls("an address as a name", ServerName, Reason::ServerName, hello(&[sni("10.0.0.1")])),
        tls("a name cut over records", ServerName, Reason::ServerName, records(&message(&[sni("evil.example")]), 5)),
        tls("no name", Nameless, Reason::Nameless, hello(&[])),
        tls("an encrypted name behind the listed one", Hidden, Reason::Hidden, hello(&[sni("ok.example"), extension(0xfe0d, &[0; 60])])),
        tls("mail inside TLS", Alpn, Reason::Unlisted, hello(&[sni("ok.example"), offers(b"smtp")])),
        tls("files inside TLS", Alpn, Reason::Unlisted, hello(&[sni("ok.example"), offers(b"ftp")])),
        tls("peers inside TLS", Alpn, Reason::Unlisted, hello(&[sni("ok.example"), offers(b"webrtc")])),
        tls("two names", Form, Reason::Malformed, hello(&twice)),
        tls("bytes behind the hello", Form, Reason::Malformed, records(&follows, 16_000)),
        tls("SSL 3", Form, Reason::Malformed, old),
        tls("a hello in hundred pieces", Form, Reason::Malformed, records(&message(&[sni("ok.example"), extension(99, &[0; 200])]), 2)),
        attack(
            "another server's name through the proxy",
            ServerName,
            Reason::ServerName,
            Act::Proxy("CONNECT ok.example:443 HTTP/1.1\r\nHost: ok.example:443\r\n\r\n", hello(&[sni("evil.example")])),
        ),
        attack(
            "a name at a listed address",
            ServerName,
            Reason::ServerName,
            Act::Proxy("CONNECT 192.0.2.7:443 HTTP/1.0\r\n\r\n", hello(&[sni("evil.example")])),
        ),
        other("HTTP where TLS is expected", Reason::Protocol, b"GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n"),
        other("SSH where TLS is expected", Reason::Unlisted, b"SSH-2.0-x\r\n"),
        other("mail where TLS is expected", Reason::Unlisted, b"EHLO me\r\n"),
        other("FTP where TLS is expected", Reason::Unlisted, b"USER me\r\n"),
        other("peers where TLS is expected", Reason::Unlisted, b"\x13BitTorrent protocol\0\0\0\0"),
        other("anything where TLS is expected", Reason::Protocol, b"secret\r\n"),
        attack("TLS where PostgreSQL is expected", Protocol, Reason::Protocol, Act::To("db.example", 5432, hello(&[sni("db.example")]))),
        attack("HTTP where SSH is expected", Protocol, Reason::Protocol, Act::To("git.example", 22, get("GET / HTTP/1.1\n\n"))),
        any("peers where anything is expected", b"\x13BitTorrent protocol\0\0\0\0"),
        any("mail where anything is expected", b"HELO me\r\n"),
        any("SSH where anything is expected", b"SSH-2.0-x\r\n"),
        any("files where anything is expected", b"\0\0\0\x45\xfeSMB@\0\0\0"),
        http("another host", Host, Reason::Host, "GET / HTTP/1.1\nHost: evil.example\n\n"),
        http("the host at another port", Host, Reason::Host, "GET / HTTP/1.1\nHost: web.example:8080\n\n"),
        http(
            "a second request to another host",
            Check::Requests,
            Reason::Host,
            "GET / HTTP/1.1\nHost: web.example\n\nGET /secret HTTP/1.1\nHost: evil.example\n\n",
        ),
        http(
            "a request hidden behind two lengths",
            Form,
            Reason::Malformed,
            "POST / HTTP/1.1\nHost: web.example\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\nGET / HTTP/1.1\nHost: evil.example\n\n",
        ),
        http(
            "another protocol behind a request",
            Check::Requests,
            Reason::Malformed,
            "GET / HTTP/1.1\nHost: web.example\nUpgrade: x\n\n/secret/SSH-2.0-x\n\n",
        ),
        http("no host", Host, Reason::Host, "GET / HTTP/1.0\n\n"),
        http("two hosts", Form, Reason::Malformed, "GET / HTTP/1.1\nHost: web.example\nHost: evil.example\n\n"),
        http("a folded host", Form, Reason::Malformed, "GET / HTTP/1.1\nHost: web.example\n evil.example\n\n"),
        http("a whole address in the request line", Form, Reason::Malformed, "GET http://evil.example/ HTTP/1.1\nHost: web.example\n\n"),
        http("a proxy's method", Form, Reason::Unlisted, "CONNECT evil.example:443 HTTP/1.1\nHost: web.example\n\n"),
    ];
    let mut greeted = any("a server of mail where anything is expected", b"");
    greeted.greeting = b"220 mail.example ESMTP\r\n";
    all.push(greeted);
    all
}

fn addresses() -> Vec<Attack> {
    let leads = |what, reason, sets: &[&[&str]]| {
        let addresses = sets.iter().map(|set| set.iter().map(|one| one.parse().unwrap()).collect()).collect();
        let act = Act::To("ok.example", 443, hello(&[sni("ok.example")]));
        Attack { what, held: Check::Reach, reason, act, addresses, greeting: b"" }
    };
    let inner = |what, address| leads(what, Reason::Inner, &[&[address]]);
    vec![
        inner("a name that leads to a private network", "10.0.0.1"),
        inner("to another one", "172.20.0.1"),
        inner("to a home", "192.168.1.1"),
        inner("to this host", "127.0.0.1"),
        inner("to this host in IPv6", "::1"),
        inner("to the metadata service", "169.254.169.254"),
        inner("to another metadata service", "168.63.129.16"),
        inner("to a provider's network", "100.64.0.1"),
        inner("to a mapped address", "::ffff:127.0.0.1"),
        inner("to a compatible address", "::10.0.0.1"),
        inner("to an address translated by NAT64", "64:ff9b::7f00:1"),
        inner("to an address wrapped by 6to4", "2002:7f00:1::1"),
        inner("to a Teredo address", "2001:0:7f00:1::1"),
        inner("to a unique local address", "fd00:ec2::254"),
        inner("to the link", "fe80::1"),
        inner("to many hosts", "224.0.0.251"),
        inner("to nowhere", "0.0.0.0"),
        inner("to a range for documentation", "203.0.113.9"),
        inner("to the range that stands for names", "198.18.0.1"),
        leads("to a public address and an inner one", Reason::Inner, &[&["8.8.8.8", "127.0.0.1"]]),
    ]
}

async fn try_all(attacks: Vec<Attack>) {
    for attack in attacks {
        let (effect, lines) = attack.run(Vec::new()).await;
        let stopped = format!("stopped {}", attack.reason.as_str());
        assert!(!effect, "{}: it has its effect", attack.what);
        assert!(lines.iter().any(|line| line.starts_with(&stopped)), "{}: no {stopped:?} in {lines:?}", attack.what);
        let (effect, lines) = attack.run(vec![attack.held]).await;
        assert!(effect, "{}: another check than {:?} holds it: {lines:?}", attack.what, attack.held);
    }
}

#[tokio::test]
async fn nothing_leaves_by_a_question() {
    try_all(questions()).await;
}

#[tokio::test]
async fn only_listed_places_are_reached() {
    try_all(places()).await;
}

#[tokio::test]
async fn only_what_is_expected_is_said_and_to_the_host_that_is_meant() {
    try_all(speech()).await;
}

#[tokio::test]
async fn names_lead_to_public_addresses_only() {
    try_all(addresses()).await;
}

#[test]
fn there_are_enough_of_them() {
    assert!([questions(), places(), speech(), addresses()].iter().map(Vec::len).sum::<usize>() >= 80);
}

#[tokio::test]
async fn what_is_listed_is_reached() {
    let git: &[u8] = b"SSH-2.0-client\r\n";
    for (name, port, bytes) in [
        ("ok.example", 443, hello(&[sni("OK.example"), offers(b"h2")])),
        ("a.b.wild.example", 443, records(&message(&[sni("a.b.wild.example")]), 7)),
        ("web.example", 80, get("GET /a HTTP/1.1\nHost: Web.example:80\n\n")),
        ("db.example", 5432, b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec()),
        ("any.example", 7000, b"whatever".to_vec()),
        ("git.example", 22, git.to_vec()),
    ] {
        let world = World::new(Setting::default()).await;
        World::say(world.open(name, port).await, &bytes).await;
        world.recorded("closed").await;
        assert_eq!(*world.got.lock(), bytes, "{name}");
        assert_eq!(*world.records.0.lock(), [format!("opened {name} 8.8.8.8"), format!("closed done {} 0", bytes.len())]);
        let traffic = world.exit.meter().traffic();
        assert_eq!((traffic.opened, traffic.open, traffic.out, traffic.stopped.len()), (1, 0, bytes.len() as u64, 0));
        assert_eq!(traffic.destinations[&format!("{name}:{port}")].connections, 1);
    }
    for (head, sent) in [
        ("CONNECT ok.example:443 HTTP/1.1\r\nHost: ok.example:443\r\n\r\n", hello(&[sni("ok.example")])),
        ("CONNECT 192.0.2.7:443 HTTP/1.0\r\n\r\n", hello(&[])),
    ] {
        let world = World::new(Setting::default()).await;
        let stream = tokio::net::TcpStream::connect(world.proxy).await.unwrap();
        let heard = World::say(stream, &[head.as_bytes(), &sent].concat()).await;
        assert!(heard.starts_with(b"HTTP/1.1 200 "));
        assert_eq!(*world.got.lock(), sent, "{head}");
    }
}

#[tokio::test]
async fn the_proxy_knows_one_method() {
    for (head, status) in [
        ("GET http://ok.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n", "405"),
        ("CONNECT ok.example HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT 2130706433:443 HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT ok.example.:443 HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT ok.example:0443 HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT a@ok.example:443 HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "403"),
        ("SSH-2.0-x\r\n\r\n", "400"),
    ] {
        let world = World::new(Setting::default()).await;
        let stream = tokio::net::TcpStream::connect(world.proxy).await.unwrap();
        let heard = World::say(stream, head.as_bytes()).await;
        assert!(heard.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{head}: {}", String::from_utf8_lossy(&heard));
        assert!(world.got.lock().is_empty());
    }
}
