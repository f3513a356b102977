//! Streams from us to one client: kept for a while, so that one that broke off can be resumed.
//!
//! Only what passed the lower row is ever kept or replayed. An event's id is `STREAM-NUMBER`, valid in its session alone.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use tokio::sync::mpsc;

/// Events kept of one stream.
const KEPT: usize = 256;
/// Bytes kept of all streams of a session.
const KEPT_BYTES: usize = 1024 * 1024;
/// Streams kept after their end.
const ENDED: usize = 8;

/// The receiving side of a stream: what the answer's body reads from.
pub type Subscriber = mpsc::Receiver<Bytes>;

/// The streams of a session.
pub enum Streams {
    /// Server-sent events over HTTP.
    Events(Mutex<Events>),
    /// Lines on the local socket: one way for everything.
    Lines(mpsc::Sender<Bytes>),
    /// None that outlives its request.
    Own,
}

/// The event streams of a session on HTTP.
#[derive(Default)]
pub struct Events {
    next: u64,
    open: HashMap<u64, Stream>,
    standing: Option<u64>,
    ended: VecDeque<u64>,
    bytes: usize,
    over: Over,
}

#[derive(Default)]
struct Stream {
    next: u64,
    kept: VecDeque<(u64, Bytes)>,
    sink: Option<mpsc::Sender<Bytes>>,
    over: Over,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Over {
    #[default]
    No,
    Yes,
}

/// Names a stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u64);

impl Streams {
    /// Streams over HTTP.
    pub fn events() -> Self {
        Self::Events(Mutex::default())
    }

    /// How many clients listen right now.
    pub fn listening(&self) -> usize {
        match self {
            Self::Events(events) => events.lock().open.values().filter(|stream| stream.sink.is_some()).count(),
            Self::Lines(_) => 1,
            Self::Own => 0,
        }
    }

    /// Opens a stream for the answers of one call; on the local socket there is nothing to open.
    pub fn open(&self) -> Option<(StreamId, Subscriber)> {
        let Self::Events(events) = self else { return None };
        let mut events = events.lock();
        let id = events.next;
        events.next += 1;
        let subscriber = events.attach(id);
        Some((StreamId(id), subscriber))
    }

    /// Opens the standing stream, or resumes the stream that broke off after the event `last`.
    ///
    /// `None` when the event is not of this session.
    pub fn stand(&self, last: Option<&str>) -> Option<Subscriber> {
        let Self::Events(events) = self else { return None };
        let mut events = events.lock();
        match last {
            None => {
                let id = match events.standing {
                    Some(id) => id,
                    None => {
                        let id = events.next;
                        events.next += 1;
                        events.standing = Some(id);
                        id
                    }
                };
                Some(events.attach(id))
            }
            Some(last) => {
                let (stream, number) = last.split_once('-')?;
                let (stream, number) = (stream.parse().ok()?, number.parse().ok()?);
                events.resume(stream, number)
            }
        }
    }

    /// Sends one message on a stream; kept for a client that comes back.
    pub fn send(&self, stream: Option<StreamId>, message: &Bytes) {
        match self {
            Self::Own => {}
            Self::Lines(outlet) => drop(outlet.try_send(message.clone())),
            Self::Events(events) => {
                let mut events = events.lock();
                let Some(id) = stream.map(|stream| stream.0).or(events.standing) else { return };
                events.push(id, message);
            }
        }
    }

    /// Lets go of the client that listens on a stream; it may resume it.
    pub fn part(&self, stream: StreamId) {
        if let Self::Events(events) = self
            && let Some(stream) = events.lock().open.get_mut(&stream.0)
        {
            stream.sink = None;
        }
    }

    /// Ends a stream; what was kept stays for a while.
    pub fn finish(&self, stream: StreamId) {
        if let Self::Events(events) = self {
            events.lock().finish(stream.0);
        }
    }

    /// Ends all of them and forgets what was kept. One that is opened later ends at once.
    pub fn close(&self) {
        if let Self::Events(events) = self {
            *events.lock() = Events { over: Over::Yes, ..Events::default() };
        }
    }
}

impl Events {
    fn attach(&mut self, id: u64) -> Subscriber {
        let (sink, subscriber) = mpsc::channel(64);
        let stream = self.open.entry(id).or_default();
        let number = stream.next;
        stream.next += 1;
        let _ = sink.try_send(priming(id, number));
        stream.sink = (self.over == Over::No).then_some(sink);
        subscriber
    }

