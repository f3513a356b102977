//! `transport.strict-messages`: where a request begins and ends must be beyond doubt, or nothing of it is read.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use testkit::{Http, World};

/// What an agent of this world sends, as text to be spoilt.
struct Wire<'a> {
    world: &'a World,
    agent: Http,
}

impl<'a> Wire<'a> {
    fn of(world: &'a World) -> Self {
        Self { world, agent: world.agent() }
    }

    fn host(&self) -> String {
        format!("Host: {}\r\n", self.world.data())
    }

    /// What makes a request this agent's.
    fn usual(&self) -> String {
        let own = [("Mcp-Session-Id", self.agent.session.as_deref().unwrap()), ("MCP-Protocol-Version", "2025-11-25")];
        self.agent.headers(&own).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }

    /// A request with these lines in its head, each with its end, and this body.
    fn post(&self, lines: &str, body: &str) -> String {
        format!("POST /mcp HTTP/1.1\r\n{}{}{lines}\r\n{body}", self.host(), self.usual())
    }

    /// A request that is served, and leaves a trace at the server.
    fn call(&self) -> String {
        let body = message("smuggled");
        self.post(&format!("Content-Length: {}\r\n", body.len()), &body)
    }

    /// All that is answered to `text` until the gateway ends the connection, written in pieces of so many bytes.
    fn tell(&self, text: &str, piece: usize) -> String {
        let mut stream = TcpStream::connect(self.world.data()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        for piece in text.as_bytes().chunks(piece) {
            // Whoever is refused is not read any further.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!end.is_err_and(|fault| fault.kind() == std::io::ErrorKind::WouldBlock), "the connection stayed open: {answer}");
        answer
    }
}

fn message(text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "canary__echo", "arguments": {"text": text}}}).to_string()
}

/// The answers in `text`, as far as they have a length.
fn answers(text: &str) -> Vec<(u16, String, Value)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        all.push((status, head, serde_json::from_str(&after[..length]).unwrap_or_default()));
        rest = &after[length..];
    }
    assert_eq!(rest, "", "{text}");
    all
}

