//! What a server may do to harm its callers, others or us, as data: its class, who does it on which carrier, which bytes it writes, and what the caller
//! is told. No byte of what is marked [`MARK`] ever reaches a client.

use serde_json::{Value, json};

/// What stands in everything that must not reach a client.
pub(crate) const MARK: &str = "wicked-7Qx";
/// A key as screens look for it; none is real.
const KEY: &str = "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";

pub(crate) const TIMEOUT: &str = "runtime.limits/timeout";
pub(crate) const GONE: &str = "runtime.restart/unavailable";
pub(crate) const MALFORMED: &str = "transport.strict-messages/server";
pub(crate) const LARGE: &str = "transport.bounds/result";
pub(crate) const QUESTION: &str = "access.deny-by-default/question";
const ROUNDS: &str = "transport.bounds/rounds";

/// What carries a server's words, and its era.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    /// Standard streams, 2025-11-25.
    Old,
    /// Standard streams, 2026-07-28.
    New,
    /// HTTP, 2025-11-25.
    OldWeb,
    /// HTTP, 2026-07-28.
    NewWeb,
}

impl On {
    pub(crate) const ALL: [Self; 4] = [Self::Old, Self::New, Self::OldWeb, Self::NewWeb];

    /// How its server is called.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
            Self::OldWeb => "oldweb",
            Self::NewWeb => "newweb",
        }
    }

    pub(crate) const fn is_web(self) -> bool {
        matches!(self, Self::OldWeb | Self::NewWeb)
    }

    pub(crate) const fn era(self) -> &'static str {
        match self {
            Self::Old | Self::OldWeb => "2025-11-25",
            Self::New | Self::NewWeb => "2026-07-28",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A session of 2025-11-25 that can be asked nothing.
    Old,
    /// 2026-07-28 with these capabilities.
    New(&'static str),
}

/// What is asked for; what it is about names the act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// This tool, with its argument `text`.
    Tool(&'static str),
    /// A resource.
    Read,
    /// A prompt, with its argument `who`.
    Prompt,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A refusal with one of these codes.
    Refused(&'static [&'static str]),
    /// A result with this text.
    Says(&'static str),
    /// A JSON-RPC error with this code.
    Fault(i64),
}

/// One behaviour.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) class: &'static str,
    pub(crate) name: &'static str,
    pub(crate) on: On,
    pub(crate) by: By,
    pub(crate) ask: Ask,
    pub(crate) stages: Value,
    pub(crate) told: Told,
    /// What must stand in the answer.
    pub(crate) holds: &'static str,
    /// An event of the server that must be on record.
    pub(crate) event: Option<&'static str>,
    /// How often the caller comes back when it is asked something.
    pub(crate) returns: usize,
}

const FINE: Told = Told::Says("fine");
pub(crate) const STRAY: &str = "transport.server-stray";
pub(crate) const UNOWNED: &str = "transport.server-question";
pub(crate) const DIED: &str = "runtime.server-died";

fn message(inner: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0",{inner}}}"#)
}

