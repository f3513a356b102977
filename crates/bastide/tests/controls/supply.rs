//! What may run, and as what it was approved.

mod allowlist;
mod packages;
mod pinning;
mod registries;
mod review;

use std::time::{Duration, Instant};

/// Waits for `done`, generously.
#[track_caller]
fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !done() {
        assert!(Instant::now() < end, "not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
