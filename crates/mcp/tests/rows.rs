//! The table of strict parsing: each row with the inputs that it refuses, and how the peer is told.

use bytes::Bytes;
use mcp::{About, Bounds, Claim, Envelope, Fate, Fault, Id, Message, Peer, Revision, check_result, parse_message};
use mcp::{Document, Method};

const CALL: &str = "tools/call";

fn parse(source: impl AsRef<[u8]>, peer: Peer) -> Result<Message, Fault> {
    parse_message(Bytes::copy_from_slice(source.as_ref()), peer, Revision::R2025_11_25, &Bounds::default())
}

fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{CALL}","params":{params}}}"#)
}

/// Row, input, status, code, whether the id 1 comes back, what becomes of the connection.
type Row = (u8, Vec<u8>, u16, i64, bool, Fate);

fn row(row: u8, input: impl Into<Vec<u8>>, http: u16, code: i64, id: bool, fate: Fate) -> Row {
    (row, input.into(), http, code, id, fate)
}

#[test]
fn each_row_refuses_a_client_as_the_table_says() {
    use Fate::{Close, Keep};
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let wide = format!("[{}]", "0,".repeat(100_001).trim_end_matches(','));
    let many = (0..10_001).map(|number| format!("\"k{number}\":0")).collect::<Vec<_>>().join(",");
    let table = vec![
        row(1, "{", 400, -32700, false, Keep),
        row(1, ping("1") + "x", 400, -32700, false, Keep),
        row(2, "", 400, -32700, false, Keep),
        row(2, " \n", 400, -32700, false, Keep),
        row(3, [b"\xEF\xBB\xBF".to_vec(), ping("1").into_bytes()].concat(), 400, -32700, false, Keep),
        row(4, b"{\"\xFF\":1}".to_vec(), 400, -32700, false, Close),
        row(4, ping("1").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), 400, -32700, false, Close),
        row(5, call(r#"{"name":"\ud800"}"#), 400, -32700, false, Keep),
        row(6, call(r#"{"name":"a","na\u006de":"b"}"#), 400, -32600, true, Close),
        row(6, call(r#"{"name":"a","arguments":{"x":{"y":1,"y":1}}}"#), 400, -32600, true, Close),
        row(6, r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, 400, -32600, false, Close),
        row(7, call(r#"{"name":"a","Name":"b"}"#), 400, -32600, true, Close),
        row(7, call(r#"{"name":"a","ｎame":"b"}"#), 400, -32600, true, Close),
        row(7, r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#, 400, -32600, true, Close),
        row(7, call(r#"{"name":"a","_meta":{"a.b/c":1,"A.b/c":2}}"#), 400, -32600, true, Close),
        row(7, call(r#"{"name":"a","_meta":{"progresstoken":1}}"#), 400, -32600, true, Close),
        row(8, r#"{"jsonrpc":"2.0","id":1,"method":"ping","x":1}"#, 400, -32600, true, Keep),
        row(8, call(r#"{"name":"a","x":1}"#), 400, -32602, true, Keep),
        row(8, call(r#"{"name":"a","task":{"x":1}}"#), 400, -32602, true, Keep),
        row(9, call(r#"{"name":"a\u0000"}"#), 400, -32602, true, Close),
        row(9, call(r#"{"name":"a","arguments":{"\u0001":1}}"#), 400, -32602, true, Close),
        row(9, r#"{"jsonrpc":"2.0","id":1,"method":"pi\u0000ng"}"#, 400, -32600, true, Close),
        row(9, r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u0007":1}"#, 400, -32600, true, Close),
        row(10, call(r#"{"name":"a","__proto__":1}"#), 400, -32602, true, Keep),
        row(10, call(r#"{"name":"a","_meta":{"a":{"constructor":1}}}"#), 400, -32602, true, Keep),
        row(11, call(&format!(r#"{{"name":"a","arguments":{{"x":{}}}}}"#, "[".repeat(62) + &"]".repeat(62))), 400, -32600, false, Close),
        row(12, vec![b' '; (4 << 20) + 1], 413, -32600, false, Close),
        row(13, call(&format!(r#"{{"name":"a","arguments":{{"x":{wide}}}}}"#)), 413, -32600, false, Close),
        row(13, call(&format!(r#"{{"name":"a","arguments":{{{many}}}}}"#)), 413, -32600, false, Close),
        row(14, call(&format!(r#"{{"name":"{}"}}"#, "a".repeat(129))), 400, -32602, true, Keep),
        row(14, call(&format!(r#"{{"name":"a","arguments":{{"x":"{}"}}}}"#, "a".repeat((1 << 20) + 1))), 400, -32602, true, Keep),
        row(14, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "a".repeat(129)), 400, -32600, true, Keep),
        row(14, ping(&format!("\"{}\"", "a".repeat(257))), 400, -32600, false, Keep),
        row(15, format!("[{}]", ping("1")), 400, -32600, false, Close),
        row(16, "7", 400, -32600, false, Keep),
        row(16, "null", 400, -32600, false, Keep),
        row(17, r#"{"id":1,"method":"ping"}"#, 400, -32600, true, Keep),
        row(17, r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, 400, -32600, true, Keep),
        row(17, r#"{"jsonrpc":"2.0 ","id":1,"method":"ping"}"#, 400, -32600, true, Keep),
        row(18, ping("null"), 400, -32600, false, Keep),
        row(19, ping("1.0"), 400, -32600, false, Keep),
        row(19, ping("1e0"), 400, -32600, false, Keep),
        row(19, ping("-0"), 400, -32600, false, Keep),
        row(20, ping("true"), 400, -32600, false, Keep),
        row(20, ping("{}"), 400, -32600, false, Keep),
        row(20, ping("\"\""), 400, -32600, false, Keep),
        row(21, ping("9007199254740992"), 400, -32600, false, Keep),
        row(21, ping("-1180591620717411303424"), 400, -32600, false, Keep),
        row(23, r#"{"jsonrpc":"2.0","id":1,"params":{}}"#, 400, -32600, true, Keep),
        row(23, r#"{"jsonrpc":"2.0","id":1,"method":7}"#, 400, -32600, true, Keep),
        row(23, r#"{"jsonrpc":"2.0","id":1,"method":""}"#, 400, -32600, true, Keep),
        row(23, r#"{"jsonrpc":"2.0","id":1,"method":"pi ng"}"#, 400, -32600, true, Keep),
        row(24, r#"{"jsonrpc":"2.0","id":1,"method":"tools/Call"}"#, 200, -32601, true, Keep),
        row(24, r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}"#, 200, -32601, true, Keep),
        row(24, r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, 200, -32601, true, Keep),
        row(25, r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#, 400, -32600, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, 202, 0, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"no/such"}"#, 202, 0, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, 202, 0, false, Keep),
        row(27, r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#, 400, -32600, true, Keep),
        row(28, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, 200, -32602, true, Keep),
        row(28, call("[]"), 200, -32602, true, Keep),
        row(28, call("null"), 200, -32602, true, Keep),
        row(29, call(r#"{"arguments":{}}"#), 200, -32602, true, Keep),
        row(29, call(r#"{"name":7}"#), 200, -32602, true, Keep),
        row(29, call(r#"{"name":"a","arguments":[]}"#), 200, -32602, true, Keep),
        row(29, r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"a","arguments":{"x":1}}}"#, 200, -32602, true, Keep),
        row(29, r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":7}}"#, 200, -32602, true, Keep),
        row(29, r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}}"#, 200, -32602, true, Keep),
        row(30, call(r#"{"name":"a","arguments":{"x":1e400}}"#), 400, -32700, false, Keep),
        row(30, call(r#"{"name":"a","arguments":{"x":01}}"#), 400, -32700, false, Keep),
        row(32, r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, 400, -32600, true, Close),
        row(32, r#"{"jsonrpc":"2.0","id":1}"#, 400, -32600, true, Close),
        row(32, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#, 400, -32600, true, Close),
        row(32, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, 400, -32600, true, Close),
        row(33, r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, 400, -32600, true, Close),
        row(37, call(r#"{"name":"a","_meta":[]}"#), 400, -32602, true, Keep),
        row(37, call(r#"{"name":"a","_meta":{"a//b":1}}"#), 400, -32602, true, Keep),
        row(64, call(r#"{"name":"a","_meta":{"progressToken":1.5}}"#), 400, -32602, true, Keep),
    ];
    for (row, input, http, code, id, fate) in table {
        let shown = String::from_utf8_lossy(input.get(..input.len().min(120)).unwrap()).into_owned();
        let fault = parse(&input, Peer::Client).expect_err(&shown);
        let want = (row, http, code, id.then_some(Id::Number(1)), fate);
        assert_eq!((fault.row, fault.http, fault.code, fault.id.clone(), fault.fate), want, "row {row}: {shown}");
        let body = fault.body();
        assert_eq!(body.is_empty(), http == 202, "row {row}");
        assert!(body.is_empty() || Document::parse(body.into(), &Bounds::default()).is_ok(), "row {row}");
    }
}

const MODERN: Revision = Revision::R2026_07_28;

fn parse_modern(source: impl AsRef<[u8]>, peer: Peer) -> Result<Message, Fault> {
    parse_message(Bytes::copy_from_slice(source.as_ref()), peer, MODERN, &Bounds::default())
}

/// A modern request: the members of the params behind `_meta`, and what `_meta` holds besides what it must.
fn modern(method: &str, params: &str, meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}{meta}}}}}}}"#
    )
}

#[test]
fn each_row_refuses_a_modern_client_as_the_table_says() {
    use Fate::{Close, Keep};
    let bare = |meta: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta}}}}}"#);
    let table = vec![
        row(7, modern("tools/list", "", r#","io.modelcontextprotocol/clientinfo":{}"#), 400, -32600, true, Close),
        row(8, modern("tools/call", r#""name":"a","more":{},"#, ""), 400, -32602, true, Keep),
        row(8, modern("tools/call", r#""name":"a","inputRequests":{},"#, ""), 400, -32602, true, Keep),
        row(8, modern("tools/list", r#""requestState":"s","#, ""), 400, -32602, true, Keep),
        row(
            8,
            modern("tools/list", "", r#","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","x":1}"#),
            400,
            -32602,
            true,
            Keep,
        ),
        row(14, modern("tools/call", &format!(r#""name":"a","requestState":"{}","#, "s".repeat(65_537)), ""), 400, -32602, true, Keep),
        row(24, modern("ping", "", ""), 404, -32601, true, Keep),
        row(24, modern("initialize", "", ""), 404, -32601, true, Keep),
        row(24, modern("logging/setLevel", r#""level":"info","#, ""), 404, -32601, true, Keep),
        row(24, modern("resources/subscribe", r#""uri":"a:b","#, ""), 404, -32601, true, Keep),
        row(24, modern("tasks/get", r#""taskId":"a","#, ""), 404, -32601, true, Keep),
        row(24, modern("tasks/update", r#""taskId":"a","inputResponses":{},"#, ""), 404, -32601, true, Keep),
        row(24, modern("roots/list", "", ""), 404, -32601, true, Keep),
        row(24, modern("no/such", "", ""), 404, -32601, true, Keep),
        row(25, r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#, 400, -32600, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, 202, 0, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#, 202, 0, false, Keep),
        row(26, r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#, 202, 0, false, Keep),
        row(27, modern("notifications/cancelled", r#""requestId":1,"#, ""), 400, -32600, true, Keep),
        row(28, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#, 400, -32602, true, Keep),
        row(28, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}"#, 400, -32602, true, Keep),
        row(29, modern("tools/call", "", ""), 400, -32602, true, Keep),
        row(29, modern("tools/call", r#""name":"a","arguments":[],"#, ""), 400, -32602, true, Keep),
        row(29, modern("tools/call", r#""name":"a","inputResponses":{"k":1},"#, ""), 400, -32602, true, Keep),
        row(29, modern("tools/call", r#""name":"a","inputResponses":{"k":{"action":"accept","roots":[]}},"#, ""), 400, -32602, true, Keep),
        row(29, modern("tools/call", r#""name":"a","requestState":1,"#, ""), 400, -32602, true, Keep),
        row(29, modern("subscriptions/listen", "", ""), 400, -32602, true, Keep),
        row(29, modern("subscriptions/listen", r#""notifications":{"resourceSubscriptions":[1]},"#, ""), 400, -32602, true, Keep),
        row(29, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}"#, 400, -32602, false, Keep),
        row(34, r#"{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}"#, 400, -32600, true, Keep),
        row(34, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#, 400, -32600, true, Keep),
        row(37, bare("[]"), 400, -32602, true, Keep),
        row(37, modern("tools/list", "", r#","a//b":1"#), 400, -32602, true, Keep),
        row(37, modern("tools/list", "", r#","io.modelcontextprotocol/logLevel":"loud""#), 400, -32602, true, Keep),
        row(37, modern("tools/list", "", r#","io.modelcontextprotocol/clientInfo":{"name":"c"}"#), 400, -32602, true, Keep),
        row(37, modern("tools/list", "", r#","traceparent":1"#), 400, -32602, true, Keep),
        row(38, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 400, -32602, true, Keep),
        row(38, r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{}}"#, 400, -32602, true, Keep),
        row(38, bare("{}"), 400, -32602, true, Keep),
        row(38, bare(r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#), 400, -32602, true, Keep),
        row(38, bare(r#"{"io.modelcontextprotocol/clientCapabilities":{}}"#), 400, -32602, true, Keep),
        row(
            38,
            bare(r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"#),
            400,
            -32602,
            true,
            Keep,
        ),
        row(
            38,
            bare(r#"{"io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":{}}"#),
            400,
            -32602,
            true,
            Keep,
        ),
        row(39, bare(r#"{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#), 400, -32022, true, Keep),
        row(64, modern("tools/list", "", r#","progressToken":{}"#), 400, -32602, true, Keep),
    ];
    for (row, input, http, code, id, fate) in table {
        let shown = String::from_utf8_lossy(input.get(..input.len().min(240)).unwrap()).into_owned();
        let fault = parse_modern(&input, Peer::Client).expect_err(&shown);
        let want = (row, http, code, id.then_some(Id::Number(1)), fate);
        assert_eq!((fault.row, fault.http, fault.code, fault.id.clone(), fault.fate), want, "row {row}: {shown}");
        assert_eq!(fault.body().is_empty(), http == 202, "row {row}");
    }
}

#[test]
fn a_modern_message_that_is_whole_passes() {
    let meta = r#","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"debug","progressToken":"t","traceparent":"00-a-b-01","io.modelcontextprotocol/other":{},"com.example/x":1"#;
    for good in [
        modern("server/discover", "", meta),
        modern("tools/list", r#""cursor":"","#, ""),
        modern(
            "tools/call",
            r#""name":"a","arguments":{},"requestState":"s","inputResponses":{"a":{"action":"accept","content":{"x":1}},"b":{"roots":[]},"c":{"role":"assistant","content":{"type":"text","text":""},"model":"m"}},"#,
            meta,
        ),
        modern("subscriptions/listen", r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]},"#, ""),
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#.to_owned(),
    ] {
        assert!(parse_modern(&good, Peer::Client).is_ok(), "{good}: {:?}", parse_modern(&good, Peer::Client));
    }
    for good in [
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","anything":1}}"#,
    ] {
        assert!(parse_modern(good, Peer::Server).is_ok(), "{good}: {:?}", parse_modern(good, Peer::Server));
    }
}

#[test]
fn what_a_modern_server_may_not_send_is_dropped() {
    for (row, source) in [
        (67, r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#),
        (67, r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#),
        (67, r#"{"jsonrpc":"2.0","id":1,"method":"notifications/progress","params":{}}"#),
        (26, r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"1"}}"#),
        (26, r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{}}"#),
    ] {
        let fault = parse_modern(source, Peer::Server).unwrap_err();
        assert_eq!((fault.row, fault.is_silent(), fault.http), (row, true, 202), "{source}");
    }
}

#[test]
fn a_message_says_which_revision_it_is_of() {
    let claimed = |source: &str| {
        let envelope = Envelope::read(Bytes::copy_from_slice(source.as_bytes()), Peer::Client, &Bounds::default()).unwrap();
        let judged = envelope.claim().judge(&[MODERN, Revision::R2025_11_25], envelope.id());
        let kind = match envelope.claim() {
            Claim::None => "none".to_owned(),
            Claim::Revision(revision) => revision.to_string(),
            Claim::Unknown(text) => format!("unknown {text}"),
        };
        (kind, judged.map_err(|fault| String::from_utf8(fault.body()).unwrap()), envelope.is_initialize(), envelope.about())
    };
    let version = |version: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":{version}}}}}}}"#
        )
    };
    let refused = |requested: &str| {
        Err(format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32022,"message":"This revision of the protocol is not in use here.","data":{{"supported":["2026-07-28"],"requested":"{requested}"}}}}}}"#
        ))
    };
    let request = About::Request;
    assert_eq!(claimed(&version(r#""2026-07-28""#)), ("2026-07-28".to_owned(), Ok(Some(MODERN)), false, request));
    assert_eq!(claimed(&version(r#""2025-11-25""#)), ("2025-11-25".to_owned(), refused("2025-11-25"), false, request));
    assert_eq!(claimed(&version(r#""9""#)), ("unknown 9".to_owned(), refused("9"), false, request));
    assert_eq!(claimed(&version("9")), ("unknown ".to_owned(), refused(""), false, request));
    assert_eq!(claimed(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#), ("none".to_owned(), Ok(None), true, request));
    assert_eq!(claimed(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), ("none".to_owned(), Ok(None), false, About::Response));
    assert_eq!(claimed(r#"{"jsonrpc":"2.0","method":"x","params":[]}"#), ("none".to_owned(), Ok(None), false, About::Notification));
}

#[test]
fn what_the_table_lets_pass_passes() {
    for good in [
        r#"{"params":{"arguments":{"A":1,"a":2,"__proto__":{},"x":"\u0000","n":1180591620717411303424},"name":"a"},"m\u0065thod":"tools/call","id":"x","jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","task":{"ttl":60000},"_meta":{"progressToken":"t","a.b/c":1,"io.modelcontextprotocol/x":{}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1999","capabilities":{"roots":{"listChanged":true},"x":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"a://{b}"},"argument":{"name":"b","value":""},"context":{"arguments":{"c":"d"}}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1","reason":"r"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no","data":[1]}}"#,
    ] {
        assert!(parse(good, Peer::Client).is_ok(), "{good}: {:?}", parse(good, Peer::Client));
    }
    for good in [
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"number","minimum":0.5},"b":{"type":"array","items":{"type":"string","enum":["x"]}},"c":{"type":"string","oneOf":[{"const":"a","title":"A"}]}},"required":["a"]}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a/","elicitationId":"1"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"x"}},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"t","input":{"__proto__":1}}]}],"maxTokens":5,"metadata":{"x":{}}}}"#,
        r#"{"jsonrpc":"2.0","id":0,"method":"roots/list"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"A":1,"a":[2]}}}"#,
    ] {
        assert!(parse(good, Peer::Server).is_ok(), "{good}: {:?}", parse(good, Peer::Server));
    }
}

#[test]
fn questions_that_do_not_fit_are_refused() {
    for (want, params) in [
        (29, r#"{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"object"}}}}"#),
        (29, r#"{"mode":"url","message":"m","url":"https://a/"}"#),
        (29, r#"{"mode":"page","message":"m"}"#),
        (8, r#"{"message":"m","url":"https://a/","requestedSchema":{"type":"object","properties":{}}}"#),
        (8, r#"{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"boolean","x":1}}}}"#),
    ] {
        let source = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{params}}}"#);
        assert_eq!(parse(&source, Peer::Server).unwrap_err().row, want, "{source}");
    }
}

#[test]
fn a_fault_in_a_servers_response_is_told_to_the_one_who_asked() {
    for source in [
        r#"{"jsonrpc":"2.0","id":1,"result":{},"x":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
    ] {
        let fault = parse(source, Peer::Server).unwrap_err();
        assert_eq!((fault.http, fault.code, fault.id, fault.about), (200, -31503, Some(Id::Number(1)), mcp::About::Response), "{source}");
    }
}

#[test]
fn results_have_the_shape_of_their_method() {
    let check = |method, source: &str| {
        let document = Document::parse(Bytes::copy_from_slice(source.as_bytes()), &Bounds::default()).unwrap();
        check_result(method, document.root(), Revision::R2025_11_25).map_err(|fault| (fault.row, fault.http, fault.code))
    };
    let values = |count: usize| format!(r#"{{"completion":{{"values":[{}]}}}}"#, vec!["\"a\""; count].join(","));
    for (method, good) in [
        (Method::Ping, "{}"),
        (
            Method::CallTool,
            r#"{"content":[{"type":"text","text":"a","annotations":{"audience":["user"],"priority":0.5}}],"structuredContent":{"Constructor":1,"constructor":2},"isError":false,"_meta":{"a/b":1}}"#,
        ),
        (
            Method::CallTool,
            r#"{"content":[{"type":"image","data":"AAAA","mimeType":"image/png"},{"type":"resource_link","uri":"a:b","name":"n"},{"type":"resource","resource":{"uri":"a:b","blob":"AA=="}}]}"#,
        ),
        (Method::ReadResource, r#"{"contents":[{"uri":"a:b","text":""}]}"#),
        (Method::ReadResource, r#"{"contents":[]}"#),
        (Method::Complete, &values(100)),
        (Method::CreateMessage, r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m","stopReason":"endTurn"}"#),
        (Method::Elicit, r#"{"action":"accept","content":{"a":1,"b":true,"c":["x"],"d":"y"}}"#),
        (Method::ListRoots, r#"{"roots":[{"uri":"file:///a"}]}"#),
        (
            Method::ListTools,
            r#"{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{"A":{},"a":{},"constructor":{}}}}],"nextCursor":""}"#,
        ),
        (Method::GetPrompt, r#"{"messages":[{"role":"user","content":{"type":"text","text":"x"}}]}"#),
        (
            Method::Initialize,
            r#"{"protocolVersion":"2025-11-25","capabilities":{"x":{}},"serverInfo":{"name":"s","version":"1","icons":[{"src":"data:image/png;base64,AA=="}]}}"#,
        ),
    ] {
        assert_eq!(check(method, good), Ok(()), "{good}");
    }
    for (row, method, bad) in [
        (8, Method::Ping, r#"{"x":1}"#),
        (68, Method::CallTool, "{}"),
        (68, Method::CallTool, r#"{"content":[{"type":"video"}]}"#),
        (68, Method::CallTool, r#"{"content":[{"type":"image","data":"A","mimeType":"image/png"}]}"#),
        (68, Method::CallTool, r#"{"content":[],"structuredContent":[]}"#),
        (7, Method::CallTool, r#"{"content":[],"IsError":true}"#),
        (8, Method::CallTool, r#"{"content":[],"resultType":"complete"}"#),
        (37, Method::CallTool, r#"{"content":[],"_meta":{"":1}}"#),
        (68, Method::ReadResource, r#"{"contents":[{"uri":"a:b","text":"","blob":""}]}"#),
        (68, Method::ReadResource, r#"{"contents":[{"text":""}]}"#),
        (9, Method::ReadResource, r#"{"contents":[{"uri":"a:\n","text":""}]}"#),
        (68, Method::Complete, &values(101)),
        (68, Method::Elicit, r#"{"action":"maybe"}"#),
        (68, Method::Elicit, r#"{"action":"accept","content":{"a":{}}}"#),
        (68, Method::ListTools, r#"{"tools":[{"name":"t","inputSchema":{"type":"string"}}]}"#),
        (
            68,
            Method::Initialize,
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1","icons":[{"src":"http://a/"}]}}"#,
        ),
        (8, Method::Initialize, r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"},"x":1}"#),
    ] {
        assert_eq!(check(method, bad), Err((row, 200, -31503)), "{bad}");
    }
}

#[test]
fn modern_results_say_what_they_are_and_how_long_they_may_be_kept() {
    let row = |method, source: &str| {
        let document = Document::parse(Bytes::copy_from_slice(source.as_bytes()), &Bounds::default()).unwrap();
        check_result(method, document.root(), MODERN).map_err(|fault| fault.row)
    };
    let kept = r#""ttlMs":0,"cacheScope":"public""#;
    for (method, good) in [
        (Method::CallTool, r#"{"content":[],"resultType":"complete","structuredContent":null}"#.to_owned()),
        (Method::CallTool, r#"{"content":[]}"#.to_owned()),
        (
            Method::ListTools,
            format!(
                r#"{{"tools":[{{"name":"t","inputSchema":{{"type":"object","anyOf":[{{}}]}},"outputSchema":{{"type":"string"}}}}],"resultType":"complete",{kept}}}"#
            ),
        ),
        (Method::CallTool, r#"{"resultType":"input_required","requestState":""}"#.to_owned()),
        (Method::GetPrompt, r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}"#.to_owned()),
    ] {
        assert_eq!(row(method, &good), Ok(()), "{good}");
    }
    let questions = (0..65).map(|key| format!(r#""{key}":{{"method":"roots/list"}}"#)).collect::<Vec<_>>().join(",");
    for (want, method, bad) in [
        (68, Method::CallTool, r#"{"content":[],"resultType":"task"}"#.to_owned()),
        (68, Method::CallTool, r#"{"content":[],"resultType":7}"#.to_owned()),
        (68, Method::CallTool, r#"{"resultType":"input_required"}"#.to_owned()),
        (8, Method::CallTool, r#"{"resultType":"input_required","requestState":"s","content":[]}"#.to_owned()),
        (68, Method::CallTool, r#"{"resultType":"input_required","inputRequests":{"a":{"method":"tools/list"}}}"#.to_owned()),
        (68, Method::CallTool, r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create"}}}"#.to_owned()),
        (8, Method::CallTool, r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a/","elicitationId":"e"}}}}"#.to_owned()),
        (68, Method::CallTool, format!(r#"{{"resultType":"input_required","inputRequests":{{{questions}}}}}"#)),
        (68, Method::Complete, r#"{"resultType":"input_required","requestState":"s"}"#.to_owned()),
        (68, Method::ListTools, r#"{"tools":[],"resultType":"complete","ttlMs":0}"#.to_owned()),
        (68, Method::ListTools, r#"{"tools":[],"resultType":"complete","cacheScope":"private"}"#.to_owned()),
        (68, Method::ReadResource, r#"{"contents":[],"ttlMs":-1,"cacheScope":"private"}"#.to_owned()),
        (68, Method::ReadResource, r#"{"contents":[],"ttlMs":1,"cacheScope":"all"}"#.to_owned()),
        (8, Method::ListTools, format!(r#"{{"tools":[{{"name":"t","inputSchema":{{"type":"object"}},"execution":{{}}}}],{kept}}}"#)),
        (37, Method::CallTool, r#"{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#.to_owned()),
        (68, Method::Listen, r#"{"resultType":"complete","_meta":{}}"#.to_owned()),
    ] {
        assert_eq!(row(method, &bad), Err(want), "{bad}");
    }
}

#[test]
fn older_revisions_have_fewer_members() {
    let row = |revision, method, source: &str| {
        let document = Document::parse(Bytes::copy_from_slice(source.as_bytes()), &Bounds::default()).unwrap();
        check_result(method, document.root(), revision).map_err(|fault| fault.row)
    };
    let (march, june) = (Revision::R2025_03_26, Revision::R2025_06_18);
    let link = r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n"}]}"#;
    let titled = r#"{"tools":[{"name":"t","title":"T","inputSchema":{"type":"object"}}]}"#;
    let iconic = r#"{"tools":[{"name":"t","icons":[],"inputSchema":{"type":"object"}}]}"#;
    assert_eq!([row(march, Method::CallTool, link), row(june, Method::CallTool, link)], [Err(68), Ok(())]);
    assert_eq!([row(march, Method::ListTools, titled), row(june, Method::ListTools, titled)], [Err(8), Ok(())]);
    assert_eq!([row(june, Method::ListTools, iconic), row(Revision::R2025_11_25, Method::ListTools, iconic)], [Err(8), Ok(())]);
}
