//! What can go wrong beside a refusal.

/// Why the crate could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A counter could not be read or written: the caller refuses.
    #[error("the limits could not be read")]
    Meters,
    /// No more counters fit and none has run out: the caller refuses.
    #[error("more than {0} counters are in use")]
    Full(usize),
}
