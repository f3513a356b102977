//! Secrets that no prefix gives away: what stands beside a name, in a connection string, in a header, in a password file.

mod assigned;
mod column;
mod connection;
mod declared;
mod header;
mod name;
mod netrc;
mod sentence;
mod token;
mod value;

pub(crate) use assigned::Assigned;
pub(crate) use connection::Connections;
pub(crate) use header::Headers;
pub(crate) use netrc::Logins;
pub(crate) use token::Tokens;
