//! `transport.strict-messages`: the table of malformed messages in revision 2026-07-28, and those that are between the eras.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Http, World};

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const ECHO: &str = r#""name":"canary__echo","arguments":{"text":"x"}"#;

/// A server whose tool wants two of its arguments in headers.
const DESK: &str = r#"{"era":"2026-07-28","acts":{},"tools":[{"name":"sell","description":"Sells.","inputSchema":{"type":"object","properties":{
    "text":{"type":"string"},"region":{"type":"string","x-mcp-header":"Region"},"count":{"type":"integer","x-mcp-header":"Count"}}}}]}"#;

/// Headers beside the usual ones; each letter is a byte.
type Head = Vec<(&'static str, String)>;

/// One malformed message: its row, verb and path, headers and body; what is answered: the status, the code (0: nothing is said), the id.
pub(crate) struct Entry {
    pub(crate) row: u8,
    pub(crate) verb: &'static str,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) id: Option<Value>,
}

/// A request with these params, beside its `_meta`.
fn message(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}","params":{{{params}{comma}{META}}}}}"#)
}

/// The headers that go with a request of `method` about `name`.
fn head(method: &str, name: &str) -> Head {
    let mut head = vec![("MCP-Protocol-Version", MODERN.to_owned()), ("Mcp-Method", method.to_owned())];
    if matches!(method, "tools/call" | "prompts/get" | "resources/read") {
        head.push(("Mcp-Name", name.to_owned()));
    }
    head
}

/// `head` without the headers of this name, and with these values of it instead.
fn with(head: &Head, name: &'static str, values: &[&str]) -> Head {
    let mut head: Head = head.iter().filter(|(found, _)| *found != name).cloned().collect();
    head.extend(values.iter().map(|value| (name, (*value).to_owned())));
    head
}

struct Table(Vec<Entry>);

impl Table {
    fn add(&mut self, row: u8, head: Head, body: impl Into<Vec<u8>>, status: u16, code: i64, id: Option<Value>) {
        self.0.push(Entry { row, verb: "POST", head, body: body.into(), status, code, id });
    }

    /// A call of the echo with this body, its headers as they should be.
    fn echo(&mut self, row: u8, body: impl Into<Vec<u8>>, status: u16, code: i64, id: Option<i64>) {
        self.add(row, head("tools/call", "canary__echo"), body, status, code, id.map(Value::from));
    }

    /// A request of `method` with these params, its headers as they should be: 400 and -32602.
    fn params(&mut self, row: u8, method: &str, name: &str, params: &str) {
        self.add(row, head(method, name), message(method, params), 400, -32602, Some(json!(5)));
    }

    /// A good call with these headers: 400 and -32020.
    fn header(&mut self, row: u8, head: Head) {
        self.add(row, head, message("tools/call", ECHO), 400, -32020, Some(json!(5)));
    }
}

pub(crate) fn rows() -> Vec<Entry> {
    let mut table = Table(Vec::new());
    bytes(&mut table);
    envelopes(&mut table);
    params(&mut table);
    meta(&mut table);
    headers(&mut table);
    eras(&mut table);
    table.0
}

