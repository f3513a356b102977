//! What can be wrong here: the catalogue that the binary was built with.

/// Why the catalogue cannot be used. Our own fault, and found by a test.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not what this version reads.
    #[error("the compliance catalogue cannot be read: {0}")]
    Syntax(String),
    /// It names a control that does not exist.
    #[error("the compliance catalogue names the unknown control `{0}`")]
    Unknown(String),
    /// It leaves a control out.
    #[error("the compliance catalogue says nothing about `{0}`")]
    Missing(&'static str),
}
