//! The local socket: one line that says who connects and to what, then the messages of one session.

use crate::arrival::{Arrival, Endpoint, LocalArrival, Source};
use crate::gate::Gate;
use crate::line::{self, Reply, Taken, Turn};
use crate::session::Session;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use terms::{Authenticated, Name, Principal, ServerName, Workload};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use transport::accept;
use transport::http::Full;
use transport::lanes::Lanes;
use transport::line_frame::{Bounds, LineWriter, Lines};
use transport::local::{Listener, LocalPeer};

/// Messages that may wait to be written to one client.
const QUEUE: usize = 256;
/// Until the first line has come.
const HELLO: Duration = Duration::from_secs(10);
/// Malformed lines in a row that end a connection.
const PATIENCE: u32 = 3;

/// The first line of a connection: what `bastide connect` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version of this line; 1.
    pub bastide: u32,
    /// Which program connects: its claim.
    #[serde(rename = "as")]
    pub agent: Name,
    /// One server, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
}

/// Serves the socket until the gateway ends, each connection on one of `lanes`. One beyond `most` is closed unread.
pub async fn serve(
    gate: Arc<Gate>,
    listener: Listener,
    most: usize,
    lanes: &Lanes,
    user_of: Arc<dyn Fn(u32) -> Option<Name> + Send + Sync>,
) {
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(most));
    while let Some((stream, peer)) = accept::next(&gate.ending, || listener.accept()).await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            gate.metrics.turned_away("local", Full::Total);
            continue;
        };
        let (gate, user_of) = (Arc::clone(&gate), Arc::clone(&user_of));
        let Ok(stream) = stream.into_std() else { continue };
        lanes.spawn(&tracker, async move {
            if let Ok(stream) = UnixStream::from_std(stream) {
                connection(gate, stream, peer, &*user_of).await;
            }
            drop(place);
        });
    }
}

async fn connection(gate: Arc<Gate>, stream: UnixStream, peer: LocalPeer, user_of: &(dyn Fn(u32) -> Option<Name> + Send + Sync)) {
    let bounds = gate.snapshot().bounds;
    let (reader, writer) = stream.into_split();
    let mut lines = Lines::new(reader, bounds.message);
    let writer = LineWriter::new(writer, Bounds { line_bytes: usize::MAX, write: bounds.write, ..Bounds::default() });
    let hello = match tokio::time::timeout(HELLO, lines.next()).await {
        Ok(Some(Ok(line))) => serde_json::from_slice::<Hello>(&line).ok().filter(|hello| hello.bastide == 1),
        _ => None,
    };
    let Some(hello) = hello else {
        tracing::warn!(uid = peer.uid, "a local connection did not say who it is");
        return;
    };
    let principal = Arc::new(Principal {
        agent: hello.agent,
        user: user_of(peer.uid),
        workload: Workload::Local { uid: peer.uid, executable: peer.executable.map(|path| path.to_string_lossy().into_owned()) },
        authenticated: Authenticated::Peer,
    });
    let endpoint = hello.server.map_or(Endpoint::All, Endpoint::Server);
    let (outlet, mut outgoing) = mpsc::channel::<Bytes>(QUEUE);
    let writing = tokio::spawn(async move {
        while let Some(text) = outgoing.recv().await {
            if writer.send(&text).await.is_err() {
                break;
            }
        }
        writer.close().await;
    });
    let mut session: Option<Arc<Session>> = None;
    let mut faults = 0_u32;
    loop {
        let ended = session.as_ref().map(|session| session.ended.clone());
        let line = tokio::select! {
            biased;
            () = gate.ending.cancelled() => break,
            () = async { match &ended { Some(ended) => ended.cancelled().await, None => std::future::pending().await } } => break,
            line = lines.next() => line,
        };
        let Some(Ok(line)) = line else { break };
        let arrival = Arrival {
            source: Source::Local(Box::new(LocalArrival {
                line,
                principal: Arc::clone(&principal),
                endpoint: endpoint.clone(),
                session: session.clone(),
                outlet: outlet.clone(),
            })),
        };
        match line::request(&gate, arrival, Reply::line(outlet.clone())).await {
            Taken::Understood(opened, action) => {
                faults = 0;
                session.get_or_insert(opened);
                match action.turn() {
                    Turn::First => action.await,
                    Turn::Beside => drop(tokio::spawn(action)),
                }
            }
            Taken::Refused(bound) => {
                faults = 0;
                session = session.or(bound);
            }
            Taken::Malformed => faults += 1,
        }
        if faults >= PATIENCE {
            break;
        }
    }
    if let Some(session) = session {
        gate.end_session(&session).await;
    }
    drop(outlet);
    let _ = tokio::time::timeout(Duration::from_secs(2), writing).await;
}
