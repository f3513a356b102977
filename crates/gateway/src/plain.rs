//! The few paths that are not MCP. They reach no server, no credential and no client's data.

use crate::arrival::Endpoint;
use crate::gate::Gate;
use crate::page::{self, Use};
use crate::place;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use transport::http::Body;

/// Where protected resource metadata lives (RFC 9728 §3.1).
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Answers a request for one of these, and a browser's question about any path that we have. What is out of place or carries a query is left to the
/// line, which refuses it as it does everywhere.
pub(crate) fn answer(gate: &Gate, head: &Parts) -> Option<Response<Body>> {
    let (method, path) = (&head.method, head.uri.path());
    let spoken = Endpoint::at(path).is_some();
    let preflight = page::is_preflight(head);
    if spoken && !preflight {
        return None;
    }
    if head.uri.query().is_some() || place::check(head, &gate.snapshot().listen).is_err() {
        return None;
    }
    if spoken {
        return Some(page::preflight(Use::Speak, head));
    }
    let document = match path {
        "/health" | "/ready" => None,
        _ => Some(metadata(gate, path.strip_prefix(METADATA)?)?),
    };
    Some(match document {
        _ if preflight => page::preflight(Use::Read, head),
        Some(document) => get(method, StatusCode::OK, &document),
        None if path == "/ready" => ready(gate, method),
        None => get(method, StatusCode::OK, &json!({"ok": true})),
    })
}

/// Ready means that a call would be served: records can be kept and nothing was stopped as a whole.
fn ready(gate: &Gate, method: &Method) -> Response<Body> {
    let records = gate.journal.state().writable();
    let open = !gate.epochs.all_stopped() && !gate.ending.is_cancelled();
    let status = if records && open { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    get(method, status, &json!({"ready": records && open, "records": records, "open": open}))
}

/// What a client may know of an endpoint (RFC 9728 §2). No authorization server is named, since none answers here: tokens are issued by
/// `bastide token issue`.
fn metadata(gate: &Gate, rest: &str) -> Option<serde_json::Value> {
    let snapshot = gate.snapshot();
    let endpoint = if rest.is_empty() { Endpoint::All } else { Endpoint::at(rest)? };
    Some(json!({
        "resource": snapshot.listen.resource(&endpoint),
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
