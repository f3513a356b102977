//! The proxy: `CONNECT host:port` (RFC 9110 §9.3.6) and nothing else.

use super::checks::Check;
use super::{Exit, Goal, Halt};
use crate::attempt::{Attempt, Reason};
use crate::book::Book;
use crate::head::{self, Body, Found, Head};
use crate::hostname::{Asked, split};
use crate::protocol::Protocol;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const AGREED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const REFUSED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const METHOD: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const MALFORMED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Exit {
    /// Where a client of the proxy wants to go, and what it sent behind its head. It is told yes before its first bytes are judged: they come after.
    pub(super) async fn asked(&self, inner: &mut TcpStream, book: &Book, attempt: &mut Attempt) -> Result<(Goal, Vec<u8>), Halt> {
        let mut bytes = Vec::with_capacity(1024);
        let asked = tokio::time::timeout(self.terms.limits.first, self.head(inner, &mut bytes, book, attempt)).await;
        let (answer, outcome) = match asked {
            Err(_) => (None, Err(Reason::Silent.into())),
            Ok(Ok((goal, length))) => (Some(AGREED), Ok((goal, bytes.split_off(length)))),
            Ok(Err(halt)) => {
                let answer = match halt.reason {
                    Reason::Left => None,
                    Reason::Method => Some(METHOD),
                    Reason::Malformed => Some(MALFORMED),
                    _ => Some(REFUSED),
                };
                (answer, Err(halt))
            }
        };
        if let Some(answer) = answer
            && inner.write_all(answer).await.is_err()
        {
            return outcome.and(Err(Reason::Left.into()));
        }
        outcome
    }

    async fn head(&self, inner: &mut TcpStream, bytes: &mut Vec<u8>, book: &Book, attempt: &mut Attempt) -> Result<(Goal, usize), Halt> {
        loop {
            match head::read(bytes) {
                Found::More => {}
                Found::Bad(why) => return Err(Halt::because(Reason::Malformed, why)),
                Found::Head(head) => return self.target(&head, book, attempt).map(|goal| (goal, head.length)),
            }
            loop {
                let before = bytes.len();
                match inner.read_buf(bytes).await {
                    Ok(0) | Err(_) => return Err(Reason::Left.into()),
                    Ok(_) if head::is_worth_reading(bytes.get(before..).unwrap_or_default(), bytes.len()) => break,
                    Ok(_) => {}
                }
            }
        }
    }

    fn target(&self, head: &Head<'_>, book: &Book, attempt: &mut Attempt) -> Result<Goal, Halt> {
        attempt.said(head.target);
        if head.method != "CONNECT" {
            return Err(Reason::Method.into());
        }
        let form = |why| Halt::because(Reason::Malformed, why);
        let (host, port) = split(head.target).ok_or_else(|| form("what is asked for is not host:port"))?;
        attempt.said(host);
        attempt.port = Some(port);
        if self.checks.hold(Check::Connect) {
            if head.body != Body::None {
                return Err(form("a body is announced"));
            }
            let same = |own: &str| own.eq_ignore_ascii_case(head.target) || own.eq_ignore_ascii_case(host);
            if !head.host.is_none_or(same) {
                return Err(form("Host is another one"));
            }
        }
        match Asked::parse(host).ok_or_else(|| form("the host is neither a name nor an address"))? {
            Asked::Name(name) => self.listed(name, port, attempt),
            Asked::Address(address) => self.literal(address, port, book, attempt),
        }
    }

    /// An address of the sandbox stands for its name; any other must be listed itself.
    fn literal(&self, address: IpAddr, port: u16, book: &Book, attempt: &mut Attempt) -> Result<Goal, Halt> {
        if let IpAddr::V4(four) = address
            && let Some(name) = book.name(four)
        {
            return self.listed(name, port, attempt);
        }
        attempt.name = None;
        attempt.address = Some(address);
        match self.terms.rules.protocol_at(address, port) {
            Some(protocol) => Ok(Goal { host: Asked::Address(address), port, protocol }),
            None if !self.checks.hold(Check::Address) => Ok(Goal { host: Asked::Address(address), port, protocol: Protocol::Tcp }),
            None => Err(Reason::Address.into()),
        }
    }
}
