//! One sealing: AES-256-GCM-SIV with a random nonce in front.

use crate::{Address, Error};
use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use terms::Entropy;
use zeroize::Zeroizing;

const NONCE: usize = 12;

/// A key that seals and opens; its schedule is zeroed on drop.
pub(crate) struct Key(Aes256GcmSiv);

impl Key {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(&(*bytes).into()))
    }

    /// Thirty-two new bytes for a key.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut_slice());
        bytes
    }

    /// Seals `value` for the place `aad`.
    pub(crate) fn seal(&self, value: &[u8], aad: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let sealed = self.0.encrypt(&Nonce::from(nonce), Payload { msg: value, aad }).map_err(|_| Error::Cipher)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the place `aad`; none when it was not.
    pub(crate) fn open(&self, sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.0.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad }).ok().map(Zeroizing::new)
    }
}

/// Joins `parts` so that no two lists of parts give the same bytes.
pub(crate) fn aad(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Binds a data key to its entry.
pub(crate) fn key_place(address: &Address, version: u64) -> Vec<u8> {
    aad(&[b"bastide vault data key, 1", address.server.as_str().as_bytes(), address.name.as_str().as_bytes(), &version.to_be_bytes()])
}

/// Binds a value to its entry.
pub(crate) fn value_place(address: &Address, version: u64) -> Vec<u8> {
    aad(&[b"bastide vault value, 1", address.server.as_str().as_bytes(), address.name.as_str().as_bytes(), &version.to_be_bytes()])
}
