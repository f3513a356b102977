//! Handing a value to those who work on `serde_json::Value`, schema checks above all.

use super::{Kind, Node};
use crate::fault::{About, Fault, Place};
use serde_json::{Map, Value};

impl Node<'_> {
    /// The value for a schema check. Fractions become the nearest double; the source spelling stays with the node.
    ///
    /// # Errors
    /// The [`Fault`] of row 31 for an integer that is neither in the range of `i64` nor of `u64`, which a `Value` cannot carry.
    pub fn to_value(self) -> Result<Value, Fault> {
        Ok(match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(self.truth() == Some(true)),
            Kind::Number => number(self.number().unwrap_or_default()).ok_or_else(|| Fault::at(31, Place::Params, About::Unread))?,
            Kind::Text | Kind::Key => Value::String(self.text().unwrap_or_default().into_owned()),
            Kind::Array => Value::Array(self.items().map(Node::to_value).collect::<Result<_, _>>()?),
            Kind::Object => {
                let mut map = Map::new();
                for member in self.members() {
                    map.insert(member.name().into_owned(), member.value.to_value()?);
                }
                Value::Object(map)
            }
        })
    }
}

fn number(text: &str) -> Option<Value> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && text != "-0" {
        return text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok();
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use crate::{Bounds, Document};
    use bytes::Bytes;
    use proptest::prelude::*;

    #[test]
    fn integers_stay_whole_or_are_refused() {
        let value =
            |source: &'static str| Document::parse(Bytes::from_static(source.as_bytes()), &Bounds::default()).unwrap().root().to_value();
        assert_eq!(value("18446744073709551615").unwrap().as_u64(), Some(u64::MAX));
        assert_eq!(value("18446744073709551616").unwrap_err().row, 31);
        assert_eq!(value("1.50").unwrap().as_f64(), Some(1.5));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(Bytes::from(bytes), &Bounds::default());
        }

        #[test]
        fn what_is_accepted_serde_reads_as_the_same(text in r#"([\[\]{},: ]|"[abä]{0,2}(\\n|\\u00e9|\\ud83d\\ude00)?"|"a":|-?[0-9]{1,3}(\.[0-9])?(e[0-9])?|true|null){0,14}"#) {
            if let Ok(document) = Document::parse(Bytes::from(text.clone()), &Bounds::default()) {
                let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(document.root().to_value().unwrap(), theirs);
            }
        }
    }
}
