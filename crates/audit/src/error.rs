//! What can be wrong with a log or with what is asked of it.

/// Why the log, or a question to it, was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not one JSON object on one line.
    #[error("the value is not one JSON object in UTF-8 without control characters")]
    NotAnObject,
    /// A key's name or bytes do not fit C2SP signed-note.
    #[error("the key is not a signed-note Ed25519 key: {0}")]
    Key(&'static str),
    /// A note or checkpoint does not have the form, or its signature is not good.
    #[error("the checkpoint is not good: {0}")]
    Note(&'static str),
    /// A proof does not show what it should.
    #[error("the proof does not hold")]
    Proof,
    /// What is asked for lies outside the log.
    #[error("there is no such record in the log")]
    Absent,
    /// A reference is too short to mean one call.
    #[error("a reference has at least five characters")]
    Reference,
    /// A file of the log does not hold what it must.
    #[error("`{file}` is damaged: {what}")]
    Damaged {
        /// Which, relative to the folder.
        file: String,
        /// How.
        what: &'static str,
    },
    /// A file of the log cannot be read.
    #[error("`{file}` cannot be read")]
    Read {
        /// Which, relative to the folder.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A bundle does not have the form.
    #[error("line {line} of the bundle is not good: {what}")]
    Bundle {
        /// From 1.
        line: usize,
        /// How.
        what: &'static str,
    },
}
