//! Attempts of a server to reach something, as they go on record.
//!
//! Every connection that is let through has a record when it is opened and one when it ends. What is stopped has a record each for the first few of a reason; the
//! rest of a minute is counted in one, so that a hostile server cannot fill the disk. Control: `network.telemetry`.

use crate::protocol::Protocol;
use parking_lot::Mutex;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is stopped for one reason and has a record of its own, within [`WINDOW`].
const SINGLE: u32 = 20;
/// For how long the rest is counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Most characters of text of a peer in a record.
const TEXT: usize = 253;

/// Through which door of the sandbox it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A question for a name.
    Names,
    /// A connection to an address that stands for a name.
    Port,
    /// `CONNECT`.
    Proxy,
}

impl Door {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Port => "port",
            Self::Proxy => "proxy",
        }
    }
}

/// What was attempted, as far as it was known by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where it came.
    pub door: Door,
    /// The name that was meant, printable and bounded.
    pub name: Option<String>,
    /// The address that was meant, or that the name led to.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Option<u16>,
    /// What was spoken.
    pub protocol: Option<Protocol>,
    /// The protocols that a TLS client offered, printable and bounded.
    pub alpn: Vec<String>,
}

impl Attempt {
    pub(crate) const fn new(door: Door) -> Self {
        Self { door, name: None, address: None, port: None, protocol: None, alpn: Vec::new() }
    }

    /// Notes a name as a peer wrote it.
    pub(crate) fn said(&mut self, name: &str) {
        self.name = Some(printable(name.as_bytes()));
    }
}

/// Text of a peer, with everything but visible ASCII replaced, and cut.
pub(crate) fn printable(bytes: &[u8]) -> String {
    bytes.iter().take(TEXT).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])* $variant:ident = $word:literal, $verdict:ident; )*) => {
        /// Why an attempt was stopped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $( $(#[doc = $doc])* $variant, )* }

        impl Reason {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in records and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Whether it was refused, or failed by itself.
            pub const fn verdict(self) -> Stop {
                match self { $(Self::$variant => Stop::$verdict),* }
            }
        }
    };
}

/// Whose doing it was that an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was not allowed.
    Refused,
    /// It was allowed, and did not come about.
    Failed,
}

reasons! {
    /// The name is not on the list.
    Name = "name", Refused;
    /// The name is on the list, with another port.
    Port = "port", Refused;
    /// An address that is not on the list.
    Address = "address", Refused;
    /// The connection went to no address that stands for a name: to the sandbox itself.
    Stray = "stray", Refused;
    /// The connection went to an address that was not given to a name yet.
    Unnamed = "unnamed", Refused;
    /// The question for a name is malformed, or asks for what connections do not need.
    Question = "question", Refused;
    /// More names than a sandbox may have.
    Names = "names", Refused;
    /// More questions a second than a server may ask.
    Questions = "questions", Refused;
    /// More connections at once.
    Connections = "connections", Refused;
    /// More new connections a second.
    Opening = "opening", Refused;
    /// More bytes within an hour.
    Bytes = "bytes", Refused;
    /// The name leads to an address that is not public and not listed.
    Inner = "inner-address", Refused;
    /// The name led to public addresses before, and now to an inner one.
    Rebinding = "rebinding", Refused;
    /// Another protocol is spoken than is expected on the port.
    Protocol = "protocol", Refused;
    /// Mail, file transfer or peer-to-peer exchange that is not listed as such.
    Unlisted = "unlisted-protocol", Refused;
    /// A ClientHello or an HTTP head that can be read in more than one way.
    Malformed = "malformed", Refused;
    /// TLS that names no server.
    Nameless = "no-server-name", Refused;
    /// TLS whose server name is encrypted.
    Hidden = "hidden-server-name", Refused;
    /// TLS that names another server.
    ServerName = "other-server-name", Refused;
    /// HTTP that names another host.
    Host = "other-host", Refused;
    /// Anything but `CONNECT` at the proxy.
    Method = "method", Refused;
    /// Nothing was said in time.
    Silent = "silent", Refused;
    /// The attempt could not be put on record.
    Unrecorded = "unrecorded", Refused;
    /// The client left before it had said enough.
    Left = "left", Failed;
    /// The name could not be resolved.
    Unresolved = "unresolved", Failed;
    /// No address answered.
    Unreachable = "unreachable", Failed;
}

/// How a connection that was let through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides were done.
    Done,
    /// One side broke off.
    Broken,
    /// Nothing came for too long.
    Idle,
    /// It was stopped.
    Stopped(Reason),
    /// The server's sandbox ended, or was killed.
    Cut,
}

impl End {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Stopped(_) => "stopped",
            Self::Cut => "cut",
        }
    }
}

/// What a connection moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes out of the sandbox.
    pub out: u64,
    /// Bytes into it.
    pub back: u64,
    /// How long it was open.
    pub lasted: Duration,
}

