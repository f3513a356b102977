//! How a value does not fit.

use std::borrow::Cow;
use terms::Argument;

/// Where a value does not fit, and by which keyword. Holds no part of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The place in the value (RFC 6901); names that the schema does not know stand as `?`. Empty for the whole.
    pub pointer: String,
    /// The keyword that failed: one of JSON Schema's, or `depth` or `cost` where the value cannot be checked in bounds.
    pub keyword: Cow<'static, str>,
}

impl Mismatch {
    pub(crate) fn new(pointer: impl Into<String>, keyword: &'static str) -> Self {
        Self { pointer: pointer.into(), keyword: Cow::Borrowed(keyword) }
    }

    /// The place, as a refusal may name it.
    pub fn argument(&self) -> Argument {
        Argument::new(&self.pointer)
    }
}
