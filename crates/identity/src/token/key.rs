//! The keys of an issuer, named by their RFC 7638 thumbprint.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};
use terms::Secret;

/// The key that an issuer signs with; zeroed on drop.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// The key with this seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &Secret<[u8; 32]>) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed.open());
        let public = PublicKey::new(key.verifying_key());
        Self { key, public }
    }

    /// The half that may be shown.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

/// The key that a verifier checks with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: ed25519_dalek::VerifyingKey,
    id: String,
    header: String,
}

impl PublicKey {
    fn new(key: ed25519_dalek::VerifyingKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)));
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{id}"}}"#));
        Self { key, id, header }
    }

    /// The key in these 32 bytes.
    ///
    /// # Errors
    /// [`Error::Key`] when they are no point of the curve, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Error::Key)?;
        if key.is_weak() {
            return Err(Error::Key);
        }
        Ok(Self::new(key))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key's id, `kid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first segment of every token of this key.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn holds(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(text, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

/// The JWK set of `keys` (RFC 7517 §5), as `/oauth/jwks` answers it.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> serde_json::Value {
    let keys: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": key.id, "alg": "EdDSA", "use": "sig" })
        })
        .collect();
    serde_json::json!({ "keys": keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_thumbprint_of_rfc_8037() {
        let bytes = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = PublicKey::from_bytes(&bytes.try_into().unwrap()).unwrap();
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn weak_keys_are_refused() {
        let mut identity = [0_u8; 32];
        identity[0] = 1;
        assert!(PublicKey::from_bytes(&identity).is_err());
    }

    #[test]
    fn the_key_set_shows_public_halves_only() {
        let key = SigningKey::from_seed(&Secret::new([9; 32]));
        let set = jwks([key.public()]);
        assert_eq!(set["keys"][0]["kid"], key.public().id());
        assert!(set["keys"][0].get("d").is_none());
    }
}