/// What goes on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A connection was let through: every check has been made, and nothing was sent yet.
    Opened(&'a Attempt),
    /// An attempt came to nothing.
    Stopped {
        /// What was attempted.
        attempt: &'a Attempt,
        /// Why it was stopped.
        reason: Reason,
        /// More about it, a sentence of ours.
        why: Option<&'a str>,
    },
    /// So many more attempts were stopped for one reason.
    Counted {
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
        /// Within which time.
        within: Duration,
    },
    /// A connection that was let through ended.
    Closed {
        /// What it was.
        attempt: &'a Attempt,
        /// How much it moved.
        moved: Moved,
        /// How it ended.
        end: End,
    },
    /// A name of the list leads to ever other addresses.
    Flux {
        /// The name.
        name: &'a str,
        /// To how many within an hour.
        addresses: usize,
    },
}

/// That something could not be put on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attempt could not be put on record")]
pub struct Unrecorded;

/// Says when an entry is durable, or that it will not be.
pub type Kept = Pin<Box<dyn Future<Output = Result<(), Unrecorded>> + Send>>;

/// Where attempts are put on record: a port.
pub trait Attempts: Send + Sync {
    /// Takes an entry at once, whether or not anyone waits for what it gives.
    fn record(&self, entry: Entry<'_>) -> Kept;
}

/// The port, with a bound on what one server can make it write.
pub(crate) struct Ledger {
    port: Arc<dyn Attempts>,
    window: Mutex<Window>,
}

struct Window {
    began: Instant,
    counts: Vec<(Reason, u64)>,
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), counts: Reason::ALL.iter().map(|reason| (*reason, 0)).collect() }
    }
}

impl Ledger {
    pub(crate) fn new(port: Arc<dyn Attempts>) -> Self {
        Self { port, window: Mutex::new(Window::new()) }
    }

    pub(crate) fn opened(&self, attempt: &Attempt) -> Kept {
        self.port.record(Entry::Opened(attempt))
    }

    pub(crate) fn closed(&self, attempt: &Attempt, moved: Moved, end: End) {
        drop(self.port.record(Entry::Closed { attempt, moved, end }));
    }

    pub(crate) fn flux(&self, name: &str, addresses: usize) {
        drop(self.port.record(Entry::Flux { name, addresses }));
    }

    pub(crate) fn stopped(&self, attempt: &Attempt, reason: Reason, why: Option<&str>) {
        self.sum_up(WINDOW);
        let alone = {
            let mut window = self.window.lock();
            window.counts.iter_mut().find(|(one, _)| *one == reason).is_none_or(|(_, count)| {
                *count = count.saturating_add(1);
                *count <= u64::from(SINGLE)
            })
        };
        if alone {
            drop(self.port.record(Entry::Stopped { attempt, reason, why }));
        }
    }

    /// Tells of what was counted, when that is older than `age`.
    pub(crate) fn sum_up(&self, age: Duration) {
        let (counts, within) = {
            let mut window = self.window.lock();
            let within = window.began.elapsed();
            if within < age {
                return;
            }
            (std::mem::replace(&mut *window, Window::new()).counts, within)
        };
        for (reason, count) in counts {
            let count = count.saturating_sub(SINGLE.into());
            if count > 0 {
                drop(self.port.record(Entry::Counted { reason, count, within }));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps everything in memory, as one line each.
    #[derive(Default)]
    pub(crate) struct Memory(pub(crate) Mutex<Vec<String>>);

    impl Attempts for Memory {
        fn record(&self, entry: Entry<'_>) -> Kept {
            let line = match entry {
                Entry::Opened(attempt) => {
                    format!(
                        "opened {} {}",
                        attempt.name.as_deref().unwrap_or("-"),
                        attempt.address.map(|one| one.to_string()).unwrap_or_default()
                    )
                }
                Entry::Stopped { reason, .. } => format!("stopped {}", reason.as_str()),
                Entry::Counted { reason, count, .. } => format!("counted {} {count}", reason.as_str()),
                Entry::Closed { moved, end, .. } => format!("closed {} {} {}", end.as_str(), moved.out, moved.back),
                Entry::Flux { name, .. } => format!("flux {name}"),
            };
            self.0.lock().push(line);
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_in_one_record() {
        let memory = Arc::new(Memory::default());
        let ledger = Ledger::new(memory.clone());
        let attempt = Attempt::new(Door::Port);
        for _ in 0..1_000 {
            ledger.stopped(&attempt, Reason::Name, None);
        }
        ledger.stopped(&attempt, Reason::Port, None);
        assert_eq!(memory.0.lock().len(), 21);
        tokio::time::advance(WINDOW).await;
        ledger.stopped(&attempt, Reason::Name, None);
        assert_eq!(memory.0.lock()[21..], ["counted name 980".to_owned(), "stopped name".to_owned()]);
    }

    #[test]
    fn text_of_a_peer_is_printable_and_short() {
        assert_eq!(printable(b"a\n\x1b[31m\xff "), "a??[31m??");
        assert_eq!(printable(&[b'a'; 1000]).len(), TEXT);
    }
}
