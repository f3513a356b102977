//! People by name, and where they live.

mod address;
mod name;
mod words;

pub(crate) use address::Addresses;
pub(crate) use name::Names;
