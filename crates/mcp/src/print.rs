//! Printing messages: ours to clients and servers, from parts that were parsed or made here.

mod modern;

pub use modern::{
    Meta, print_acknowledged, print_answers, print_filter, print_implementation, print_input_required, print_listened, print_meta,
    print_own_meta, write_meta,
};

use crate::document::Node;
use crate::id::Id;
use crate::json::{self, Object};

/// Appends the canonical text of a call: `{"arguments":…,"server":…,"tool":…}`, which is decided on, digested, approved and sent.
///
/// A call without arguments is the call with none: `{}`.
pub fn canonical_call(server: &str, tool: &str, arguments: Option<Node<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"arguments\":");
    match arguments {
        Some(arguments) => arguments.canonical(out),
        None => out.extend_from_slice(b"{}"),
    }
    out.extend_from_slice(b",\"server\":");
    json::write_str(out, server);
    out.extend_from_slice(b",\"tool\":");
    json::write_str(out, tool);
    out.push(b'}');
}

fn envelope(out: &mut Vec<u8>, id: Option<&Id>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        id.write(out);
    }
}

fn method(out: &mut Vec<u8>, method: &str, params: Option<&[u8]>) {
    out.extend_from_slice(b",\"method\":");
    json::write_str(out, method);
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params);
    }
    out.push(b'}');
}

/// Appends a request; `params` is JSON already.
pub fn print_request(out: &mut Vec<u8>, id: &Id, name: &str, params: Option<&[u8]>) {
    envelope(out, Some(id));
    method(out, name, params);
}

/// Appends a notification; `params` is JSON already.
pub fn print_notification(out: &mut Vec<u8>, name: &str, params: Option<&[u8]>) {
    envelope(out, None);
    method(out, name, params);
}

/// Appends a response with a result; `result` is JSON already.
pub fn print_result(out: &mut Vec<u8>, id: &Id, result: &[u8]) {
    envelope(out, Some(id));
    out.extend_from_slice(b",\"result\":");
    out.extend_from_slice(result);
    out.push(b'}');
}

/// Appends a response with an error; `data` is JSON already. Without an id the member is left out.
pub fn print_error(out: &mut Vec<u8>, id: Option<&Id>, code: i64, message: &str, data: Option<&[u8]>) {
    envelope(out, id);
    let mut error = Object::open(key(out, b",\"error\":"));
    error.int("code", code).text("message", message);
    if let Some(data) = data {
        error.raw("data", data);
    }
    error.close();
    out.push(b'}');
}

fn key<'a>(out: &'a mut Vec<u8>, key: &[u8]) -> &'a mut Vec<u8> {
    out.extend_from_slice(key);
    out
}

/// The key in `_meta` under which the result of a refused tool call carries the refusal.
pub const REFUSAL_KEY: &str = "dev.bastide/refusal";

/// Appends the params of a `tools/call`, `arguments` in canonical text, `meta` JSON already.
pub fn print_call_params(out: &mut Vec<u8>, tool: &str, arguments: Option<Node<'_>>, meta: Option<&[u8]>) {
    let mut params = Object::open(out);
    params.text("name", tool);
    match arguments {
        Some(arguments) => arguments.canonical(params.key("arguments")),
        None => params.key("arguments").extend_from_slice(b"{}"),
    }
    if let Some(meta) = meta {
        params.raw("_meta", meta);
    }
    params.close();
}

/// Appends the result of a tool call that was refused, as a client of `revision` reads it: the sentences as text, `isError`, and the refusal object
/// (JSON already) in `_meta`.
pub fn print_refusal(out: &mut Vec<u8>, text: &str, refusal: &[u8], revision: crate::Revision) {
    let mut result = Object::open(out);
    let content = result.key("content");
    content.push(b'[');
    let mut block = Object::open(content);
    block.text("type", "text").text("text", text);
    block.close();
    content.push(b']');
    result.raw("isError", b"true");
    let mut meta = Object::open(result.key("_meta"));
    meta.raw(REFUSAL_KEY, refusal);
    meta.close();
    if !revision.is_legacy() {
        result.text("resultType", "complete");
    }
    result.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Document};
    use bytes::Bytes;

    fn text(print: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_are_printed_compactly() {
        assert_eq!(text(|out| print_request(out, &Id::Number(1), "ping", None)), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        assert_eq!(text(|out| print_notification(out, "a", Some(b"{}"))), r#"{"jsonrpc":"2.0","method":"a","params":{}}"#);
        assert_eq!(text(|out| print_result(out, &Id::Text("x".into()), b"{}")), r#"{"jsonrpc":"2.0","id":"x","result":{}}"#);
        assert_eq!(
            text(|out| print_error(out, Some(&Id::Number(1)), -1, "no", Some(b"{\"a\":1}"))),
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no","data":{"a":1}}}"#
        );
        assert_eq!(
            text(|out| print_refusal(out, "No.", b"{\"code\":\"x\"}", crate::Revision::R2025_11_25)),
            r#"{"content":[{"type":"text","text":"No."}],"isError":true,"_meta":{"dev.bastide/refusal":{"code":"x"}}}"#
        );
    }

    #[test]
    fn the_canonical_call_does_not_depend_on_spelling() {
        let source = Bytes::from_static(b"{ \"z\" : 1.0, \"a\\u0062\" : \"\\u0041\" }");
        let document = Document::parse(source, &Bounds::default()).unwrap();
        assert_eq!(
            text(|out| canonical_call("files", "read", Some(document.root()), out)),
            r#"{"arguments":{"ab":"A","z":1.0},"server":"files","tool":"read"}"#
        );
        assert_eq!(text(|out| canonical_call("files", "read", None, out)), r#"{"arguments":{},"server":"files","tool":"read"}"#);
        assert_eq!(
            text(|out| print_call_params(out, "read", Some(document.root()), Some(b"{\"progressToken\":1}"))),
            r#"{"name":"read","arguments":{"ab":"A","z":1.0},"_meta":{"progressToken":1}}"#
        );
    }
}