    fn resume(&mut self, id: u64, after: u64) -> Option<Subscriber> {
        let stream = self.open.get_mut(&id)?;
        let (sink, subscriber) = mpsc::channel(KEPT + 64);
        for (_, event) in stream.kept.iter().filter(|(number, _)| *number > after) {
            let _ = sink.try_send(event.clone());
        }
        stream.sink = (stream.over == Over::No).then_some(sink);
        Some(subscriber)
    }

    fn push(&mut self, id: u64, message: &Bytes) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        let number = stream.next;
        stream.next += 1;
        let event = event(id, number, message);
        let lost = stream.sink.as_ref().is_some_and(|sink| sink.try_send(event.clone()).is_err());
        if lost {
            stream.sink = None;
        }
        self.bytes += event.len();
        stream.kept.push_back((number, event));
        let mut dropped = 0;
        while stream.kept.len() > KEPT {
            dropped += stream.kept.pop_front().map_or(0, |(_, event)| event.len());
        }
        self.bytes -= dropped;
        while self.bytes > KEPT_BYTES && self.forget() {}
    }

    fn forget(&mut self) -> bool {
        if let Some(id) = self.ended.pop_front() {
            self.drop_stream(id);
            return true;
        }
        let oldest = self.open.values_mut().filter(|stream| stream.kept.len() > 1).max_by_key(|stream| stream.kept.len());
        match oldest.and_then(|stream| stream.kept.pop_front()) {
            Some((_, event)) => {
                self.bytes -= event.len();
                true
            }
            None => false,
        }
    }

    fn finish(&mut self, id: u64) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        stream.sink = None;
        stream.over = Over::Yes;
        self.ended.push_back(id);
        while self.ended.len() > ENDED {
            if let Some(id) = self.ended.pop_front() {
                self.drop_stream(id);
            }
        }
    }

    fn drop_stream(&mut self, id: u64) {
        if let Some(stream) = self.open.remove(&id) {
            self.bytes -= stream.kept.iter().map(|(_, event)| event.len()).sum::<usize>();
        }
    }
}

fn event(stream: u64, number: u64, message: &[u8]) -> Bytes {
    let mut text = format!("event: message\nid: {stream}-{number}\ndata: ").into_bytes();
    text.reserve(message.len() + 2);
    text.extend_from_slice(message);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// An event with an id and no data, from which a client can resume before anything was said.
fn priming(stream: u64, number: u64) -> Bytes {
    format!("id: {stream}-{number}\nretry: 1000\ndata:\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(subscriber: &mut Subscriber) -> String {
        let mut all = String::new();
        while let Ok(piece) = subscriber.try_recv() {
            all.push_str(std::str::from_utf8(&piece).unwrap());
        }
        all
    }

    #[test]
    fn a_broken_stream_is_resumed_where_it_broke() {
        let streams = Streams::events();
        let (id, mut first) = streams.open().unwrap();
        streams.send(Some(id), &Bytes::from_static(b"{\"a\":1}"));
        assert!(text(&mut first).contains("{\"a\":1}"));
        drop(first);
        streams.send(Some(id), &Bytes::from_static(b"{\"b\":2}"));
        streams.finish(id);
        let mut again = streams.stand(Some("0-1")).unwrap();
        let seen = text(&mut again);
        assert!(seen.contains("{\"b\":2}") && !seen.contains("{\"a\":1}"), "{seen}");
        assert!(streams.stand(Some("7-0")).is_none());
        assert!(streams.stand(Some("x")).is_none());
    }

    #[test]
    fn after_the_end_no_stream_stays_open() {
        let streams = Streams::events();
        let mut before = streams.stand(None).unwrap();
        streams.close();
        let mut after = streams.stand(None).unwrap();
        let mut call = streams.open().unwrap().1;
        for subscriber in [&mut before, &mut after, &mut call] {
            text(subscriber);
            assert_eq!(subscriber.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let streams = Streams::events();
        let (id, _gone) = streams.open().unwrap();
        let big = Bytes::from(vec![b'x'; 100_000]);
        for _ in 0..1_000 {
            streams.send(Some(id), &big);
        }
        let Streams::Events(events) = &streams else { panic!() };
        assert!(events.lock().bytes <= KEPT_BYTES + 200_000);
    }
}
