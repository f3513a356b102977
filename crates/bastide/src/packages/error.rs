//! Why a package was not installed, and what to do.

use terms::ServerName;

/// Why the line of a package runner came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's: the line names nothing that can be pinned.
    #[error(transparent)]
    Line(#[from] supply::Error),
    /// The user's: what a file or a variable says of registries cannot be followed.
    #[error("{place} {why}: {next}")]
    Settings {
        /// Which.
        place: String,
        /// What is wrong with it.
        why: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// The operator's: a program that installs or runs the package is not there.
    #[error("`{program}` is needed for an {registry} package and is not there: {next}")]
    Absent {
        /// Which.
        program: &'static str,
        /// For packages of where.
        registry: supply::Registry,
        /// What to do.
        next: &'static str,
    },
    /// The operator's: the registry does not know it.
    #[error("{asked} is not in the registry: {next}")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What to do.
        next: String,
    },
    /// The operator's: the registry gave another version.
    #[error("{asked} was asked for and {found} was installed: name that version as the registry writes it")]
    Version {
        /// What was asked for.
        asked: String,
        /// What was installed.
        found: String,
    },
    /// The network's.
    #[error("the registry cannot be reached ({0}): look at the network, and at the proxy and registry settings of the environment")]
    Unreached(String),
    /// The registry's: bytes that are not what it says they are.
    #[error("{asked} is not what the registry says it is ({said}): nothing was installed; look at the registry before you try again")]
    Integrity {
        /// What was asked for.
        asked: String,
        /// What the installer said.
        said: String,
    },
    /// The package's: a part of it that is not pinned by the registry.
    #[error("its part `{part}` {why}, so it cannot be pinned: take another version, or install it yourself and name its program in `run`")]
    Unpinnable {
        /// Which.
        part: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system's.
    #[error("the disk of the state folder is full: make room and try again")]
    Full,
    /// The package's.
    #[error("it takes more than {0}: install it yourself and name its program in `run`")]
    TooMuch(&'static str),
    /// The package's: it has no such program, or none that can be run without a shell.
    #[error("`{program}` cannot be run of the package {package}: {why}")]
    Program {
        /// Which.
        program: String,
        /// Of which.
        package: String,
        /// Why, and what to write.
        why: String,
    },
    /// The installer's.
    #[error("{tool} could not install it: {said}")]
    Failed {
        /// Which.
        tool: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// Somebody's: what was installed and approved is no longer as it was.
    #[error("its package was changed since it was approved ({cause}): `bastide lock --update {server}` installs it afresh")]
    Changed {
        /// Whose package.
        server: ServerName,
        /// How.
        cause: String,
    },
    /// The package's or the system's: the tree cannot be read as one that can be pinned.
    #[error("what was installed cannot be pinned: {0}")]
    Unreadable(String),
    /// The system's.
    #[error("the folder of packages cannot be used: {0}")]
    System(std::io::Error),
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        if cause.kind() == std::io::ErrorKind::StorageFull { Self::Full } else { Self::System(cause) }
    }
}
