//! People by name, and where they live.

mod address;
mod hint;
mod name;
mod words;

pub(crate) use address::Addresses;
pub(crate) use name::Names;
