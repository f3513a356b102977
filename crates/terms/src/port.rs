//! Ports of the outside world. Real ones exist in the binary's `host.rs` alone; tests hand in set ones.

use crate::{Instant, Utc};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall-clock time, for people and for what outlives the process.
    fn utc(&self) -> Utc;
    /// Monotonic time, for limits and latencies.
    fn instant(&self) -> Instant;
}

/// Gives bytes that nobody can guess.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from the system's generator.
    fn fill(&self, bytes: &mut [u8]);
}