fn bytes(table: &mut Table) {
    let good = message("tools/call", ECHO);
    for body in [&good[..good.len() - 1], &format!("{good}{good}"), &format!("{good},"), "tools/call"] {
        table.echo(1, body, 400, -32700, None);
    }
    for body in ["", "\r\n"] {
        table.echo(2, body, 400, -32700, None);
    }
    table.echo(3, format!("\u{feff}{good}"), 400, -32700, None);
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        let body = good.replace("\"x\"", "\"#\"");
        let (before, after) = body.split_once('#').unwrap();
        table.echo(4, [before.as_bytes(), bad, after.as_bytes()].concat(), 400, -32700, None);
    }
    table.echo(5, message("tools/call", r#""name":"canary__echo","arguments":{"text":"\udfff"}"#), 400, -32700, None);
    table.echo(5, good.replace(r#"":{}}"#, r#"":{},"com.example/\ud800":1}"#), 400, -32700, None);
    for doubled in [
        r#""name":"canary__echo","name":"canary__add","arguments":{"text":"x"}"#,
        r#""name":"canary__echo","n\u0061me":"canary__add","arguments":{"text":"x"}"#,
        r#""name":"canary__echo","arguments":{"text":"x","te\u0078t":"y"}"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"requestState":"a","requestState":"b""#,
        r#""name":"canary__echo","arguments":{"text":"x"},"_meta":{}"#,
    ] {
        table.echo(6, message("tools/call", doubled), 400, -32600, Some(5));
    }
    table.echo(
        6,
        good.replace(r#""_meta":{"#, r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","#),
        400,
        -32600,
        Some(5),
    );
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    table.echo(11, message("tools/call", &format!(r#""name":"canary__echo","arguments":{{"text":{deep}}}"#)), 400, -32600, None);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(70), "}".repeat(70));
    table.echo(11, good.replace(r#"":{}}"#, &format!(r#"":{{"extensions":{deep}}}}}"#)), 400, -32600, None);
    let long = format!(r#""name":"canary__echo","arguments":{{"text":"{}"}}"#, "a".repeat((4 << 20) + 1));
    table.echo(12, message("tools/call", &long), 413, -32600, None);
    let values = vec!["0"; 100_001].join(",");
    table.echo(13, message("tools/call", &format!(r#""name":"canary__echo","arguments":{{"text":[{values}]}}"#)), 413, -32600, None);
    for number in ["1e999", "-Infinity", "00", "1_000", "0b1", "1//", "\u{661}"] {
        table.echo(30, message("tools/call", &format!(r#""name":"canary__echo","arguments":{{"text":{number}}}"#)), 400, -32700, None);
    }
}

fn envelopes(table: &mut Table) {
    let good = message("tools/call", ECHO);
    for (row, from, to, id) in [
        (7, r#""jsonrpc""#, r#""Jsonrpc":"2.0","jsonrpc""#, Some(5)),
        (7, r#""params""#, r#""PARAMS":{},"params""#, Some(5)),
        (8, r#""jsonrpc""#, r#""auth":"x","jsonrpc""#, Some(5)),
        (17, r#""2.0""#, r#""2.1""#, Some(5)),
        (17, r#""2.0""#, r#"["2.0"]"#, Some(5)),
        (18, r#""id":5"#, r#""id":null"#, None),
        (19, r#""id":5"#, r#""id":5.0"#, None),
        (19, r#""id":5"#, r#""id":5E0"#, None),
        (20, r#""id":5"#, r#""id":{"a":5}"#, None),
        (20, r#""id":5"#, r#""id":"""#, None),
        (21, r#""id":5"#, r#""id":9007199254740993"#, None),
        (23, r#""tools/call""#, r#"{"a":"tools/call"}"#, Some(5)),
        (23, r#""tools/call""#, r#""tools call""#, Some(5)),
        (23, r#""method":"tools/call","#, "", Some(5)),
        (25, r#""id":5,"#, "", None),
        (33, r#""id":5"#, r#""id":5,"result":{}"#, Some(5)),
        (33, r#""id":5"#, r#""id":5,"error":{"code":1,"message":"x"}"#, Some(5)),
    ] {
        let body = good.replacen(from, to, 1);
        assert_ne!(body, good, "{from}");
        table.echo(row, body, 400, -32600, id);
    }
    table.echo(14, good.replacen("5", &format!("\"{}\"", "i".repeat(257)), 1), 400, -32600, None);
    table.add(9, head("tools/call\\u0001", ""), good.replace("tools/call", "tools/call\\u0001"), 400, -32600, Some(json!(5)));
    for batch in [format!("[{good}]"), format!("[{good},{good}]")] {
        table.echo(15, batch, 400, -32600, None);
    }
    for scalar in ["5", "\"tools/call\"", "null"] {
        table.echo(16, scalar, 400, -32600, None);
    }
    for method in [
        "ping",
        "initialize",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "roots/list",
        "sampling/createMessage",
        "elicitation/create",
        "tasks/get",
        "tasks/list",
        "tools/run",
        "TOOLS/LIST",
    ] {
        table.add(24, head(method, ""), message(method, ""), 404, -32601, Some(json!(5)));
    }
    for method in ["initialized", "roots/list_changed", "progress", "message", "tools/list_changed", "nothing"] {
        let method = format!("notifications/{method}");
        table.add(26, head(&method, ""), format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{META}}}}}"#), 202, 0, None);
    }
    for method in ["notifications/cancelled", "notifications/nothing"] {
        table.add(27, head(method, ""), message(method, r#""requestId":5"#), 400, -32600, Some(json!(5)));
    }
    for params in ["[]", "null", "\"x\"", "7"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{params}}}"#);
        table.add(28, head("tools/list", ""), body, 400, -32602, Some(json!(5)));
    }
    for body in [
        r#"{"jsonrpc":"2.0","id":5,"result":{},"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"error":{"code":1.5,"message":"x"}}"#,
    ] {
        table.add(32, head("tools/list", ""), body, 400, -32600, Some(json!(5)));
    }
    for body in
        [r#"{"jsonrpc":"2.0","id":5,"result":{"action":"accept"}}"#, r#"{"jsonrpc":"2.0","id":5,"error":{"code":-1,"message":"x"}}"#]
    {
        table.add(34, head("tools/list", ""), body, 400, -32600, Some(json!(5)));
    }
    for id in ["99", "\"5\""] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},{META}}}}}"#);
        table.add(65, head("notifications/cancelled", ""), body, 202, 0, None);
    }
}

fn params(table: &mut Table) {
    let mut call = |row, params: &str| table.params(row, "tools/call", "canary__echo", params);
    for params in [
        r#""name":"canary__echo","arguments":["x"]"#,
        r#""name":"canary__echo","arguments":"x""#,
        r#""name":"canary__echo","arguments":{"text":"x"},"task":7"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"requestState":7"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"requestState":null"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":[]"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"a":7}"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"a":{"action":"maybe"}}"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"a":{"action":"accept","roots":[]}}"#,
        r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"a":{"action":"accept","content":{"b":{"c":1}}}}"#,
    ] {
        call(29, params);
    }
    let many: Vec<String> = (0..65).map(|at| format!(r#""q{at}":{{"action":"decline"}}"#)).collect();
    call(29, &format!(r#""name":"canary__echo","arguments":{{"text":"x"}},"inputResponses":{{{}}}"#, many.join(",")));
    call(8, r#""name":"canary__echo","arguments":{"text":"x"},"force":true"#);
    call(8, r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"a":{"action":"accept","scope":"all"}}"#);
    call(10, r#""name":"canary__echo","arguments":{"text":"x"},"__proto__":{}"#);
    call(10, r#""name":"canary__echo","arguments":{"text":"x"},"inputResponses":{"__proto__":{"action":"decline"}}"#);
    call(14, &format!(r#""name":"canary__echo","arguments":{{"text":"x"}},"requestState":"{}""#, "s".repeat((64 << 10) + 1)));
    for key in ["Name", "requeststate", "InputResponses", "\u{FF41}rguments"] {
        let body = message("tools/call", &format!(r#"{ECHO},"{key}":"x""#));
        table.echo(7, body, 400, -32600, Some(5));
    }
    let name = "n".repeat(129);
    table.params(14, "tools/call", &name, &format!(r#""name":"{name}""#));
    let uri = format!("canary://{}", "u".repeat(8 << 10));
    table.params(14, "resources/read", &uri, &format!(r#""uri":"{uri}""#));
    table.params(9, "tools/call", "=?base64?YQE=?=", r#""name":"a\u0001""#);
    table.params(9, "resources/read", "=?base64?YTphAA==?=", r#""uri":"a:a\u0000""#);
    table.params(29, "resources/read", "a b", r#""uri":"a b""#);
    table.params(29, "prompts/get", "canary__greet", r#""name":"canary__greet","arguments":{"who":7}"#);
    table.params(29, "tools/list", "", r#""cursor":7"#);
    table.params(29, "completion/complete", "", r#""ref":{"type":"ref/tool","name":"x"},"argument":{"name":"a","value":"b"}"#);
    for filter in [
        "7",
        r#"{"toolsListChanged":"yes"}"#,
        r#"{"resourceSubscriptions":"a:b"}"#,
        r#"{"resourceSubscriptions":[7]}"#,
        r#"{"resourceSubscriptions":[""]}"#,
    ] {
        table.params(29, "subscriptions/listen", "", &format!(r#""notifications":{filter}"#));
    }
    table.params(29, "subscriptions/listen", "", "");
    table.params(8, "subscriptions/listen", "", r#""notifications":{"toolsListChanged":true,"logMessages":true}"#);
    table.params(8, "server/discover", "", r#""revision":"2026-07-28""#);
    for (method, cursor) in
        [("tools/list", "AAAA"), ("tools/list", ""), ("prompts/list", "!"), ("resources/list", "canary"), ("resources/templates/list", "0")]
    {
        let body = message(method, &format!(r#""cursor":"{cursor}""#));
        table.add(62, head(method, ""), body, 200, -32602, Some(json!(5)));
    }
    for state in ["", "AAAA", "not ours"] {
        let body = message("tools/call", &format!(r#"{ECHO},"requestState":"{state}""#));
        table.echo(63, body, 200, -32602, Some(5));
    }
}

fn meta(table: &mut Table) {
    let good = message("tools/call", ECHO);
    let own = |inner: &str| good.replace(META, &format!(r#""_meta":{inner}"#));
    let beside = |more: &str| good.replace(r#""_meta":{"#, &format!(r#""_meta":{{{more},"#));
    for meta in ["[]", "7", "\"x\"", "null"] {
        table.echo(37, own(meta), 400, -32602, Some(5));
    }
    for more in [
        r#""bad key":1"#,
        r#""a/b/c":1"#,
        r#""io.modelcontextprotocol/clientInfo":"me""#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"x"}"#,
        r#""io.modelcontextprotocol/logLevel":"loud""#,
        r#""traceparent":7"#,
    ] {
        table.echo(37, beside(more), 400, -32602, Some(5));
    }
    table.echo(10, beside(r#""com.example/x":{"constructor":1}"#), 400, -32602, Some(5));
    table.echo(7, beside(r#""io.modelcontextprotocol/ProtocolVersion":"2025-11-25""#), 400, -32600, Some(5));
    for token in ["{}", "null", "0.5", "[1]"] {
        table.echo(64, beside(&format!(r#""progressToken":{token}"#)), 400, -32602, Some(5));
    }
    for meta in [
        "{}",
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
        r#"{"io.modelcontextprotocol/clientCapabilities":{}}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":null}"#,
    ] {
        table.echo(38, own(meta), 400, -32602, Some(5));
    }
    table.echo(
        38,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"x"}}}"#,
        400,
        -32602,
        Some(5),
    );
    for method in ["tools/list", "server/discover"] {
        table.add(38, head(method, ""), format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}"}}"#), 400, -32602, Some(json!(5)));
    }
    for revision in ["1999-01-01", LEGACY, "2024-11-05", "2026-07-29", "2026-07-28-draft", "latest"] {
        let head = with(&head("tools/call", "canary__echo"), "MCP-Protocol-Version", &[revision]);
        table.add(39, head, good.replace(MODERN, revision), 400, -32022, Some(json!(5)));
    }
}

fn headers(table: &mut Table) {
    let good = head("tools/call", "canary__echo");
    for values in [
        &[][..],
        &[LEGACY],
        &["2024-11-05"],
        &[""],
        &["2026-07-28\u{e9}"],
        &[MODERN, MODERN],
        &[MODERN, LEGACY],
        &["2026-07-28, 2026-07-28"],
    ] {
        table.header(40, with(&good, "MCP-Protocol-Version", values));
    }
    for revision in ["7", "null"] {
        let body = message("tools/call", ECHO).replace("\"2026-07-28\"", revision);
        table.add(40, good.clone(), body, 400, -32020, Some(json!(5)));
    }
    for values in [&[][..], &["tools/list"], &["Tools/Call"], &[""], &["tools/call", "tools/call"], &["tools/call\u{fc}"]] {
        table.header(41, with(&good, "Mcp-Method", values));
    }
    for values in [
        &[][..],
        &["canary__add"],
        &["Canary__echo"],
        &["echo"],
        &["canary__echo", "canary__echo"],
        &["canary__echo\u{80}"],
        &["=?base64?Y2FuYXJ5X19lY2hv"],
        &["=?base64?Y2FuYXJ5X19lY2h?="],
        &["=?base64?Y2FuYXJ5X19hZGQ=?="],
        &["=?BASE64?Y2FuYXJ5X19lY2hv?="],
        &["=?base64?/w==?="],
    ] {
        table.header(41, with(&good, "Mcp-Name", values));
    }
    table.add(
        41,
        head("resources/read", "canary://pages"),
        message("resources/read", r#""uri":"canary://page""#),
        400,
        -32020,
        Some(json!(5)),
    );
    table.add(41, head("prompts/get", "canary__greets"), message("prompts/get", r#""name":"canary__greet""#), 400, -32020, Some(json!(5)));
    let sell = |arguments: &str| message("tools/call", &format!(r#""name":"desk__sell","arguments":{arguments}"#));
    let both = vec![("Mcp-Param-Region", "north".to_owned()), ("Mcp-Param-Count", "42".to_owned())];
    let both: Head = head("tools/call", "desk__sell").into_iter().chain(both).collect();
    for (arguments, name, values) in [
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &[][..]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &["south"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &["North"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &["north", "north"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &["=?base64?bm9ydA?="]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Region", &["north\u{ff}"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Count", &["042"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Count", &["43"]),
        (r#"{"region":"north","count":42}"#, "Mcp-Param-Count", &["0x2a"]),
        (r#"{"count":42}"#, "Mcp-Param-Region", &["north"]),
        (r#"{"count":42}"#, "Mcp-Param-Region", &[""]),
        (r#"{"region":null,"count":42}"#, "Mcp-Param-Region", &["null"]),
        ("{}", "Mcp-Param-Region", &["north"]),
    ] {
        table.add(42, with(&both, name, values), sell(arguments), 400, -32020, Some(json!(5)));
    }
    for (row, name, values, status) in [
        (48, "Content-Type", &[][..], 415),
        (48, "Content-Type", &["text/plain"], 415),
        (48, "Content-Type", &["application/json", "application/json"], 415),
        (48, "Content-Type", &["application/json; charset=utf-7"], 415),
        (49, "Accept", &["application/json"], 406),
        (49, "Accept", &[], 406),
        (49, "Accept", &["text/event-stream, application/json;q=0"], 406),
        (50, "Content-Encoding", &["gzip"], 415),
        (50, "Content-Encoding", &["identity", "br"], 415),
    ] {
        let mut head = with(&good, name, values);
        if values.is_empty() {
            // Named without a value: it is left out.
            head.push((name, "\u{0}".to_owned()));
        }
        table.add(row, head, message("tools/call", ECHO), status, -32600, None);
    }
    for (row, name, value, status) in [
        (56, "Host", "evil.example", 403),
        (57, "Origin", "https://evil.example", 403),
        (57, "Origin", "null", 403),
        (58, "Authorization", "Bearer second", 400),
    ] {
        table.add(row, with(&good, name, &[value]), message("tools/call", ECHO), status, -32600, None);
    }
    for verb in ["GET", "DELETE", "PUT"] {
        table.0.push(Entry {
            row: 60,
            verb,
            head: with(&good, "Accept", &["text/event-stream"]),
            body: Vec::new(),
            status: 405,
            code: -32600,
            id: None,
        });
    }
}

/// What is of neither era, or of both. `$SESSION` is the id of a legacy session of the same agent, `$OTHERS` of another's, `$ELSEWHERE` of its own at
/// another endpoint, `$ENDED` of one that has ended.
fn eras(table: &mut Table) {
    let old = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"x"}}}"#;
    let version = |value: &str| vec![("MCP-Protocol-Version", value.to_owned())];
    let session = |version: &str, id: &str| vec![("MCP-Protocol-Version", version.to_owned()), ("Mcp-Session-Id", id.to_owned())];
    let id = Some(json!(5));
    // The words of a modern message under the headers of a session.
    table.add(40, session(LEGACY, "$SESSION"), message("tools/call", ECHO), 400, -32020, id.clone());
    table.add(40, vec![("Mcp-Session-Id", "$SESSION".to_owned())], message("tools/call", ECHO), 400, -32020, id.clone());
    table.add(40, Vec::new(), message("tools/call", ECHO), 400, -32020, id.clone());
    table.add(
        40,
        version(LEGACY),
        message("initialize", r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}"#),
        400,
        -32020,
        id.clone(),
    );
    // The headers of a modern message over the words of a session.
    table.add(44, session(MODERN, "$SESSION"), old, 400, -32600, None);
    table.add(44, session("2025-06-18", "$SESSION"), old, 400, -32600, None);
    table.add(44, session("1999-01-01", "$SESSION"), old, 400, -32600, None);
    table.add(44, session("", "$SESSION"), old, 400, -32600, None);
    // No session, or none of ours.
    table.add(45, Vec::new(), old, 400, -32600, None);
    table.add(45, version(LEGACY), old, 400, -32600, None);
    for id in ["$OTHERS", "$ELSEWHERE", "$ENDED", "x", "\u{e9}"] {
        table.add(45, session(LEGACY, id), old, 404, -32600, None);
    }
    // A question of the other era in a session, and without one.
    table.add(
        24,
        session(LEGACY, "$SESSION"),
        r#"{"jsonrpc":"2.0","id":5,"method":"server/discover","params":{}}"#,
        200,
        -32601,
        id.clone(),
    );
    table.add(
        24,
        session(LEGACY, "$SESSION"),
        r#"{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{"notifications":{}}}"#,
        200,
        -32601,
        id.clone(),
    );
    for member in [r#""requestState":"x""#, r#""inputResponses":{}"#] {
        let body = old.replace(r#""name""#, &format!(r#"{member},"name""#));
        table.add(8, session(LEGACY, "$SESSION"), body, 400, -32602, id.clone());
    }
    let body = old.replace(r#""name""#, r#""task":{"ttl":"x"},"name""#);
    table.add(29, session(LEGACY, "$SESSION"), body, 200, -32602, id);
}

/// The sessions that [`eras`] speaks of.
struct Sessions(BTreeMap<&'static str, String>);

impl Sessions {
    fn of(world: &World) -> Self {
        let key = |client: &Http| client.session.clone().unwrap();
        let own = world.agent();
        let mut other = world.client("agent:other", "/mcp");
        other.open();
        let mut elsewhere = world.client("agent:tester", "/mcp/canary");
        elsewhere.open();
        let mut ended = world.agent();
        let gone = key(&ended);
        ended.close();
        Self(BTreeMap::from([("$SESSION", key(&own)), ("$OTHERS", key(&other)), ("$ELSEWHERE", key(&elsewhere)), ("$ENDED", gone)]))
    }
}

fn world() -> World {
    let desk = "run: [{bin}/evil-server, --script, {box}/desk.json]\nsandbox: { read: [{bin}], write: [{box}] }";
    let role = |member: &str| format!("members: [\"agent:{member}\"]\nclearance: restricted\nallow: {{ canary: [\"*\"], desk: [\"*\"] }}");
    World::with().file("box/desk.json", DESK).server("desk", desk).role("tester", &role("tester")).role("other", &role("other")).start()
}

/// What was answered to an entry: status, code and id, whether the connection was said to end, and whether it went on.
fn told(world: &World, agent: &Http, sessions: &Sessions, entry: &Entry) -> (u16, i64, Option<Value>, bool, bool) {
    let mut usual: Head = vec![
        ("Host", world.data().to_string()),
        ("Content-Type", "application/json".into()),
        ("Accept", "application/json, text/event-stream".into()),
    ];
    usual.retain(|(name, _)| !entry.head.iter().any(|(other, _)| other == name));
    usual.push(("Authorization", format!("Bearer {}", agent.token.as_deref().unwrap())));
    let mut bytes = format!("{} /mcp HTTP/1.1\r\nContent-Length: {}\r\n", entry.verb, entry.body.len()).into_bytes();
    for (name, value) in usual.iter().chain(&entry.head).filter(|(_, value)| value != "\u{0}") {
        let value = sessions.0.get(value.as_str()).unwrap_or(value);
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend(value.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&entry.body);
    // Where the connection stays, this ends it.
    bytes.extend_from_slice(format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.data()).as_bytes());
    let answer = agent.raw(&bytes);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let message: Value = serde_json::from_str(rest.get(..length).unwrap_or_default()).unwrap_or_default();
    assert_eq!(status == 405, head.contains("\r\nallow: "), "{head}");
    (
        status,
        message["error"]["code"].as_i64().unwrap_or(0),
        message.get("id").cloned(),
        head.contains("connection: close"),
        rest.contains("{\"ok\":true}"),
    )
}

/// The rows after which the connection ends.
const ENDS: [u8; 14] = [4, 6, 7, 9, 11, 12, 13, 15, 32, 33, 50, 56, 57, 58];

#[test]
fn every_row_is_answered_as_the_table_says_and_no_server_hears_of_it() {
    let world = world();
    let mut agent = world.client("agent:tester", "/mcp");
    let sessions = Sessions::of(&world);
    let good = agent.ask_modern("tools/call", json!({"name": "canary__echo", "arguments": {"text": "before"}}));
    assert_eq!(good.answer().text(), "before");
    let before = world.journal();
    let rows = rows();
    let mut wrong = Vec::new();
    for entry in &rows {
        let shown: String = String::from_utf8_lossy(&entry.body).chars().take(200).collect();
        let (status, code, id, close, on) = told(&world, &agent, &sessions, entry);
        let ends = ENDS.contains(&entry.row);
        if (status, code, &id, close, on) != (entry.status, entry.code, &entry.id, ends, !ends) {
            wrong.push(format!(
                "row {}: {:?}\n  {shown}\n  wanted {} {} {:?} close={ends}, got {status} {code} {id:?} close={close} went on={on}",
                entry.row, entry.head, entry.status, entry.code, entry.id
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    let heard = world.journal();
    assert_eq!(heard, before, "a server heard of it");
    let good = agent.ask_modern("tools/call", json!({"name": "canary__echo", "arguments": {"text": "after"}}));
    assert_eq!(good.answer().text(), "after");
    assert_eq!(crate::messages::misrecorded(&world, rows.iter().map(|entry| entry.row)), Vec::<String>::new());
}

#[test]
fn what_is_unusual_and_right_is_taken() {
    let world = world();
    let mut agent = world.client("agent:tester", "/mcp");
    agent.ask_modern("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}}));
    let session = world.agent().session.unwrap();
    let call = message("tools/call", ECHO);
    let good = head("tools/call", "canary__echo");
    let vendor = call.replace(r#""_meta":{"#, r#""_meta":{"com.example/x":[1],"io.modelcontextprotocol/related-task":{"taskId":"1"},"io.modelcontextprotocol/subscriptionId":7,"baggage":"a=b","progressToken":"p","#);
    for (head, body) in [
        (with(&good, "Mcp-Name", &["=?base64?Y2FuYXJ5X19lY2hv?="]), call.clone()),
        (with(&good, "Mcp-Session-Id", &[&session]), call.clone()),
        (with(&good, "Mcp-Session-Id", &["nobody's"]), call.clone()),
        (with(&good, "Mcp-Param-Region", &["north"]), call.clone()),
        (with(&good, "Last-Event-ID", &["1"]), call.clone()),
        (good.clone(), call.replace("\"name\"", "\"n\\u0061me\"")),
        (good.clone(), call.replace(ECHO, &format!(r#"{ECHO},"task":{{"ttl":1}}"#))),
        (good.clone(), call.replace(ECHO, &format!(r#"{ECHO},"inputResponses":{{"nobody":{{"action":"decline"}}}}"#))),
        (good.clone(), vendor),
    ] {
        let before = world.reached().len();
        let headers: Vec<(&str, &str)> = head.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = agent.send("POST", "/mcp", &agent.headers(&headers), body.as_bytes());
        assert_eq!(response.answer().text(), "x", "{body}");
        assert!(response.header("mcp-session-id").is_none(), "{body}");
        let reached = world.reached();
        assert_eq!(reached.len(), before + 1);
        let sent = reached.last().unwrap();
        let keys: Vec<&String> = sent.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["_meta", "arguments", "name"], "{sent}");
        let meta = sent["_meta"].as_object().unwrap();
        assert!(meta.keys().all(|key| matches!(key.as_str(), "dev.bastide/request" | "progressToken")), "{sent}");
        assert!(meta.get("progressToken") != Some(&json!("p")), "{sent}");
    }
    let headers = [
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "desk__sell"),
        ("Mcp-Param-Region", "=?base64?bm9ydGg=?="),
        ("Mcp-Param-Count", "42.0"),
    ];
    let body = message("tools/call", r#""name":"desk__sell","arguments":{"region":"north","count":42}"#);
    let response = agent.send("POST", "/mcp", &agent.headers(&headers), body.as_bytes());
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
}

#[test]
fn a_number_that_the_schema_does_not_allow_goes_nowhere() {
    let world = world();
    let mut agent = world.agent();
    let mut modern = world.client("agent:tester", "/mcp");
    for number in ["9007199254740993", "-9007199254740993", "123456789012345678901234567890"] {
        let number: Value = serde_json::from_str(number).unwrap();
        let call = json!({"name": "canary__echo", "arguments": {"text": number}});
        let message = agent.request("tools/call", call.clone());
        for answer in [agent.post(&message, &[]).answer(), modern.ask_modern("tools/call", call).answer()] {
            assert_eq!(answer.refused(), "access.argument-schemas/mismatch", "{number}");
        }
    }
    assert!(world.reached().is_empty());
}
