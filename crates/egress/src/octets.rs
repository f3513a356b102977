//! Reading bytes of a peer from the front: every step says whether there was enough.

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        let high = self.u8()?;
        Some(usize::from(high) << 16 | usize::from(self.u16()?))
    }

    /// As many bytes as the byte before them says.
    pub(crate) fn short(&mut self) -> Option<Octets<'a>> {
        let count = self.u8()?;
        self.take(count.into()).map(Octets)
    }

    /// As many bytes as the two bytes before them say.
    pub(crate) fn long(&mut self) -> Option<Octets<'a>> {
        let count = self.u16()?;
        self.take(count.into()).map(Octets)
    }
}
