//! Why something cannot be used as a check.

/// Why a schema or a constraint was not taken. Never holds text of the schema beyond a pointer into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is larger than the bound.
    #[error("the schema is larger than {most} bytes")]
    TooLarge {
        /// The bound, in bytes.
        most: usize,
    },
    /// It is nested deeper than the bound.
    #[error("the schema is nested deeper than {most} levels")]
    TooDeep {
        /// The bound, in levels.
        most: usize,
    },
    /// It has more subschemas than the bound.
    #[error("the schema has more than {most} subschemas")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// It has more patterns than the bound.
    #[error("the schema has more than {most} patterns")]
    TooManyPatterns {
        /// The bound.
        most: usize,
    },
    /// A pattern is longer than the bound.
    #[error("a pattern is longer than {most} bytes")]
    PatternTooLong {
        /// The bound, in bytes.
        most: usize,
    },
    /// A pattern does not compile to a linear-time matcher: look-around, back references, or too large.
    #[error("a pattern cannot be matched in linear time")]
    Pattern,
    /// A reference leads out of the document, or to nothing in it.
    #[error("a reference leads out of the schema, or to nothing in it")]
    Reference,
    /// A reference whose target depends on who refers, or a base that changes inside: not checked.
    #[error("the schema uses `{0}`, which is not taken")]
    Keyword(&'static str),
    /// A dialect that is not known.
    #[error("the schema's dialect is not known")]
    Dialect,
    /// Subschemas refer to each other in a circle, or through more than 32, without going into the value.
    #[error("the schema refers to itself, or on and on, at one value")]
    Loop,
    /// Checking could take unbounded time or stack.
    #[error("the schema cannot be checked in bounded time")]
    Costly,
    /// It is no schema of its dialect.
    #[error("the schema is not valid at `{pointer}`")]
    Invalid {
        /// Where in the schema (RFC 6901).
        pointer: String,
    },
    /// A constraint that no value can meet, or that means nothing.
    #[error("the constraint on `{argument}` cannot be met: {why}")]
    Constraint {
        /// The argument.
        argument: String,
        /// What contradicts.
        why: &'static str,
    },
    /// A guard's policy that means nothing.
    #[error("`{key}`: {why}")]
    Policy {
        /// The word of it.
        key: &'static str,
        /// What it must be.
        why: &'static str,
    },
}
