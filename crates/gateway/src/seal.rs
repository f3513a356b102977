//! Texts that a client carries for us and can neither read nor change: sealed under a key of this process, each bound to what it is good for.
//!
//! AES-256-GCM-SIV (RFC 8452), a fresh nonce in front, all in Base64 for URLs without padding (RFC 4648 §5), of which a text has one spelling.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use terms::{Entropy, Utc};

/// Bytes of a nonce.
pub const NONCE: usize = 12;

/// Seals and opens.
pub struct Seals {
    cipher: Aes256GcmSiv,
}

/// What was sealed.
#[derive(Clone, Debug)]
pub struct Opened<T> {
    /// What it says.
    pub said: T,
    /// The nonce, by which one text differs from another that says the same.
    pub nonce: [u8; NONCE],
    /// When it is too old: seconds of Unix time.
    pub expires: u64,
}

impl Seals {
    /// Those of a new key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; 32];
        entropy.fill(&mut key);
        Self { cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key)) }
    }

    /// Seals `said` for `life` from `now` on, good only where `bound` is the same; `None` when it cannot be sealed.
    pub fn seal<T: Serialize>(&self, entropy: &dyn Entropy, said: &T, bound: &str, now: Utc, life: Duration) -> Option<String> {
        let mut nonce = [0_u8; NONCE];
        entropy.fill(&mut nonce);
        let plain = serde_json::to_vec(&(now.after(life).seconds(), said)).ok()?;
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: bound.as_bytes() }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What `text` says; `None` when it is not ours, was altered, is bound to something else, or is too old.
    pub fn open<T: DeserializeOwned>(&self, text: &str, bound: &str, now: Utc) -> Option<Opened<T>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound.as_bytes() }).ok()?;
        let (expires, said): (u64, T) = serde_json::from_slice(&plain).ok()?;
        (now.seconds() < expires).then_some(Opened { said, nonce: *nonce, expires })
    }
}
