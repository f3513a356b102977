//! Who may speak to the admin listener: the right host, no foreign origin, and the key for everything that is not health or metrics.
//!
//! Source: DNS rebinding and cross-site requests, as MCP 2025-06-18, Transports, "Security Warning" has it for any local listener.

use crate::{Admin, Key, Operator, Way, api};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::net::SocketAddr;
use std::sync::Arc;
use terms::{Code, Name};

/// What the admin listener demands.
pub(crate) struct Guard {
    key: Arc<Key>,
    owner: Name,
    scheme: &'static str,
    hosts: Vec<String>,
}

impl Guard {
    /// The guard of the listener at `address`, which speaks `scheme` and may be called by `more` names; whoever shows `key` acts in the name of `owner`.
    pub(crate) fn new(key: Arc<Key>, owner: Name, address: SocketAddr, scheme: &'static str, more: &[String]) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() {
            hosts.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        hosts.extend(more.iter().flat_map(|host| [host.clone(), format!("{host}:{port}")]));
        Self { key, owner, scheme, hosts }
    }

    fn knows(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    /// Whether the request comes from where it says it does.
    fn place(&self, headers: &HeaderMap) -> Result<(), Wrong> {
        let host = only(headers, header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(|host| self.knows(host)) {
            return Err(Wrong::Host);
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, header::ORIGIN).and_then(|origin| origin.to_str().ok());
            if !origin.and_then(|origin| origin.strip_prefix(self.scheme)?.strip_prefix("://")).is_some_and(|host| self.knows(host)) {
                return Err(Wrong::Origin);
            }
        }
        Ok(())
    }

    /// The operator that the key shows, if any is shown.
    fn operator(&self, headers: &HeaderMap) -> Result<Option<Operator>, Wrong> {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        let shown = only(headers, header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
        match shown {
            Some(shown) if self.key.is(shown) => Ok(Some(Operator { name: self.owner.clone(), way: Way::Key })),
            Some(_) | None => Err(Wrong::Key),
        }
    }

    /// The operator of a request; none where nobody needs to be known.
    fn admit(&self, request: &Request) -> Result<Option<Operator>, Wrong> {
        self.place(request.headers())?;
        match self.operator(request.headers())? {
            None if !OPEN.contains(&request.uri().path()) => Err(Wrong::Key),
            operator => Ok(operator),
        }
    }
}

/// The paths that need no key.
const OPEN: [&str; 3] = ["/metrics", "/health", "/ready"];

/// What keeps a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Host,
    Origin,
    Key,
}

impl Wrong {
    /// The code that it is on record with, and the cause.
    const fn told(self) -> (Code, &'static str) {
        match self {
            Self::Host => (Code::MessageMalformed, "it names a host that is not served there"),
            Self::Origin => (Code::MessageMalformed, "it comes from a page of another origin"),
            Self::Key => (Code::TokenInvalid, "it does not show the operator's key"),
        }
    }

    fn response(self) -> Response {
        match self {
            Self::Host => api::refuse(StatusCode::FORBIDDEN, "this host is not served here"),
            Self::Origin => api::refuse(StatusCode::FORBIDDEN, "this origin may not ask here"),
            Self::Key => {
                let mut response = api::refuse(StatusCode::UNAUTHORIZED, "the key in the state folder's admin.key is needed");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bastide admin\""));
                response
            }
        }
    }
}

/// The value of a header that stands there exactly once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest)
}

/// All paths behind `guard`.
pub(crate) fn guarded(admin: Arc<Admin>, guard: Guard) -> Router {
    api::router(Arc::clone(&admin)).layer(from_fn_with_state(Arc::new((guard, admin)), check)).layer(from_fn(api::plain))
}

/// Checks a request of the listener before the API sees it; what is refused is on record.
async fn check(State(known): State<Arc<(Guard, Arc<Admin>)>>, mut request: Request, next: Next) -> Response {
    let (guard, admin) = &*known;
    match guard.admit(&request) {
        Err(wrong) => {
            if let Some(address) = request.extensions().get::<SocketAddr>() {
                let (code, cause) = wrong.told();
                admin.refused(code, &cause, *address).await;
            }
            wrong.response()
        }
        Ok(operator) => {
            if let Some(operator) = operator {
                request.extensions_mut().insert(operator);
            }
            next.run(request).await
        }
    }
}