/// A class of attempts, one of it, the status of its answer.
type Attempt = (&'static str, String, u16);

#[allow(clippy::too_many_lines, reason = "a table")]
fn attempts(wire: &Wire<'_>) -> Vec<Attempt> {
    let mut all: Vec<Attempt> = Vec::new();
    let mut add = |class: &'static str, text: String, status: u16| all.push((class, text, status));
    let (body, host, usual) = (message("hidden"), wire.host(), wire.usual());
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let in_chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());

    let inner = wire.call();
    add("two lengths", wire.post(&format!("{length}{chunked}"), &in_chunks), 400);
    add("two lengths", wire.post(&format!("{chunked}{length}"), &body), 400);
    add("two lengths", wire.post(&format!("Content-Length: {}\r\n{chunked}", inner.len() + 5), &format!("0\r\n\r\n{inner}")), 400);
    add("two lengths", wire.post(&format!("Content-Length: 4\r\n{chunked}"), &format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len())), 400);
    add("two lengths", wire.post("content-length: 0\r\ntRANSFER-eNCODING:\tchunked\r\n", &in_chunks), 400);

    for second in
        [length.clone(), length.to_ascii_lowercase(), "Content-Length: 0\r\n".into(), "Content-Length: 5\r\n".into(), length.repeat(2)]
    {
        add("two Content-Length", wire.post(&format!("{length}X: y\r\n{second}"), &body), 400);
    }

    let size = body.len();
    for value in [
        format!("+{size}"),
        format!("-{size}"),
        format!("{size},{size}"),
        format!("0{size}"),
        format!("0x{size:x}"),
        format!("{size} {size}"),
    ] {
        add("form of Content-Length", wire.post(&format!("Content-Length: {value}\r\n"), &body), 400);
    }

    for value in ["gzip, chunked", "identity, chunked", "chunked, chunked", "gzip", "chunked, identity", "identity"] {
        add("codings", wire.post(&format!("Transfer-Encoding: {value}\r\n"), &in_chunks), 400);
    }

    add("hidden coding", wire.post(&format!("{chunked}{chunked}"), &in_chunks), 400);
    add("hidden coding", format!("POST /mcp HTTP/1.0\r\n{host}{usual}{chunked}\r\n{in_chunks}"), 400);
    for value in ["\"chunked\"", "chunked;q=1", "xchunked", "chunked\u{b}"] {
        add("hidden coding", wire.post(&format!("Transfer-Encoding: {value}\r\n"), &in_chunks), 400);
    }

    for size in [format!("{size:x} "), format!("0x{size:x}"), format!("-{size:x}"), format!("{size:09x}"), String::new(), "g".into()] {
        add("chunk size", wire.post(chunked, &format!("{size}\r\n{body}\r\n0\r\n\r\n")), 400);
    }

    for (extension, trailer) in
        [(";x", ""), (";x=\"y\r\n\"", ""), (" ;x", ""), ("", "X: y\r\n"), ("", "Content-Length: 5\r\n"), ("", " folded\r\n")]
    {
        add("chunk extensions, trailers", wire.post(chunked, &format!("{:x}{extension}\r\n{body}\r\n0\r\n{trailer}\r\n", size)), 400);
    }

    add("chunk ends", wire.post(chunked, &format!("{size:x}\n{body}\r\n0\r\n\r\n")), 400);
    add("chunk ends", wire.post(chunked, &format!("{size:x}\r\n{body}\n0\r\n\r\n")), 400);
    add("chunk ends", wire.post(chunked, &format!("{size:x}\r\n{body}0\r\n\r\n")), 400);
    add("chunk ends", wire.post(chunked, &format!("{size:x}\r\n{body}\r\n0\r\n\n")), 400);
    add("chunk ends", wire.post(chunked, &format!("{:x}\r\n{body}\r\n0\r\n\r\n", size - 1)), 400);

    add("line ends", wire.post(&length, &body).replace("\r\n", "\n"), 400);
    add("line ends", wire.post(&format!("X: y\n{length}"), &body), 400);
    add("line ends", format!("POST /mcp HTTP/1.1\n{host}{usual}{length}\r\n{body}"), 400);
    add("line ends", format!("POST /mcp HTTP/1.1\r\n{host}{usual}{length}\n{body}"), 400);
    add("line ends", wire.post(&format!("X: y\r\r\n{length}"), &body), 400);
    add("line ends", wire.post(&format!("X: y\rTransfer-Encoding: chunked\r\n{length}"), &body), 400);

    add("folds and blanks", wire.post(&format!("X: y\r\n folded\r\n{length}"), &body), 400);
    add("folds and blanks", wire.post(&format!("X: y\r\n\tTransfer-Encoding: chunked\r\n{length}"), &body), 400);
    add("folds and blanks", format!("POST /mcp HTTP/1.1\r\n {host}{usual}{length}\r\n{body}"), 400);
    add("folds and blanks", wire.post(&length.replace(':', " :"), &body), 400);
    add("folds and blanks", wire.post(&format!("Transfer-Encoding\t: chunked\r\n{length}"), &body), 400);
    add("folds and blanks", wire.post(&format!("No colon\r\n{length}"), &body), 400);

    for field in ["X: a\0b", "X\0: y", "X: \u{1}", "X: \u{7f}", "X: \u{1b}[2J", "X\u{8}: y"] {
        add("control characters", wire.post(&format!("{field}\r\n{length}"), &body), 400);
    }

    add("Host", format!("POST /mcp HTTP/1.1\r\n{usual}{length}\r\n{body}"), 400);
    add("Host", format!("POST /mcp HTTP/1.0\r\n{usual}{length}\r\n{body}"), 400);
    add("Host", wire.post(&format!("{host}{length}"), &body), 400);
    add("Host", wire.post(&format!("HOST: evil.example\r\n{length}"), &body), 400);
    add("Host", format!("POST http://evil.example/mcp HTTP/1.1\r\n{host}{usual}{length}\r\n{body}"), 403);
    add("Host", format!("POST /mcp HTTP/1.1\r\nHost: evil.example\r\n{usual}{length}\r\n{body}"), 403);

    for line in [
        "POST /mcp HTTP/2.0",
        "POST /mcp HTTP/1.2",
        "POST /mcp http/1.1",
        "POST  /mcp HTTP/1.1",
        " POST /mcp HTTP/1.1",
        "\r\nPOST /mcp HTTP/1.1",
    ] {
        add("request line", format!("{line}\r\n{host}{usual}{length}\r\n{body}"), 400);
    }

    add("size of a head", wire.post(&format!("X: {}\r\n{length}", "x".repeat(33 << 10)), &body), 431);
    add("size of a head", wire.post(&format!("{}{length}", format!("X: {}\r\n", "x".repeat(2 << 10)).repeat(17)), &body), 431);
    add("size of a head", wire.post(&format!("{}{length}", "X: y\r\n".repeat(65)), &body), 431);
    add("size of a head", format!("POST /{} HTTP/1.1\r\n{host}{usual}{length}\r\n{body}", "m".repeat(40 << 10)), 431);
    all
}

