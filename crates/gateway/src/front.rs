//! The two ways in: requests of the data listener and lines of the local socket. Both end in [`crate::line::request`].

use crate::arrival::{Arrival, HttpArrival, Source};
use crate::channel::{Channels, OneStream};
use crate::gate::Gate;
use crate::line::{self, Action, Door, Reply, Taken};
use crate::page;
use crate::plain;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use transport::http::{Answer, Body, Flaw, Full, Peer};
use transport::tls::{HSTS, Handshake};

/// Answers the requests of the data listener.
pub struct Front {
    gate: Arc<Gate>,
    channels: Arc<Channels>,
}

impl Front {
    /// Answers with this gate.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, channels: Arc::default() }
    }
}

impl Answer for Front {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let page = page::of(&self.gate, &head);
        let mut response = match plain::answer(&self.gate, &head) {
            Some(response) => response,
            None => match OneStream::of(&self.gate.snapshot().listen, &head) {
                Some(asked) => Box::pin(asked.answer(&self.gate, &self.channels, head, body, peer)).await,
                None => self.line(head, body, peer).await,
            },
        };
        page::mark(response.headers_mut(), page);
        self.keep_secured(&mut response);
        response
    }

    async fn malformed(&self, flaw: Flaw, peer: Peer) -> Response<Body> {
        let (first, answer) = oneshot::channel();
        line::malformed(&self.gate, flaw, &peer, Reply::http(first)).await;
        let mut response = given(answer.await);
        self.keep_secured(&mut response);
        response
    }

    async fn unshaken(&self, fault: Handshake, address: SocketAddr) {
        line::unshaken(&self.gate, Door::Data, fault, address).await;
    }

    fn turned_away(&self, full: Full) {
        self.gate.metrics.turned_away("data", full);
    }
}

impl Front {
    /// Has whoever came inside TLS not come back without it. In the clear nothing is said (RFC 6797 §7.2).
    fn keep_secured(&self, response: &mut Response<Body>) {
        if self.gate.snapshot().listen.is_secured() {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
    }

    async fn line(&self, head: Parts, body: Incoming, peer: Peer) -> Response<Body> {
        let (first, answer) = oneshot::channel();
        let arrival = Arrival { source: Source::Http(Box::new(HttpArrival { head, body: Some(body), peer })) };
        let told = match line::request(&self.gate, arrival, Reply::http(first)).await {
            Taken::Refused(_) | Taken::Malformed => answer.await,
            Taken::Understood(_, action) => first_of(answer, action).await,
        };
        given(told)
    }
}

/// What was told; an empty 500 where nothing was.
pub(crate) fn given(told: Result<Response<Body>, oneshot::error::RecvError>) -> Response<Body> {
    told.unwrap_or_else(|_| plain::respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty(), |response| response))
}

/// The answer as soon as there is one. The action goes on by itself where the answer was only the start of a stream.
pub(crate) async fn first_of(
    mut answer: oneshot::Receiver<Response<Body>>,
    mut action: Action,
) -> Result<Response<Body>, oneshot::error::RecvError> {
    tokio::select! {
        biased;
        told = &mut answer => return told,
        () = &mut action => {}
    }
    answer.await
}
