//! Counts connections: in all, and by where they come from.

use super::SourcePrefix;
use crate::accept;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// In all.
    pub total: usize,
    /// From one source that is not this machine.
    pub source: usize,
    /// From this machine, which many clients share.
    pub loopback: usize,
}

/// Which bound a connection was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Full {
    /// That of all connections.
    Total,
    /// That of its source.
    Source,
}

/// The open connections of a listener.
#[derive(Debug)]
pub struct Connections {
    most: Most,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<SourcePrefix, usize>,
}

/// One open connection; counts it out when dropped.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    source: SourcePrefix,
}

impl Connections {
    /// None open yet.
    pub fn new(most: Most) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Counts one more connection in.
    ///
    /// # Errors
    /// The bound that all together, or those of its source, are at.
    pub fn admit(self: &Arc<Self>, source: SourcePrefix) -> Result<Permit, Full> {
        let most = match source {
            SourcePrefix::Loopback => self.most.loopback,
            SourcePrefix::Network(_) => self.most.source,
        };
        let mut open = self.open.lock();
        if open.total >= self.most.total {
            return Err(Full::Total);
        }
        if open.by_source.get(&source).is_some_and(|count| *count >= most) {
            return Err(Full::Source);
        }
        open.total += 1;
        *open.by_source.entry(source).or_insert(0) += 1;
        Ok(Permit { connections: Arc::clone(self), source })
    }

    /// The next connection of `listener` that there may be, counted in, and nothing once `stop`. One beyond a bound is told to `turned_away` and closed unread.
    pub async fn next(
        self: &Arc<Self>,
        listener: &TcpListener,
        stop: &CancellationToken,
        turned_away: impl Fn(Full),
    ) -> Option<(TcpStream, SocketAddr, Permit)> {
        loop {
            let (stream, address) = accept::next(stop, || listener.accept()).await?;
            match self.admit(SourcePrefix::of(address.ip())) {
                Ok(permit) => return Some((stream, address, permit)),
                Err(full) => turned_away(full),
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.total -= 1;
        if let Some(count) = open.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourcePrefix {
        SourcePrefix::of(text.parse().unwrap())
    }

    #[test]
    fn a_source_has_its_share_and_gets_it_back() {
        let connections = Arc::new(Connections::new(Most { total: 100, source: 2, loopback: 4 }));
        let first = connections.admit(source("2001:db8::1"));
        let second = connections.admit(source("2001:db8::2"));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(connections.admit(source("2001:db8::3")).err(), Some(Full::Source), "of the same /64");
        assert!(connections.admit(source("2001:db8:0:1::3")).is_ok());
        drop(first);
        assert!(connections.admit(source("2001:db8::3")).is_ok());
        let own: Vec<_> = (0..5).map(|_| connections.admit(source("127.0.0.1"))).collect();
        assert_eq!(own.iter().filter(|permit| permit.is_ok()).count(), 4);
    }

    #[test]
    fn all_together_have_a_bound_and_nothing_is_kept_of_who_left() {
        let connections = Arc::new(Connections::new(Most { total: 3, source: 2, loopback: 2 }));
        let open: Vec<_> = (0..5).map(|at| connections.admit(source(&format!("192.0.2.{at}")))).collect();
        assert_eq!(open.iter().filter_map(|permit| permit.as_ref().err()).collect::<Vec<_>>(), [&Full::Total, &Full::Total]);
        drop(open);
        let left = connections.open.lock();
        assert!(left.total == 0 && left.by_source.is_empty());
    }
}
