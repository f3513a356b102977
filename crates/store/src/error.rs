//! What can go wrong with state.

use std::path::PathBuf;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator's: another process has the state folder.
    #[error("the state folder `{}` is in use by process {pid}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it, as it wrote itself; `unknown` when that could not be read.
        pid: String,
    },
    /// The operator's: others can reach what is secret.
    #[error("`{}` can be reached by others; mend it with `chmod {mode} {}`", path.display(), path.display())]
    Open {
        /// What.
        path: PathBuf,
        /// What its mode must be.
        mode: &'static str,
    },
    /// The operator's: it belongs to another account.
    #[error("`{}` belongs to user {owner}, not to the one that runs this", path.display())]
    Foreign {
        /// What.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The operator's: not a file or folder of the sort that it must be.
    #[error("`{}` is not a {wanted}", path.display())]
    Sort {
        /// What.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// The operator's: the state was written by a newer release.
    #[error("the state is of version {found}; this release knows versions up to {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The operator's: the file is another program's database.
    #[error("`{}` is not a state database of ours", .0.display())]
    ForeignDatabase(PathBuf),
    /// The operator's: there are keys, and the database that they belong to is gone or empty.
    #[error("the database `{}` is gone; restore it from a backup, or take the folder `keys` away to begin anew", .0.display())]
    DatabaseGone(PathBuf),
    /// The operator's: a key that was in use is gone.
    #[error("the key `{}` is gone; restore it from a backup", .0.display())]
    KeyGone(PathBuf),
    /// The operator's: a key is not the one that was in use.
    #[error("the key `{}` is not the one that this state began with", .0.display())]
    KeyChanged(PathBuf),
    /// The disk's: a file or row that cannot be read as what it should be.
    #[error("`{0}` in the state is damaged")]
    Damaged(&'static str),
    /// The operator's: too much for one package.
    #[error("`{}` holds more than {most}", path.display())]
    TooMuch {
        /// The root of the tree.
        path: PathBuf,
        /// What the bound is.
        most: &'static str,
    },
    /// The package's: a link whose target lies outside and is no plain file, so that it cannot be pinned.
    #[error("the link `{}` leads out of the tree to what cannot be pinned", .0.display())]
    Leaves(PathBuf),
    /// Somebody's: the tree changed while it was read.
    #[error("`{}` changed while it was read", .0.display())]
    Moving(PathBuf),
    /// The system's, at a file.
    #[error("cannot use `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database's.
    #[error("the state database failed")]
    Database(#[from] sqlx::Error),
    /// Ours: work on the side was cut off.
    #[error("work on the state was cut off")]
    CutOff,
}

impl Error {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
