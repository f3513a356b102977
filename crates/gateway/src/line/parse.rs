//! Stage 3: it is one message of the revision in use, and nothing else.
//!
//! Afterwards nothing is unknown, doubled or left over, and headers agree with the body.

use super::accept::one;
use super::identify::Identified;
use crate::arrival::{Source, Verb};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::snapshot::Bounds;
use crate::trail::{Stage, Trail};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mcp::{Message, Peer, Revision};
use std::error::Error as _;
use terms::Code;
use transport::http::Flaw;

/// The header that names a session (MCP 2025-11-25, Transports).
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The header that names the revision.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
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
}

impl Parsed {
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
    let bounds = identified.framed().snapshot().bounds;
    let verb = identified.framed().verb();
    let intake = match &mut identified.framed_mut().arrival_mut().source {
        Source::Local(local) => Intake::Message(message(trail, std::mem::take(&mut local.line), &bounds)?),
        Source::Http(http) => {
            let headers = &http.head.headers;
            revision(headers, trail)?;
            match verb {
                Verb::Get => {
                    if !accepts(headers, "text/event-stream") {
                        return Err(trail.status(406, Code::MessageMalformed));
                    }
                    Intake::Stream(one(headers, &LAST_EVENT).map(str::to_owned))
                }
                Verb::Delete => Intake::End,
                Verb::Post => {
                    content(headers, trail)?;
                    let body = http.body.take().ok_or_else(|| trail.status(400, Code::MessageMalformed))?;
                    let bytes = read(body, headers, &bounds, trail).await?;
                    Intake::Message(message(trail, bytes, &bounds)?)
                }
            }
        }
    };
    if let Intake::Message(message) = &intake {
        trail.message(message);
    }
    trail.passed(gate, Stage::Parse);
    Ok(Parsed { identified, intake })
}

fn message(trail: &mut Trail, bytes: Bytes, bounds: &Bounds) -> Result<Message, Halt> {
    let limits = mcp::Bounds { message: bounds.message, nesting: bounds.nesting, ..mcp::Bounds::default() };
    mcp::parse_message(bytes, Peer::Client, Revision::R2025_11_25, &limits).map_err(|fault| trail.fault(fault))
}

/// Absent, or one of ours: MCP 2025-11-25, "Protocol Version Header".
fn revision(headers: &HeaderMap, trail: &mut Trail) -> Result<(), Halt> {
    if !headers.contains_key(&REVISION) {
        return Ok(());
    }
    match one(headers, &REVISION).and_then(Revision::parse) {
        Some(Revision::R2025_11_25) => Ok(()),
        _ => Err(trail.fault(mcp::Fault::of_row(44, Revision::R2025_11_25, None))),
    }
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
