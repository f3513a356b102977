//! Requests to one server.

use crate::connection::{Connection, Route};
use crate::pool::Pool;
use crate::target::ServerTarget;
use crate::tls::{Inside, Introduction, System, Trust};
use crate::{Error, Outside, SelfSigned, Unshaken, resolver, tls};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::{Frame, Incoming};
use rustls::{ClientConfig, RootCertStore};
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use url::Url;

/// Makes clients. One for the whole gateway: it holds the system's trusted roots.
pub struct Egress {
    roots: RootCertStore,
    outside: Outside,
}

impl Egress {
    /// Reads the system's trusted roots. A system without any is no fault here: clients that bring no roots of their own will say so.
    pub fn new() -> Self {
        Self {
            roots: tls::system_roots().unwrap_or_else(|_| RootCertStore::empty()),
            outside: Outside { resolver: Arc::new(resolver::System), proxy: None },
        }
    }

    /// The same, with names resolved and public addresses reached as `outside` says.
    #[must_use]
    pub fn by(mut self, outside: Outside) -> Self {
        self.outside = outside;
        self
    }

    /// A client for one server, with connections of its own.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::NoRoots`] or [`Error::Tls`]: what the operator gave cannot be used.
    pub fn client(&self, target: ServerTarget) -> Result<Client, Error> {
        let host = HeaderValue::from_str(&authority(&target.url)).map_err(|_| Error::Url("its host cannot be a header"))?;
        let path = match target.url.query() {
            None => PathAndQuery::try_from(target.url.path()),
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", target.url.path())),
        };
        let path = path.map_err(|_| Error::Url("its path cannot be sent"))?;
        Ok(Client { pool: Pool::new(self.route(target, Inside::Http)?), host, path })
    }

    /// Has `client` know its server, and show itself to it, as `target` says from now on: idle connections are closed, and a request that is under way is the
    /// last on its own. Where the server is, and its bounds, stay.
    ///
    /// # Errors
    /// As [`Egress::client`]; the client is then as it was.
    pub fn renew(&self, client: &Client, target: ServerTarget) -> Result<(), Error> {
        if client.url().scheme() == "https" {
            client.pool.renew(self.settings(Inside::Http, target.introduction)?);
        }
        Ok(())
    }

    /// The way to one server.
    ///
    /// # Errors
    /// As [`Egress::client`].
    pub(crate) fn route(&self, target: ServerTarget, inside: Inside) -> Result<Route, Error> {
        let ServerTarget { url, introduction, listed, bounds } = target;
        let settings = if url.scheme() == "https" { Some(self.settings(inside, introduction)?) } else { None };
        Route::new(url, listed, settings, bounds, self.outside.clone())
    }

    fn settings(&self, inside: Inside, introduction: Introduction) -> Result<Arc<ClientConfig>, Error> {
        let Introduction { pins, system, roots: extra, revoked, self_signed, exactly, rooted, identity } = introduction;
        if let Some(leaf) = exactly {
            return tls::settings(inside, Trust::Exactly(leaf), identity);
        }
        if let Some(rooted) = rooted {
            return tls::settings(inside, Trust::Rooted(rooted), identity);
        }
        let mut roots = match system {
            System::Trusted => self.roots.clone(),
            System::Distrusted => RootCertStore::empty(),
        };
        for root in &extra {
            roots.add(root.clone()).map_err(Error::Tls)?;
        }
        if roots.is_empty() {
            return Err(Error::NoRoots);
        }
        let alone = match self_signed {
            SelfSigned::Taken => Vec::new(),
            SelfSigned::Refused => extra,
        };
        tls::settings(inside, Trust::Chain { roots, pins, revoked, alone }, identity)
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Speaks to one server. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
    host: HeaderValue,
    path: PathAndQuery,
}

impl Client {
    /// The server's URL, as it was given.
    pub fn url(&self) -> &Url {
        self.pool.route().url()
    }

    /// POSTs `body` to the server's URL. See [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
        self.send(Method::POST, self.path.clone(), headers, body).await
    }

