//! Choices out of bytes.

use arbitrary::Unstructured;
use bytes::Bytes;

/// Bytes that choices are made by. When they are used up, the first choice is taken each time.
pub struct Input<'a> {
    rest: Unstructured<'a>,
}

/// What bytes are for a target.
pub(crate) enum Given<'a> {
    /// A message as it stands.
    Raw(Bytes),
    /// Choices by which one is built.
    Built(Input<'a>),
}

impl<'a> Given<'a> {
    /// A message begins with a blank or with visible ASCII, choices with anything else.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        match bytes.split_first() {
            Some((b' '..=b'~' | b'\t' | b'\n' | b'\r', _)) => Self::Raw(Bytes::copy_from_slice(bytes)),
            Some((_, rest)) => Self::Built(Input::new(rest)),
            None => Self::Raw(Bytes::new()),
        }
    }
}

impl<'a> Input<'a> {
    /// Choices by `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Unstructured::new(bytes) }
    }

    /// A number below `most`; 0 when that is 0.
    pub fn below(&mut self, most: usize) -> usize {
        if most < 2 { 0 } else { self.rest.choose_index(most).unwrap_or(0) }
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Yes or no.
    pub fn flip(&mut self) -> bool {
        self.rest.ratio(1, 2).unwrap_or(false)
    }

    /// Yes in one of `of` cases.
    pub fn rarely(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    /// Any integer.
    pub fn bits(&mut self) -> u64 {
        self.rest.int_in_range(0..=u64::MAX).unwrap_or(0)
    }

    /// Any text, of at most so many bytes of what is left.
    pub fn own(&mut self, most: usize) -> String {
        let length = self.below(most.min(self.rest.len()) + 1);
        String::from_utf8_lossy(self.rest.bytes(length).unwrap_or_default()).into_owned()
    }

    /// All that is left.
    pub fn tail(&mut self) -> &'a [u8] {
        let length = self.rest.len();
        self.rest.bytes(length).unwrap_or_default()
    }

    /// Cuts `bytes` into pieces of 1 to `most` bytes.
    pub fn cut<'b>(&mut self, mut bytes: &'b [u8], most: usize) -> Vec<&'b [u8]> {
        let sizes: Vec<usize> = (0..1 + self.below(8)).map(|_| 1 + self.below(most)).collect();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, after) = bytes.split_at((*size).min(bytes.len()));
            pieces.push(piece);
            bytes = after;
        }
        pieces
    }
}
