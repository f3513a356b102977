//! The canonical print of a definition: one text per meaning, so that its digest is stable.

use crate::{Digest, Error};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Largest definition, in bytes.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// Deepest nesting of a definition.
const MOST_DEPTH: usize = 64;

/// A JSON object in canonical print: compact, keys sorted by their UTF-8 bytes, numbers as they were spelled.
///
/// Two objects that differ only in order of keys, white space or escapes of strings have the same print.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Definition(Box<str>);

impl Definition {
    /// Prints `bytes` canonically.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 1 MiB; [`Error::Definition`] when the bytes are not one JSON object, name a key
    /// twice, or nest deeper than 64. All are the server's fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MOST_BYTES {
            return Err(Error::TooLarge { what: "definition".into(), bound: MOST_BYTES });
        }
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(|cause| Error::Definition(cause.to_string()))?;
        if !raw.get().starts_with('{') {
            return Err(Error::Definition("an object was expected".into()));
        }
        let mut out = String::with_capacity(bytes.len());
        print(raw, MOST_DEPTH, &mut out)?;
        Ok(Self(out.into()))
    }

    /// The empty object.
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The top-level members, each in canonical print.
    pub fn members(&self) -> BTreeMap<String, String> {
        let fields: Result<Fields<'_>, _> = serde_json::from_str(&self.0);
        fields.map(|fields| fields.0.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect()).unwrap_or_default()
    }

    /// The top-level member `key` as text, when it is a string.
    pub fn text(&self, key: &str) -> Option<String> {
        self.members().get(key).and_then(|value| serde_json::from_str(value).ok())
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The object itself, on one line.
impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Definition {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(input)?;
        Self::parse(raw.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.insert(key, value).is_some() {
                        return Err(serde::de::Error::custom("a key is named twice"));
                    }
                }
                Ok(Fields(fields))
            }
        }
        input.deserialize_map(Collect)
    }
}

fn print(raw: &RawValue, depth: usize, out: &mut String) -> Result<(), Error> {
    let fault = |cause: serde_json::Error| Error::Definition(cause.to_string());
    let text = raw.get();
    let deeper = || depth.checked_sub(1).ok_or_else(|| Error::Definition(format!("it nests deeper than {MOST_DEPTH}")));
    match text.as_bytes().first() {
        Some(b'{') => {
            let depth = deeper()?;
            let fields: Fields<'_> = serde_json::from_str(text).map_err(fault)?;
            out.push('{');
            for (at, (key, value)) in fields.0.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(key).map_err(fault)?);
                out.push(':');
                print(value, depth, out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let depth = deeper()?;
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(fault)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                print(item, depth, out)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let string: String = serde_json::from_str(text).map_err(fault)?;
            out.push_str(&serde_json::to_string(&string).map_err(fault)?);
        }
        _ => out.push_str(text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_space_and_escapes_do_not_matter() {
        let one = Definition::parse(br#"{"b": [1.50, {"y":null,"x":true}], "a": "\u0041\/"}"#).unwrap();
        let two = Definition::parse(br#"{"a":"A/","b":[1.50,{"x":true,"y":null}]}"#).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.as_str(), r#"{"a":"A/","b":[1.50,{"x":true,"y":null}]}"#);
        assert_eq!(one.digest(), two.digest());
    }

    #[test]
    fn the_digest_is_the_published_one() {
        let digest = Definition::parse(b"{}").unwrap().digest();
        assert_eq!(digest.to_string(), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let big = Definition::parse(br#"{"n":123456789012345678901234567890.10}"#).unwrap();
        assert!(big.as_str().contains("123456789012345678901234567890.10"));
    }

    #[test]
    fn doubled_keys_deep_nesting_and_other_values_are_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        for bad in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":1}}"#, "[]", "1", "{", &deep] {
            assert!(Definition::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printing_is_a_fixed_point(keys in proptest::collection::btree_map(".{0,6}", proptest::num::i64::ANY, 0..8)) {
            let text = serde_json::to_string(&keys).unwrap();
            let once = Definition::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(&Definition::parse(once.as_str().as_bytes()).unwrap(), &once);
        }
    }
}
