//! Tokens of the built-in issuer: JWTs of type `at+jwt`, signed with Ed25519 and nothing else.
//!
//! The header is not negotiated: it is one fixed text per key, compared byte for byte. What a token may say is therefore never read before its signature held.
//!
//! Source: RFC 9068 (shape), RFC 8037 (EdDSA in JOSE), RFC 8725 (strictness), RFC 8707 (audience).
//! Control: `identity.tokens`.

mod claims;
mod issuer;
mod key;
mod scope;
mod verifier;

pub use claims::{Claims, Purpose};
pub use issuer::{Issued, Issuer};
pub use key::{PublicKey, SigningKey, jwks};
pub use scope::Scope;
pub use verifier::{TokenFault, Verified, Verifier};

use std::time::Duration;

/// The longest token that is read, in bytes.
pub const LONGEST: usize = 8 * 1024;

/// The longest that a token lives.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
