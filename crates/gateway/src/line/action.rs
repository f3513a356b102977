//! The part of the line that acts: it runs to its end whoever waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is left of a message's way once nothing more can refuse it before it acts.
///
/// INVARIANT: every intent has its outcome. Whoever polls this may go away at any time, as a connection does when its client hangs up: what is not
/// finished then runs on in a task of its own.
pub struct Action {
    pub(super) rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(super) turn: Turn,
}

/// Whether the next message of the same connection may be judged before this one has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may not: this one opens what the next one needs.
    First,
    /// It may.
    Beside,
}

impl Action {
    /// Whether it must end before the next message is judged.
    pub const fn turn(&self) -> Turn {
        self.turn
    }
}

impl Future for Action {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(()) };
        let polled = rest.as_mut().poll(context);
        if polled.is_ready() {
            self.rest = None;
        }
        polled
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            tokio::spawn(rest);
        }
    }
}
