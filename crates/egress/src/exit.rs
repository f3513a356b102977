//! The way out of a sandbox: what is accepted at its doors, judged, and carried to where it may go.
//!
//! A sandboxed server has no route. It has three sorts of doors, sockets that were made inside its network namespace and are served here: a stub that answers listed
//! names, each with an address of its own; a listener for each listed port, where the local address of a connection gives back the name; and a proxy that knows
//! `CONNECT` and nothing else. Before anything is sent out, the first bytes are compared with what is expected on the port and with the name, the name is resolved
//! once, every address is judged, and the one that was judged is connected to.
//!
//! Controls: `network.egress`, `network.segments`, `network.protocols`, `network.dns`, `tools.http`, `network.telemetry`.

mod checks;
mod connect;
mod dial;
mod names;
mod opening;
mod passage;
mod requests;
#[cfg(test)]
mod tests;

use crate::Proxy;
use crate::attempt::{Attempt, Attempts, Door, Ledger, Reason};
use crate::book::Book;
use crate::hostname::{Asked, HostName};
use crate::limits::{Allowance, Limits};
use crate::meter::Meter;
use crate::protocol::Protocol;
use crate::resolver::{Memory, Resolver};
use crate::rules::Rules;
use checks::{Check, Checks};
pub use dial::can_mark;
use ipnet::Ipv4Net;
use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// The addresses that stand for names in sandboxes: the benchmarking range, which nobody routes (RFC 2544, RFC 6890).
pub const RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
/// How often what was counted is looked at.
const SUM_UP: Duration = Duration::from_secs(15);
/// Longest pause after more than a server may do.
const PAUSE: Duration = Duration::from_millis(100);

/// The doors of one sandbox: sockets that were made inside its network namespace, and stay in it whoever serves them.
#[derive(Debug)]
pub struct Doors {
    /// On 127.0.0.1:3128, where `CONNECT` is answered.
    pub proxy: std::net::TcpListener,
    /// A listener for each port of the list, on every address.
    pub ports: Vec<(u16, std::net::TcpListener)>,
    /// On 127.0.0.53:53, where names are answered.
    pub names: std::net::UdpSocket,
}

/// What one server may do.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where to.
    pub rules: Rules,
    /// How much.
    pub limits: Limits,
    /// The addresses that stand for names, [`RANGE`] in a sandbox.
    pub range: Ipv4Net,
    /// The mark of its outgoing sockets (`SO_MARK`), set where the gateway may.
    pub mark: Option<u32>,
    /// What connections to public addresses go through, where there is one.
    pub proxy: Option<Arc<Proxy>>,
}

/// The way out of all sandboxes of one server, which share its limits and counts.
pub struct Exit {
    terms: Terms,
    resolver: Arc<dyn Resolver>,
    ledger: Ledger,
    meter: Arc<Meter>,
    allowance: Allowance,
    memory: Memory,
    checks: Checks,
}

/// Where a connection wants to go, and what is expected there.
#[derive(Clone, Debug)]
struct Goal {
    host: Asked,
    port: u16,
    protocol: Protocol,
}

/// That an attempt ends here.
#[derive(Debug)]
struct Halt {
    reason: Reason,
    why: Option<Cow<'static, str>>,
}

impl From<Reason> for Halt {
    fn from(reason: Reason) -> Self {
        Self { reason, why: None }
    }
}

impl Halt {
    fn because(reason: Reason, why: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, why: Some(why.into()) }
    }
}

/// Tells of what was counted when a sandbox ends.
struct SumUp<'a>(&'a Ledger);

impl Drop for SumUp<'_> {
    fn drop(&mut self) {
        self.0.sum_up(Duration::ZERO);
    }
}

/// At which listener something is accepted.
#[derive(Clone, Copy, Debug)]
enum Entrance {
    Port(u16),
    Proxy,
}

impl Entrance {
    const fn door(self) -> Door {
        match self {
            Self::Port(_) => Door::Port,
            Self::Proxy => Door::Proxy,
        }
    }
}

impl Exit {
    /// The way out on `terms`. Every attempt goes to `attempts`.
    pub fn new(terms: Terms, resolver: Arc<dyn Resolver>, attempts: Arc<dyn Attempts>) -> Arc<Self> {
        Arc::new(Self::with(terms, resolver, attempts, Checks::default()))
    }

    fn with(terms: Terms, resolver: Arc<dyn Resolver>, attempts: Arc<dyn Attempts>, checks: Checks) -> Self {
        let allowance = Allowance::new(&terms.limits);
        Self { terms, resolver, ledger: Ledger::new(attempts), meter: Arc::default(), allowance, memory: Memory::default(), checks }
    }

    /// The ports for which a sandbox needs a listener.
    pub fn ports(&self) -> Vec<u16> {
        self.terms.rules.ports()
    }

