//! The key that opens the vault's key.

use crate::seal::{Key, aad};
use crate::{Error, Head};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use terms::Secret;
use zeroize::Zeroizing;

/// How a vault is unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// With a file of at least 32 random bytes.
    Keyfile,
    /// With a passphrase.
    Passphrase,
}

impl Method {
    /// Its name in the head.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyfile => "keyfile",
            Self::Passphrase => "passphrase",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "keyfile" => Ok(Self::Keyfile),
            "passphrase" => Ok(Self::Passphrase),
            _ => Err(Error::Head),
        }
    }
}

/// How hard a passphrase is stretched with Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Memory in KiB: 19,456 to 1,048,576.
    pub memory: u32,
    /// Passes: 2 to 16.
    pub passes: u32,
    /// Lanes: 1 to 16.
    pub lanes: u32,
}

impl Default for Stretch {
    /// 64 MiB, three passes, four lanes: the second choice of RFC 9106 §4.
    fn default() -> Self {
        Self { memory: 65_536, passes: 3, lanes: 4 }
    }
}

impl Stretch {
    /// INVARIANT: a head that somebody altered can neither weaken the stretching nor eat the machine.
    fn params(self) -> Result<Params, Error> {
        let sound = (19_456..=1_048_576).contains(&self.memory) && (2..=16).contains(&self.passes) && (1..=16).contains(&self.lanes);
        if !sound {
            return Err(Error::Head);
        }
        Params::new(self.memory, self.passes, self.lanes, Some(32)).map_err(|_| Error::Head)
    }
}

/// What opens the vault.
pub enum Unlock {
    /// The bytes of the key file. Whoever read it has checked that nobody else may.
    Keyfile(Secret<Vec<u8>>),
    /// A passphrase, and how hard a *new* wrapping stretches it; an existing one says so itself.
    Passphrase(Secret<String>, Stretch),
}

impl Unlock {
    /// How it unlocks.
    pub const fn method(&self) -> Method {
        match self {
            Self::Keyfile(_) => Method::Keyfile,
            Self::Passphrase(..) => Method::Passphrase,
        }
    }

    pub(crate) fn stretch(&self) -> Stretch {
        match self {
            Self::Keyfile(_) => Stretch::default(),
            Self::Passphrase(_, stretch) => *stretch,
        }
    }

    /// Refuses what can be guessed.
    pub(crate) fn strong(&self) -> Result<(), Error> {
        let strong = match self {
            Self::Keyfile(bytes) => bytes.open().len() >= 32,
            Self::Passphrase(text, _) => text.open().chars().count() >= 8,
        };
        if strong { Ok(()) } else { Err(Error::Weak) }
    }

    /// The unlocking key for `head`.
    pub(crate) fn key(&self, head: &Head) -> Result<Key, Error> {
        if head.method != self.method() {
            return Err(Error::Method(head.method));
        }
        let mut bytes = Zeroizing::new([0_u8; 32]);
        match self {
            Self::Keyfile(file) => Hkdf::<Sha256>::new(Some(&head.salt), file.open())
                .expand(b"bastide vault unlocking key from a key file, 1", bytes.as_mut_slice())
                .map_err(|_| Error::Cipher)?,
            Self::Passphrase(text, _) => Argon2::new(Algorithm::Argon2id, Version::V0x13, head.stretch.params()?)
                .hash_password_into(text.open().as_bytes(), &head.salt, bytes.as_mut_slice())
                .map_err(|_| Error::Cipher)?,
        }
        Ok(Key::new(&bytes))
    }
}

/// Binds the wrapped key to every field of `head` beside it.
pub(crate) fn place(head: &Head) -> Vec<u8> {
    aad(&[
        b"bastide vault head, 1",
        head.method.as_str().as_bytes(),
        &head.salt,
        &head.stretch.memory.to_be_bytes(),
        &head.stretch.passes.to_be_bytes(),
        &head.stretch.lanes.to_be_bytes(),
        &head.version.to_be_bytes(),
    ])
}
