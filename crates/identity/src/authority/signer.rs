//! What signs for an authority: a key in memory, or one that never leaves its token.

use super::Error;
use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};
use std::fmt;

/// A key that signs, wherever it is.
pub struct Signer {
    key: Box<dyn SigningKey + Send + Sync>,
    public: Vec<u8>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Signer(…)")
    }
}

impl Signer {
    /// What signs with `key`.
    pub fn new(key: impl SigningKey + Send + Sync + 'static) -> Self {
        let public = key.subject_public_key_info();
        Self { key: Box::new(key), public }
    }

    /// What signs with the key in `pem`: PKCS #8, PKCS #1 or SEC1.
    ///
    /// # Errors
    /// [`Error::Kept`].
    pub fn of_pem(pem: &str) -> Result<Self, Error> {
        KeyPair::from_pem(pem).map(Self::new).map_err(|_| Error::Kept)
    }

    /// Its public key: SubjectPublicKeyInfo, DER.
    pub(super) fn public(&self) -> &Vec<u8> {
        &self.public
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message)
    }
}
