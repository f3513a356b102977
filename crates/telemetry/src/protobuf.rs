//! The wire format of protocol buffers, as far as it is written here, and the one number that is read.

/// Appends fields to a message.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    /// An unsigned number, or a variant of an enum.
    pub(crate) fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    /// A signed number, as `int64` is written.
    pub(crate) fn int(&mut self, field: u32, value: i64) {
        self.uint(field, u64::from_le_bytes(value.to_le_bytes()));
    }

    /// Eight bytes.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes.
    pub(crate) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A floating-point number.
    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// Bytes or a text.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Many of eight bytes, packed.
    pub(crate) fn packed(&mut self, field: u32, values: impl ExactSizeIterator<Item = u64>) {
        self.tag(field, 2);
        self.varint(values.len() as u64 * 8);
        values.for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
    }

    /// A message within.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// How many of what was sent a collector says that it did not take: `partial_success` of an answer to an export, whose first field is the count. What
/// cannot be read says nothing.
pub fn rejected(answer: &[u8]) -> u64 {
    let count = field(answer, 1).and_then(|found| match found {
        Found::Bytes(inner) => field(inner, 1),
        Found::Number(_) => None,
    });
    match count {
        Some(Found::Number(count)) if count <= i64::MAX as u64 => count,
        _ => 0,
    }
}

enum Found<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number.
fn field(mut rest: &[u8], wanted: u64) -> Option<Found<'_>> {
    loop {
        let tag = varint(&mut rest)?;
        let found = match tag & 7 {
            0 => Found::Number(varint(&mut rest)?),
            1 => Found::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                Found::Bytes(take(&mut rest, length)?)
            }
            5 => Found::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(found);
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_texts_are_written_as_the_format_says() {
        let mut writer = Writer::default();
        writer.uint(1, 150);
        writer.bytes(2, b"testing");
        writer.message(3, |inner| inner.uint(1, 150));
        writer.int(4, -2);
        let wanted = b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01\x20\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(writer.finish(), wanted);
    }

    #[test]
    fn what_a_collector_did_not_take_is_read() {
        let mut writer = Writer::default();
        writer.message(1, |partial| {
            partial.bytes(2, b"too many");
            partial.uint(1, 300);
        });
        assert_eq!(rejected(&writer.finish()), 300);
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"{\"partialSuccess\":{}}"), 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_back_is_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = rejected(&bytes);
        }
    }
}
