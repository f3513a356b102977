//! A value that must not be seen.

use std::fmt;
use zeroize::Zeroize;

/// A value without `Display`, `Serialize` or `Clone` and with a `Debug` that shows nothing; zeroed on drop.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Opens the wrapper. Call sites are few and are listed in `layers.toml`.
    pub fn open(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Prints a mark, never the value: lets types that hold a secret derive `Debug`.
impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}
