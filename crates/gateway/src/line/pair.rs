//! Stage 11: what came back is one strictly parsed message that belongs to this call.

use super::forward::{Forwarded, Way, lost};
use crate::calls::Stop;
use crate::doors::Incoming;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::rounds;
use crate::trail::{Stage, Trail};
use bytes::Bytes;
use mcp::{Notification, Request, Response};
use std::sync::Arc;
use terms::Code;
use tokio::sync::mpsc;
use transport::lag;

/// An answer, belonging to its call.
pub struct Paired {
    answer: Answer,
}

/// What an answer is.
pub(super) enum Answer {
    /// A server's response.
    Response(Response),
    /// Our own result.
    Own(Vec<u8>),
    /// A note on the way.
    Note(Notification),
    /// A question on the way.
    Question(Request),
    /// A question that stood in a result, screened and printed for the client.
    Ask(Bytes),
    /// The client has answered all that stood in a result.
    Gathered,
    /// What is dropped, by its row of the table of strict parsing.
    Stray(u8),
    /// The server lets go of the stream for a while.
    Parted,
    /// Nothing: it was taken note of.
    Accepted,
    /// A stream.
    Opened(mpsc::Receiver<Bytes>),
    /// The session is over.
    Ended,
    /// The client took the call back.
    Cancelled,
}

impl Paired {
    pub(super) fn open(self) -> Answer {
        self.answer
    }
}

pub(super) async fn run(gate: &Gate, trail: &mut Trail, forwarded: &mut Forwarded) -> Result<Paired, Halt> {
    trail.returns();
    let deadline = forwarded.deadline();
    let call = Arc::clone(forwarded.recorded().authorized().decided().inspected().resolved().admitted().call());
    let answer = match forwarded.way_mut() {
        Way::Own(result) => Answer::Own(result.take().unwrap_or_default()),
        Way::Accepted => Answer::Accepted,
        Way::Opened(subscriber) => subscriber.take().map_or(Answer::Ended, Answer::Opened),
        Way::Ended => Answer::Ended,
        Way::Client(gathering) => match gathering.unasked.pop_front() {
            Some(text) => Answer::Ask(text),
            None if gathering.open == 0 => Answer::Gathered,
            None => tokio::select! {
                biased;
                why = call.stopped() => match why {
                    Stop::Killed => return Err(trail.refuse(Code::Killed)),
                    Stop::Expired => return Err(trail.refuse(Code::TokenInvalid)),
                    Stop::Cancelled => Answer::Cancelled,
                },
                () = tokio::time::sleep(rounds::LIFE) => return Err(trail.refuse(Code::CallTimeout)),
                reply = gathering.replies.recv() => match reply {
                    Some((key, Some(result))) => {
                        gathering.given.push((key, result));
                        gathering.open -= 1;
                        Answer::Gathered
                    }
                    Some((_, None)) | None => return Err(trail.refuse(Code::QuestionRefused)),
                },
            },
        },
        Way::Server(flight, _) => {
            let ended = flight.link().ended.clone();
            tokio::select! {
                // INVARIANT: what ends a call comes before what its server says, or a server that never stops talking never times out.
                biased;
                why = call.stopped() => {
                    Box::pin(flight.cancel()).await;
                    match why {
                        Stop::Killed => return Err(trail.refuse(Code::Killed)),
                        Stop::Expired => return Err(trail.refuse(Code::TokenInvalid)),
                        Stop::Cancelled => Answer::Cancelled,
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    Box::pin(flight.overrun()).await;
                    seen(gate, forwarded);
                    return Err(trail.refuse(Code::CallTimeout));
                }
                next = flight.next() => match next {
                    Ok(Incoming::Response(response)) => Answer::Response(response),
                    Ok(Incoming::Note(note)) => Answer::Note(note),
                    Ok(Incoming::Question(question)) => Answer::Question(question),
                    Ok(Incoming::Stray(row)) => Answer::Stray(row),
                    Ok(Incoming::Parted) => Answer::Parted,
                    Err(broken) => return Err(lost(trail, &broken)),
                },
                () = ended.cancelled() => return Err(trail.refuse(Code::ServerUnavailable)),
            }
        }
    };
    if matches!(answer, Answer::Response(_) | Answer::Note(_) | Answer::Question(_)) {
        seen(gate, forwarded);
    }
    trail.passed(gate, Stage::Pair);
    Ok(Paired { answer })
}

/// Takes note of how long the server let this call wait.
fn seen(gate: &Gate, forwarded: &Forwarded) {
    if let Some(seat) = forwarded.recorded().authorized().decided().inspected().resolved().seat() {
        seat.answered(gate.clock.instant(), lag::rests(), lag::delay());
    }
}