    /// What was counted.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Serves the doors of one sandbox until the future is dropped: then every connection is cut at once. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// A door cannot be served.
    pub async fn serve(self: Arc<Self>, doors: Doors) -> io::Error {
        let _sum = SumUp(&self.ledger);
        match self.open(doors) {
            Ok(mut tasks) => loop {
                tokio::select! {
                    ended = tasks.join_next() => return match ended {
                        Some(Err(cause)) if cause.is_panic() => io::Error::other("a door broke"),
                        Some(_) | None => io::Error::other("a door was closed"),
                    },
                    () = tokio::time::sleep(SUM_UP) => self.ledger.sum_up(SUM_UP * 4),
                }
            },
            Err(cause) => cause,
        }
    }

    fn open(self: &Arc<Self>, doors: Doors) -> io::Result<JoinSet<()>> {
        let book = Arc::new(Book::new(self.terms.range, self.terms.limits.names));
        let mut tasks = JoinSet::new();
        doors.names.set_nonblocking(true)?;
        tasks.spawn(Arc::clone(self).answer(UdpSocket::from_std(doors.names)?, Arc::clone(&book)));
        let ports = doors.ports.into_iter().map(|(port, listener)| (Entrance::Port(port), listener));
        for (entrance, listener) in ports.chain([(Entrance::Proxy, doors.proxy)]) {
            listener.set_nonblocking(true)?;
            tasks.spawn(Arc::clone(self).listen(TcpListener::from_std(listener)?, entrance, Arc::clone(&book)));
        }
        Ok(tasks)
    }

    async fn listen(self: Arc<Self>, listener: TcpListener, entrance: Entrance, book: Arc<Book>) {
        let mut entered = JoinSet::new();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            while entered.try_join_next().is_some() {}
            let attempt = Attempt::new(entrance.door());
            if let Err(wait) = self.allowance.opening()
                && self.checks.hold(Check::Opening)
            {
                self.stop(&attempt, &Reason::Opening.into());
                drop(stream);
                tokio::time::sleep(wait.min(PAUSE)).await;
                continue;
            }
            let place = self.allowance.place();
            if place.is_none() && self.checks.hold(Check::Connections) {
                self.stop(&attempt, &Reason::Connections.into());
                continue;
            }
            let (exit, book) = (Arc::clone(&self), Arc::clone(&book));
            entered.spawn(async move {
                exit.enter(stream, entrance, &book, attempt).await;
                drop(place);
            });
        }
    }

    /// One connection, from its acceptance to its end.
    async fn enter(&self, mut inner: TcpStream, entrance: Entrance, book: &Book, mut attempt: Attempt) {
        let meant = match entrance {
            Entrance::Port(port) => self.meant(&inner, port, book, &mut attempt).map(|goal| (goal, Vec::new())),
            Entrance::Proxy => self.asked(&mut inner, book, &mut attempt).await,
        };
        let carried = match meant {
            Ok((goal, early)) => self.carry(inner, &goal, early, &mut attempt).await,
            Err(halt) => Err(halt),
        };
        if let Err(halt) = carried {
            self.stop(&attempt, &halt);
        }
    }

    fn stop(&self, attempt: &Attempt, halt: &Halt) {
        self.meter.stopped(halt.reason);
        self.ledger.stopped(attempt, halt.reason, halt.why.as_deref());
    }

    /// Where a connection that came to a port wants to go: to the name that its local address stands for.
    fn meant(&self, inner: &TcpStream, port: u16, book: &Book, attempt: &mut Attempt) -> Result<Goal, Halt> {
        attempt.port = Some(port);
        let local = inner.local_addr().map_err(|_| Reason::Left)?.ip();
        attempt.address = Some(local);
        let IpAddr::V4(local) = local else { return Err(Reason::Stray.into()) };
        if !book.holds(local) {
            // Without the check, the sandbox itself is a name like any other.
            let Some(host) = self.checks.without(Check::Range, local) else { return Err(Reason::Stray.into()) };
            return Ok(Goal { host, port, protocol: Protocol::Tcp });
        }
        let name = match book.name(local) {
            Some(name) => name,
            None => match self.checks.without(Check::Range, local) {
                Some(host) => return Ok(Goal { host, port, protocol: Protocol::Tcp }),
                None => return Err(Reason::Unnamed.into()),
            },
        };
        attempt.address = None;
        self.listed(name, port, attempt)
    }

    /// The goal of a name and a port that are on the list together.
    fn listed(&self, name: HostName, port: u16, attempt: &mut Attempt) -> Result<Goal, Halt> {
        attempt.said(name.as_str());
        attempt.port = Some(port);
        let rules = &self.terms.rules;
        match rules.protocol(&name, port) {
            Some(protocol) => Ok(Goal { host: Asked::Name(name), port, protocol }),
            None if !self.checks.hold(Check::Port) => Ok(Goal { host: Asked::Name(name), port, protocol: Protocol::Tcp }),
            None if rules.names(&name) => Err(Reason::Port.into()),
            None => Err(Reason::Name.into()),
        }
    }

    /// Judges what is said first, finds and judges where it goes, and moves bytes both ways.
    async fn carry(&self, mut inner: TcpStream, goal: &Goal, early: Vec<u8>, attempt: &mut Attempt) -> Result<(), Halt> {
        let first = self.first(&mut inner, early, goal, attempt).await?;
        let outer = self.dial(goal, attempt).await?;
        self.pass(inner, outer, first, goal, attempt).await
    }
}
