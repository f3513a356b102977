//! The few paths that are not MCP. They reach no server, no credential and no client's data.

use crate::arrival::Endpoint;
use crate::gate::Gate;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use serde_json::json;
use terms::ServerName;
use transport::http::Body;

/// Where protected resource metadata lives (RFC 9728 §3.1).
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Answers `path` if it is one of these.
pub fn answer(gate: &Gate, method: &Method, path: &str) -> Option<Response<Body>> {
    let document = match path {
        "/health" => json!({"ok": true}),
        "/ready" => return Some(ready(gate, method)),
        _ => metadata(gate, path.strip_prefix(METADATA)?)?,
    };
    Some(get(method, StatusCode::OK, &document))
}

/// Ready means that a call would be served: records can be kept and nothing was stopped as a whole.
fn ready(gate: &Gate, method: &Method) -> Response<Body> {
    let records = gate.journal.state().writable();
    let open = !gate.epochs.all_stopped() && !gate.ending.is_cancelled();
    let status = if records && open { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    get(method, status, &json!({"ready": records && open, "records": records, "open": open}))
}

fn metadata(gate: &Gate, rest: &str) -> Option<serde_json::Value> {
    let snapshot = gate.snapshot();
    let endpoint = match rest {
        "" | "/mcp" => Endpoint::All,
        other => Endpoint::Server(ServerName::new(other.strip_prefix("/mcp/")?).ok()?),
    };
    Some(json!({
        "resource": snapshot.listen.resource(&endpoint),
        "authorization_servers": [snapshot.listen.base],
        "bearer_methods_supported": ["header"],
    }))
}

fn get(method: &Method, status: StatusCode, document: &serde_json::Value) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return respond(StatusCode::METHOD_NOT_ALLOWED, Body::empty(), |response| response.header(ALLOW, "GET, HEAD"));
    }
    respond(status, Body::whole(document.to_string()), |response| {
        response.header(CONTENT_TYPE, "application/json").header(CACHE_CONTROL, "no-store")
    })
}

/// A response of these parts; an empty 500 if they do not fit together.
pub(crate) fn respond(
    status: StatusCode,
    body: Body,
    with: impl FnOnce(http::response::Builder) -> http::response::Builder,
) -> Response<Body> {
    with(Response::builder().status(status)).body(body).unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
