//! One connection to a server, driven by whoever uses it.

use crate::address::{allowed, plain};
use crate::hostname::HostName;
use crate::target::{Bounds, localhost};
use crate::{Error, Outside, Proxy, Reach, Unshaken};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, Connection as Http1, SendRequest};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::{Host, Url};

/// How long a connection inside TLS is used for further requests.
const LIFE: Duration = Duration::from_secs(600);

/// A stream of bytes to a server, in the clear or inside TLS.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A place in the count of connections, the sending end, and the machine that moves the bytes when it is polled.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    machine: Pin<Box<Http1<TokioIo<Stream>, Full<Bytes>>>>,
    ended: bool,
    /// What it was shaken with.
    settings: Option<Arc<ClientConfig>>,
    made: Instant,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Moves bytes as far as they go; ready when the connection has ended, in whatever way.
    pub(crate) fn poll_drive(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            self.ended = self.machine.as_mut().poll(context).is_ready();
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether another request can be sent; notices a peer that has closed.
    pub(crate) async fn reusable(&mut self) -> bool {
        std::future::poll_fn(|context| {
            let over = self.poll_drive(context).is_ready();
            Poll::Ready(!over && self.sender.is_ready())
        })
        .await
    }
}

/// What a connection needs to know of its server.
pub(crate) struct Route {
    url: Url,
    listed: Vec<IpNet>,
    tls: Option<(ArcSwap<ClientConfig>, ServerName<'static>)>,
    bounds: Bounds,
    outside: Outside,
}

impl Route {
    pub(crate) fn new(
        url: Url,
        listed: Vec<IpNet>,
        tls: Option<Arc<ClientConfig>>,
        bounds: Bounds,
        outside: Outside,
    ) -> Result<Self, Error> {
        let name = match url.host() {
            None => return Err(Error::Url("it has no host")),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(|_| Error::Url("its host is not a name"))?,
            Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
        };
        Ok(Self { url, listed, tls: tls.map(|settings| (ArcSwap::new(settings), name)), bounds, outside })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Connections are made with `settings` from now on, where they are made inside TLS.
    pub(crate) fn renew(&self, settings: Arc<ClientConfig>) {
        if let Some((held, _)) = &self.tls {
            held.store(settings);
        }
    }

    /// Whether `connection` was made with what connections are made with now, and not too long ago: what the server has shown may have ended meanwhile.
    pub(crate) fn is_current(&self, connection: &Connection) -> bool {
        if self.tls.is_some() && connection.made.elapsed() > LIFE {
            return false;
        }
        match (&self.tls, &connection.settings) {
            (Some((held, _)), Some(settings)) => Arc::ptr_eq(&held.load(), settings),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Resolves once, checks every address, connects to the first that answers, and shakes hands.
    pub(crate) async fn connect(&self, place: OwnedSemaphorePermit) -> Result<Connection, Error> {
        let bound = self.bounds.connect;
        tokio::time::timeout(bound, self.open(place)).await.map_err(|_| Error::Timeout { what: "connection", bound })?
    }

    async fn open(&self, place: OwnedSemaphorePermit) -> Result<Connection, Error> {
        let (stream, settings) = self.shaken().await?;
        let (sender, machine) = Builder::new()
            .max_headers(self.bounds.head_fields)
            .max_buf_size(self.bounds.head_bytes.max(8192))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::Unsent)?;
        Ok(Connection { sender, machine: Box::pin(machine), ended: false, settings, made: Instant::now(), _place: place })
    }

    /// The bytes of a connection as [`Route::connect`] makes it, whatever is spoken over them. The caller bounds the time.
    pub(crate) async fn stream(&self) -> Result<Stream, Error> {
        self.shaken().await.map(|(stream, _)| stream)
    }

    async fn shaken(&self) -> Result<(Stream, Option<Arc<ClientConfig>>), Error> {
        let addresses = self.resolve().await?;
        let tcp = self.dial(&addresses).await?;
        tcp.set_nodelay(true).map_err(Error::Connect)?;
        match &self.tls {
            None => Ok((Stream::Left(tcp), None)),
            Some((settings, name)) => {
                let settings = settings.load_full();
                let shaken = TlsConnector::from(Arc::clone(&settings)).connect(name.clone(), tcp).await;
                let shaken = shaken.map_err(|cause| match Unshaken::of(&cause) {
                    Some(unshaken) => Error::Shake(unshaken),
                    None => Error::Connect(cause),
                })?;
                Ok((Stream::Right(Box::new(shaken)), Some(settings)))
            }
        }
    }

    /// The addresses of the server, each checked. One that may not be reached refuses them all: a name that mixes both is suspicious.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let port = self.url.port_or_known_default().ok_or(Error::Url("it has no port"))?;
        let addresses: Vec<SocketAddr> = match self.url.host() {
            None => return Err(Error::Url("it has no host")),
            Some(Host::Ipv4(address)) => vec![SocketAddr::new(IpAddr::V4(address), port)],
            Some(Host::Ipv6(address)) => vec![SocketAddr::new(plain(IpAddr::V6(address)), port)],
            Some(Host::Domain("localhost")) => localhost().map(|address| SocketAddr::new(address, port)).to_vec(),
            Some(Host::Domain(name)) => {
                let name = HostName::parse(name).ok_or(Error::Url("its host is not a name"))?;
                let found = self.outside.resolver.resolve(&name).await.map_err(Error::Resolve)?;
                found.into_iter().take(16).map(|address| SocketAddr::new(address, port)).collect()
            }
        };
        if addresses.is_empty() {
            return Err(Error::NoAddress);
        }
        let plaintext = self.tls.is_none();
        for address in &addresses {
            let ip = address.ip();
            allowed(ip, &self.listed).map_err(|reach| Error::Address { address: ip, reach })?;
            if plaintext && !plain(ip).is_loopback() {
                return Err(Error::Address { address: ip, reach: Reach::Public });
            }
        }
        Ok(addresses)
    }

    async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            let dialled = match &self.outside.proxy {
                Some(proxy) if Proxy::takes(address.ip()) => proxy.connect(*address, TcpStream::connect).await,
                Some(_) | None => TcpStream::connect(address).await,
            };
            match dialled {
                Ok(stream) => return Ok(stream),
                Err(cause) => last = cause,
            }
        }
        Err(Error::Connect(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot::Dot;
    use crate::lookup::tests::name;
    use crate::{Egress, Resolver as _, ServerTarget};
    use http::HeaderMap;
    use rustls_pki_types::CertificateDer;
    use sha2::Digest as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    /// How a server is known by this certificate.
    type Known = fn(ServerTarget, CertificateDer<'static>) -> ServerTarget;

    /// A ServerHello of TLS 1.2 (RFC 5246 §7.4.1.3): a random number, no session, one suite, no compression, no extension that says more.
    fn old_hello() -> Vec<u8> {
        [&[22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat()
    }

    /// A server of TLS 1.2 on loopback, and what it was sent on each connection.
    async fn old_server() -> (u16, mpsc::UnboundedReceiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, sent) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut got = vec![0; 5];
                stream.read_exact(&mut got).await.unwrap();
                got.resize(5 + usize::from(u16::from_be_bytes([got[3], got[4]])), 0);
                stream.read_exact(&mut got[5..]).await.unwrap();
                stream.write_all(&old_hello()).await.unwrap();
                let _ = stream.read_to_end(&mut got).await;
                sender.send(got).unwrap();
            }
        });
        (port, sent)
    }

    /// The kinds and contents of the records in `bytes` (RFC 8446 §5.1).
    fn records(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
        let mut found = Vec::new();
        while let [kind, _, _, high, low, rest @ ..] = bytes {
            let (content, next) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            found.push((*kind, content));
            bytes = next;
        }
        assert!(bytes.is_empty(), "a part of a record: {bytes:?}");
        found
    }

    #[tokio::test]
    async fn a_server_of_tls_1_2_is_not_spoken_with_and_gets_nothing_of_a_request() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let known: [(&str, Known); 3] = [
            ("by its chain", |target, certificate| target.roots_alone(vec![certificate])),
            ("by its certificate", |target, certificate| target.exactly(certificate)),
            ("by its root", |target, certificate| target.rooted(vec![sha2::Sha256::digest(certificate).into()], "/server/a")),
        ];
        let (port, mut sent) = old_server().await;
        for (how, known) in known {
            let target = ServerTarget::new(format!("https://127.0.0.1:{port}/").parse().unwrap());
            let client = Egress::new().client(known(target.unwrap(), certificate.der().clone())).unwrap();
            let fault = client.post(HeaderMap::new(), Bytes::from_static(b"{}")).await.err();
            assert!(matches!(fault, Some(Error::Shake(Unshaken::Version))), "{how}: {fault:?}");
            let target = Dot::target(&format!("tls://127.0.0.1:{port}")).unwrap();
            let dot = Dot::to(known(target, certificate.der().clone())).unwrap();
            let fault = dot.resolve(&name()).await.unwrap_err().to_string();
            assert!(fault.contains(&Unshaken::Version.to_string()), "{how}: {fault}");
            for inside in ["HTTP", "DNS"] {
                let got = sent.recv().await.unwrap();
                let [(22, _), rest @ ..] = &records(&got)[..] else { panic!("{how}, {inside}: no hello: {got:?}") };
                // RFC 8446 §6: a fatal alert, protocol_version.
                assert_eq!(rest, [(21, &[2, 70][..])], "{how}, {inside}: something else than an alert");
            }
            assert!(sent.try_recv().is_err(), "{how}: it was tried again");
        }
    }
}
