//! What a server is asked to tell outside of calls, where that is one request which stays open (MCP 2026-07-28, `subscriptions/listen`).
//!
//! There is one such request a link. It is opened anew when other resources are wanted.

use super::{Broken, Incoming, Link};
use crate::gate::Gate;
use crate::session::Session;
use crate::snapshot::Server;
use crate::standing;
use mcp::view::Filter;
use mcp::{Method, json};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Longest that a server may take to acknowledge what it is asked to tell.
const ACKNOWLEDGED: Duration = Duration::from_secs(5);
/// Until a subscription that was lost is opened again; it doubles.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest of these.
const AGAIN_MOST: Duration = Duration::from_secs(60);

/// What is wanted of one server, and what it has acknowledged.
#[derive(Debug)]
pub(crate) struct Subscribing {
    resources: Mutex<BTreeSet<String>>,
    /// Rises with each change of what is wanted.
    wanted: AtomicU64,
    changed: Notify,
    /// What was wanted when the request that is open was sent.
    asked: AtomicU64,
    heard: watch::Sender<u64>,
}

impl Default for Subscribing {
    fn default() -> Self {
        Self {
            resources: Mutex::default(),
            wanted: AtomicU64::new(1),
            changed: Notify::new(),
            asked: AtomicU64::new(0),
            heard: watch::Sender::new(0),
        }
    }
}

impl Subscribing {
    /// The server acknowledged the request that is open.
    pub(crate) fn acknowledged(&self) {
        let asked = self.asked.load(Ordering::Acquire);
        self.heard.send_modify(|heard| *heard = (*heard).max(asked));
    }

    /// Whether something else is wanted than was asked for.
    fn is_behind(&self) -> bool {
        self.wanted.load(Ordering::Acquire) != self.asked.load(Ordering::Acquire)
    }

    /// Wants to hear of these from the first request on.
    pub(super) fn begin(&self, uris: BTreeSet<String>) {
        self.resources.lock().extend(uris);
    }

    fn change(&self) -> u64 {
        let now = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.notify_one();
        now
    }

    /// Wants to hear of a resource, and waits until the server knows.
    ///
    /// # Errors
    /// [`Broken::Slow`] when it does not say that it does.
    pub(super) async fn want(&self, uri: &str) -> Result<(), Broken> {
        if !self.resources.lock().insert(uri.to_owned()) {
            return Ok(());
        }
        let now = self.change();
        let mut heard = self.heard.subscribe();
        match tokio::time::timeout(ACKNOWLEDGED, heard.wait_for(|heard| *heard >= now)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.resources.lock().remove(uri);
                self.change();
                Err(Broken::Slow)
            }
        }
    }

    /// Does not want to hear of a resource any more.
    pub(super) fn forget(&self, uri: &str) {
        if self.resources.lock().remove(uri) {
            self.change();
        }
    }

    /// The params of the request for all that is wanted now; none when that is nothing.
    fn params(&self, link: &Link) -> Option<Vec<u8>> {
        let resources = self.resources.lock();
        let filter = Filter {
            tools: link.tells("tools"),
            prompts: link.tells("prompts"),
            resources: link.tells("resources"),
            updates: resources.iter().map(|uri| uri.as_str().into()).collect(),
        };
        if filter == Filter::default() {
            return None;
        }
        let mut params = Vec::with_capacity(192);
        let mut object = json::Object::open(&mut params);
        mcp::print::print_filter(object.key("notifications"), &filter);
        object.close();
        Some(params)
    }
}

/// Keeps the subscription open as long as the link lives.
pub(super) fn subscribe(gate: &Arc<Gate>, link: &Arc<Link>, server: &Arc<Server>, session: Option<&Arc<Session>>) {
    let (gate, link, server, session) = (Arc::clone(gate), Arc::clone(link), Arc::clone(server), session.map(Arc::downgrade));
    tokio::spawn(async move {
        let mut delay = AGAIN;
        while link.is_open() && !gate.ending.is_cancelled() {
            let held = tokio::select! {
                () = link.ended.cancelled() => return,
                () = gate.ending.cancelled() => return,
                held = hold(&gate, &link, &server, session.as_ref(), &mut delay) => held,
            };
            match held {
                Ok(()) => delay = AGAIN,
                Err(cause) => {
                    tracing::debug!(server = %server.name, %cause, "a subscription was lost");
                    tokio::select! {
                        () = link.ended.cancelled() => return,
                        () = tokio::time::sleep(delay) => delay = (delay * 2).min(AGAIN_MOST),
                    }
                }
            }
        }
    });
}

/// Holds one request open until something else is wanted. One that the server acknowledged is opened again soon.
async fn hold(
    gate: &Arc<Gate>,
    link: &Arc<Link>,
    server: &Arc<Server>,
    session: Option<&Weak<Session>>,
    again: &mut Duration,
) -> Result<(), Broken> {
    let subscribing = link.subscribing();
    subscribing.asked.store(subscribing.wanted.load(Ordering::Acquire), Ordering::Release);
    let Some(params) = subscribing.params(link) else {
        subscribing.acknowledged();
        subscribing.changed.notified().await;
        return Ok(());
    };
    let mut flight = link.listen(&params).await?;
    loop {
        tokio::select! {
            // What changed before the request was sent is in it.
            () = subscribing.changed.notified() => if subscribing.is_behind() {
                flight.cancel().await;
                return Ok(());
            },
            next = flight.next() => match next? {
                Incoming::Note(note) if note.method == Method::ListenAcknowledged => {
                    *again = AGAIN;
                    subscribing.acknowledged();
                }
                Incoming::Note(note) => {
                    let session = session.and_then(Weak::upgrade);
                    standing::note(gate, link, server, session.as_ref(), note).await;
                }
                Incoming::Question(_) | Incoming::Stray(_) | Incoming::Parted => {}
                // The server ended it.
                Incoming::Response(_) => return Err(Broken::Gone),
            },
        }
    }
}
