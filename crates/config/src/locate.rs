//! Where the file is, and whether it may be trusted. Never the working folder: a cloned repository must not be able to
//! say what is run.

use crate::problem::{Fault, Place, Problem};
use std::path::{Path, PathBuf};

/// Why there is no place to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// Nothing names a file.
    #[error("no configuration is named: give --config, or set BASTIDE_CONFIG, or let the system know a home folder")]
    Nowhere,
    /// A value that depends on the working folder.
    #[error("BASTIDE_CONFIG must be an absolute path")]
    Relative,
}

/// The file to read: the one named on the command line, else the value of `BASTIDE_CONFIG`, else `bastide/bastide.yaml`
/// in the user's configuration folder.
///
/// # Errors
/// [`LocateError`] when there is none, or when the environment or the user's folder is not an absolute path: only a
/// path that a person types at that moment may start from the working folder.
pub fn find(explicit: Option<&Path>, environment: Option<&Path>, folder: Option<&Path>) -> Result<PathBuf, LocateError> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment.filter(|path| !path.as_os_str().is_empty()) {
        return if path.is_absolute() { Ok(path.to_owned()) } else { Err(LocateError::Relative) };
    }
    let folder = folder.filter(|folder| folder.is_absolute()).ok_or(LocateError::Nowhere)?;
    Ok(folder.join("bastide").join("bastide.yaml"))
}

/// Whether others may write a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only its owner.
    Owner,
    /// Its group or everyone.
    Others,
}

impl Access {
    /// What the permission bits of a Unix mode say.
    pub const fn of_mode(mode: u32) -> Self {
        if mode & 0o022 == 0 { Self::Owner } else { Self::Others }
    }
}

/// What the host knows about the file and its folder. Both count: who may write the folder may replace the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Who may write the file.
    pub file: Access,
    /// Who may write its folder (a sticky folder counts as its owner's).
    pub folder: Access,
    /// The user id of the file's owner.
    pub owner: u32,
    /// The user id that the gateway runs as.
    pub own: u32,
}

impl Facts {
    pub(crate) fn fault(self, path: &Path) -> Option<Problem> {
        let shown = path.display();
        let message = if self.file == Access::Others {
            format!("others may write this file; run `chmod go-w '{shown}'`")
        } else if self.folder == Access::Others {
            let folder = path.parent().map_or_else(|| ".".into(), |folder| folder.display().to_string());
            format!("others may replace this file; run `chmod go-w '{folder}'`")
        } else if self.owner != self.own && self.owner != 0 {
            format!("this file belongs to another user (id {}); run `chown {} '{shown}'`", self.owner, self.own)
        } else {
            return None;
        };
        Some(Problem { place: Place::START, key: String::new(), fault: Fault::File, message, nearest: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_folder_is_never_searched() {
        let path = Path::new;
        assert_eq!(find(Some(path("x.yaml")), Some(path("/e")), Some(path("/h"))), Ok("x.yaml".into()));
        assert_eq!(find(None, Some(path("/e.yaml")), Some(path("/h"))), Ok("/e.yaml".into()));
        assert_eq!(find(None, Some(path("e.yaml")), None), Err(LocateError::Relative));
        assert_eq!(find(None, None, Some(path("/h/.config"))), Ok("/h/.config/bastide/bastide.yaml".into()));
        assert_eq!(find(None, Some(path("")), Some(path("."))), Err(LocateError::Nowhere));
        assert_eq!(find(None, None, None), Err(LocateError::Nowhere));
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let good = Facts { file: Access::of_mode(0o600), folder: Access::of_mode(0o755), owner: 5, own: 5 };
        assert!(good.fault(Path::new("/c/b.yaml")).is_none());
        let cases = [
            (Facts { file: Access::of_mode(0o664), ..good }, "chmod go-w '/c/b.yaml'"),
            (Facts { file: Access::of_mode(0o602), ..good }, "chmod go-w '/c/b.yaml'"),
            (Facts { folder: Access::of_mode(0o777), ..good }, "chmod go-w '/c'"),
            (Facts { owner: 6, ..good }, "chown 5"),
        ];
        for (facts, hint) in cases {
            assert!(facts.fault(Path::new("/c/b.yaml")).unwrap().message.contains(hint), "{hint}");
        }
        assert!(Facts { owner: 0, ..good }.fault(Path::new("/c/b.yaml")).is_none());
    }
}
