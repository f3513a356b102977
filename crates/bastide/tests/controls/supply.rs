//! What may run, and as what it was approved.

mod allowlist;
mod pinning;
