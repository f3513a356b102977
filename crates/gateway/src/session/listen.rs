//! Who listens to what is told outside of calls, where each subscription is a request of its own (MCP 2026-07-28, `subscriptions/listen`).

use bytes::Bytes;
use mcp::view::Filter;
use mcp::{Id, Method};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use supply::Kind;
use terms::ServerName;
use tokio::sync::mpsc;

/// What may be told outside of calls.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A list is another one now.
    Changed(Kind),
    /// A resource was updated.
    Updated {
        /// Whose it is.
        server: &'a ServerName,
        /// Its own address of it.
        uri: &'a str,
        /// What the session calls it.
        shown: &'a str,
    },
}

/// What one subscription asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Lists.
    pub lists: BTreeSet<Kind>,
    /// Resources: the server, its own address, and how the client spelled it.
    pub resources: BTreeMap<(ServerName, String), String>,
}

/// How messages are written to who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As server-sent events.
    Event,
    /// As lines.
    Line,
}

/// One subscription.
struct Listener {
    id: Id,
    wants: Wants,
    sink: mpsc::Sender<Bytes>,
    form: Form,
}

/// The subscriptions of a session.
#[derive(Default)]
pub struct Listeners {
    open: Mutex<Vec<Listener>>,
    /// Places that were claimed and are not filled yet; looked at under the lock of the others.
    claimed: AtomicUsize,
    /// Set under the lock of the others.
    closed: AtomicBool,
}

/// A place for one stream or subscription, free again when it is dropped.
pub struct Place<'a> {
    listeners: &'a Listeners,
}

impl Place<'_> {
    /// Enters a subscription in it and acknowledges it, which is the first that it hears.
    pub fn fill(self, id: Id, wants: Wants, sink: mpsc::Sender<Bytes>, form: Form) {
        let listeners = self.listeners;
        let mut open = listeners.open.lock();
        listeners.add(&mut open, Listener { id, wants, sink, form });
        drop(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.listeners.claimed.fetch_sub(1, Ordering::Relaxed);
    }
}

impl News<'_> {
    /// The notification, for the subscription `of` where there is one.
    pub fn frame(&self, of: Option<&Id>) -> Bytes {
        let mut params = Vec::with_capacity(96);
        let mut object = mcp::json::Object::open(&mut params);
        if let Some(id) = of {
            mcp::print::print_own_meta(object.key("_meta"), Some(id), None);
        }
        let method = match self {
            Self::Changed(Kind::Tool) => Method::ToolsChanged,
            Self::Changed(Kind::Prompt) => Method::PromptsChanged,
            Self::Changed(Kind::Template) => Method::ResourcesChanged,
            Self::Updated { shown, .. } => {
                object.text("uri", shown);
                Method::ResourceUpdated
            }
        };
        object.close();
        let params = (params.len() > 2).then_some(params);
        let mut text = Vec::with_capacity(160);
        mcp::print_notification(&mut text, method.as_str(), params.as_deref());
        text.into()
    }
}

impl Wants {
    fn hear(&self, news: &News<'_>) -> bool {
        match news {
            News::Changed(kind) => self.lists.contains(kind),
            News::Updated { server, uri, .. } => self.resources.contains_key(&((*server).clone(), (*uri).to_owned())),
        }
    }

    /// What of a subscription is honoured, as its acknowledgement says it.
    fn filter(&self) -> Filter<'_> {
        let listed = |kind| self.lists.contains(&kind);
        let updates = self.resources.values().map(|shown| shown.as_str().into()).collect();
        Filter { tools: listed(Kind::Tool), prompts: listed(Kind::Prompt), resources: listed(Kind::Template), updates }
    }
}

impl Listener {
    /// Whether it heard; one that is too slow or gone is let go of.
    fn hear(&self, message: &[u8]) -> bool {
        let text = match self.form {
            Form::Event => event(message),
            Form::Line => Bytes::copy_from_slice(message),
        };
        self.sink.try_send(text).is_ok()
    }

    /// The end of it, said in peace: the answer to the request that it is.
    fn conclude(&self) {
        let mut result = Vec::with_capacity(192);
        mcp::print::print_listened(&mut result, &self.id, env!("CARGO_PKG_VERSION"));
        let mut text = Vec::with_capacity(192);
        mcp::print_result(&mut text, &self.id, &result);
        self.hear(&text);
    }
}

