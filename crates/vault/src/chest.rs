//! Where sealed bytes rest.

use crate::{Address, Method, Pending, Stretch};
use terms::Utc;

/// The vault's own key, wrapped, and how it is unwrapped. Nothing in it is secret; all of it is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How it is unlocked.
    pub method: Method,
    /// Goes into the unlocking key.
    pub salt: [u8; 32],
    /// How hard a passphrase is stretched.
    pub stretch: Stretch,
    /// Rises with every change of the head.
    pub version: u64,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

/// One entry, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What it is called.
    pub address: Address,
    /// 1 at first, one more with every new value.
    pub version: u64,
    /// The wrapped data key.
    pub key: Vec<u8>,
    /// The sealed value.
    pub value: Vec<u8>,
    /// When the first value came.
    pub created: Utc,
    /// When this value came.
    pub updated: Utc,
}

/// Keeps sealed bytes.
pub trait Chest: Send + Sync {
    /// The head, when there is one.
    ///
    /// # Errors
    /// [`crate::Error::Port`].
    fn head(&self) -> Pending<'_, Option<Head>>;

    /// Keeps `head`: the first when its version is 1 and there is none, else in place of the one with the version before. False when that one is not there.
    ///
    /// # Errors
    /// [`crate::Error::Port`].
    fn keep_head(&self, head: Head) -> Pending<'_, bool>;

    /// All entries.
    ///
    /// # Errors
    /// [`crate::Error::Port`].
    fn entries(&self) -> Pending<'_, Vec<Sealed>>;

    /// Keeps `sealed`: a new entry when its version is 1 and there is none, else in place of the version before. False when that one is not there.
    ///
    /// # Errors
    /// [`crate::Error::Port`].
    fn keep(&self, sealed: Sealed) -> Pending<'_, bool>;

    /// Removes the entry; false when there was none.
    ///
    /// # Errors
    /// [`crate::Error::Port`].
    fn remove(&self, address: &Address) -> Pending<'_, bool>;
}
