//! Sealed credentials and their leases.
//!
//! Three layers: an unlocking key, from a key file or a passphrase, wraps the vault's key; that wraps one data key per entry; that seals the value. All with AES-256-GCM-SIV
//! (RFC 8452), each bound to its place by associated data. Pure: sealed bytes rest behind the port [`Chest`].
//! Controls: `secrets.vault`, `secrets.isolation`.

mod address;
mod chest;
mod error;
mod lease;
mod rotate;
mod seal;
mod unlock;
mod whole;

pub use address::Address;
pub use chest::{Chest, Head, Sealed};
pub use error::{Error, Pending, PortFault};
pub use lease::Lease;
pub use rotate::{Due, Rotation};
pub use unlock::{Method, Stretch, Unlock};
pub use whole::{Listing, Vault};
