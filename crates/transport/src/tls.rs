//! TLS 1.3 at a listener: what it shows, whom it lets in, and who came in.
//!
//! Nothing is resumed: every handshake shows its certificate and has it judged anew. What a listener holds can be replaced while its connections go on;
//! a connection whose certificate the new lists refuse, or that has ended, lapses.
//!
//! Source: RFC 8446; RFC 5280 §5 and §6. Controls: `transport.tls`, `identity.mtls`.

mod certificate;
mod fault;
mod holder;
mod material;
mod namesakes;

pub use certificate::Certificate;
pub use fault::Handshake;
pub use material::{Asked, Clients, Issuer, Material, Standard, Unfit};

use http::HeaderValue;
use material::Held;
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// The longest that is slept before the clock is looked at again: it may be set.
const NAP: Duration = Duration::from_secs(60);

/// That browsers never come back without TLS (RFC 6797): for two years. Every answer of ours that is given inside TLS says so.
pub const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// What is spoken inside TLS, as the handshake settles it (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

impl Inside {
    const fn id(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// The TLS of one listener.
#[derive(Debug)]
pub struct Tls {
    standard: Standard,
    held: watch::Sender<Arc<Held>>,
}

/// A connection whose handshake is done.
pub struct Shaken {
    /// Its bytes.
    pub stream: Box<TlsStream<TcpStream>>,
    /// What is spoken on it.
    pub inside: Inside,
    /// The client's certificate, where one is asked for.
    pub certificate: Option<Arc<Certificate>>,
    /// Looked at to tell when it lapses.
    pub lapse: Lapse,
}

/// Whether the certificate of a connection is still good.
#[derive(Debug)]
pub struct Lapse {
    certificate: Option<Arc<Certificate>>,
    held: watch::Receiver<Arc<Held>>,
}

impl Tls {
    /// A listener's TLS of this material, in which only what is in `standard` is spoken.
    ///
    /// # Errors
    /// [`Unfit`]: the operator gave what cannot be used.
    pub fn new(material: &Material<'_>, standard: Standard) -> Result<Self, Unfit> {
        let held = Held::new(material, &standard, UnixTime::now())?;
        Ok(Self { standard, held: watch::Sender::new(Arc::new(held)) })
    }

    /// Puts other material in place, at once and for every connection: new ones are shaken with it, and open ones lapse whose certificate it refuses.
    ///
    /// # Errors
    /// [`Unfit`]; what was there stays in force.
    pub fn replace(&self, material: &Material<'_>) -> Result<(), Unfit> {
        let held = Held::new(material, &self.standard, UnixTime::now())?;
        self.held.send_replace(Arc::new(held));
        Ok(())
    }

    /// When the listener's own certificate ends, in seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.held.borrow().ends
    }

    /// Shakes hands on `stream` in at most `within`. A listener whose own certificate has ended lets nobody in.
    ///
    /// # Errors
    /// [`Handshake`]: what the client did, or lacks. The client was sent an alert where one fits.
    pub async fn shake(&self, stream: TcpStream, within: Duration) -> Result<Shaken, Handshake> {
        let mut watch = self.held.subscribe();
        let held = Arc::clone(&watch.borrow_and_update());
        if UnixTime::now().as_secs() >= held.ends {
            return Err(Handshake::Ended);
        }
        let accepting = TlsAcceptor::from(Arc::clone(&held.settings)).accept(stream);
        let stream = match tokio::time::timeout(within, accepting).await {
            Err(_) => return Err(Handshake::Slow),
            Ok(Err(cause)) => return Err(Handshake::of(&cause)),
            Ok(Ok(stream)) => Box::new(stream),
        };
        let session = stream.get_ref().1;
        let inside = match session.alpn_protocol() {
            Some(b"h2") => Inside::Http2,
            _ => Inside::Http1,
        };
        let certificate = match (&held.clients, session.peer_certificates()) {
            (None, _) => None,
            (Some(_), None | Some([])) if held.asked == Asked::Holder => None,
            (Some(_), None | Some([])) => return Err(Handshake::Bare),
            (Some(_), Some(chain)) => Some(Arc::new(Certificate::read(chain).ok_or(Handshake::Nameless)?)),
        };
        if certificate.as_ref().is_some_and(|certificate| !held.knows(certificate.identity())) {
            return Err(Handshake::Purpose);
        }
        // A handshake takes as long as the client likes: what was taken back meanwhile is refused, too.
        let now = Arc::clone(&watch.borrow_and_update());
        if let Some(certificate) = certificate.as_deref().filter(|_| !Arc::ptr_eq(&held, &now)) {
            now.judge(certificate, UnixTime::now())?;
        }
        let lapse = Lapse { certificate: certificate.clone(), held: watch };
        Ok(Shaken { stream, inside, certificate, lapse })
    }
}

impl Lapse {
    /// Ready when the certificate is no longer good: it has ended, or what the listener holds by now refuses it. Never, where there is none.
    pub async fn over(&mut self) {
        let Some(certificate) = self.certificate.clone() else { return std::future::pending().await };
        loop {
            let now = UnixTime::now().as_secs();
            let left = Duration::from_secs(certificate.ends().saturating_sub(now));
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(NAP)) => {}
                changed = self.held.changed() => {
                    let held = Arc::clone(&self.held.borrow_and_update());
                    if changed.is_err() || held.judge(&certificate, UnixTime::now()).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Lapse {
    /// What `serving` gives; none, where the certificate lapses before it ends. The certificate is looked at first, whatever there is to do.
    pub async fn guard<T>(&mut self, serving: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.over() => None,
            served = serving => Some(served),
        }
    }
}

/// The bytes of a connection, in the clear or inside TLS.
pub type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;
