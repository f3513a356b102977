//! The vault as a whole: unlocked once, read from memory, written through.

use crate::lease::{Lease, open};
use crate::seal::{Key, key_place, value_place};
use crate::unlock::place;
use crate::{Address, Chest, Error, Head, Sealed, Unlock};
use parking_lot::RwLock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{Clock, Entropy, Name, Secret, ServerName, Utc};
use zeroize::Zeroizing;

const LONGEST: usize = 64 * 1024;
const MOST: usize = 10_000;

/// What is shown of an entry: never its value, nor how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// What it is called.
    pub address: Address,
    /// Which value it has.
    pub version: u64,
    /// When the first value came.
    #[serde(serialize_with = "as_text")]
    pub created: Utc,
    /// When this value came.
    #[serde(serialize_with = "as_text")]
    pub updated: Utc,
}

fn as_text<S: serde::Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}

/// An unlocked vault.
///
/// Entries rest in memory as they rest in the chest: sealed. A value is open only inside a [`Lease`] that was opened, and while it is put.
pub struct Vault {
    chest: Arc<dyn Chest>,
    key: Arc<Key>,
    entries: RwLock<BTreeMap<Address, Arc<Sealed>>>,
}

impl Vault {
    /// Opens the vault in `chest` with `unlock`; makes a new one when there is none.
    ///
    /// A passphrase costs what its stretching costs, on the caller's thread.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Method`] and [`Error::Weak`] are the operator's; [`Error::Head`], [`Error::Port`].
    pub async fn open(chest: Arc<dyn Chest>, unlock: &Unlock, entropy: &dyn Entropy) -> Result<Self, Error> {
        let key = match chest.head().await? {
            Some(head) => unwrap(&head, unlock)?,
            None => {
                let key = Key::draw(entropy);
                let head = wrap(&key, unlock, 1, entropy)?;
                if !chest.keep_head(head).await? {
                    return Err(Error::Head);
                }
                key
            }
        };
        let entries = chest.entries().await?.into_iter().map(|sealed| (sealed.address.clone(), Arc::new(sealed))).collect();
        Ok(Self { chest, key: Arc::new(Key::new(&key)), entries: RwLock::new(entries) })
    }

    /// Wraps the vault's key anew, for `new` instead of `old`. The entries stay as they are.
    ///
    /// # Errors
    /// As [`Vault::open`]; then `old` still opens it.
    pub async fn rewrap(&self, old: &Unlock, new: &Unlock, entropy: &dyn Entropy) -> Result<(), Error> {
        let head = self.chest.head().await?.ok_or(Error::Head)?;
        let key = unwrap(&head, old)?;
        let head = wrap(&key, new, head.version.checked_add(1).ok_or(Error::Head)?, entropy)?;
        if self.chest.keep_head(head).await? { Ok(()) } else { Err(Error::Head) }
    }

    /// Puts `value` under `server` and `name`, in place of what was there.
    ///
    /// # Errors
    /// [`Error::TooLong`] over 64 KiB, [`Error::Full`] at 10,000 entries, [`Error::Conflict`], [`Error::Port`]; then the old value stays.
    pub async fn put(&self, address: Address, value: Secret<Vec<u8>>, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Listing, Error> {
        if value.open().len() > LONGEST {
            return Err(Error::TooLong(LONGEST));
        }
        let before = self.entry(&address);
        if before.is_none() && self.entries.read().len() >= MOST {
            return Err(Error::Full(MOST));
        }
        let now = clock.utc();
        let version = before.as_ref().map_or(Some(1), |sealed| sealed.version.checked_add(1)).ok_or(Error::Cipher)?;
        let data = Key::draw(entropy);
        let sealed = Sealed {
            version,
            key: self.key.seal(data.as_slice(), &key_place(&address, version), entropy)?,
            value: Key::new(&data).seal(value.open(), &value_place(&address, version), entropy)?,
            created: before.map_or(now, |sealed| sealed.created),
            updated: now,
            address,
        };
        if !self.chest.keep(sealed.clone()).await? {
            return Err(Error::Conflict(sealed.address));
        }
        let sealed = Arc::new(sealed);
        let mut entries = self.entries.write();
        let newest = entries.entry(sealed.address.clone()).or_insert_with(|| Arc::clone(&sealed));
        if newest.version < sealed.version {
            *newest = Arc::clone(&sealed);
        }
        Ok(listing(&sealed))
    }

    /// A right to the credential `name` of `server`, still sealed.
    ///
    /// # Errors
    /// [`Error::Absent`].
    pub fn lease(&self, server: &ServerName, name: &Name) -> Result<Lease, Error> {
        let address = Address::new(server.clone(), name.clone());
        match self.entry(&address) {
            Some(sealed) => Ok(Lease::new(sealed, Arc::clone(&self.key))),
            None => Err(Error::Absent(address)),
        }
    }

    /// What there is, without values, by name.
    pub fn list(&self) -> Vec<Listing> {
        self.entries.read().values().map(|sealed| listing(sealed)).collect()
    }

    /// What there is of `server`.
    pub fn secrets_of(&self, server: &ServerName) -> Vec<Address> {
        self.entries.read().keys().filter(|address| address.server == *server).cloned().collect()
    }

    /// Removes an entry; false when there was none. Leases that are out keep what they have.
    ///
    /// # Errors
    /// [`Error::Port`]; then it is still there.
    pub async fn remove(&self, address: &Address) -> Result<bool, Error> {
        let removed = self.chest.remove(address).await?;
        self.entries.write().remove(address);
        Ok(removed)
    }

    /// Shows every value once to `see`, for the detector of credentials that come back; zeroed after each.
    ///
    /// # Errors
    /// [`Error::Altered`] when one does not open; then the detector is not whole and must not be used.
    pub fn all_for_echo(&self, see: &mut dyn FnMut(&Address, &[u8])) -> Result<(), Error> {
        let entries: Vec<_> = self.entries.read().values().cloned().collect();
        for sealed in entries {
            see(&sealed.address, &open(&self.key, &sealed)?);
        }
        Ok(())
    }

    fn entry(&self, address: &Address) -> Option<Arc<Sealed>> {
        self.entries.read().get(address).cloned()
    }
}

fn listing(sealed: &Sealed) -> Listing {
    Listing { address: sealed.address.clone(), version: sealed.version, created: sealed.created, updated: sealed.updated }
}

fn wrap(key: &Zeroizing<[u8; 32]>, unlock: &Unlock, version: u64, entropy: &dyn Entropy) -> Result<Head, Error> {
    unlock.strong()?;
    let mut head = Head { method: unlock.method(), salt: [0; 32], stretch: unlock.stretch(), version, wrapped: Vec::new() };
    entropy.fill(&mut head.salt);
    head.wrapped = unlock.key(&head)?.seal(key.as_slice(), &place(&head), entropy)?;
    Ok(head)
}

fn unwrap(head: &Head, unlock: &Unlock) -> Result<Zeroizing<[u8; 32]>, Error> {
    let key = unlock.key(head)?.open(&head.wrapped, &place(head)).ok_or(Error::Locked)?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| Error::Head)?;
    Ok(Zeroizing::new(key))
}
