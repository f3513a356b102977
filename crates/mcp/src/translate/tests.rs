use super::*;
use crate::{Bounds, Document};

const NOVEMBER: Revision = Revision::R2025_11_25;
const MODERN: Revision = Revision::R2026_07_28;

fn document(source: &str) -> Document {
    Document::parse(source.to_owned().into(), &Bounds::default()).unwrap()
}

fn changed(source: &str, change: impl Fn(Node<'_>, &mut Edits)) -> String {
    let document = document(source);
    let mut edits = Edits::new();
    change(document.root(), &mut edits);
    let mut out = Vec::new();
    document.print(&edits, &mut out);
    String::from_utf8(out).unwrap()
}

fn result(server: Revision, client: Revision, method: Method, source: &str) -> String {
    changed(source, |node, edits| Legs { client, server }.result(method, node, Output::Plain, edits))
}

#[test]
fn results_gain_and_lose_what_the_modern_revision_asks_for() {
    let list = r#"{"tools":[]}"#;
    let modern = r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
    assert_eq!(result(NOVEMBER, MODERN, Method::ListTools, list), modern);
    assert_eq!(result(MODERN, NOVEMBER, Method::ListTools, modern), list);
    assert_eq!(result(NOVEMBER, NOVEMBER, Method::ListTools, list), list);
    assert_eq!(
        result(MODERN, MODERN, Method::ReadResource, r#"{"contents":[],"resultType":"complete","ttlMs":5,"cacheScope":"public"}"#),
        r#"{"contents":[],"resultType":"complete","ttlMs":5,"cacheScope":"private"}"#
    );
    assert_eq!(result(MODERN, MODERN, Method::CallTool, r#"{"content":[]}"#), r#"{"content":[],"resultType":"complete"}"#);
    let info = r#"{"content":[],"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#;
    assert_eq!(result(MODERN, NOVEMBER, Method::CallTool, info), r#"{"content":[],"_meta":{"a":1}}"#);
    assert_eq!(
        changed(info, |node, edits| sign(node, "9", edits)),
        r#"{"content":[],"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"bastide","version":"9"}}}"#
    );
}

#[test]
fn structured_content_is_enclosed_where_objects_alone_are_known() {
    for (content, want) in [("[1]", r#"{"result":[1]}"#), ("null", r#"{"result":null}"#), (r#"{"a":1}"#, r#"{"a":1}"#)] {
        let source = format!(r#"{{"content":[],"structuredContent":{content},"resultType":"complete"}}"#);
        assert_eq!(result(MODERN, NOVEMBER, Method::CallTool, &source), format!(r#"{{"content":[],"structuredContent":{want}}}"#));
        assert_eq!(result(MODERN, MODERN, Method::CallTool, &source), source);
        assert_eq!(result(MODERN, Revision::R2025_03_26, Method::CallTool, &source), r#"{"content":[]}"#);
    }
    let legs = Legs { client: NOVEMBER, server: MODERN };
    let source = r#"{"content":[],"structuredContent":{"a":"b"}}"#;
    let enclosed = changed(source, |node, edits| {
        edits.set_text(node.get("structuredContent").unwrap().get("a").unwrap().index(), "c");
        legs.result(Method::CallTool, node, Output::Enclosed, edits);
    });
    assert_eq!(enclosed, r#"{"content":[],"structuredContent":{"result":{"a":"c"}}}"#);
}

#[test]
fn what_means_something_else_in_the_modern_revision_goes() {
    let source = r#"{"content":[{"type":"text","text":"a","_meta":{"traceparent":1,"a":1,"io.modelcontextprotocol/serverInfo":7}}],"_meta":{"baggage":[],"Traceparent":"x"}}"#;
    assert_eq!(
        result(NOVEMBER, MODERN, Method::CallTool, source),
        r#"{"content":[{"type":"text","text":"a","_meta":{"a":1}}],"_meta":{},"resultType":"complete"}"#
    );
    let good =
        r#"{"content":[],"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},"resultType":"complete"}"#;
    assert_eq!(result(NOVEMBER, MODERN, Method::CallTool, &good.replace(r#","resultType":"complete""#, "")), good);
}

#[test]
fn what_a_model_is_told_of_tools_fits_a_revision_that_knows_objects_alone() {
    let tool = r#"{"name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#;
    let said = |content: &str| format!(r#"{{"type":"tool_result","toolUseId":"1","content":[],"structuredContent":{content}}}"#);
    let params =
        |content: &str, tool: &str| format!(r#"{{"messages":[{{"role":"user","content":{content}}}],"maxTokens":1,"tools":[{tool}]}}"#);
    let legs = Legs { client: NOVEMBER, server: MODERN };
    let put = |source: &str| changed(source, |node, edits| legs.question(Method::CreateMessage, node, "q", edits).unwrap());
    let listed = r#"{"name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"result":{"type":"array"}},"required":["result"]}}"#;
    assert_eq!(put(&params(&said("[1]"), tool)), params(&said(r#"{"result":[1]}"#), listed));
    assert_eq!(put(&params(&format!("[{}]", said("null")), tool)), params(&format!("[{}]", said(r#"{"result":null}"#)), listed));
    let answer = |content: &str| format!(r#"{{"role":"user","content":{},"model":"m"}}"#, said(content));
    let given =
        |source: &str| changed(source, |node, edits| Legs { client: MODERN, server: NOVEMBER }.answer(Method::CreateMessage, node, edits));
    assert_eq!(given(&answer("7")), answer(r#"{"result":7}"#));
    assert_eq!(given(&answer("{}")), answer("{}"));
}

#[test]
fn definitions_are_listed_as_the_client_knows_them() {
    let listed = |server, client, source: &str| changed(source, |node, edits| Legs { client, server }.definition(Sort::Tool, node, edits));
    let tool = r#"{"name":"t","title":"T","inputSchema":{"type":"object","properties":{"x-mcp-header":{"type":"string","x-mcp-header":"A"}}},"outputSchema":{"$schema":"d","$defs":{"a":{"$ref":"\#"}},"type":"array","items":{"$ref":"\#/$defs/a"}}}"#
        .replace("\\#", "#");
    assert_eq!(listed(MODERN, MODERN, &tool), tool);
    let schema = r##"{"$schema":"d","type":"object","properties":{"result":{"$defs":{"a":{"$ref":"#/properties/result"}},"type":"array","items":{"$ref":"#/properties/result/$defs/a"}}},"required":["result"]}"##;
    let input = r#""inputSchema":{"type":"object","properties":{"x-mcp-header":{"type":"string"}}}"#;
    assert_eq!(listed(MODERN, NOVEMBER, &tool), format!(r#"{{"name":"t","title":"T",{input},"outputSchema":{schema}}}"#));
    assert_eq!(listed(MODERN, Revision::R2025_03_26, &tool), format!(r#"{{"name":"t",{input}}}"#));
    let old = r#"{"name":"t","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}"#;
    assert_eq!(listed(NOVEMBER, MODERN, old), r#"{"name":"t","inputSchema":{"type":"object"}}"#);
    assert_eq!(listed(NOVEMBER, NOVEMBER, old), old);
    assert_eq!(Output::of(Some(&serde_json::json!({"type": "array"}))), Output::Enclosed);
    assert_eq!((Output::of(Some(&serde_json::json!({"type": "object"}))), Output::of(None)), (Output::Plain, Output::Plain));
}

#[test]
fn a_link_becomes_its_address_where_links_are_unknown() {
    let source =
        r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n","_meta":{},"annotations":{"priority":1,"lastModified":"x"}}]}"#;
    assert_eq!(
        result(NOVEMBER, Revision::R2025_03_26, Method::CallTool, source),
        r#"{"content":[{"type":"text","text":"a:b","annotations":{"priority":1}}]}"#
    );
}

#[test]
fn questions_cross_or_are_known_not_to() {
    let put = |server, client, source: &str| {
        let document = document(source);
        let mut edits = Edits::new();
        Legs { client, server }.question(Method::Elicit, document.root(), "q-1", &mut edits).map(|()| {
            let mut out = Vec::new();
            document.print(&edits, &mut out);
            String::from_utf8(out).unwrap()
        })
    };
    let page = r#"{"mode":"url","message":"m","url":"https://a/"}"#;
    let named = r#"{"mode":"url","message":"m","url":"https://a/","elicitationId":"q-1"}"#;
    assert_eq!(put(MODERN, NOVEMBER, page).as_deref(), Ok(named));
    assert_eq!(put(NOVEMBER, MODERN, named).as_deref(), Ok(page));
    assert_eq!(put(MODERN, Revision::R2025_06_18, page), Err(Unbridged));
    let form = |property: &str| {
        format!(r#"{{"mode":"form","message":"m","requestedSchema":{{"type":"object","properties":{{"a":{property}}}}}}}"#)
    };
    assert_eq!(
        put(MODERN, Revision::R2025_06_18, &form(r#"{"type":"string","default":"x"}"#)).as_deref(),
        Ok(r#"{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"string"}}}}"#)
    );
    assert_eq!(put(MODERN, Revision::R2025_06_18, &form(r#"{"type":"array","items":{"enum":["x"]}}"#)), Err(Unbridged));
    assert_eq!(put(MODERN, Revision::R2025_06_18, &form(r#"{"type":"string","oneOf":[]}"#)), Err(Unbridged));
    assert_eq!(put(MODERN, Revision::R2025_03_26, &form(r#"{"type":"string"}"#)), Err(Unbridged));
}

#[test]
fn codes_are_told_as_the_client_knows_them() {
    let uri = document(r#"{"uri":"a:b"}"#);
    for (server, client, code, want) in [
        (NOVEMBER, MODERN, -32002, -32602),
        (MODERN, NOVEMBER, -32602, -32002),
        (MODERN, MODERN, -32602, -32602),
        (NOVEMBER, NOVEMBER, -32002, -32002),
        (NOVEMBER, NOVEMBER, -32602, -32602),
        (NOVEMBER, NOVEMBER, -32042, -32042),
        (NOVEMBER, MODERN, -32042, -32603),
        (MODERN, NOVEMBER, -32020, -32603),
        (MODERN, MODERN, -32021, -32603),
        (MODERN, MODERN, -32022, -32603),
        (MODERN, MODERN, -32099, -32603),
        (NOVEMBER, NOVEMBER, -32000, -32000),
        (NOVEMBER, MODERN, -31403, -32603),
    ] {
        assert_eq!(Legs { client, server }.code(Method::ReadResource, code, Some(uri.root())), want, "{server} {client} {code}");
    }
    assert_eq!(Legs { client: NOVEMBER, server: MODERN }.code(Method::CallTool, -32602, Some(uri.root())), -32602);
    assert_eq!(not_found("a:b"), br#"{"uri":"a:b"}"#);
}
