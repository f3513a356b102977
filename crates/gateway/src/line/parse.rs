//! Stage 3: it is one message of the revision in use, and nothing else.
//!
//! Afterwards nothing is unknown, doubled or left over, and headers agree with the body. Which revision a message is in, it says itself where it can;
//! else its session does, and `initialize` opens one.

use super::accept::one;
use super::identify::Identified;
use crate::arrival::{Source, Verb};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::Session;
use crate::snapshot::{Bounds, Snapshot};
use crate::trail::{Stage, Traced, Trail};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mcp::header::{self, Received, Routing};
use mcp::{Claim, Envelope, Fault, Message, Peer, Revision};
use std::error::Error as _;
use std::sync::Arc;
use telemetry::Tracestate;
use terms::Code;
use transport::http::Flaw;

/// The header that names a session (MCP 2025-11-25, Transports).
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The header that names the revision.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The header that names a trace (W3C Trace Context, section 3.2). It tells of nobody and proves nothing.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that goes with it (section 3.3); its lines are one list.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The header that names where a stream broke off.
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// What a request is, once understood.
pub enum Intake {
    /// A message.
    Message(Message),
    /// A standing stream, perhaps from where another broke off.
    Stream(Option<String>),
    /// The end of a session.
    End,
}

/// What arrived, understood.
pub struct Parsed {
    identified: Identified,
    intake: Intake,
    revision: Revision,
    session: Option<Arc<Session>>,
}

impl Parsed {
    /// The revision that it is in.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// The session that it names, if that is the sender's.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    pub(super) fn identified(&self) -> &Identified {
        &self.identified
    }

    pub(super) fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Whether the client would rather have a stream than one piece: it lists that first.
    pub(super) fn prefers_stream(&self) -> bool {
        let Source::Http(http) = &self.identified.framed().arrival().source else { return false };
        let first = http.head.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).and_then(|value| value.split([',', ';']).next());
        first.is_some_and(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
    }
}

pub(super) async fn run(gate: &Gate, trail: &mut Trail, mut identified: Identified) -> Result<Parsed, Halt> {
    let snapshot = Arc::clone(identified.framed().snapshot());
    let bounds = snapshot.bounds;
    let session = named(gate, &identified);
    let verb = identified.framed().verb();
    let (intake, revision) = match &mut identified.framed_mut().arrival_mut().source {
        Source::Local(local) => {
            let envelope = envelope(trail, std::mem::take(&mut local.line), &bounds)?;
            let revision = match &session {
                Some(session) => session.revision,
                None => claimed(trail, &snapshot, &envelope)?.unwrap_or(Revision::NEWEST_LEGACY),
            };
            (Intake::Message(message(trail, envelope, revision)?), revision)
        }
        Source::Http(http) => {
            let headers = &http.head.headers;
            match verb {
                Verb::Get | Verb::Delete => {
                    let revision = standing(trail, &snapshot, headers, session.as_deref())?;
                    if verb == Verb::Delete {
                        (Intake::End, revision)
                    } else if accepts(headers, "text/event-stream") {
                        (Intake::Stream(one(headers, &LAST_EVENT).map(str::to_owned)), revision)
                    } else {
                        return Err(trail.status(406, Code::MessageMalformed));
                    }
                }
                Verb::Post => {
                    content(headers, trail)?;
                    let body = http.body.take().ok_or_else(|| trail.status(400, Code::MessageMalformed))?;
                    let bytes = read(body, headers, &bounds, trail).await?;
                    let envelope = envelope(trail, bytes, &bounds)?;
                    let revision = posted(trail, &snapshot, headers, session.as_deref(), &envelope)?;
                    (Intake::Message(message(trail, envelope, revision)?), revision)
                }
            }
        }
    };
    trail.revision = revision;
    if let Intake::Message(message) = &intake {
        trail.message(message);
        let head = match &identified.framed().arrival().source {
            Source::Http(http) => in_trace(&http.head.headers),
            Source::Local(_) => None,
        };
        if !matches!(message, Message::Response(_)) {
            trail.joins(gate, head);
        }
    }
    trail.passed(gate, Stage::Parse);
    Ok(Parsed { identified, intake, revision, session })
}

