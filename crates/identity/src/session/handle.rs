//! The secret name of a session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use terms::Entropy;

/// The secret name of a session: 256 random bits as 43 base64url characters. Prints as a mark.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Handle([u8; 32]);

impl Handle {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut bits = [0; 32];
        entropy.fill(&mut bits);
        Self(bits)
    }

    /// Reads the one spelling of a handle.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The text, for the client alone.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Handle(…)")
    }
}
