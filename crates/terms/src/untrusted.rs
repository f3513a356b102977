//! Bytes of a peer before they were checked.

/// A peer's value before it was checked: it cannot be displayed or logged.
pub struct Untrusted<T>(T);

impl<T> Untrusted<T> {
    /// Marks `value` as a peer's.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Hands the value to the check that makes something of it.
    pub fn check<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<U, E> {
        check(self.0)
    }
}
