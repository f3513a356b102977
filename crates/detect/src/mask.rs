//! Where bytes of one sort stand in a text: one bit a byte, 64 bytes at a time, so that what is passed over costs no branch.
//!
//! A sort is a comparison of one byte without a branch (`|` and `&`, not `||` and `&&`), which compilers turn into operations on many bytes at once. No
//! sort holds the byte 0, which stands behind the end of a text.

use terms::Span;

/// Bytes of one block.
pub(crate) const BLOCK: usize = 64;

/// Whether it lies between the two, both included.
#[inline(always)]
pub(crate) fn within(byte: u8, least: u8, most: u8) -> bool {
    byte.wrapping_sub(least) <= most - least
}

/// Whether it is a letter of ASCII.
#[inline(always)]
pub(crate) fn letter(byte: u8) -> bool {
    within(byte | 0x20, b'a', b'z')
}

/// Whether it is a letter or a digit of ASCII.
#[inline(always)]
pub(crate) fn alphanumeric(byte: u8) -> bool {
    letter(byte) | within(byte, b'0', b'9')
}

/// The bytes of the block at `at`, with zeros behind the end; the first `N` of them.
#[inline(always)]
pub(crate) fn block<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(all) = rest.first_chunk() {
        return *all;
    }
    let mut padded = [0; N];
    for (to, from) in padded.iter_mut().zip(rest) {
        *to = *from;
    }
    padded
}

/// A bit for each byte of `block` that is of the sort, the first one lowest.
#[inline(always)]
pub(crate) fn of(block: &[u8; BLOCK], sort: impl Fn(u8) -> bool) -> u64 {
    let mut lanes = [0; BLOCK];
    for (lane, byte) in lanes.iter_mut().zip(block) {
        *lane = u8::from(sort(*byte));
    }
    pack(&lanes)
}

/// A bit for each lane, all of which are 0 or 1.
#[inline(always)]
pub(crate) fn pack(lanes: &[u8; BLOCK]) -> u64 {
    // The product moves the bit of each of eight bytes to a place of its own in the highest byte.
    let (eights, _) = lanes.as_chunks::<8>();
    eights.iter().rev().fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56)
}

/// Shows every run of at least `least` bytes of a sort, `least` being 64 at most; in order and as long as it is.
#[inline(always)]
pub(crate) fn runs(bytes: &[u8], least: usize, sort: impl Fn(u8) -> bool, mut with: impl FnMut(Span)) {
    let bits = |at: usize| of(&block(bytes, at), &sort);
    let (mut at, mut here) = (0, bits(0));
    while at < bytes.len() {
        let next = bits(at + BLOCK);
        let starts = rows(u128::from(here) | u128::from(next) << BLOCK, least);
        if starts == 0 {
            (at, here) = (at + BLOCK, next);
            continue;
        }
        let start = at + starts.trailing_zeros() as usize;
        let mut end = start + least;
        loop {
            let base = end - end % BLOCK;
            let others = !bits(base) >> (end % BLOCK);
            if others != 0 {
                end += others.trailing_zeros() as usize;
                break;
            }
            end = base + BLOCK;
        }
        with(Span::new(start, end));
        at = end - end % BLOCK;
        here = bits(at) & u64::MAX << (end % BLOCK);
    }
}

/// The places among the lower 64 at which `least` bits stand in a row.
#[inline(always)]
fn rows(bits: u128, least: usize) -> u64 {
    let (mut rows, mut len) = (bits, 1);
    while len < least {
        let more = len.min(least - len);
        rows &= rows >> more;
        len += more;
    }
    rows as u64
}

/// The places at which a byte of one sort stands behind none of another, one after the other.
pub(crate) struct Places<'a, F, G> {
    bytes: &'a [u8],
    first: F,
    glue: G,
    at: usize,
    bits: u64,
}

impl<'a, F: Fn(u8) -> bool, G: Fn(u8) -> bool> Places<'a, F, G> {
    /// Of bytes of the sort `first` behind none of `glue`.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], first: F, glue: G) -> Self {
        let mut places = Self { bytes, first, glue, at: 0, bits: 0 };
        places.read(0);
        places
    }

    #[inline(always)]
    fn read(&mut self, at: usize) {
        let block = block(self.bytes, at);
        let before = at.checked_sub(1).and_then(|at| self.bytes.get(at)).is_some_and(|byte| (self.glue)(*byte));
        self.at = at;
        self.bits = of(&block, &self.first) & !(of(&block, &self.glue) << 1 | u64::from(before));
    }

    /// The first of them from `from` on, which does not fall from call to call.
    #[inline(always)]
    pub fn from(&mut self, from: usize) -> Option<usize> {
        if from >= self.at + BLOCK {
            self.read(from - from % BLOCK);
        }
        if from > self.at {
            self.bits &= u64::MAX << (from - self.at);
        }
        while self.bits == 0 {
            if self.at + BLOCK >= self.bytes.len() {
                return None;
            }
            self.read(self.at + BLOCK);
        }
        Some(self.at + self.bits.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_those_that_walking_finds(text in "[ab .]{0,300}|[ab]{50,200}[ .][ab]{60,70}", least in 1..=64_usize) {
            let mut found = Vec::new();
            runs(text.as_bytes(), least, |byte| (byte == b'a') | (byte == b'b'), |span| found.push(span));
            let mut walked = Vec::new();
            let mut start = 0;
            for part in text.split_inclusive([' ', '.']) {
                let len = part.trim_end_matches([' ', '.']).len();
                if len >= least {
                    walked.push(Span::new(start, start + len));
                }
                start += part.len();
            }
            prop_assert_eq!(found, walked);
        }

        #[test]
        fn places_are_those_that_walking_finds(text in "[ab ]{0,300}", skip in 0..90_usize) {
            let mut places = Places::new(text.as_bytes(), |byte| byte == b'a', |byte| byte != b' ');
            let (mut found, mut from) = (Vec::new(), 0);
            while let Some(at) = places.from(from) {
                found.push(at);
                from = at + 1 + skip;
            }
            let starts = |at: usize| text.as_bytes()[at] == b'a' && (at == 0 || text.as_bytes()[at - 1] == b' ');
            let (mut walked, mut from) = (Vec::new(), 0);
            while let Some(at) = (from..text.len()).find(|at| starts(*at)) {
                walked.push(at);
                from = at + 1 + skip;
            }
            prop_assert_eq!(found, walked);
        }
    }
}
