//! A short right to one credential.

use crate::seal::{Key, key_place, value_place};
use crate::{Address, Error, Sealed};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// A short right to one credential: sealed until [`Lease::open`], which only the last hop calls; zeroed on drop. Neither cloned nor printed.
pub struct Lease {
    sealed: Arc<Sealed>,
    key: Arc<Key>,
    value: OnceLock<Zeroizing<Vec<u8>>>,
}

impl Lease {
    pub(crate) fn new(sealed: Arc<Sealed>, key: Arc<Key>) -> Self {
        Self { sealed, key, value: OnceLock::new() }
    }

    /// What it is a right to.
    pub fn address(&self) -> &Address {
        &self.sealed.address
    }

    /// Which value: rises when it is rotated.
    pub fn version(&self) -> u64 {
        self.sealed.version
    }

    /// The credential. Call sites are few and are listed in `layers.toml`.
    ///
    /// # Errors
    /// [`Error::Altered`] when the sealed bytes were, or were moved here from another entry or version.
    pub fn open(&self) -> Result<&[u8], Error> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = open(&self.key, &self.sealed)?;
        Ok(self.value.get_or_init(|| value))
    }
}

/// Opens `sealed` at its own place.
pub(crate) fn open(key: &Key, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Error> {
    let altered = || Error::Altered(sealed.address.clone());
    let data = key.open(&sealed.key, &key_place(&sealed.address, sealed.version)).ok_or_else(altered)?;
    let data: &[u8; 32] = data.as_slice().try_into().map_err(|_| altered())?;
    Key::new(data).open(&sealed.value, &value_place(&sealed.address, sealed.version)).ok_or_else(altered)
}
