//! The listener at which agents, servers and operators enrol by a code and renew by their certificate. It answers two paths and nothing else.
//!
//! No certificate is demanded, as who comes with a code has none; one that is shown is verified with its list. One request a connection.

use super::Refused;
use crate::outcome::Failure;
use crate::secured::{ENROL, Secured};
use crate::wire::Wired;
use admin::Unissued;
use bytes::Bytes;
use config::{File, Issuing, ListenTls, OwnTls};
use gateway::line::Door;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use terms::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use transport::http::{Connections, Found, Most, Stream};
use transport::tls::{Certificate, HSTS, Inside, Shaken};

/// Connections at once: in all, of one source, and of this machine.
const CONNECTIONS: Most = Most { total: 64, source: 8, loopback: 64 };
/// The longest time for the handshake, and for the head.
const HEADER: Duration = Duration::from_secs(5);
/// The longest time in which a peer may take nothing of what is written.
const WRITE: Duration = Duration::from_secs(5);
/// The longest that a connection lasts.
const WHOLE: Duration = Duration::from_secs(20);
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_FIELDS: usize = 32;
/// The largest body.
const BODY: usize = 16 * 1024;
/// Attempts of one source in [`WINDOW`].
const ATTEMPTS: u32 = 20;
/// In which attempts are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are counted; for one more, who asked least is forgotten.
const SOURCES: usize = 4096;

/// The listener, open.
pub struct Opened {
    /// Where it is.
    pub address: SocketAddr,
    /// Its TLS.
    pub secured: Arc<Secured>,
    listener: TcpListener,
}

/// Opens the listener where the configuration has one.
///
/// # Errors
/// [`Failure`] when the address cannot be had.
pub async fn open(file: &File, wired: &Arc<Wired>) -> Result<Option<Opened>, Failure> {
    let Some(address) = file.ca.as_ref().and_then(|ca| ca.enrol) else { return Ok(None) };
    let entry = ListenTls::Own(OwnTls { authority: Issuing::Own });
    let secured = Arc::new(Secured::open(ENROL, &entry, file.profile, &[Inside::Http1], None, wired)?);
    let listener = crate::serve::bind(address, "ca.enrol").await?;
    let address = listener.local_addr()?;
    Ok(Some(Opened { address, secured, listener }))
}