/// The session that the message names or comes by, if it is the sender's own and goes on.
fn named(gate: &Gate, identified: &Identified) -> Option<Arc<Session>> {
    match &identified.framed().arrival().source {
        Source::Local(local) => local.session.clone(),
        Source::Http(http) => {
            let key = one(&http.head.headers, &SESSION)?;
            gate.sessions.find(key, identified.principal(), identified.framed().endpoint())
        }
    }
}

/// The trace that the head of a request names.
fn in_trace(headers: &HeaderMap) -> Option<Traced> {
    let parent = one(headers, &TRACEPARENT)?.parse().ok()?;
    let lines: Option<Vec<&str>> = headers.get_all(&TRACESTATE).iter().map(|line| line.to_str().ok()).collect();
    Some((parent, lines.and_then(Tracestate::read)))
}

fn envelope(trail: &mut Trail, bytes: Bytes, bounds: &Bounds) -> Result<Envelope, Halt> {
    let limits = mcp::Bounds { message: bounds.message, nesting: bounds.nesting, ..mcp::Bounds::default() };
    Envelope::read(bytes, Peer::Client, &limits).map_err(|fault| trail.fault(fault))
}

fn message(trail: &mut Trail, envelope: Envelope, revision: Revision) -> Result<Message, Halt> {
    envelope.message(revision).map_err(|fault| trail.fault(fault))
}

/// The revision of a message that was posted. One that says which it is in is believed only where the headers say the same.
fn posted(
    trail: &mut Trail,
    snapshot: &Snapshot,
    headers: &HeaderMap,
    session: Option<&Session>,
    envelope: &Envelope,
) -> Result<Revision, Halt> {
    if let (Some(_), Some(claim)) = (snapshot.listen.modern(), envelope.claim().text())
        && received(headers, header::VERSION) != Received::Once(claim.as_bytes())
    {
        return Err(trail.fault(Fault::of_row(40, Revision::R2026_07_28, envelope.id().cloned())));
    }
    let revision = match claimed(trail, snapshot, envelope)? {
        Some(revision) => revision,
        None => {
            let spoken = one(headers, &REVISION).and_then(Revision::parse);
            let legacy = headers.contains_key(&SESSION) || envelope.is_initialize() || spoken.is_some_and(Revision::is_legacy);
            match (session, snapshot.listen.modern()) {
                (Some(session), _) => session.revision,
                // The header promises what the body does not keep.
                (None, Some(modern)) if !legacy && headers.contains_key(&REVISION) => modern,
                (None, _) => Revision::NEWEST_LEGACY,
            }
        }
    };
    if revision.is_legacy() {
        settled(trail, headers, session, envelope.is_initialize())?;
    } else {
        agree(trail, headers, envelope, revision)?;
    }
    Ok(revision)
}

/// The revision that a message says it is in, where that is spoken here. Without any revision of that kind nobody listens to such words.
fn claimed(trail: &mut Trail, snapshot: &Snapshot, envelope: &Envelope) -> Result<Option<Revision>, Halt> {
    match snapshot.listen.modern() {
        Some(_) => envelope.claim().judge(&snapshot.listen.revisions, envelope.id()).map_err(|fault| trail.fault(fault)),
        None => Ok(None),
    }
}

/// The revision that a GET or DELETE is in: only those with sessions have them.
fn standing(trail: &mut Trail, snapshot: &Snapshot, headers: &HeaderMap, session: Option<&Session>) -> Result<Revision, Halt> {
    let spoken = one(headers, &REVISION).and_then(Revision::parse);
    if spoken.is_some_and(|revision| !revision.is_legacy() && snapshot.listen.revisions.contains(&revision)) {
        return Err(trail.status(405, Code::MessageMalformed));
    }
    settled(trail, headers, session, false)?;
    Ok(session.map_or(Revision::NEWEST_LEGACY, |session| session.revision))
}

/// The header is absent, or says what the session speaks (MCP 2025-11-25, "Protocol Version Header"). On `initialize` it may be any that is known: the
/// handshake settles it.
fn settled(trail: &mut Trail, headers: &HeaderMap, session: Option<&Session>, opens: bool) -> Result<(), Halt> {
    if !headers.contains_key(&REVISION) {
        return Ok(());
    }
    let spoken = one(headers, &REVISION).and_then(Revision::parse);
    let good = match (spoken, session) {
        (Some(spoken), Some(session)) => spoken == session.revision,
        (Some(spoken), None) => spoken.is_legacy() && (opens || spoken == Revision::NEWEST_LEGACY),
        (None, _) => false,
    };
    if good { Ok(()) } else { Err(trail.fault(Fault::of_row(44, Revision::NEWEST_LEGACY, None))) }
}

