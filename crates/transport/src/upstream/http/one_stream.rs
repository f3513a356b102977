//! HTTP+SSE: what a server says comes on one stream, and what it is told is POSTed where that stream says.
//!
//! Source: MCP 2024-11-05, Transports, "HTTP with SSE". Controls: `transport.bounds`, `transport.strict-messages`.

use super::{ACCEPT, CONTENT_TYPE, Content, JSON, STREAM, UpstreamHead, Wire, content};
use crate::sse::{Event, Kind, Reader};
use crate::upstream::Fault;
use bytes::Bytes;
use egress::Response;
use http::header::CONTENT_ENCODING;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use url::Url;

/// Bytes that the address of an endpoint may have.
const ENDPOINT_BYTES: usize = 2048;

/// Sends frames to the endpoint that the stream named. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    wire: Wire,
    endpoint: PathAndQuery,
    fields: Arc<HeaderMap>,
}

/// Receives what comes on the stream. Dropping it closes the stream, which ends the server's session.
pub struct Receiver {
    answer: Response,
    reader: Reader,
    strays: u64,
    over: Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    Yes,
}

impl Wire {
    /// Opens the one stream of a server that speaks HTTP+SSE, and waits until it has said where it is to be told.
    ///
    /// The stream has no bound on its length or time; its lines, its events and what lies between them have theirs.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Endpoint`] when what is said first is not an endpoint of the same origin, [`Fault::Slow`] when nothing is said in time.
    pub async fn open_one_stream(&self, head: UpstreamHead<'_>) -> Result<(Sender, Receiver), Fault> {
        let mut fields = head.fields()?;
        let mut sent = fields.clone();
        fields.insert(ACCEPT, STREAM);
        let answer = self.client.get(fields).await?;
        if answer.headers().contains_key(CONTENT_ENCODING) {
            return Err(Fault::ContentEncoding);
        }
        if answer.status() != StatusCode::OK {
            return Err(self.refused(answer).await);
        }
        let Some(Content::Stream) = content(answer.headers()) else { return Err(Fault::ContentType) };
        let mut receiver = Receiver { answer, reader: self.reader(None), strays: 0, over: Over::No };
        let first = tokio::time::timeout(self.bounds.endpoint, receiver.event()).await;
        let said = match first.map_err(|_| Fault::Slow(self.bounds.endpoint))? {
            Some(Ok(Event { kind: Kind::Endpoint, data })) => data,
            Some(Ok(_)) | None => return Err(Fault::Endpoint("the stream does not begin with it")),
            Some(Err(fault)) => return Err(fault),
        };
        let endpoint = endpoint(self.client.url(), &said)?;
        sent.insert(CONTENT_TYPE, JSON);
        Ok((Sender { wire: self.clone(), endpoint, fields: Arc::new(sent) }, receiver))
    }
}

/// Where a server wants to be told, which is nowhere but on its own origin.
fn endpoint(stream: &Url, said: &[u8]) -> Result<PathAndQuery, Fault> {
    // What a URL's parser would leave out on its way is no part of an address.
    if said.len() > ENDPOINT_BYTES || !said.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::Endpoint("it is not an address"));
    }
    let text = std::str::from_utf8(said).map_err(|_| Fault::Endpoint("it is not an address"))?;
    let url = stream.join(text).map_err(|_| Fault::Endpoint("it is not an address"))?;
    if url.origin() != stream.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Endpoint("it is of another origin"));
    }
    let path = match url.query() {
        None => PathAndQuery::try_from(url.path()),
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", url.path())),
    };
    path.map_err(|_| Fault::Endpoint("its path cannot be sent"))
}

impl Sender {
    /// Sends one frame. What it is answered with comes on the stream.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Status`] for every status but 202.
    pub async fn send(&self, frame: Bytes) -> Result<(), Fault> {
        let mut answer = self.wire.client.send(Method::POST, self.endpoint.clone(), HeaderMap::clone(&self.fields), frame).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(self.wire.refused(answer).await);
        }
        // Read to its end so that the connection can be used again; what stands there is of no use.
        answer.collect(self.wire.bounds.error_bytes, self.wire.bounds.answer).await?;
        Ok(())
    }
}

