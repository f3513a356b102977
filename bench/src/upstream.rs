//! The null upstream: MCP over Streamable HTTP with the tool `echo`, doing as little as a server can.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Serves on a free port of 127.0.0.1, after printing the address. Never returns but for a fault of the listener.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()));
    }
    let Ok(body) = request.into_body().collect().await.map(http_body_util::Collected::to_bytes) else {
        return Ok(reply(StatusCode::BAD_REQUEST, Bytes::new()));
    };
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(id) = message.get("id") else {
        return Ok(reply(StatusCode::ACCEPTED, Bytes::new()));
    };
    let outcome = match message.get("method").and_then(Value::as_str) {
        Some("initialize") => {
            Ok(json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "null", "version": "1"}}))
        }
        Some("ping") => Ok(json!({})),
        Some("tools/list") => {
            Ok(json!({"tools": [{"name": "echo", "description": "Gives a text back.", "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}]}))
        }
        Some("tools/call") => {
            let text = message.pointer("/params/arguments/text").and_then(Value::as_str).unwrap_or_default();
            Ok(json!({"content": [{"type": "text", "text": text}]}))
        }
        _ => Err(json!({"code": -32601, "message": "Method not found"})),
    };
    let text = match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    Ok(reply(StatusCode::OK, text.to_string().into()))
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
