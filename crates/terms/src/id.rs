//! Ids with kinds: a prefix and twelve Crockford base32 characters (60 bits).

use crate::Entropy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 12;
const MASK: u64 = (1 << 60) - 1;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a capital letter, a hyphen and twelve Crockford base32 characters")]
pub struct ParseIdError;

fn write(out: &mut fmt::Formatter<'_>, prefix: char, bits: u64) -> fmt::Result {
    let mut text = [0_u8; LENGTH + 2];
    text[0] = prefix as u8;
    text[1] = b'-';
    for (at, slot) in text[2..].iter_mut().enumerate() {
        let shift = 5 * (LENGTH - 1 - at);
        *slot = ALPHABET[((bits >> shift) & 31) as usize];
    }
    out.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn read(text: &str, prefix: char) -> Result<u64, ParseIdError> {
    let rest = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).ok_or(ParseIdError)?;
    if rest.len() != LENGTH {
        return Err(ParseIdError);
    }
    rest.bytes().try_fold(0_u64, |bits, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_uppercase()).ok_or(ParseIdError)?;
        Ok(bits << 5 | digit as u64)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// A new one, from chance.
            pub fn new(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0_u8; 8];
                entropy.fill(&mut bytes);
                Self(u64::from_le_bytes(bytes) & MASK)
            }

            /// The 60 bits.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// The id of these bits; the upper four are dropped.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits & MASK)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(out, $prefix, self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(out, $prefix, self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                read(text, $prefix).map(Self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = String::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A call: the request id and the reference that a refusal names.
    CallId, 'C');
id!(/// A session of ours with a client.
    SessionId, 'S');
id!(/// A token that was issued.
    TokenId, 'T');
id!(/// A finding that a person follows up.
    FindingId, 'F');
id!(/// One record of the audit log.
    RecordId, 'R');
id!(/// A sealing key.
    KeyId, 'K');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_what_it_parses() {
        for bits in [0, 1, 31, MASK, 0x0123_4567_89AB_CDEF & MASK] {
            let id = CallId::from_bits(bits);
            assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
            assert_eq!(id.to_string().len(), 14);
        }
        assert!("C-I00000000000".parse::<CallId>().is_err());
        assert!("S-000000000000".parse::<CallId>().is_err());
    }
}
