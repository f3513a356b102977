//! What an entry is called.

use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use terms::{Name, ServerName};

/// What an entry is called: `vault:SERVER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The server that it is for, or the part of the gateway (`tls`, `store`).
    pub server: ServerName,
    /// Its name there.
    pub name: Name,
}

impl Address {
    /// The entry `name` of `server`.
    pub const fn new(server: ServerName, name: Name) -> Self {
        Self { server, name }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "vault:{}/{}", self.server, self.name)
    }
}

impl FromStr for Address {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let (server, name) = text.strip_prefix("vault:").and_then(|rest| rest.split_once('/')).ok_or(Error::Name)?;
        let server = ServerName::new(server).map_err(|_| Error::Name)?;
        Ok(Self { server, name: Name::new(name).map_err(|_| Error::Name)? })
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_what_it_prints() {
        for text in ["vault:github/token", "vault:tls/key", "vault:db/primary/url"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in ["", "vault:", "vault:github", "vault:/x", "vault:a/", "github/token", "vault:A/x", "vault:a/x y"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
