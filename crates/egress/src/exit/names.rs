//! The stub that answers names. It asks nobody, so that nothing leaves by a question.

use super::checks::Check;
use super::{Exit, Halt, PAUSE};
use crate::attempt::{Attempt, Door, Reason, printable};
use crate::book::{Book, Bounded};
use crate::query::{self, Answer, Wanted};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// Room for a datagram: one more byte than a question may have, so that a longer one is seen to be longer.
const ROOM: usize = 513;

impl Exit {
    /// Answers questions until it is dropped.
    pub(super) async fn answer(self: Arc<Self>, socket: UdpSocket, book: Arc<Book>) {
        let mut room = [0; ROOM];
        loop {
            let (length, from) = match socket.recv_from(&mut room).await {
                Ok(received) => received,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let mut attempt = Attempt::new(Door::Names);
            if let Err(wait) = self.allowance.question()
                && self.checks.hold(Check::Questions)
            {
                self.stop(&attempt, &Reason::Questions.into());
                tokio::time::sleep(wait.min(PAUSE)).await;
                continue;
            }
            let (answer, halt) = self.reply(room.get(..length).unwrap_or_default(), &book, &mut attempt);
            if let Some(halt) = halt {
                self.stop(&attempt, &halt);
            }
            if let Some(answer) = answer {
                // Whoever asks and does not take the answer goes without.
                let _ = socket.try_send_to(&answer, from);
            }
        }
    }

    /// What is answered, and what is to be said of it on record.
    fn reply(&self, bytes: &[u8], book: &Book, attempt: &mut Attempt) -> (Option<Vec<u8>>, Option<Halt>) {
        let query = match query::read(bytes) {
            Ok(query) => query,
            Err(odd) => {
                attempt.name = bytes.get(12..).map(printable);
                // Without the check, a resolver would have done its best and asked others.
                let answer = if self.checks.hold(Check::Question) { odd.answer() } else { Some(bytes.to_vec()) };
                return (answer, Some(Halt::because(Reason::Question, odd.why)));
            }
        };
        attempt.said(query.name.as_str());
        if !self.terms.rules.names(&query.name) && self.checks.hold(Check::Name) {
            return (Some(query.answer(Answer::NoName)), Some(Reason::Name.into()));
        }
        match query.wanted {
            Wanted::Beside => return (Some(query.answer(Answer::Nothing)), None),
            Wanted::Odd(_) if !self.checks.hold(Check::Wanted) => {}
            Wanted::Odd(kind) => {
                let halt = Halt::because(Reason::Question, format!("it asks for records of type {kind}"));
                return (Some(query.answer(Answer::Nothing)), Some(halt));
            }
            Wanted::A => {}
        }
        let bounded = if self.checks.hold(Check::Names) { Bounded::Yes } else { Bounded::No };
        match book.address(&query.name, bounded) {
            Some(address) => (Some(query.answer(Answer::Address(address))), None),
            None => (Some(query.answer(Answer::Refused)), Some(Reason::Names.into())),
        }
    }
}
