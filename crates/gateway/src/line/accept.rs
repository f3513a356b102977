//! Stage 1: the head of what arrived is one that this listener takes.
//!
//! Afterwards Host and Origin are ours, path and verb name an endpoint, and the snapshot of the call is chosen. No body has been read.

use crate::arrival::{Arrival, Endpoint, Source, Verb};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::snapshot::{Listen, Snapshot};
use crate::trail::{Occasion, Stage, Trail};
use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use std::sync::Arc;
use terms::{Code, ServerName};
use transport::http::HEAD_BYTES;

/// In which a probe shows its token beside a request that has none, or a bad one, on purpose.
pub const PASS: HeaderName = HeaderName::from_static("bastide-probe");

/// What arrived, its head accepted.
pub struct Framed {
    arrival: Arrival,
    endpoint: Endpoint,
    verb: Verb,
    snapshot: Arc<Snapshot>,
}

impl Framed {
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb
    }

    pub(super) fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    pub(super) fn arrival_mut(&mut self) -> &mut Arrival {
        &mut self.arrival
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, arrival: Arrival) -> Result<Framed, Halt> {
    let snapshot = gate.snapshot();
    if gate.epochs.all_stopped() {
        return Err(trail.status(503, Code::Killed));
    }
    let (endpoint, verb) = match &arrival.source {
        Source::Local(local) => (local.endpoint.clone(), Verb::Post),
        Source::Http(http) => {
            size(&http.head, trail)?;
            trail.occasion = occasion(gate, &http.head.headers, &snapshot);
            let target = http.head.uri.authority().map(http::uri::Authority::as_str);
            host(&http.head.headers, target, &snapshot.listen, trail)?;
            origin(&http.head.headers, &snapshot.listen, trail)?;
            query(http.head.uri.query(), trail)?;
            let endpoint = endpoint(http.head.uri.path()).ok_or_else(|| trail.status(404, Code::Unknown))?;
            (endpoint, verb(&http.head.method).ok_or_else(|| trail.status(405, Code::MessageMalformed))?)
        }
    };
    trail.endpoint = Some(endpoint.clone());
    trail.passed(gate, Stage::Accept);
    Ok(Framed { arrival, endpoint, verb, snapshot })
}

/// Whether a probe of the assessor sends this, whatever else is wrong with it. The header holds a probe's token, which is judged like any other and gives
/// no right; anything else in it is as if it were not there.
fn occasion(gate: &Gate, headers: &HeaderMap, snapshot: &Snapshot) -> Occasion {
    let Some(token) = one(headers, &PASS) else { return Occasion::Work };
    match gate.tokens.verify(token, &snapshot.listen.resource(&Endpoint::All), gate.clock.utc()) {
        Ok(verified) if verified.principal.is_probe() => Occasion::Probe,
        Ok(_) | Err(_) => Occasion::Work,
    }
}

/// The parser's own bound is on what it has read ahead, which may be twice as much.
fn size(head: &http::request::Parts, trail: &mut Trail) -> Result<(), Halt> {
    let fields: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = head.uri.path().len() + head.uri.query().map_or(0, str::len);
    if fields + target <= HEAD_BYTES { Ok(()) } else { Err(trail.oversize_head(HEAD_BYTES)) }
}

/// RFC 9110 §7.2: exactly one Host, and one of ours; an absolute-form target names the same.
fn host(headers: &HeaderMap, target: Option<&str>, listen: &Listen, trail: &mut Trail) -> Result<(), Halt> {
    let given = one(headers, &HOST).ok_or_else(|| trail.close(400, Code::MessageMalformed))?;
    let absolute_differs = target.is_some_and(|target| !target.eq_ignore_ascii_case(given));
    if absolute_differs || !listen.hosts.iter().any(|host| host.eq_ignore_ascii_case(given)) {
        return Err(trail.close(403, Code::MessageMalformed));
    }
    Ok(())
}

/// A browser says where a page came from; only listed origins may call.
fn origin(headers: &HeaderMap, listen: &Listen, trail: &mut Trail) -> Result<(), Halt> {
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let known = one(headers, &ORIGIN).is_some_and(|given| listen.origins.iter().any(|origin| origin.eq_ignore_ascii_case(given)));
    if known { Ok(()) } else { Err(trail.close(403, Code::MessageMalformed)) }
}

/// No endpoint takes a query; one that looks like a credential is reported as such.
fn query(query: Option<&str>, trail: &mut Trail) -> Result<(), Halt> {
    let Some(query) = query else { return Ok(()) };
    let secret = query.split('&').filter_map(|pair| pair.split('=').next()).any(|name| {
        let name = name.to_ascii_lowercase();
        ["token", "key", "auth", "secret", "password", "bearer", "credential"].iter().any(|word| name.contains(word))
    }) || query.contains("eyJ");
    if secret { Err(trail.close(400, Code::UrlToken)) } else { Err(trail.status(400, Code::MessageMalformed)) }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path.strip_prefix("/mcp")? {
        "" => Some(Endpoint::All),
        rest => ServerName::new(rest.strip_prefix('/')?).ok().map(Endpoint::Server),
    }
}

fn verb(method: &http::Method) -> Option<Verb> {
    match *method {
        http::Method::POST => Some(Verb::Post),
        http::Method::GET => Some(Verb::Get),
        http::Method::DELETE => Some(Verb::Delete),
        _ => None,
    }
}

/// The value of a header that stands there exactly once and is text.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_paths_are_endpoints() {
        assert_eq!(endpoint("/mcp"), Some(Endpoint::All));
        assert_eq!(endpoint("/mcp/files"), ServerName::new("files").ok().map(Endpoint::Server));
        for other in ["/", "/mcp/", "//mcp", "/MCP", "/mcp/files/", "/mcp/Files", "/mcp/%66iles", "/mcp/../mcp", "/mcpx"] {
            assert_eq!(endpoint(other), None, "{other}");
        }
    }
}
