//! Principals, sessions, tokens and their issuer, revocation.
//!
//! Pure: key material, time and chance are handed in; what must outlive the process goes through the ports [`Tokens`] and [`Revocations`].
//! Stands behind the stages `identify` ([`token::Verifier`]) and `admit` ([`session::Sessions`]).

pub mod authority;
mod error;
mod revocation;
pub mod session;
pub mod token;

pub use error::{Error, Pending, PortFault};
pub use revocation::{Memory, Revocation, Revocations, Standing, TokenRecord, Tokens};