impl Listeners {
    /// A place for one more where there are fewer than `most`, which is asked while nobody else can claim one.
    pub(super) fn claim(&self, most: impl FnOnce() -> usize) -> Option<Place<'_>> {
        let mut open = self.open.lock();
        open.retain(|listener| !listener.sink.is_closed());
        if open.len() + self.claimed.load(Ordering::Relaxed) >= most() {
            return None;
        }
        self.claimed.fetch_add(1, Ordering::Relaxed);
        Some(Place { listeners: self })
    }

    fn add(&self, open: &mut Vec<Listener>, listener: Listener) {
        let mut text = Vec::with_capacity(256);
        mcp::print::print_acknowledged(&mut text, &listener.id, &listener.wants.filter());
        if !listener.hear(&text) {
            return;
        }
        if self.closed.load(Ordering::Relaxed) {
            listener.conclude();
        } else {
            open.push(listener);
        }
    }

    /// Tells everyone who asked for it.
    pub fn tell(&self, news: &News<'_>) {
        self.open.lock().retain(|listener| !listener.wants.hear(news) || listener.hear(&news.frame(Some(&listener.id))));
    }

    /// Ends the one that was opened by the request `id`; what it wanted.
    pub fn cancel(&self, id: &Id) -> Option<Wants> {
        let mut open = self.open.lock();
        let at = open.iter().position(|listener| listener.id == *id && listener.form == Form::Line)?;
        Some(open.swap_remove(at).wants)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let mut open = self.open.lock();
        open.retain(|listener| !listener.sink.is_closed());
        open.len()
    }

    /// Whether anyone still wants to hear of a resource.
    pub fn wants(&self, server: &ServerName, uri: &str) -> bool {
        let key = (server.clone(), uri.to_owned());
        self.open.lock().iter().any(|listener| !listener.sink.is_closed() && listener.wants.resources.contains_key(&key))
    }

    /// Ends all of them, each with its answer, and every one that is entered later.
    pub fn close(&self) {
        let mut open = self.open.lock();
        self.closed.store(true, Ordering::Relaxed);
        for listener in open.drain(..) {
            listener.conclude();
        }
    }
}

/// One message as a server-sent event without an id: it cannot be resumed.
pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(message.len() + 24);
    text.extend_from_slice(b"event: message\ndata: ");
    text.extend_from_slice(message);
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_hears_what_it_asked_for_under_its_own_id() {
        let listeners = Listeners::default();
        let (one, mut first) = mpsc::channel(8);
        let (two, mut second) = mpsc::channel(8);
        let server = ServerName::new("files").unwrap();
        let tools = Wants { lists: BTreeSet::from([Kind::Tool]), resources: BTreeMap::new() };
        let one_file =
            Wants { lists: BTreeSet::new(), resources: BTreeMap::from([((server.clone(), "a:b".to_owned()), "x:y".to_owned())]) };
        listeners.claim(|| 8).unwrap().fill(Id::Text("7".into()), tools, one, Form::Line);
        listeners.claim(|| 8).unwrap().fill(Id::Number(7), one_file, two, Form::Event);
        listeners.tell(&News::Changed(Kind::Tool));
        listeners.tell(&News::Changed(Kind::Prompt));
        listeners.tell(&News::Updated { server: &server, uri: "a:b", shown: "x:y" });
        let (first, second) = (heard(&mut first), heard(&mut second));
        assert_eq!(first.len(), 2, "{first:?}");
        assert!(first[0].contains("acknowledged") && first[0].contains(r#"subscriptionId":"7""#) && first[0].contains("toolsListChanged"));
        assert!(first[1].contains("tools/list_changed"));
        assert_eq!(second.len(), 2, "{second:?}");
        assert!(second[0].starts_with("event: message\ndata: {") && second[0].contains(r#"resourceSubscriptions":["x:y"]"#));
        assert!(second[1].contains(r#"subscriptionId":7}"#) && second[1].contains(r#""uri":"x:y""#));
        assert_eq!(listeners.cancel(&Id::Number(7)), None);
        assert!(listeners.cancel(&Id::Text("7".into())).is_some());
    }

    #[test]
    fn a_place_is_taken_before_it_is_filled_and_free_when_nobody_listens() {
        let listeners = Listeners::default();
        let one = listeners.claim(|| 2).unwrap();
        let two = listeners.claim(|| 2).unwrap();
        assert!(listeners.claim(|| 2).is_none());
        drop(one);
        let (sink, receiver) = mpsc::channel(8);
        two.fill(Id::Number(1), Wants::default(), sink, Form::Event);
        let three = listeners.claim(|| 2).unwrap();
        assert!(listeners.claim(|| 2).is_none());
        drop((three, receiver));
        assert!(listeners.claim(|| 1).is_some());
    }

    #[test]
    fn the_end_is_the_answer() {
        let listeners = Listeners::default();
        let (sink, mut receiver) = mpsc::channel(8);
        listeners.claim(|| 8).unwrap().fill(Id::Number(1), Wants::default(), sink, Form::Line);
        listeners.close();
        let heard = heard(&mut receiver);
        let last = heard.last().unwrap();
        assert!(
            last.starts_with(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete""#) && last.contains(r#"subscriptionId":1"#),
            "{last}"
        );
        assert_eq!(receiver.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        let (sink, mut receiver) = mpsc::channel(8);
        listeners.claim(|| 8).unwrap().fill(Id::Number(2), Wants::default(), sink, Form::Line);
        assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_ok(), "its acknowledgement, and its end");
        assert_eq!(receiver.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
