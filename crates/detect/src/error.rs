//! What can be wrong with rules.

/// A fault of a rule file or of a pattern that an operator wrote; the operator's, never a peer's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rule file is not what its form asks for.
    #[error("rule file `{file}`: {cause}")]
    File {
        /// Its name.
        file: String,
        /// What the parser says.
        cause: String,
    },
    /// The rule's pattern does not compile, or its automaton would be too large.
    #[error("pattern of `{kind}`: {cause}")]
    Pattern {
        /// The rule.
        kind: String,
        /// What the compiler says.
        cause: String,
    },
    /// A rule without a keyword, with a keyword under three bytes, or with a reach over [`crate::REACH`].
    #[error("bounds of `{kind}`")]
    Bounds {
        /// The rule.
        kind: String,
    },
}
