//! Bodies of answers: one piece, or events as they come.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// How often a comment keeps an idle event stream alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of an answer.
pub enum Body {
    /// All of it at once; nothing when empty.
    Whole(Option<Bytes>),
    /// Server-sent events, each piece one whole event.
    Events(Box<Events>),
}

/// The receiving end of an event stream; ends when its sender is dropped.
pub struct Events {
    pieces: mpsc::Receiver<Bytes>,
    alive: Interval,
}

impl Events {
    /// Events that come out of `pieces`.
    pub fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        let mut alive = interval_at(tokio::time::Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { pieces, alive }
    }
}

impl Body {
    /// A body of nothing.
    pub const fn empty() -> Self {
        Self::Whole(None)
    }

    /// A body of these bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// A body of events.
    pub fn events(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self::Events(Box::new(Events::new(pieces)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => match events.pieces.poll_recv(context) {
                Poll::Ready(piece) => {
                    events.alive.reset();
                    Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
                }
                Poll::Pending => events.alive.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b":\n\n"))))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