#[test]
fn whatever_two_readers_could_read_differently_is_refused_and_so_is_all_behind_it() {
    let world = World::new();
    let wire = Wire::of(&world);
    let before = world.journal();
    let attempts = attempts(&wire);
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for (class, ..) in &attempts {
        *classes.entry(class).or_default() += 1;
    }
    assert!(attempts.len() >= 60 && classes.values().all(|count| count * 10 <= attempts.len()), "{classes:?}");
    let mut wrong = Vec::new();
    for (class, text, status) in &attempts {
        // Behind each stands a request that would be served.
        let whole = format!("{text}{}", wire.call());
        for piece in [whole.len(), 193] {
            let told = wire.tell(&whole, piece);
            let all = answers(&told);
            let fits = matches!(&all[..], [(found, head, body)] if found == status
                && head.contains("\r\nconnection: close")
                && head.contains("\r\ncontent-type: application/json")
                && body["error"]["code"] == -32600
                && body.get("id").is_none());
            if !fits {
                wrong.push(format!("{class}, {status} wanted, in pieces of {piece}:\n{text}\n---\n{told}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), attempts.len(), wrong.join("\n"));
    assert_eq!(world.journal(), before, "the server was reached");
    let told = wire.tell(&wire.call().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), 1);
    assert_eq!(answers(&told)[0].0, 200);
    assert_eq!(world.reached().len(), 1, "what hides behind the attempts is served by itself");
}

#[test]
fn requests_behind_each_other_are_answered_in_order_until_one_is_at_fault() {
    let world = World::new();
    let wire = Wire::of(&world);
    let whole = |text: &str| wire.post(&format!("Content-Length: {}\r\n", message(text).len()), &message(text));
    let chunked = |text: &str| {
        let (first, second) = (message(text)[..9].to_owned(), message(text)[9..].to_owned());
        wire.post("Transfer-Encoding: chunked\r\n", &format!("9\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\r\n", second.len()))
    };
    let bad = wire.post("Content-Length: 5\r\nContent-Length: 5\r\n", "12345");
    let text = format!("{}{}{}{bad}{}", whole("one"), chunked("two"), whole("three"), whole("never"));
    for piece in [text.len(), 7, 1] {
        let before = world.reached().len();
        let answers = answers(&wire.tell(&text, piece));
        let said: Vec<_> =
            answers.iter().map(|(status, _, body)| (*status, body["result"]["content"][0]["text"].as_str().unwrap_or(""))).collect();
        assert_eq!(said, [(200, "one"), (200, "two"), (200, "three"), (400, "")], "{piece}");
        assert_eq!(world.reached().len(), before + 3, "{piece}");
    }
}

#[test]
fn each_of_them_is_on_record_with_its_row() {
    let world = World::with().section("bounds", "header: 1s").start();
    let wire = Wire::of(&world);
    let rows = [
        (51, wire.post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (52, wire.post("Content-Length: +5\r\n", "12345")),
        (53, wire.post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        (54, wire.post("Transfer-Encoding: chunked\r\n", "0;x\r\n\r\n")),
        (55, wire.post("X: y\n", "")),
        (56, format!("POST /mcp HTTP/1.1\r\n{}\r\n", wire.usual())),
        (61, wire.post(&"X: y\r\n".repeat(65), "")),
        (61, format!("POST /mcp HTTP/1.1\r\n{}{}", wire.host(), wire.usual())),
        // What only the HTTP library cannot read.
        (55, format!("POST http:// HTTP/1.1\r\n{}\r\n", wire.host())),
    ];
    let mut wanted = Vec::new();
    for (row, text) in &rows {
        let told = wire.tell(text, text.len());
        let status = answers(&told)[0].0;
        wanted.push((u64::from(status), format!("(row {row})")));
    }
    assert_eq!(wanted.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [400, 400, 400, 400, 400, 400, 431, 408, 400]);
    let audit = world.audit();
    let records: Vec<_> =
        audit.iter().filter(|record| record["detail"]["cause"].as_str().is_some_and(|cause| cause.contains("(row "))).collect();
    assert_eq!(records.len(), rows.len(), "{records:?}");
    for (record, (status, row)) in records.iter().zip(&wanted) {
        assert!(record["detail"]["cause"].as_str().unwrap().ends_with(row.as_str()), "{row}: {record}");
        assert_eq!(record["decision"]["verdict"], "refused");
        assert!(record["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{record}");
        let control = if *status == 408 { "transport.bounds" } else { "transport.strict-messages" };
        assert_eq!(record["decision"]["control"], control, "{record}");
        assert_eq!(record["event"] == "transport.malformed", *status != 408, "{record}");
    }
}

#[test]
fn the_admin_listener_reads_no_more_than_the_other() {
    let world = World::new();
    let admin = world.admin().at("/metrics");
    let host = format!("Host: {}\r\n", admin.address);
    let good = format!("GET /metrics HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    for bad in [
        format!("POST /metrics HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /metrics HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345"),
        format!("POST /metrics HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("GET /metrics HTTP/1.1\n{host}\n"),
        format!("GET /metrics HTTP/1.1\r\n{host}{host}\r\n"),
        "GET /metrics HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let told = String::from_utf8_lossy(&admin.raw(format!("{bad}{good}").as_bytes())).to_ascii_lowercase();
        assert!(told.starts_with("http/1.1 400 ") && told.contains("\r\nconnection: close"), "{bad}\n{told}");
        assert_eq!(told.matches("http/1.1 ").count(), 1, "what stands behind it was read: {told}");
    }
    assert!(admin.raw(good.as_bytes()).starts_with(b"HTTP/1.1 200"));
}
