//! The null upstream: MCP over Streamable HTTP, doing as little as a server can, in either era: a request that says in its headers that it is of the
//! modern one is answered in it.
//!
//! The tool `echo` gives a text back. The tool `ask` asks the user first, on the stream of the call.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

type Body = BoxBody<Bytes, Infallible>;

/// Calls that wait for an answer, by the id of the question.
static ASKED: Mutex<Option<HashMap<String, oneshot::Sender<()>>>> = Mutex::new(None);

/// How much it does: so many calls at once, each in this time; the others wait in line.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    /// Calls.
    pub at_once: usize,
    /// Of each.
    pub takes: Duration,
}

static NARROW: OnceLock<(Semaphore, Duration)> = OnceLock::new();

/// Serves on a free port of 127.0.0.1, after printing the address. Never returns but for a fault of the listener.
pub async fn serve(narrow: Option<Narrow>) -> anyhow::Result<()> {
    if let Some(narrow) = narrow {
        let _ = NARROW.set((Semaphore::new(narrow.at_once), narrow.takes));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.method() != Method::POST {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()));
    }
    let modern = request.headers().get("mcp-protocol-version").is_some_and(|spoken| spoken == "2026-07-28");
    let Ok(body) = request.into_body().collect().await.map(http_body_util::Collected::to_bytes) else {
        return Ok(reply(StatusCode::BAD_REQUEST, Bytes::new()));
    };
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (Some(id), Some(method)) = (message.get("id"), message.get("method").and_then(Value::as_str)) else {
        // The answer to a question lets its call go on.
        if let Some(waiting) = message.get("id").and_then(Value::as_str).and_then(|id| asked(|asked| asked.remove(id))) {
            let _ = waiting.send(());
        }
        return Ok(reply(StatusCode::ACCEPTED, Bytes::new()));
    };
    if message.pointer("/params/name").and_then(Value::as_str) == Some("ask") {
        return Ok(ask(id));
    }
    let outcome = match (method, modern) {
        ("initialize", false) => {
            Ok(json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "null", "version": "1"}}))
        }
        ("server/discover", true) => Ok(json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})),
        ("ping", false) => Ok(json!({})),
        ("tools/list", _) => Ok(json!({"tools": [
            {"name": "echo", "description": "Gives a text back.", "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
            {"name": "ask", "description": "Asks the user.", "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"number": {"type": "integer"}}}}]})),
        ("tools/call", _) => {
            if let Some((places, takes)) = NARROW.get() {
                let _place = places.acquire().await;
                tokio::time::sleep(*takes).await;
            }
            let text = message.pointer("/params/arguments/text").and_then(Value::as_str).unwrap_or_default();
            Ok(json!({"content": [{"type": "text", "text": text}]}))
        }
        _ => Err(json!({"code": -32601, "message": "Method not found"})),
    };
    let text = match outcome {
        Ok(mut result) => {
            if modern {
                result["resultType"] = json!("complete");
                if method != "tools/call" {
                    (result["ttlMs"], result["cacheScope"]) = (json!(0), json!("private"));
                }
            }
            json!({"jsonrpc": "2.0", "id": id, "result": result})
        }
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    Ok(reply(StatusCode::OK, text.to_string().into()))
}

/// A stream with a question on it, and the result of the call once that was answered.
fn ask(id: &Value) -> Response<Body> {
    let (answered, waiting) = oneshot::channel();
    let name = asked(|asked| {
        let name = format!("q{}-{id}", asked.len());
        asked.insert(name.clone(), answered);
        name
    });
    let question = json!({"jsonrpc": "2.0", "id": name, "method": "elicitation/create", "params": {"message": "Shall it be done?",
        "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}}});
    let result = json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "done"}]}});
    let event = |message: &Value| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("data: {message}\n\n"))));
    let first = event(&question);
    let last = async move {
        let _ = waiting.await;
        event(&result)
    };
    let events = futures_util::stream::once(std::future::ready(first)).chain(futures_util::stream::once(last));
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(events)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn asked<T>(with: impl FnOnce(&mut HashMap<String, oneshot::Sender<()>>) -> T) -> T {
    with(ASKED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

fn reply(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(BodyExt::boxed(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
