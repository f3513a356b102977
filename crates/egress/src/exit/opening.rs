//! The first bytes of a connection, judged before anything is sent out.

use super::checks::Check;
use super::{Exit, Goal, Halt};
use crate::attempt::{Attempt, Reason, printable};
use crate::head::{self, Head};
use crate::hello::{self, Hello, Hides};
use crate::hostname::{Asked, HostName};
use crate::protocol::{Protocol, Purpose, Start, Turn, recognise};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What has been seen is judged.
enum Judged {
    /// It is good.
    Good,
    /// It may become good, once there are this many bytes.
    More(usize),
    /// It may become good, once another line ends.
    Line,
}

impl Exit {
    /// The client's first bytes, once they are judged; none where the server may greet.
    pub(super) async fn first(&self, inner: &mut TcpStream, early: Vec<u8>, goal: &Goal, attempt: &mut Attempt) -> Result<Vec<u8>, Halt> {
        if goal.protocol.turn() == Turn::Either {
            return Ok(early);
        }
        let judged = self.complete(inner, early, goal, attempt);
        if !self.checks.hold(Check::Silent) {
            return judged.await;
        }
        match tokio::time::timeout(self.terms.limits.first, judged).await {
            Ok(judged) => judged,
            Err(_) => Err(Reason::Silent.into()),
        }
    }

    async fn complete(&self, inner: &mut TcpStream, mut bytes: Vec<u8>, goal: &Goal, attempt: &mut Attempt) -> Result<Vec<u8>, Halt> {
        bytes.reserve(4096);
        loop {
            let judged = self.judge(&bytes, goal, attempt)?;
            loop {
                let before = bytes.len();
                let enough = match judged {
                    Judged::Good => return Ok(bytes),
                    Judged::More(needed) if before >= needed => break,
                    Judged::More(_) | Judged::Line => inner.read_buf(&mut bytes).await,
                };
                match enough {
                    Ok(0) | Err(_) => return Err(Reason::Left.into()),
                    Ok(_) => {}
                }
                let more = bytes.get(before..).unwrap_or_default();
                if matches!(judged, Judged::Line) && head::is_worth_reading(more, bytes.len()) {
                    break;
                }
            }
        }
    }

    fn judge(&self, bytes: &[u8], goal: &Goal, attempt: &mut Attempt) -> Result<Judged, Halt> {
        match goal.protocol.begins(bytes) {
            _ if bytes.is_empty() => return Ok(Judged::More(1)),
            Start::More if goal.protocol == Protocol::Http && bytes.len() > 32 => return Ok(Judged::Line),
            Start::More => return Ok(Judged::More(bytes.len() + 1)),
            Start::Fits => attempt.protocol = Some(goal.protocol),
            Start::Differs if self.checks.hold(Check::Protocol) => return Err(differs(bytes, goal.protocol, attempt)),
            Start::Differs => return Ok(Judged::Good),
        }
        if goal.protocol.is_tls() {
            return match hello::read(bytes) {
                hello::Found::More(needed) => Ok(Judged::More(needed)),
                hello::Found::Bad(why) if self.checks.hold(Check::Form) => Err(Halt::because(Reason::Malformed, why)),
                hello::Found::Bad(_) => Ok(Judged::Good),
                hello::Found::Hello(hello) => self.names_server(&hello, goal, attempt).map(|()| Judged::Good),
            };
        }
        if goal.protocol == Protocol::Http {
            return match head::read(bytes) {
                head::Found::More => Ok(Judged::Line),
                head::Found::Bad(why) if self.checks.hold(Check::Form) => Err(Halt::because(Reason::Malformed, why)),
                head::Found::Bad(_) => Ok(Judged::Good),
                head::Found::Head(head) => self.names_host(&head, goal, attempt).map(|()| Judged::Good),
            };
        }
        Ok(Judged::Good)
    }

    /// TLS names the server that is connected to, openly, and offers nothing inside that must be listed by name.
    fn names_server(&self, hello: &Hello, goal: &Goal, attempt: &mut Attempt) -> Result<(), Halt> {
        attempt.alpn = hello.alpn.iter().take(8).map(|id| printable(id)).collect();
        if hello.hides == Hides::Name && self.checks.hold(Check::Hidden) {
            return Err(Reason::Hidden.into());
        }
        match (&goal.host, &hello.name) {
            (Asked::Address(_), None) => {}
            (Asked::Name(_), None) if self.checks.hold(Check::Nameless) => return Err(Reason::Nameless.into()),
            (Asked::Name(_), None) => {}
            (Asked::Name(name), Some(said)) if HostName::parse(said).as_ref() == Some(name) => {}
            (Asked::Name(_) | Asked::Address(_), Some(said)) if self.checks.hold(Check::ServerName) => {
                return Err(Halt::because(Reason::ServerName, format!("it names {}", printable(said.as_bytes()))));
            }
            (Asked::Name(_) | Asked::Address(_), Some(_)) => {}
        }
        let unlisted = hello.alpn.iter().filter_map(|id| Protocol::of_alpn(id)).find(|one| one.purpose() != goal.protocol.purpose());
        match unlisted {
            Some(found) if self.checks.hold(Check::Alpn) => {
                attempt.protocol = Some(found);
                Err(Reason::Unlisted.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// HTTP names the host that is connected to, in the one form for a server.
    pub(super) fn names_host(&self, head: &Head<'_>, goal: &Goal, attempt: &mut Attempt) -> Result<(), Halt> {
        if self.checks.hold(Check::Form) {
            if head.method == "CONNECT" {
                return Err(Halt::because(Reason::Unlisted, "it asks a proxy"));
            }
            if !head.target.starts_with('/') && head.target != "*" {
                return Err(Halt::because(Reason::Malformed, "what is asked for is not a path"));
            }
        }
        if !self.checks.hold(Check::Host) {
            return Ok(());
        }
        let said = head.host.unwrap_or_default();
        let host = match crate::hostname::split(said) {
            Some((host, port)) if port == goal.port => Asked::parse(host),
            Some(_) => None,
            None => Asked::parse(said),
        };
        if host.as_ref() == Some(&goal.host) {
            return Ok(());
        }
        attempt.protocol = Some(Protocol::Http);
        Err(Halt::because(Reason::Host, format!("it names {}", printable(said.as_bytes()))))
    }
}

/// What is spoken instead of what is expected.
pub(super) fn differs(bytes: &[u8], expected: Protocol, attempt: &mut Attempt) -> Halt {
    let found = recognise(bytes);
    attempt.protocol = found;
    let why = match found {
        Some(found) => format!("{found} is spoken where {expected} is expected"),
        None => format!("something else is spoken than {expected}"),
    };
    let named = found.is_some_and(|found| found.purpose() != Purpose::General && found.purpose() != expected.purpose());
    Halt::because(if named { Reason::Unlisted } else { Reason::Protocol }, why)
}