    /// GETs the server's URL. See [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(&self, headers: HeaderMap) -> Result<Response, Error> {
        self.send(Method::GET, self.path.clone(), headers, Bytes::new()).await
    }

    /// DELETEs the server's URL. See [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn delete(&self, headers: HeaderMap) -> Result<Response, Error> {
        self.send(Method::DELETE, self.path.clone(), headers, Bytes::new()).await
    }

    /// Sends a request to `path` of this server and waits for the head of the answer. `Host` and `Content-Length` are put in here.
    ///
    /// Any status is an answer, redirects included: none is followed. A request is sent at most once, but for one that met a closing
    /// connection before a byte of it was written. Dropping the future or the [`Response`] closes the connection.
    ///
    /// # Errors
    /// What [`Error::never_sent`] says yes to did not reach the server; after the others the outcome is unknown.
    pub async fn send(&self, method: Method, path: PathAndQuery, mut headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
        headers.insert(HOST, self.host.clone());
        if !body.is_empty() || method == Method::POST {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        let bound = self.pool.route().bounds().answer;
        if let Some(connection) = self.pool.take_idle().await {
            match exchange(connection, request, bound).await {
                Ok((connection, answer)) => return Ok(self.response(connection, answer)),
                Err((Error::Unsent(_), Some(unsent))) => request = unsent,
                Err((cause, _)) => return Err(cause),
            }
        }
        let connection = Box::pin(self.pool.open()).await?;
        let (connection, answer) = exchange(connection, request, bound).await.map_err(|(cause, _)| cause)?;
        Ok(self.response(connection, answer))
    }

    fn response(&self, connection: Connection, answer: http::Response<Incoming>) -> Response {
        let (head, body) = answer.into_parts();
        Response { status: head.status, headers: head.headers, body, connection: Some(connection), pool: self.pool.clone() }
    }

    #[cfg(test)]
    pub(crate) fn idle_count(&self) -> usize {
        self.pool.idle_count()
    }
}

type Unsent = Option<Request<Full<Bytes>>>;

async fn exchange(
    mut connection: Connection,
    request: Request<Full<Bytes>>,
    bound: Duration,
) -> Result<(Connection, http::Response<Incoming>), (Error, Unsent)> {
    let outcome = {
        let mut answer = pin!(connection.sender.try_send_request(request));
        let both = poll_fn(|context| {
            // The machine first: it takes the request, and what it read is there at once for the waiting answer.
            let _ = connection.poll_drive(context);
            answer.as_mut().poll(context)
        });
        tokio::time::timeout(bound, both).await
    };
    match outcome {
        Err(_) => Err((Error::Timeout { what: "answer", bound }, None)),
        Ok(Ok(answer)) => Ok((connection, answer)),
        Ok(Err(mut failed)) => match failed.take_message() {
            Some(request) => Err((Error::Unsent(failed.into_error()), Some(request))),
            None => {
                let cause = failed.into_error();
                Err((Unshaken::late(&cause).map_or(Error::Lost(cause), Error::Shake), None))
            }
        },
    }
}