impl Receiver {
    /// The next frame, or none when the server has ended the stream. Cancel-safe.
    ///
    /// # Errors
    /// [`Fault`], [`Fault::Endpoint`] among them when another one is named; then none.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let next = match self.event().await? {
            Ok(Event { kind: Kind::Endpoint, .. }) => Err(Fault::Endpoint("another one is named")),
            Ok(event) => Ok(event.data),
            Err(fault) => Err(fault),
        };
        if next.is_err() {
            self.over = Over::Yes;
        }
        Some(next)
    }

    /// How many events of unknown names were dropped.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// The next message or endpoint.
    async fn event(&mut self) -> Option<Result<Event, Fault>> {
        loop {
            match self.reader.next_event() {
                Err(fault) => return Some(Err(fault.into())),
                Ok(Some(event)) if event.kind == Kind::Stray => self.strays += 1,
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) if self.over == Over::Yes => return None,
                Ok(None) => match self.answer.chunk().await {
                    None => self.over = Over::Yes,
                    Some(Err(cause)) => return Some(Err(cause.into())),
                    Some(Ok(piece)) => {
                        if let Err(fault) = self.reader.push(piece) {
                            return Some(Err(fault.into()));
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse;
    use crate::upstream::http::Bounds;
    use egress::{Egress, ServerTarget};
    use http::{HeaderValue, Request};
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::sync::Mutex;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    type Pieces = futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>;
    type Answer = http::Response<http_body_util::Either<Full<Bytes>, StreamBody<Pieces>>>;

    /// A server of which each GET is answered with `head` and then with what comes out of the channel, and each POST with `told`.
    struct Server {
        wire: Wire,
        say: mpsc::UnboundedSender<&'static str>,
        seen: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    }

    fn plain(status: u16, fields: &[(&'static str, &'static str)]) -> Answer {
        let mut answer = http::Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        answer.body(http_body_util::Either::Left(Full::new(Bytes::from_static(b"Accepted")))).unwrap()
    }

    const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

    type Fields = &'static [(&'static str, &'static str)];

    async fn server(fields: Fields, told: (u16, Fields)) -> Server {
        server_within(fields, told, Duration::from_secs(30)).await
    }

    /// The same, which must have said within `endpoint` where it is to be told.
    async fn server_within(fields: Fields, told: (u16, Fields), endpoint: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/deep/sse?a=b", listener.local_addr().unwrap());
        let (say, said) = mpsc::unbounded_channel::<&'static str>();
        let (said, seen) = (Arc::new(Mutex::new(Some(said))), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (said, kept) = (Arc::clone(&said), Arc::clone(&kept));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (said, kept) = (Arc::clone(&said), Arc::clone(&kept));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        kept.lock().unwrap().push((format!("{} {}", head.method, head.uri), head.headers, body));
                        if head.method == Method::POST {
                            return Ok::<_, Infallible>(plain(told.0, told.1));
                        }
                        let pieces = said.lock().unwrap().take().unwrap();
                        let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
                            let piece = pieces.recv().await?;
                            Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), pieces))
                        });
                        let mut answer = http::Response::new(http_body_util::Either::Right(StreamBody::new(Box::pin(pieces) as Pieces)));
                        for (name, value) in fields {
                            answer.headers_mut().append(*name, HeaderValue::from_static(value));
                        }
                        Ok(answer)
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let client = Egress::new().client(ServerTarget::new(url.parse().unwrap()).unwrap()).unwrap();
        let bounds = Bounds { frame_bytes: 1000, endpoint, ..Bounds::default() };
        Server { wire: Wire::new(client, bounds), say, seen }
    }

    async fn opened(first: &'static str) -> Result<(Sender, Receiver), Fault> {
        let Server { wire, say, .. } = server(EVENTS, (202, &[])).await;
        say.send(first).unwrap();
        drop(say);
        wire.open_one_stream(UpstreamHead::default()).await
    }

    #[tokio::test]
    async fn what_is_posted_is_answered_on_the_stream() {
        let server = server(EVENTS, (202, &[])).await;
        let bearer = HeaderValue::from_static("Bearer x");
        server.say.send(": hi\r\n\r\nevent: endpoint\r\ndata: /messages?sessionId=1-2\r\n\r\nevent: odd\ndata: x\n\n").unwrap();
        let head = UpstreamHead { authorization: Some(&bearer), ..UpstreamHead::default() };
        let (sender, mut receiver) = server.wire.open_one_stream(head).await.unwrap();
        sender.send(Bytes::from_static(b"{\"id\":1}")).await.unwrap();
        sender.clone().send(Bytes::from_static(b"{\"id\":2}")).await.unwrap();
        server.say.send("event: message\ndata: {\"id\":2,\ndata: \"x\":1}\n\ndata: {}\n\n").unwrap();
        assert_eq!(receiver.next().await.unwrap().unwrap(), "{\"id\":2,\n\"x\":1}");
        assert_eq!(receiver.next().await.unwrap().unwrap(), "{}");
        assert_eq!(receiver.strays(), 1);
        drop(server.say);
        assert!(receiver.next().await.is_none() && receiver.next().await.is_none());
        let seen = server.seen.lock().unwrap().clone();
        assert_eq!(
            seen.iter().map(|(line, ..)| line.as_str()).collect::<Vec<_>>(),
            ["GET /deep/sse?a=b", "POST /messages?sessionId=1-2", "POST /messages?sessionId=1-2"]
        );
        assert!(seen.iter().all(|(_, head, _)| head["authorization"] == "Bearer x"));
        assert_eq!((&seen[0].1["accept"], &seen[1].1["content-type"]), (&STREAM, &JSON));
        assert_eq!(seen[2].2, "{\"id\":2}");
    }

    #[test]
    fn an_endpoint_is_of_the_streams_own_origin() {
        let stream: Url = "https://a.example:8443/deep/sse?x=y".parse().unwrap();
        for (said, path) in [
            ("/messages?id=1", "/messages?id=1"),
            ("messages", "/deep/messages"),
            ("?id=1", "/deep/sse?id=1"),
            ("https://a.example:8443/m", "/m"),
            ("//a.example:8443/m", "/m"),
            ("/m#part", "/m"),
            ("", "/deep/sse?x=y"),
        ] {
            assert_eq!(endpoint(&stream, said.as_bytes()).unwrap(), path, "{said}");
        }
        let long = format!("/{}", "x".repeat(ENDPOINT_BYTES));
        for said in [
            "https://evil.example/m",
            "https://a.example/m",
            "http://a.example:8443/m",
            "//evil.example/m",
            "\\\\evil.example/m",
            "https://user@a.example:8443/m",
            "https://user:word@a.example:8443/m",
            "https://a.example:8443@evil.example/m",
            "javascript:alert(1)",
            "data:text/plain,x",
            "file:///etc/passwd",
            "/a b",
            "/a\tb",
            "/a\r\nX: y",
            "/\u{e9}",
            "https://",
            &long,
        ] {
            assert!(matches!(endpoint(&stream, said.as_bytes()), Err(Fault::Endpoint(_))), "{said}");
        }
    }

    #[tokio::test]
    async fn a_stream_begins_with_one_endpoint() {
        for first in [
            "event: endpoint\ndata: http://evil.example/m\n\n",
            "data: {}\n\n",
            "event: message\ndata: {}\n\nevent: endpoint\ndata: /m\n\n",
            ": only noise\n\n",
        ] {
            let fault = opened(first).await.err();
            assert!(matches!(fault, Some(Fault::Endpoint(_))), "{first:?}: {fault:?}");
        }
        let (_, mut receiver) = opened("event: endpoint\ndata: /m\n\ndata: {}\n\nevent: endpoint\ndata: /n\n\ndata: {}\n\n").await.unwrap();
        assert_eq!(receiver.next().await.unwrap().unwrap(), "{}");
        assert!(matches!(receiver.next().await, Some(Err(Fault::Endpoint(_)))));
        let server = server_within(EVENTS, (202, &[]), Duration::from_millis(300)).await;
        server.say.send("event: endpoint\n").unwrap();
        assert!(matches!(server.wire.open_one_stream(UpstreamHead::default()).await, Err(Fault::Slow(_))));
    }

    #[tokio::test]
    async fn what_is_no_stream_of_events_is_a_fault() {
        let open = async |fields| {
            let server = server(fields, (202, &[])).await;
            server.say.send("event: endpoint\ndata: /m\n\n").unwrap();
            server.wire.open_one_stream(UpstreamHead::default()).await.err().unwrap()
        };
        assert!(matches!(open(&[("content-type", "application/json")]).await, Fault::ContentType));
        assert!(matches!(open(&[]).await, Fault::ContentType));
        assert!(matches!(open(&[("content-type", "text/event-stream"), ("content-encoding", "gzip")]).await, Fault::ContentEncoding));
    }

    #[tokio::test]
    async fn what_is_endless_is_bounded() {
        let long: &'static str = Box::leak(format!("data: {}", "x".repeat(2000)).into_boxed_str());
        let event: &'static str = Box::leak("data: 12345678\n".repeat(200).into_boxed_str());
        let noise: &'static str = Box::leak(": noise\n".repeat(200_000).into_boxed_str());
        for (what, wanted) in [(long, sse::Fault::Line(1016)), (event, sse::Fault::Event(1000)), (noise, sse::Fault::Noise(1 << 20))] {
            let server = server(EVENTS, (202, &[])).await;
            server.say.send("event: endpoint\ndata: /m\n\n").unwrap();
            let (_sender, mut receiver) = server.wire.open_one_stream(UpstreamHead::default()).await.unwrap();
            server.say.send(what).unwrap();
            let fault = receiver.next().await;
            assert!(matches!(fault, Some(Err(Fault::Stream(found))) if found == wanted), "{wanted:?}: {fault:?}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_says_202_and_nothing_else() {
        for (status, fields) in [(200, EVENTS), (404, &[][..]), (302, &[("location", "/elsewhere")][..]), (500, &[][..])] {
            let server = server(EVENTS, (status, fields)).await;
            server.say.send("event: endpoint\ndata: /m\n\n").unwrap();
            let (sender, _receiver) = server.wire.open_one_stream(UpstreamHead::default()).await.unwrap();
            let fault = sender.send(Bytes::from_static(b"{}")).await.unwrap_err();
            match status {
                302 => assert!(matches!(fault, Fault::Redirect(_))),
                _ => assert!(matches!(fault, Fault::Status { status: found, .. } if found == status), "{fault:?}"),
            }
            assert_eq!(server.seen.lock().unwrap().len(), 2, "no redirect is followed");
        }
    }
}