/// Serves it until the gateway ends; does nothing where there is none.
pub async fn serve(opened: Option<Opened>, wired: Arc<Wired>) {
    let Some(Opened { secured, listener, .. }) = opened else { return };
    let (connections, attempts) = (Arc::new(Connections::new(CONNECTIONS)), Arc::new(Attempts::default()));
    let turned_away = |full| wired.gate.metrics.turned_away(Door::Enrolment.as_str(), full);
    while let Some((stream, peer, permit)) = connections.next(&listener, &wired.gate.ending, turned_away).await {
        let (secured, wired, attempts) = (Arc::clone(&secured), Arc::clone(&wired), Arc::clone(&attempts));
        tokio::spawn(async move {
            let _ = tokio::time::timeout(WHOLE, connection(stream, peer, &secured, &wired, &attempts)).await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, secured: &Secured, wired: &Arc<Wired>, attempts: &Arc<Attempts>) {
    let Shaken { stream, certificate, mut lapse, .. } = match secured.tls.shake(stream, HEADER).await {
        Ok(shaken) => shaken,
        Err(fault) => return gateway::line::unshaken(&wired.gate, Door::Enrolment, fault, from).await,
    };
    let found = Found::default();
    let stream = Stream::new(stream, WRITE, found.clone());
    let service = service_fn(|request: Request<Incoming>| {
        let (wired, attempts, certificate) = (Arc::clone(wired), Arc::clone(attempts), certificate.clone());
        let flawed = found.of(&request);
        async move {
            let answered = match flawed {
                Some(flaw) => Err(Unread { status: StatusCode::BAD_REQUEST, why: flaw.to_string() }),
                None => answer(request, from.ip(), certificate, &wired, &attempts).await,
            };
            let answer = match answered {
                Ok(answer) => answer,
                Err(Unread { status, why }) => {
                    gateway::line::refused(&wired.gate, Door::Enrolment, Code::MessageMalformed, &why, from).await;
                    refuse(status, &why)
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    match lapse.guard(connection).await {
        Some(Ok(())) => {}
        Some(Err(cause)) => tracing::debug!(%cause, "connection ended early"),
        None => tracing::debug!("a certificate is no longer good"),
    }
}

/// Of an enrolment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrolment {
    code: String,
    csr: String,
}

/// Of a renewal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    csr: String,
}

/// The two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Enrol,
    Renew,
}

/// What is no request for a certificate: the peer's.
struct Unread {
    status: StatusCode,
    why: String,
}

impl Unread {
    fn new(status: StatusCode, why: &str) -> Self {
        Self { status, why: why.to_owned() }
    }
}

async fn answer(
    request: Request<Incoming>,
    from: IpAddr,
    certificate: Option<Arc<Certificate>>,
    wired: &Arc<Wired>,
    attempts: &Attempts,
) -> Result<Response<Full<Bytes>>, Unread> {
    let path = match (request.uri().path(), request.uri().query()) {
        ("/enrol", None) => Path::Enrol,
        ("/renew", None) => Path::Renew,
        _ => return Err(Unread::new(StatusCode::NOT_FOUND, "there is nothing here")),
    };
    if request.method() != Method::POST {
        return Err(Unread::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST"));
    }
    if !attempts.take(Source::of(from, certificate.as_deref()), Instant::now()) {
        wired.authority.turned_away(from).await;
        return Ok(refuse(StatusCode::TOO_MANY_REQUESTS, "too many attempts; wait a minute"));
    }
    let body = match tokio::time::timeout(HEADER, Limited::new(request.into_body(), BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(cause)) if cause.is::<http_body_util::LengthLimitError>() => {
            return Err(Unread::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        Ok(Err(_)) | Err(_) => return Err(Unread::new(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    };
    const UNREAD: &str = "the body does not have the members that this path takes";
    let unread = |_| Unread::new(StatusCode::BAD_REQUEST, UNREAD);
    let wired = Arc::clone(wired);
    // What was begun comes to its end and on record, whether or not the peer still waits: a code is used up by it.
    let done = match path {
        Path::Enrol => {
            let Enrolment { code, csr } = serde_json::from_slice(&body).map_err(unread)?;
            let code = zeroize::Zeroizing::new(code);
            tokio::spawn(async move { wired.authority.enrol(&code, &csr, from).await }).await
        }
        Path::Renew => {
            let Renewal { csr } = serde_json::from_slice(&body).map_err(unread)?;
            tokio::spawn(async move { wired.authority.renewed(certificate.as_deref(), &csr, from).await }).await
        }
    };
    Ok(match done {
        Ok(Ok(certified)) => {
            let body = json!({ "chain": certified.chain, "authority": certified.authority, "id": certified.id, "ends": certified.ends.to_string() });
            told(StatusCode::OK, body.to_string())
        }
        Ok(Err(cause)) => {
            let status = match &cause {
                Refused::Code(_) | Refused::Certificate(_) => StatusCode::FORBIDDEN,
                Refused::Request(_) => StatusCode::BAD_REQUEST,
                Refused::Ours(Unissued::Unfit(_)) => StatusCode::BAD_REQUEST,
                Refused::Ours(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(status, &cause.to_string())
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "it could not be done"),
    })
}

fn refuse(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    told(status, json!({ "error": message }).to_string())
}

fn told(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    response
}

/// Whose attempts are counted together. Who shows a certificate is counted by it: nobody keeps him from renewing it who merely comes from the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// An address; of IPv6, a network of 64 bits.
    Address(IpAddr),
    /// The holder of a certificate that the handshake has verified.
    Holder(Arc<str>),
}

impl Source {
    fn of(from: IpAddr, certificate: Option<&Certificate>) -> Self {
        if let Some(certificate) = certificate {
            return Self::Holder(Arc::clone(certificate.identity()));
        }
        Self::Address(match from.to_canonical() {
            IpAddr::V4(four) => IpAddr::V4(four),
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// Attempts by source.
#[derive(Default)]
struct Attempts {
    strangers: Mutex<HashMap<Source, (Instant, u32)>>,
    holders: Mutex<HashMap<Source, (Instant, u32)>>,
}

impl Attempts {
    /// Counts one; false when there were too many. Strangers take no place that a holder needs.
    fn take(&self, source: Source, now: Instant) -> bool {
        let mut counted = match source {
            Source::Address(_) => self.strangers.lock(),
            Source::Holder(_) => self.holders.lock(),
        };
        if counted.len() >= SOURCES {
            counted.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
            if counted.len() >= SOURCES && !counted.contains_key(&source) {
                let least = counted.iter().min_by_key(|(_, (began, count))| (*count, *began)).map(|(least, _)| least.clone());
                least.and_then(|least| counted.remove(&least));
            }
        }
        let (began, count) = counted.entry(source).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= ATTEMPTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempts_of_a_source_have_a_bound_and_others_go_on() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let of = |text: &str, at| attempts.take(Source::of(text.parse().unwrap(), None), at);
        for _ in 0..ATTEMPTS {
            assert!(of("2001:db8::1", now));
        }
        assert!(!of("2001:db8::ffff", now), "the same network");
        assert!(of("2001:db8:0:1::1", now) && of("192.0.2.1", now));
        assert!(of("2001:db8::1", now + WINDOW));
        assert!(attempts.take(Source::Holder("spiffe://example.org/agent/ana".into()), now), "whoever else asks");
    }

    #[tokio::test]
    async fn many_sources_keep_nobody_out_and_who_asked_too_often_is_remembered() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let guesser = || Source::Address("192.0.2.1".parse().unwrap());
        while attempts.take(guesser(), now) {}
        for at in 0..2 * SOURCES as u32 {
            assert!(attempts.take(Source::Address(IpAddr::from(at.to_be_bytes())), now));
        }
        assert!(!attempts.take(guesser(), now));
        assert!(attempts.strangers.lock().len() <= SOURCES);
    }
}