/// The headers say what the body says (MCP 2026-07-28, "Standard Request Headers"). A body that says nothing of its revision is told so first.
fn agree(trail: &mut Trail, headers: &HeaderMap, envelope: &Envelope, revision: Revision) -> Result<(), Halt> {
    if envelope.claim() == Claim::None && envelope.id().is_some() {
        return Ok(());
    }
    let routing = Routing {
        version: received(headers, header::VERSION),
        method: received(headers, header::METHOD),
        name: received(headers, header::NAME),
    };
    routing.check(envelope, revision).map_err(|fault| trail.fault(fault))
}

/// What came under a name.
pub(super) fn received<'a>(headers: &'a HeaderMap, name: &str) -> Received<'a> {
    Received::of(headers.get_all(name).iter().map(http::HeaderValue::as_bytes))
}

fn content(headers: &HeaderMap, trail: &mut Trail) -> Result<(), Halt> {
    let json = one(headers, &CONTENT_TYPE).is_some_and(is_json);
    if !json {
        return Err(trail.status(415, Code::MessageMalformed));
    }
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        return Err(trail.status(406, Code::MessageMalformed));
    }
    let identity = headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if identity { Ok(()) } else { Err(trail.close(415, Code::MessageMalformed)) }
}

/// `application/json`, with no parameter but `charset=utf-8`.
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().eq_ignore_ascii_case("application/json");
    media
        && parts.all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, set)| {
                name.trim().eq_ignore_ascii_case("charset") && set.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// Whether the Accept header lists `media`, by itself or by a range (RFC 9110 §12.5.1). An absent header lists nothing.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let kind = media.split('/').next().unwrap_or_default();
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let matches = range == "*/*"
            || range.eq_ignore_ascii_case(media)
            || range.strip_suffix("/*").is_some_and(|prefix| prefix.eq_ignore_ascii_case(kind));
        matches && !refused
    })
}

async fn read(body: Incoming, headers: &HeaderMap, bounds: &Bounds, trail: &mut Trail) -> Result<Bytes, Halt> {
    let declared = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > bounds.message) {
        return Err(trail.oversize(bounds.message));
    }
    match tokio::time::timeout(bounds.body, collect(body, bounds.message)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLong)) => Err(trail.oversize(bounds.message)),
        Ok(Err(Broken::Lost(cause))) => {
            if let Some(cause) = cause {
                trail.cause(&cause);
            }
            Err(trail.close(400, Code::MessageMalformed))
        }
        Err(_) => Err(trail.close(408, Code::BoundFault)),
    }
}

enum Broken {
    TooLong,
    /// With what was wrong, if it was its framing.
    Lost(Option<Flaw>),
}

fn lost(cause: &hyper::Error) -> Broken {
    let cause = cause.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<Flaw>());
    Broken::Lost(cause.copied())
}

async fn collect(mut body: Incoming, most: usize) -> Result<Bytes, Broken> {
    let mut whole: Option<BytesMut> = None;
    let mut first: Option<Bytes> = None;
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|cause| lost(&cause))?.into_data() else { return Err(Broken::Lost(None)) };
        length = length.saturating_add(piece.len());
        if length > most {
            return Err(Broken::TooLong);
        }
        match (&mut whole, first.take()) {
            (Some(whole), _) => whole.extend_from_slice(&piece),
            (None, None) => first = Some(piece),
            (None, Some(before)) => {
                let mut joined = BytesMut::with_capacity(length * 2);
                joined.extend_from_slice(&before);
                joined.extend_from_slice(&piece);
                whole = Some(joined);
            }
        }
    }
    Ok(whole.map_or_else(|| first.unwrap_or_default(), BytesMut::freeze))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_as_ranges() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, "application/json;q=0.9, text/*".parse().unwrap());
        assert!(accepts(&headers, "application/json") && accepts(&headers, "text/event-stream"));
        headers.insert(ACCEPT, "application/json, text/event-stream;q=0".parse().unwrap());
        assert!(!accepts(&headers, "text/event-stream"));
        assert!(!accepts(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn only_utf8_json_is_json() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=\"UTF-8\""] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/json", "application/json; charset=latin1", "application/jsonx", "application/json, application/json", ""] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