/// The head of an answer, and its body to be read.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    connection: Option<Connection>,
    pool: Arc<Pool>,
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields of the head.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next piece of the body, or none at its end. Pieces have no bound on their sum here: who streams counts.
    ///
    /// Cancel-safe. At the end the connection goes back to the pool.
    ///
    /// # Errors
    /// [`Error::Lost`] when the body breaks off.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            let frame = poll_fn(|context| self.poll_frame(context)).await;
            match frame {
                None => {
                    self.give_back().await;
                    return None;
                }
                Some(Err(cause)) => {
                    self.connection = None;
                    return Some(Err(Error::Lost(cause)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Some(Ok(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Error::TooLong`] when it is, or says that it is, longer than `most_bytes`; [`Error::Timeout`] after `within`; [`Error::Lost`].
    pub async fn collect(&mut self, most_bytes: usize, within: Duration) -> Result<Bytes, Error> {
        if self.body.size_hint().lower() > most_bytes as u64 {
            self.connection = None;
            return Err(Error::TooLong(most_bytes));
        }
        tokio::time::timeout(within, self.gather(most_bytes))
            .await
            .map_err(|_| Error::Timeout { what: "end of the body", bound: within })?
    }

    async fn gather(&mut self, most_bytes: usize) -> Result<Bytes, Error> {
        let mut first = Bytes::new();
        let mut joined: Option<BytesMut> = None;
        while let Some(piece) = self.chunk().await {
            let piece = piece?;
            let so_far = joined.as_ref().map_or(first.len(), BytesMut::len);
            if so_far.saturating_add(piece.len()) > most_bytes {
                self.connection = None;
                return Err(Error::TooLong(most_bytes));
            }
            match &mut joined {
                Some(joined) => joined.extend_from_slice(&piece),
                None if first.is_empty() => first = piece,
                None => {
                    let expected = usize::try_from(self.body.size_hint().lower()).unwrap_or(0).min(most_bytes);
                    let mut both = BytesMut::with_capacity(so_far.saturating_add(piece.len()).max(expected));
                    both.extend_from_slice(&first);
                    both.extend_from_slice(&piece);
                    joined = Some(both);
                }
            }
        }
        Ok(joined.map_or(first, BytesMut::freeze))
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if let Some(connection) = &mut self.connection {
            let _ = connection.poll_drive(context);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    async fn give_back(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.reusable().await
        {
            self.pool.put(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Departure, Resolver, SpkiPin, Witness};
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use sha2::Digest as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// A server that reads a head and its body, and answers each request with the next of `answers`; counts its connections.
    async fn server(answers: Vec<&'static str>, close: bool) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let mut seen = Vec::new();
                loop {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    seen.extend_from_slice(&piece[..read]);
                    let text = String::from_utf8_lossy(&seen).to_string();
                    let Some(end) = text.find("\r\n\r\n") else { continue };
                    let length: usize = text
                        .lines()
                        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|value| value.parse().unwrap()))
                        .unwrap_or(0);
                    if seen.len() < end + 4 + length {
                        continue;
                    }
                    seen.clear();
                    let Some(answer) = answers.next() else { return };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if close {
                        break;
                    }
                }
            }
        });
        (url, connections)
    }

    fn client(url: &str, bounds: Bounds) -> Client {
        Egress::new().client(ServerTarget::new(url.parse().unwrap()).unwrap().bounds(bounds)).unwrap()
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let (url, connections) = server(vec![OK, OK, OK], false).await;
        let client = client(&url, Bounds::default());
        for _ in 0..3 {
            let mut answer = client.post(HeaderMap::new(), Bytes::from_static(b"{}")).await.unwrap();
            assert_eq!(answer.collect(10, SECOND).await.unwrap(), "hi");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_closed_connection_is_noticed_before_the_request_is_sent() {
        let (url, connections) = server(vec![OK, OK], true).await;
        let client = client(&url, Bounds::default());
        for _ in 0..2 {
            let mut answer = client.post(HeaderMap::new(), Bytes::from_static(b"{}")).await.unwrap();
            assert_eq!(answer.collect(10, SECOND).await.unwrap(), "hi");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (url, connections) = server(vec!["HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"], false).await;
        let answer = client(&url, Bounds::default()).post(HeaderMap::new(), Bytes::new()).await.unwrap();
        assert_eq!(answer.status(), 307);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_body_over_its_bound_is_refused_whether_it_says_so_or_not() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n";
        let (url, _) = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", chunked], true).await;
        let client = client(&url, Bounds::default());
        for _ in 0..2 {
            let mut answer = client.post(HeaderMap::new(), Bytes::from_static(b"{}")).await.unwrap();
            assert!(matches!(answer.collect(10, SECOND).await, Err(Error::TooLong(10))));
        }
        assert_eq!(client.idle_count(), 0);
    }

    #[tokio::test]
    async fn silence_ends_after_the_bound_and_is_not_called_unsent() {
        let (url, _) = server(vec![""], false).await;
        let bounds = Bounds { answer: Duration::from_millis(50), ..Bounds::default() };
        let Err(fault) = client(&url, bounds).post(HeaderMap::new(), Bytes::new()).await else { panic!("answered") };
        assert!(matches!(fault, Error::Timeout { what: "answer", .. }) && !fault.never_sent());
    }

    #[tokio::test]
    async fn an_answer_lost_half_way_is_not_tried_again() {
        let (url, connections) = server(vec!["HTTP/1.1 200 OK\r\nContent-Len", OK], true).await;
        let Err(fault) = client(&url, Bounds::default()).post(HeaderMap::new(), Bytes::new()).await else { panic!("answered") };
        assert!(matches!(fault, Error::Lost(_)), "{fault:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_number_of_connections_is_bounded_and_dropping_an_answer_frees_one() {
        let (url, _) = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK], false).await;
        let bounds = Bounds { connections: 1, ..Bounds::default() };
        let client = client(&url, bounds);
        let open = client.get(HeaderMap::new()).await.unwrap();
        assert!(matches!(client.get(HeaderMap::new()).await, Err(Error::Exhausted(1))));
        drop(open);
        client.get(HeaderMap::new()).await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed() {
        let (url, _) = server(vec![OK], false).await;
        let client = client(&url, Bounds { idle: SECOND, ..Bounds::default() });
        client.get(HeaderMap::new()).await.unwrap().collect(10, SECOND).await.unwrap();
        assert_eq!(client.idle_count(), 1);
        tokio::time::timeout(SECOND * 30, async {
            while client.idle_count() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
    }

    /// A server of TLS that is its own authority: its certificate and its key's pin.
    struct Secured {
        acceptor: tokio_rustls::TlsAcceptor,
        certificate: CertificateDer<'static>,
        pin: SpkiPin,
    }

    impl Secured {
        fn new(name: &str) -> Self {
            let key = rcgen::KeyPair::generate().unwrap();
            let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
            let pin = SpkiPin(sha2::Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)).into());
            let certificate = leaf.der().clone();
            let settings = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
                .unwrap();
            Self { acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(settings)), certificate, pin }
        }

        /// Answers one request with [`OK`], if there is a handshake; gives its kind.
        async fn answer(&self, stream: TcpStream) -> Option<rustls::HandshakeKind> {
            let mut stream = self.acceptor.accept(stream).await.ok()?;
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            let _ = stream.shutdown().await;
            stream.get_ref().1.handshake_kind()
        }
    }

    async fn tls_server() -> (u16, CertificateDer<'static>, SpkiPin) {
        let server = Secured::new("localhost");
        let (certificate, pin) = (server.certificate.clone(), server.pin);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                server.answer(stream).await;
            }
        });
        (port, certificate, pin)
    }

    #[tokio::test]
    async fn a_chain_must_be_trusted_and_a_key_must_be_pinned() {
        let (port, certificate, pin) = tls_server().await;
        let target = || ServerTarget::new(format!("https://localhost:{port}/").parse().unwrap()).unwrap();
        let egress = Egress::new();
        let trusted = egress.client(target().roots(vec![certificate.clone()]).pins(vec![pin])).unwrap();
        assert_eq!(trusted.get(HeaderMap::new()).await.unwrap().status(), 200);
        let wrong = egress.client(target().roots(vec![certificate]).pins(vec![SpkiPin([7; 32])])).unwrap();
        assert!(matches!(wrong.get(HeaderMap::new()).await, Err(Error::Shake(Unshaken::OtherKey(_)))));
        let (_, other, _) = tls_server().await;
        let stranger = egress.client(target().roots(vec![other]).pins(vec![pin])).unwrap();
        assert!(matches!(stranger.get(HeaderMap::new()).await, Err(Error::Shake(_))));
    }

    #[tokio::test]
    async fn every_connection_is_shown_the_certificate_anew() {
        let server = Secured::new("localhost");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let target = ServerTarget::new(url.parse().unwrap()).unwrap().roots(vec![server.certificate.clone()]);
        let client = Egress::new().client(target).unwrap();
        for _ in 0..3 {
            let (answer, kind) =
                tokio::join!(client.get(HeaderMap::new()), async { server.answer(listener.accept().await.unwrap().0).await });
            assert_eq!(answer.unwrap().collect(10, SECOND).await.unwrap(), "hi");
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        }
    }

    #[derive(Default)]
    struct Heard(parking_lot::Mutex<Vec<(SpkiPin, Departure)>>);

    impl Witness for Heard {
        fn other_key(&self, seen: SpkiPin, departure: Departure) {
            self.0.lock().push((seen, departure));
        }
    }

    fn now() -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    #[tokio::test]
    async fn pins_that_are_tried_out_are_only_told_of_until_their_time_is_over() {
        let (port, certificate, pin) = tls_server().await;
        for (until, departure) in [(now() + 60, Departure::Taken), (now() - 60, Departure::Refused)] {
            let heard = Arc::new(Heard::default());
            let target = ServerTarget::new(format!("https://localhost:{port}/").parse().unwrap()).unwrap().roots(vec![certificate.clone()]);
            let target = target.pins(vec![SpkiPin([7; 32]), SpkiPin([8; 32])]).tried_until(until).witness(heard.clone());
            let client = Egress::new().client(target).unwrap();
            for _ in 0..2 {
                assert_eq!(client.get(HeaderMap::new()).await.is_ok(), departure == Departure::Taken);
            }
            assert_eq!(*heard.0.lock(), [(pin, departure)], "of each key once");
        }
    }

    #[tokio::test]
    async fn who_is_its_own_authority_is_refused_where_none_may_be() {
        let (port, certificate, _) = tls_server().await;
        for (self_signed, good) in [(SelfSigned::Taken, true), (SelfSigned::Refused, false)] {
            let target = ServerTarget::new(format!("https://localhost:{port}/").parse().unwrap()).unwrap();
            let client = Egress::new().client(target.roots(vec![certificate.clone()]).self_signed(self_signed)).unwrap();
            assert_eq!(client.get(HeaderMap::new()).await.is_ok(), good, "{self_signed:?}");
        }
    }

    #[tokio::test]
    async fn what_a_server_is_known_by_can_be_renewed_and_no_connection_of_before_is_used_again() {
        let (port, certificate, _) = tls_server().await;
        let target = || ServerTarget::new(format!("https://localhost:{port}/").parse().unwrap()).unwrap().roots(vec![certificate.clone()]);
        let egress = Egress::new();
        let client = egress.client(target()).unwrap();
        let mut before = client.get(HeaderMap::new()).await.unwrap();
        egress.renew(&client, target().pins(vec![SpkiPin([7; 32])])).unwrap();
        before.collect(10, SECOND).await.unwrap();
        assert_eq!(client.idle_count(), 0);
        assert!(matches!(client.get(HeaderMap::new()).await, Err(Error::Shake(Unshaken::OtherKey(_)))));
        egress.renew(&client, target()).unwrap();
        assert_eq!(client.get(HeaderMap::new()).await.unwrap().status(), 200);
    }

    struct Far;

    impl Resolver for Far {
        fn resolve<'a>(&'a self, _: &'a crate::HostName) -> crate::Resolving<'a> {
            Box::pin(async { Ok(vec!["2a00::9".parse().unwrap()]) })
        }
    }

    #[tokio::test]
    async fn public_addresses_are_reached_through_the_proxy_with_the_servers_own_certificate() {
        let far = Secured::new("far.example");
        let certificate = far.certificate.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = crate::Proxy::new(&format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"CONNECT [2a00::9]:443 HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            far.answer(stream).await;
        });
        let outside = Outside { resolver: Arc::new(Far), proxy: Some(Arc::new(proxy)) };
        let target = ServerTarget::new("https://far.example/".parse().unwrap()).unwrap().roots(vec![certificate]);
        let client = Egress::new().by(outside.clone()).client(target).unwrap();
        assert_eq!(client.get(HeaderMap::new()).await.unwrap().status(), 200);
        // What is near is not the proxy's: it has ended.
        let (near, _) = server(vec![OK], true).await;
        let client = Egress::new().by(outside).client(ServerTarget::new(near.parse().unwrap()).unwrap()).unwrap();
        assert_eq!(client.get(HeaderMap::new()).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_name_that_resolves_inwards_is_refused() {
        // The system's resolver knows the name of this host, which is never public.
        let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") else { return };
        let Ok(target) = format!("https://{}/", name.trim()).parse() else { return };
        let mut roots = RootCertStore::empty();
        let (_, certificate, _) = tls_server().await;
        roots.add(certificate).unwrap();
        let client = Egress { roots, outside: Egress::new().outside }.client(ServerTarget::new(target).unwrap()).unwrap();
        let Err(fault) = client.get(HeaderMap::new()).await else { panic!("reached") };
        assert!(matches!(fault, Error::Address { .. } | Error::Resolve(_)), "{fault:?}");
    }
}
