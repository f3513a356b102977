//! What one server sends and gets, counted.
//!
//! Control: `network.telemetry`.

use crate::attempt::{Attempt, Reason};
use crate::limits::Direction;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most destinations that are told apart.
const DESTINATIONS: usize = 256;

/// Counts of one server, since its list was read.
#[derive(Default)]
pub struct Meter {
    opened: AtomicU64,
    open: AtomicU64,
    moved: [AtomicU64; 2],
    stopped: Mutex<BTreeMap<Reason, u64>>,
    destinations: Mutex<Destinations>,
}

#[derive(Default)]
struct Destinations {
    named: BTreeMap<String, Destination>,
    elsewhere: Destination,
}

/// What went to one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Connections.
    pub connections: u64,
    /// Bytes out of the sandbox.
    pub out: u64,
    /// Bytes into it.
    pub back: u64,
}

/// The counts of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that were let through.
    pub opened: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Bytes out of the sandbox.
    pub out: u64,
    /// Bytes into it.
    pub back: u64,
    /// Attempts that came to nothing, by reason.
    pub stopped: BTreeMap<Reason, u64>,
    /// By `host:port`, the first 256 of them.
    pub destinations: BTreeMap<String, Destination>,
    /// All other destinations.
    pub elsewhere: Destination,
}

impl Meter {
    /// The counts of this moment.
    pub fn traffic(&self) -> Traffic {
        let [out, back] = &self.moved;
        let destinations = self.destinations.lock();
        Traffic {
            opened: self.opened.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            out: out.load(Ordering::Relaxed),
            back: back.load(Ordering::Relaxed),
            stopped: self.stopped.lock().clone(),
            destinations: destinations.named.clone(),
            elsewhere: destinations.elsewhere,
        }
    }

    pub(crate) fn stopped(&self, reason: Reason) {
        let mut stopped = self.stopped.lock();
        let count = stopped.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn moved(&self, direction: Direction, bytes: u64) {
        let [out, back] = &self.moved;
        let counter = match direction {
            Direction::Out => out,
            Direction::Back => back,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a connection as open until the answer is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Adds a connection that has ended to its destination.
    pub(crate) fn arrived(&self, attempt: &Attempt, out: u64, back: u64) {
        let host = attempt.name.clone().or_else(|| attempt.address.map(|address| address.to_string())).unwrap_or_default();
        let key = format!("{host}:{}", attempt.port.unwrap_or_default());
        let mut destinations = self.destinations.lock();
        let known = destinations.named.len() < DESTINATIONS || destinations.named.contains_key(&key);
        let place = if known { destinations.named.entry(key).or_default() } else { &mut destinations.elsewhere };
        place.connections = place.connections.saturating_add(1);
        place.out = place.out.saturating_add(out);
        place.back = place.back.saturating_add(back);
    }
}

/// A connection that is counted as open.
pub(crate) struct Open(Arc<Meter>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Door;

    #[test]
    fn destinations_are_bounded() {
        let meter = Arc::new(Meter::default());
        for at in 0..300 {
            let mut attempt = Attempt::new(Door::Port);
            attempt.said(&format!("h{at}"));
            meter.arrived(&attempt, 1, 2);
        }
        let traffic = meter.traffic();
        assert_eq!((traffic.destinations.len(), traffic.elsewhere), (256, Destination { connections: 44, out: 44, back: 88 }));
        let open = meter.open();
        assert_eq!(meter.traffic().open, 1);
        drop(open);
        assert_eq!((meter.traffic().open, meter.traffic().opened), (0, 1));
    }
}
