//! The canonical print of a value: keys sorted, strings in RFC 8785 form, numbers in their source spelling, no blanks.

use super::{Kind, Member, Node};
use crate::json;
use crate::scan::Spelling;
use smallvec::SmallVec;
use std::cmp::Ordering;

impl Node<'_> {
    /// Appends the canonical text of this value to `out`.
    ///
    /// Keys are sorted by UTF-16 code units (RFC 8785 §3.2.3); numbers keep their source spelling, which RFC 8785 does not ask for.
    pub fn canonical(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Null | Kind::Bool | Kind::Number => out.extend_from_slice(self.raw()),
            Kind::Text | Kind::Key => self.print_text(out),
            Kind::Array => {
                out.push(b'[');
                for (place, item) in self.items().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.canonical(out);
                }
                out.push(b']');
            }
            Kind::Object => {
                let mut members: SmallVec<[Member<'_>; 16]> = self.members().collect();
                members.sort_by(|one, other| utf16(&one.name(), &other.name()));
                out.push(b'{');
                for (place, member) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    member.key.print_text(out);
                    out.push(b':');
                    member.value.canonical(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Appends a string or key in RFC 8785 form; what was sent without odd escapes has that form already.
    pub(super) fn print_text(self, out: &mut Vec<u8>) {
        match self.entry().spelling {
            Spelling::Plain | Spelling::Escaped => out.extend_from_slice(self.raw()),
            Spelling::Odd => json::write_str(out, &self.text().unwrap_or_default()),
        }
    }
}

/// The order of UTF-16 code units: that of code points, but for those above U+FFFF, which come before U+E000.
fn utf16(one: &str, other: &str) -> Ordering {
    if one.is_ascii() && other.is_ascii() { one.cmp(other) } else { one.encode_utf16().cmp(other.encode_utf16()) }
}

#[cfg(test)]
mod tests {
    use crate::{Bounds, Document};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn canonical(source: &str) -> String {
        let document = Document::scan(Bytes::copy_from_slice(source.as_bytes()), &Bounds::default()).unwrap();
        let mut out = Vec::new();
        document.root().canonical(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn canonical_text_sorts_keys_and_keeps_numbers() {
        assert_eq!(
            canonical("{ \"b\" : [ 1.50 , -0 , 1E2 ] , \"\\u0061\" : \"\\/\\u00e9\\u000A\" , \"B\":null }"),
            "{\"B\":null,\"a\":\"/é\\n\",\"b\":[1.50,-0,1E2]}"
        );
    }

    #[test]
    fn keys_are_sorted_as_rfc_8785_shows() {
        let source = "{\"\\u20ac\":0,\"\\r\":1,\"\\ufb33\":2,\"1\":3,\"\\ud83d\\ude00\":4,\"\\u0080\":5,\"\\u00f6\":6}";
        assert_eq!(canonical(source), "{\"\\r\":1,\"1\":3,\"\u{80}\":5,\"ö\":6,\"€\":0,\"😀\":4,\"\u{fb33}\":2}");
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::btree_map(
                    any::<String>().prop_filter("no controls", |key| key.bytes().all(|byte| byte >= 0x20)),
                    inner,
                    0..40
                )
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point_and_keeps_the_value(value in value()) {
            let once = canonical(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(canonical(&once), once.clone());
            let document = Document::parse(Bytes::from(once), &Bounds::default()).unwrap();
            prop_assert_eq!(document.root().to_value().unwrap(), value);
        }
    }
}
