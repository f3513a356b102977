//! What pages in browsers need to be told: which origins may call, with which verbs and headers, and what they may read.
//!
//! Source: Fetch Standard, "CORS protocol"; RFC 9110 §12.5.5 (Vary). Credentials of the browser's own (cookies, certificates) are never let in:
//! an agent's token stands in a header that the page sets itself.

use crate::gate::Gate;
use crate::place;
use crate::plain::respond;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use transport::http::Body;

/// What a page may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Speak MCP with it.
    Speak,
    /// Read it.
    Read,
}

impl Use {
    const fn methods(self) -> &'static str {
        match self {
            Self::Speak => "POST, GET, DELETE",
            Self::Read => "GET",
        }
    }

    /// Those of the revisions that are spoken.
    const fn headers(self) -> &'static str {
        match self {
            Self::Speak => "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Last-Event-ID, Mcp-Method, Mcp-Name",
            Self::Read => "MCP-Protocol-Version",
        }
    }
}

/// What an answer may read of ours beyond its content.
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate";
/// Seconds that a browser may remember the answer to a preflight.
const REMEMBERED: &str = "600";

/// The Origin of the page that sent this, where it may call: who gets to read the answer.
pub(crate) fn of(gate: &Gate, head: &Parts) -> Option<HeaderValue> {
    if !head.headers.contains_key(&ORIGIN) {
        return None;
    }
    let listen = &gate.snapshot().listen;
    place::check(head, listen).ok()?;
    place::origin(head, listen).cloned()
}

/// Whether a browser asks whether a page may send what it wants to.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(&ORIGIN) && head.headers.contains_key(&ACCESS_CONTROL_REQUEST_METHOD)
}

/// Headers that a page may name in a preflight beside the fixed ones: those that repeat arguments of tools (MCP 2026-07-28, `x-mcp-header`).
fn repeated(head: &Parts) -> String {
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = |name: &&str| name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let names = asked.split(',').map(str::trim).filter(token).filter(|name| name.to_ascii_lowercase().starts_with(mcp::header::PARAM));
    names.take(32).map(|name| format!(", {name}")).collect()
}

/// The answer to a preflight of a page that may call.
pub(crate) fn preflight(what: Use, head: &Parts) -> Response<Body> {
    let headers = match what {
        Use::Speak => format!("{}{}", what.headers(), repeated(head)),
        Use::Read => what.headers().to_owned(),
    };
    respond(StatusCode::NO_CONTENT, Body::empty(), |response| {
        response
            .header(ACCESS_CONTROL_ALLOW_METHODS, what.methods())
            .header(ACCESS_CONTROL_ALLOW_HEADERS, headers)
            .header(ACCESS_CONTROL_MAX_AGE, REMEMBERED)
    })
}

/// Lets `page` read the answer, and caches know that it differs by page.
pub(crate) fn mark(headers: &mut HeaderMap, page: Option<HeaderValue>) {
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(page) = page {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}