fn result(result: &str) -> String {
    message(&format!(r#""id":$ID,"result":{result}"#))
}

fn says(text: &str) -> String {
    result(&format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#))
}

fn fine() -> String {
    says("fine")
}

fn wicked() -> String {
    says(MARK)
}

fn fault(code: i64, text: &str, data: &str) -> String {
    message(&format!(r#""id":$ID,"error":{{"code":{code},"message":"{text}"{data}}}"#))
}

fn note(method: &str, params: &str) -> String {
    message(&format!(r#""method":"notifications/{method}","params":{params}"#))
}

fn question(id: &str, method: &str, params: &str) -> String {
    message(&format!(r#""id":{id},"method":"{method}","params":{params}"#))
}

const SAMPLING: &str = r#"{"messages":[{"role":"user","content":{"type":"text","text":"wicked-7Qx"}}],"maxTokens":1}"#;
const FORM: &str = r#"{"message":"wicked-7Qx","requestedSchema":{"type":"object","properties":{}}}"#;

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}")
}

fn web(body: &str) -> String {
    response("200 OK\r\nContent-Type: application/json", body)
}

fn events(text: &str) -> String {
    response("200 OK\r\nContent-Type: text/event-stream", text)
}

fn event(body: &str) -> String {
    format!("data: {body}\n\n")
}

struct Table {
    class: &'static str,
    acts: Vec<Act>,
}

impl Table {
    /// One stage of these steps, by the server `on`, asked by a client that can be asked nothing.
    fn act(&mut self, name: &'static str, on: On, steps: Value, told: Told) -> &mut Act {
        let by = if matches!(on, On::New | On::NewWeb) { By::New("{}") } else { By::Old };
        let act = Act {
            class: self.class,
            name,
            on,
            by,
            ask: Ask::Tool("echo"),
            stages: json!([steps]),
            told,
            holds: "",
            event: None,
            returns: 0,
        };
        self.acts.push(act);
        self.acts.last_mut().unwrap()
    }

    /// A frame that is no answer as it should be: a local server is ended, of a remote one only the call fails.
    fn bad(&mut self, name: &'static str, on: On, body: &str) -> &mut Act {
        if on.is_web() {
            self.act(name, on, json!([web(body)]), Told::Refused(&[MALFORMED]))
        } else {
            self.act(name, on, json!([body]), Told::Refused(&[GONE])).event(DIED)
        }
    }
}

impl Act {
    /// One that a flag names.
    pub(crate) fn opening(name: &'static str, on: On, steps: Value) -> Self {
        let (by, ask) = (By::Old, Ask::Tool("echo"));
        Self { class: "tester", name, on, by, ask, stages: json!([steps]), told: FINE, holds: "", event: None, returns: 0 }
    }

    fn by(&mut self, by: By) -> &mut Self {
        self.by = by;
        self
    }

    fn ask(&mut self, ask: Ask) -> &mut Self {
        self.ask = ask;
        self
    }

    fn event(&mut self, event: &'static str) -> &mut Self {
        self.event = Some(event);
        self
    }

    fn holds(&mut self, text: &'static str) -> &mut Self {
        self.holds = text;
        self
    }

    fn then(&mut self, steps: Value) -> &mut Self {
        self.stages.as_array_mut().unwrap().push(steps);
        self
    }

    fn returns(&mut self, times: usize) -> &mut Self {
        self.returns = times;
        self
    }
}

pub(crate) fn acts() -> Vec<Act> {
    let mut table = Table { class: "", acts: Vec::new() };
    for (class, fill) in [
        ("pairing", pairing as fn(&mut Table)),
        ("bytes", bytes),
        ("envelope", envelope),
        ("shape", shape),
        ("output", output),
        ("size", size),
        ("status", status),
        ("session", session),
        ("stream", stream),
        ("questions", questions),
        ("rounds", rounds),
        ("notes", notes),
        ("names", names),
        ("errors", errors),
        ("life", life),
        ("time", time),
    ] {
        table.class = class;
        fill(&mut table);
    }
    table.acts
}

/// Answers that belong to somebody else, or to nobody.
fn pairing(table: &mut Table) {
    let other = |id: &str| wicked().replace("$ID", id);
    table.act("another id", On::Old, json!([other("987654"), fine()]), FINE).event(STRAY);
    table.act("the id as a string", On::Old, json!([other("\"$ID\""), fine()]), FINE).event(STRAY);
    table.act("a negative id", On::New, json!([other("-1"), fine()]), FINE).event(STRAY);
    table.act("an answer and another", On::Old, json!([fine(), wicked()]), FINE).event(STRAY);
    table
        .act("an error without an id", On::Old, json!([message(&format!(r#""error":{{"code":1,"message":"{MARK}"}}"#)), fine()]), FINE)
        .event(STRAY);
    table.bad("an id with a fraction", On::Old, &other("$ID.0"));
    table.bad("no id at all", On::New, &message(&format!(r#""result":{{"content":[],"x":"{MARK}"}}"#)));
    table.bad("another id over HTTP", On::OldWeb, &other("987654"));
    table.bad("another id over HTTP, modern", On::NewWeb, &other("987654"));
}

/// Bytes that are no text, no JSON, or JSON that two readers read as two things.
fn bytes(table: &mut Table) {
    table.act("bytes that are no UTF-8", On::OldWeb, json!([web(""), {"raw": r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":""#}, {"hex": "c328ff"}, {"raw": r#""}]}}"#}]), Told::Refused(&[MALFORMED]));
    table.act("noise", On::Old, json!([format!("DEBUG {MARK}"), wicked()]), Told::Refused(&[GONE])).event(DIED);
    table.bad("a byte-order mark", On::OldWeb, &format!("\u{feff}{}", wicked()));
    table.bad("a lone surrogate", On::OldWeb, &says("wicked-7Qx\\ud800"));
    table.bad("a batch", On::OldWeb, &format!("[{}]", wicked()));
    table.bad("a key twice", On::OldWeb, &says("wicked-7Qx\",\"text\":\"hidden"));
    table.bad(
        "the result twice",
        On::New,
        &message(&format!(r#""id":$ID,"result":{{"content":[]}},"re\u0073ult":{{"content":[{{"type":"text","text":"{MARK}"}}]}}"#)),
    );
    table.bad("two values", On::NewWeb, &format!("{}{}", wicked(), wicked()));
    table.bad("no JSON", On::NewWeb, "<html>wicked-7Qx</html>");
    table.bad("nothing", On::OldWeb, "");
}

/// Messages that are none.
fn envelope(table: &mut Table) {
    table.bad(
        "a result and an error",
        On::OldWeb,
        &message(&format!(r#""id":$ID,"result":{{"content":[{{"type":"text","text":"{MARK}"}}]}},"error":{{"code":1,"message":"x"}}"#)),
    );
    table.bad("neither", On::NewWeb, &message(r#""id":$ID"#));
    table.bad("another JSON-RPC", On::OldWeb, &wicked().replace("2.0", "1.0"));
    table.bad("one member more", On::OldWeb, &wicked().replacen('{', r#"{"also":1,"#, 1));
    table.bad("a member in another case", On::NewWeb, &wicked().replacen('{', r#"{"Result":{},"#, 1));
    table.bad("a result that is a list", On::OldWeb, &result(&format!(r#"["{MARK}"]"#)));
    table.bad("an error without words", On::NewWeb, &message(r#""id":$ID,"error":{"code":1}"#));
    table.bad(
        "an error with a code that is a word",
        On::OldWeb,
        &message(&format!(r#""id":$ID,"error":{{"code":"1","message":"{MARK}"}}"#)),
    );
    table.bad("a method beside a result", On::Old, &message(&format!(r#""id":$ID,"method":"ping","result":{{"x":"{MARK}"}}"#)));
}

/// Results that are not of their method.
fn shape(table: &mut Table) {
    let mut bad = |name, on: On, body: &str| {
        let body = if on.is_web() { web(&result(body)) } else { result(body) };
        table.act(name, on, json!([body]), Told::Refused(&[MALFORMED]));
    };
    bad("content that is no list", On::Old, r#"{"content":"wicked-7Qx"}"#);
    bad("no content", On::OldWeb, r#"{"isError":false}"#);
    bad("a block of no known type", On::Old, r#"{"content":[{"type":"video","data":"wicked-7Qx"}]}"#);
    bad("a picture that is no Base64", On::New, r#"{"content":[{"type":"image","mimeType":"image/png","data":"wicked-7Qx"}]}"#);
    bad("a link without a name", On::NewWeb, r#"{"content":[{"type":"resource_link","uri":"wicked-7Qx:x"}]}"#);
    bad("a member that there is not", On::Old, r#"{"content":[],"nextStep":"wicked-7Qx"}"#);
    bad("a truth that is a word", On::Old, r#"{"content":[],"isError":"wicked-7Qx"}"#);
    bad("a kind that there is not", On::New, r#"{"resultType":"task","task":{"taskId":"wicked-7Qx"}}"#);
    bad("a kind that is a number", On::NewWeb, r#"{"resultType":7,"content":[]}"#);
    bad("a kind of the other era", On::Old, r#"{"resultType":"input_required","requestState":"wicked-7Qx"}"#);
}

/// Results against the schema that was approved, and parts of other sorts of results.
fn output(table: &mut Table) {
    let typed = |value: &str| result(&format!(r#"{{"content":[{{"type":"text","text":"{MARK}"}}],"structuredContent":{value}}}"#));
    let mut bad = |name, on: On, body: &str, ask| {
        let body = if on.is_web() { web(body) } else { body.to_owned() };
        table.act(name, on, json!([body]), Told::Refused(&[MALFORMED])).ask(ask);
    };
    let tool = Ask::Tool("typed");
    bad("nothing structured", On::Old, &wicked(), tool);
    bad("a number that is a word", On::Old, &typed(r#"{"count":"7"}"#), tool);
    bad("a number of 2^70", On::New, &typed(r#"{"count":1180591620717411303424}"#), tool);
    bad("what the schema does not have", On::OldWeb, &typed(r#"{"count":1,"more":"x"}"#), tool);
    bad("a list in place of the object", On::NewWeb, &typed("[1]"), tool);
    bad(
        "a resource that is text and bytes",
        On::Old,
        &result(r#"{"contents":[{"uri":"a:b","text":"wicked-7Qx","blob":"AAAA"}]}"#),
        Ask::Read,
    );
    bad("a resource without an address", On::OldWeb, &result(r#"{"contents":[{"text":"wicked-7Qx"}]}"#), Ask::Read);
    bad(
        "a prompt in the system's name",
        On::Old,
        &result(r#"{"messages":[{"role":"system","content":{"type":"text","text":"wicked-7Qx"}}]}"#),
        Ask::Prompt,
    );
    bad("a prompt of bare text", On::NewWeb, &result(r#"{"messages":["wicked-7Qx"]}"#), Ask::Prompt);
}

/// More than fits. An answer has a mebibyte here.
fn size(table: &mut Table) {
    let (open, close) = (r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"wicked-7Qx"#, r#""}]}}"#);
    let big = |head: &str, tail: &str| json!([{"raw": format!("{head}{open}")}, {"big": [20 << 20, "a"]}, format!("{close}{tail}")]);
    table.act("a line of 20 MiB", On::Old, big("", ""), Told::Refused(&[GONE, LARGE])).event(DIED);
    table.act("a body of 20 MiB", On::OldWeb, big(&web(""), ""), Told::Refused(&[GONE, LARGE]));
    table.act("an event of 20 MiB", On::NewWeb, big(&events("data: "), "\n\n"), Told::Refused(&[GONE, LARGE]));
    table.act(
        "a head of a mebibyte",
        On::OldWeb,
        json!([{"raw": "HTTP/1.1 200 OK\r\nX: "}, {"big": [1 << 20, "a"]}, {"raw": "\r\n\r\n"}]),
        Told::Refused(&[GONE]),
    );
    let deep =
        |count: usize| result(&format!(r#"{{"content":[],"structuredContent":{{"a":{}1{}}}}}"#, "[".repeat(count), "]".repeat(count)));
    table.bad("a list in a list, 300 deep", On::OldWeb, &deep(300));
    table.bad("100,001 values", On::NewWeb, &result(&format!(r#"{{"content":[],"structuredContent":[{}0]}}"#, "0,".repeat(100_001))));
    let members: String = (0..10_001).map(|at| format!(r#""k{at}":0,"#)).collect();
    table.bad("10,001 members", On::OldWeb, &result(&format!(r#"{{"content":[],"structuredContent":{{{members}"z":0}}}}"#)));
    table.act(
        "5,000 notes of progress",
        On::Old,
        json!([{"repeat": [5_000, note("progress", r#"{"progressToken":$ID,"progress":$N}"#)]}, fine()]),
        FINE,
    );
    table.act(
        "5,000 lines of log",
        On::OldWeb,
        json!([events(""), {"repeat": [5_000, event(&note("message", r#"{"level":"emergency","data":"$N"}"#))]}, {"raw": event(&fine())}]),
        FINE,
    );
    table.act("500 changes of its list", On::New, json!([{"repeat": [500, note("tools/list_changed", "{}")]}, fine()]), FINE);
}

/// Answers that are no answer of HTTP, or not the one that the protocol has.
fn status(table: &mut Table) {
    for (name, on, text) in [
        ("a redirect", On::OldWeb, response("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/wicked-7Qx\r\nContent-Length: 0", "")),
        ("another content type", On::OldWeb, response("200 OK\r\nContent-Type: text/html", &wicked())),
        (
            "two content types",
            On::NewWeb,
            response("200 OK\r\nContent-Type: application/json\r\nContent-Type: text/event-stream", &wicked()),
        ),
        (
            "a coding that nobody asked for",
            On::OldWeb,
            response("200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", &wicked()),
        ),
        ("taken, but no answer", On::NewWeb, response("202 Accepted\r\nContent-Length: 0", "")),
        ("an answer of nothing", On::OldWeb, response("204 No Content", "")),
        ("an inner fault", On::NewWeb, response("500 Internal Server Error\r\nContent-Type: application/json", &wicked())),
        (
            "not allowed, in the middle of a session",
            On::OldWeb,
            response("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=wicked-7Qx", ""),
        ),
        ("forbidden", On::NewWeb, response("403 Forbidden\r\nContent-Type: application/json", &wicked())),
        ("no HTTP", On::OldWeb, "wicked-7Qx\r\n\r\n".to_owned()),
        ("an end without a word", On::OldWeb, String::new()),
    ] {
        table.act(name, on, json!([{"raw": text}]), Told::Refused(&[GONE, MALFORMED]));
    }
}

/// Sessions of a server that change or end in the middle of them.
fn session(table: &mut Table) {
    let with = |id: &str, body: &str| response(&format!("200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {id}"), body);
    let gone = Told::Refused(&[GONE]);
    table.act("another session id", On::OldWeb, json!([with(MARK, &fine())]), FINE);
    table.act("a session id in the era without", On::NewWeb, json!([with(MARK, &fine())]), FINE);
    table.act("a session id with a blank", On::OldWeb, json!([with("wicked 7Qx", &wicked())]), gone);
    table.act("two session ids", On::OldWeb, json!([with("a\r\nMcp-Session-Id: b", &wicked())]), gone);
    table.act("a session id of 300 letters", On::OldWeb, json!([with(&"s".repeat(300), &wicked())]), gone);
    table.act(
        "a session that was forgotten",
        On::OldWeb,
        json!([{"raw": response("404 Not Found\r\nContent-Type: application/json", &wicked())}]),
        gone,
    );
    table.act(
        "a session that is said to be none",
        On::OldWeb,
        json!([{"raw": response("400 Bad Request\r\nContent-Type: application/json", &wicked())}]),
        gone,
    );
}

/// Streams of events that are none, or say too much.
fn stream(table: &mut Table) {
    let good = event(&fine());
    let bad = Told::Refused(&[GONE, MALFORMED]);
    table.act(
        "a stream that ends before the answer",
        On::OldWeb,
        json!([events(&event(&note("message", r#"{"level":"debug","data":1}"#)))]),
        bad,
    );
    table.act("half an event", On::NewWeb, json!([events(good.trim_end())]), bad);
    table.act("an answer and another event", On::OldWeb, json!([events(&format!("{good}{}", event(&wicked())))]), FINE);
    table.act("events of another name", On::OldWeb, json!([events(&format!("event: endpoint\n{}{good}", event("wicked-7Qx")))]), FINE);
    table.act("two messages in one event", On::NewWeb, json!([events(&format!("data: {}\ndata: {}\n\n", wicked(), wicked()))]), bad);
    table.act("an event that is no JSON", On::OldWeb, json!([events(&event("wicked-7Qx"))]), bad);
    table.act("an event that is no UTF-8", On::NewWeb, json!([events("data: "), {"hex": "ff"}, {"raw": "\n\n"}]), bad);
    table.act(
        "a request in a modern stream",
        On::NewWeb,
        json!([events(&format!("{}{good}", event(&question("1", "sampling/createMessage", SAMPLING))))]),
        FINE,
    );
    table.act("a chunk without a size", On::OldWeb, json!([{"raw": format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n{}", event(&wicked()))}]), bad);
    table.act(
        "a length that is too long",
        On::NewWeb,
        json!([{"raw": format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{}", wicked())}]),
        bad,
    );
}

/// Questions that nobody may or can be asked.
fn questions(table: &mut Table) {
    let asks = |question: String| json!([question]);
    let told = says("told: $ANSWER").replace("\"told: $ANSWER\"", "$ANSWER");
    for (name, on, by, method, params, holds) in [
        ("a sample that nobody offered", On::Old, By::Old, "sampling/createMessage", SAMPLING, "-32601"),
        ("roots that nobody offered", On::Old, By::Old, "roots/list", "{}", "-32601"),
        ("a form that nobody offered", On::Old, By::Old, "elicitation/create", FORM, "decline"),
        ("a sample for a modern client that offered none", On::Old, By::New("{}"), "sampling/createMessage", SAMPLING, "-32601"),
    ] {
        table.act(name, on, asks(question("\"q\"", method, params)), Told::Says("")).by(by).then(json!([told])).holds(holds);
    }
    let form = By::New(r#"{"elicitation":{"form":{},"url":{}}}"#);
    let nested = r#"{"message":"wicked-7Qx","requestedSchema":{"type":"object","properties":{"a":{"type":"object","properties":{}}}}}"#;
    table.bad("a form that is not flat", On::Old, &question("1", "elicitation/create", nested)).by(form);
    let page = |url: &str| {
        question("1", "elicitation/create", &format!(r#"{{"mode":"url","message":"wicked-7Qx","url":"{url}","elicitationId":"e"}}"#))
    };
    table.bad("a page that is a program", On::Old, &page("javascript:alert(1)")).by(form);
    table.bad("a page that is a file", On::Old, &page("file:///etc/passwd")).by(form);
    table.bad("a method that is no question", On::Old, &question("1", "tools/call", r#"{"name":"wicked-7Qx"}"#));
    table
        .act("a question of a modern server", On::New, json!([question("1", "elicitation/create", FORM), fine()]), FINE)
        .by(form)
        .event(STRAY);
    table
        .act("a question after the answer", On::Old, json!([fine(), question("1", "sampling/createMessage", SAMPLING)]), FINE)
        .event(UNOWNED);
}

/// Questions in results.
fn rounds(table: &mut Table) {
    let required = |inner: &str| result(&format!(r#"{{"resultType":"input_required",{inner}}}"#));
    let asks = |method: &str, params: &str| {
        required(&format!(r#""inputRequests":{{"a":{{"method":"{method}","params":{params}}}}},"requestState":"s""#))
    };
    let form = By::New(r#"{"elicitation":{"form":{},"url":{}}}"#);
    table
        .act("a form that a modern client did not offer", On::New, json!([asks("elicitation/create", FORM)]), Told::Fault(-32021))
        .holds("requiredCapabilities");
    table
        .act(
            "a sample that an old client did not offer",
            On::New,
            json!([asks("sampling/createMessage", SAMPLING)]),
            Told::Refused(&[QUESTION]),
        )
        .by(By::Old);
    let mut bad = |name, on: On, body: String| {
        let body = if on.is_web() { web(&body) } else { body };
        table.act(name, on, json!([body]), Told::Refused(&[MALFORMED])).by(form);
    };
    bad("a method that is no question in a result", On::New, asks("tools/call", r#"{"name":"wicked-7Qx"}"#));
    bad("neither questions nor a state", On::NewWeb, required(r#""x":"wicked-7Qx""#));
    bad(
        "a page that is a program in a result",
        On::NewWeb,
        asks("elicitation/create", r#"{"mode":"url","message":"wicked-7Qx","url":"javascript:x"}"#),
    );
    bad("a state of 65 KiB", On::New, required(&format!(r#""requestState":"{}""#, "s".repeat(65 << 10))));
    let many: Vec<String> = (0..65).map(|at| format!(r#""q{at}":{{"method":"roots/list"}}"#)).collect();
    bad("65 questions", On::New, required(&format!(r#""inputRequests":{{{}}}"#, many.join(","))));
    bad("the questions twice over", On::NewWeb, required(r#""inputRequests":{},"InputRequests":{}"#));
    table.act("eleven rounds", On::New, json!([required(r#""requestState":"s""#)]), Told::Refused(&[ROUNDS])).by(form).returns(11);
    table
        .act("eleven rounds for an old client", On::NewWeb, json!([web(&required(r#""requestState":"s""#))]), Told::Refused(&[ROUNDS]))
        .by(By::Old);
    let key = asks("elicitation/create", FORM).replace(r#""a":{"#, &format!(r#""{KEY}":{{"#));
    table.act("a key as the name of a question", On::New, json!([key]), Told::Refused(&[QUESTION])).by(form);
}

/// Notes that belong to others, or that nobody wants.
fn notes(table: &mut Table) {
    let progress = |token: &str| note("progress", &format!(r#"{{"progressToken":{token},"progress":1,"message":"{MARK}"}}"#));
    let log = |level: &str| note("message", &format!(r#"{{"level":"{level}","data":"{MARK}"}}"#));
    let updated = note("resources/updated", r#"{"uri":"wicked-7Qx:x"}"#);
    table.act("progress of another call", On::Old, json!([progress("987654"), fine()]), FINE);
    table.act(
        "progress of another call over HTTP",
        On::OldWeb,
        json!([events(&event(&progress("987654"))), {"raw": event(&fine())}]),
        FINE,
    );
    table.act("progress that nobody asked for", On::New, json!([progress("$ID"), fine()]), FINE);
    table.act("a log that nobody asked for", On::New, json!([log("emergency"), fine()]), FINE);
    table.act(
        "a log that nobody asked for over HTTP",
        On::NewWeb,
        json!([events(&event(&log("emergency"))), {"raw": event(&fine())}]),
        FINE,
    );
    table.act("a resource that nobody subscribed to", On::Old, json!([updated, fine()]), FINE);
    table.act(
        "a subscription that nobody opened",
        On::New,
        json!([note("resources/updated", r#"{"uri":"wicked-7Qx:x","_meta":{"io.modelcontextprotocol/subscriptionId":987654}}"#), fine()]),
        FINE,
    );
    table.act("a note that there is not", On::Old, json!([note("wicked-7Qx", "{}"), fine()]), FINE).event(STRAY);
    table.act("a note of the other side", On::New, json!([note("initialized", "{}"), fine()]), FINE).event(STRAY);
    table.act(
        "a note that there is not over HTTP",
        On::NewWeb,
        json!([events(&event(&note("wicked-7Qx", "{}"))), {"raw": event(&fine())}]),
        FINE,
    );
}

/// Words in our name, in another server's, and keys that are none of the client's business.
fn names(table: &mut Table) {
    let ours = |more: &str| {
        result(&format!(r#"{{"content":[{{"type":"text","text":"fine"{more}}}],"_meta":{{"dev.bastide/refusal":{{"code":"{MARK}"}}}}}}"#))
    };
    table.act("a refusal in our name", On::Old, json!([ours("")]), FINE);
    table.act("a refusal in our name, modern", On::NewWeb, json!([web(&ours(""))]), FINE);
    table.act("our name within a block", On::Old, json!([ours(r#","_meta":{"dev.bastide/server":"wicked-7Qx"}"#)]), FINE);
    let listed = r#"{"contents":[{"uri":"evil:x","text":"fine","_meta":{"dev.bastide/server":"wicked-7Qx"}}]}"#;
    table
        .act("our name in a resource", On::New, json!([result(&listed.replacen('{', r#"{"ttlMs":0,"cacheScope":"public","#, 1))]), FINE)
        .ask(Ask::Read)
        .holds("private");
    table
        .act(
            "a resource under another address",
            On::Old,
            json!([result(r#"{"contents":[{"uri":"bastide://canary/canary%3A%2F%2Fpage","text":"fine"}]}"#)]),
            FINE,
        )
        .ask(Ask::Read);
    table.act("a key in a text", On::OldWeb, json!([web(&says(KEY))]), Told::Says("")).holds("[");
    table.act(
        "a key in what is structured",
        On::New,
        json!([result(&format!(r#"{{"content":[{{"type":"text","text":"fine"}}],"structuredContent":{{"a":["{KEY}"]}}}}"#))]),
        FINE,
    );
    table
        .act(
            "a key in a resource",
            On::OldWeb,
            json!([web(&result(&format!(r#"{{"contents":[{{"uri":"a:b","text":"{KEY}"}}]}}"#)))]),
            Told::Says(""),
        )
        .ask(Ask::Read)
        .holds("[");
    table
        .act(
            "an integer of 2^70 where nothing was said of it",
            On::NewWeb,
            json!([web(&result(r#"{"content":[{"type":"text","text":"fine"}],"structuredContent":{"n":1180591620717411303424}}"#))]),
            FINE,
        )
        .holds("1180591620717411303424");
}

/// Errors with codes of others, and with words that must not go out.
fn errors(table: &mut Table) {
    table.act("a key in an error", On::Old, json!([fault(-32603, KEY, "")]), Told::Fault(-32603));
    table.act("data in an error", On::OldWeb, json!([web(&fault(-32603, "no", r#","data":{"x":"wicked-7Qx"}"#))]), Told::Fault(-32603));
    table.act(
        "our own code",
        On::Old,
        json!([fault(
            -31403,
            "no",
            r#","data":{"code":"access.deny-by-default/denied","message":"wicked-7Qx","reference":"C-wicked-7Qx"}"#
        )]),
        Told::Fault(-32603),
    );
    for (name, on, code) in [
        ("our fault in the header", On::New, -32020),
        ("a revision that we do not speak", On::NewWeb, -32022),
        ("a code that is kept for the protocol", On::Old, -32099),
        ("a code of nobody's", On::OldWeb, 7),
        ("an unknown tool", On::New, -31429),
    ] {
        let body = fault(code, "no", r#","data":{"supported":["wicked-7Qx"]}"#);
        table.act(name, on, json!([if on.is_web() { web(&body) } else { body }]), Told::Fault(-32603));
    }
    let lacks = |data: &str| fault(-32021, "no", &format!(r#","data":{{"requiredCapabilities":{data}}}"#));
    for (name, on, data) in [
        ("what a client lacks, as a list", On::New, r#"["wicked-7Qx"]"#),
        ("what a client lacks, and more", On::New, r#"{},"more":"wicked-7Qx""#),
        ("what a client lacks, twice", On::NewWeb, r#"{"sampling":"wicked-7Qx","Sampling":{}}"#),
    ] {
        let body = if on.is_web() { web(&lacks(data)) } else { lacks(data) };
        table.act(name, on, json!([body]), Told::Fault(-32603));
    }
    table.act("what a client lacks, of another era", On::Old, json!([lacks(r#"{"sampling":{}}"#)]), Told::Fault(-32603)).by(By::New("{}"));
    let pages = r#","data":{"elicitations":[{"mode":"url","message":"wicked-7Qx","url":"javascript:x","elicitationId":"e"}]}"#;
    table
        .act("a page that is a program in an error", On::Old, json!([fault(-32042, "no", pages)]), Told::Fault(-32603))
        .by(By::New(r#"{"elicitation":{"url":{}}}"#));
}

/// Processes that end, and say too much before.
fn life(table: &mut Table) {
    let gone = Told::Refused(&[GONE]);
    table.act("an end without an answer", On::Old, json!([{"die": true}]), gone).event(DIED);
    table.act("half a line, then an end", On::Old, json!([{"raw": &wicked()[..60]}, {"die": true}]), gone).event(DIED);
    table.act("a line without an end, then an end", On::New, json!([{"raw": wicked()}, {"die": true}]), gone).event(DIED);
    table.act("an answer, then an end", On::Old, json!([fine(), {"die": true}]), FINE).event(DIED);
    table
        .act(
            "the era's other handshake",
            On::New,
            json!([question("1", "initialize", r#"{"protocolVersion":"2025-11-25"}"#), fine()]),
            FINE,
        )
        .event(STRAY);
    table.act("an empty line", On::Old, json!(["", fine()]), gone).event(DIED);
    table.act("a line of blanks", On::New, json!(["   ", fine()]), gone).event(DIED);
    table.act("a carriage return", On::Old, json!([{"raw": format!("{}\r\n", fine())}]), FINE);
}

/// Servers that take their time. A call has six seconds here.
fn time(table: &mut Table) {
    let slow = Told::Refused(&[TIMEOUT, GONE]);
    let drip = |head: String| {
        let mut steps = vec![json!({"raw": head})];
        (0..40).for_each(|_| steps.extend([json!({"raw": ":"}), json!({"sleep": 300})]));
        Value::Array(steps)
    };
    table.act("no answer", On::Old, json!([]), slow);
    table.act("an answer to somebody else alone", On::New, json!([wicked().replace("$ID", "987654")]), slow).event(STRAY);
    table.act("no head", On::OldWeb, json!([{"sleep": 12_000}]), slow);
    table.act("a head and no body", On::NewWeb, json!([web(""), {"sleep": 12_000}]), slow);
    table.act("half a body", On::OldWeb, json!([web(r#"{"jsonrpc":"2.0","#), {"sleep": 12_000}]), slow);
    table.act("a stream that drips", On::NewWeb, drip(events("")), slow);
    table.act("a body that drips", On::OldWeb, drip(web("")), slow);
    table.act("a line that drips", On::New, drip(String::new()), slow);
}
