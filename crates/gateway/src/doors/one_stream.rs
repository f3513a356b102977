//! Servers that say everything on one stream: HTTP+SSE.

use super::link::{Broken, Link};
use super::local::{STRAYS, sort};
use super::{Closed, limits};
use crate::gate::Gate;
use crate::session::Session;
use crate::snapshot::Server;
use http::HeaderValue;
use std::sync::{Arc, Weak};
use transport::upstream::http::{Receiver, UpstreamHead, Wire};

/// Opens the stream of a server and sorts what comes on it, until the stream or the link ends; then both do.
pub(super) async fn open(
    gate: &Arc<Gate>,
    session: Option<&Arc<Session>>,
    server: &Arc<Server>,
    wire: &Wire,
    authorization: Option<&HeaderValue>,
) -> Result<Arc<Link>, Closed> {
    let opened = wire.open_one_stream(UpstreamHead { authorization, ..UpstreamHead::default() }).await;
    let (sender, receiver) = opened.map_err(Broken::Wire)?;
    let link = Link::over_one_stream(server.name.clone(), server.digest.clone(), sender, limits(&gate.snapshot()));
    let watch = Watch { gate: Arc::clone(gate), link: Arc::clone(&link), server: Arc::clone(server), session: session.map(Arc::downgrade) };
    tokio::spawn(watch.run(receiver));
    Ok(link)
}

struct Watch {
    gate: Arc<Gate>,
    link: Arc<Link>,
    server: Arc<Server>,
    session: Option<Weak<Session>>,
}

impl Watch {
    async fn run(self, mut receiver: Receiver) {
        while self.link.stray_count() <= STRAYS {
            let next = tokio::select! {
                biased;
                () = self.link.ended.cancelled() => break,
                () = self.gate.ending.cancelled() => break,
                next = receiver.next() => next,
            };
            let message = match next {
                None => break,
                Some(frame) => frame.map_err(Broken::Wire).and_then(|frame| self.link.parse(frame)),
            };
            match message {
                Ok(message) => sort(&self.gate, &self.link, &self.server, self.session.as_ref(), message).await,
                Err(cause) => {
                    tracing::warn!(server = %self.server.name, %cause, "a server's stream cannot be used");
                    break;
                }
            }
        }
        self.link.end();
    }
}
