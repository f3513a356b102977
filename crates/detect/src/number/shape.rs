//! Digits in groups, as people write them.

use terms::Span;

/// The most digits, and the most groups.
const DIGITS: usize = 24;
const GROUPS: usize = 8;

/// A run of digits with single separators between its groups.
pub(super) struct Groups {
    start: usize,
    digits: [u8; DIGITS],
    lens: [u8; GROUPS],
    separators: [u8; GROUPS],
    ends: [usize; GROUPS],
    count: usize,
    /// Whether a letter or a digit follows the last group.
    glued: bool,
}

/// The first groups of a run: what one number may be.
pub(super) struct Number<'a> {
    /// The values of the digits, 0 to 9.
    pub digits: &'a [u8],
    /// Lengths of groups and what separates them, such as `3-2-4`.
    pub shape: &'a str,
    /// Where it stands.
    pub span: Span,
}

impl Groups {
    /// The run that starts at `at` of `bytes`, which is a digit.
    pub fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let mut groups =
            Self { start: at, digits: [0; DIGITS], lens: [0; GROUPS], separators: [0; GROUPS], ends: [0; GROUPS], count: 0, glued: false };
        let (mut here, mut total) = (at, 0);
        loop {
            let mut len = 0_u8;
            while let Some(byte) = bytes.get(here).copied().filter(u8::is_ascii_digit) {
                *groups.digits.get_mut(total)? = byte - b'0';
                total += 1;
                len += 1;
                here += 1;
            }
            *groups.lens.get_mut(groups.count)? = len;
            *groups.ends.get_mut(groups.count)? = here;
            groups.count += 1;
            let follows = bytes.get(here).copied().unwrap_or(b' ');
            let joins = matches!(follows, b' ' | b'-' | b'.' | b'/') && bytes.get(here + 1).is_some_and(u8::is_ascii_digit);
            if !joins || groups.count == GROUPS || total + 1 >= DIGITS {
                groups.glued = follows.is_ascii_alphanumeric() || follows == b'_' || joins && total + 1 >= DIGITS;
                return Some(groups);
            }
            *groups.separators.get_mut(groups.count - 1)? = follows;
            here += 1;
        }
    }

    /// How many digits there are.
    pub fn total(&self) -> usize {
        self.lens.iter().take(self.count).map(|len| usize::from(*len)).sum()
    }

    /// Shows the numbers that the first groups make, longest first, until `with` finds something.
    pub fn each<T>(&self, mut with: impl FnMut(&Number<'_>) -> Option<T>) -> Option<T> {
        (1..=self.count).rev().filter(|count| !self.glued || *count < self.count).find_map(|count| {
            let mut text = [0_u8; GROUPS * 4];
            let mut len = 0;
            let mut put = |byte: u8| {
                if let Some(slot) = text.get_mut(len) {
                    *slot = byte;
                    len += 1;
                }
            };
            let mut total = 0;
            for place in 0..count {
                let group = *self.lens.get(place)?;
                total += usize::from(group);
                if group >= 10 {
                    put(b'0' + group / 10);
                }
                put(b'0' + group % 10);
                if place + 1 < count {
                    put(*self.separators.get(place)?);
                }
            }
            let shape = std::str::from_utf8(text.get(..len)?).ok()?;
            with(&Number { digits: self.digits.get(..total)?, shape, span: Span::new(self.start, *self.ends.get(count - 1)?) })
        })
    }
}
