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

/// What stands on the way to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The file itself.
    File,
    /// The folder that it is in.
    Folder,
    /// A folder above that one.
    Above,
    /// A link on the way.
    Link,
}

/// One thing on the way to a file, and who may exchange it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub sort: Sort,
    /// Who may write it (a sticky folder above counts as its owner's).
    pub access: Access,
    /// The user id of its owner.
    pub owner: u32,
}

/// What the host knows about the way to the file. All of it counts: who may write a folder or exchange a link may replace the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The way, from above to the file.
    pub steps: Vec<Step>,
    /// The user id that the gateway runs as.
    pub own: u32,
}

impl Facts {
    /// Why the file must not be believed: a sentence for the operator.
    pub fn objection(&self) -> Option<String> {
        self.steps.iter().rev().find_map(|step| step.objection(self.own))
    }

    pub(crate) fn fault(&self) -> Option<Problem> {
        let message = self.objection()?;
        Some(Problem { place: Place::START, key: String::new(), fault: Fault::File, message, nearest: None })
    }
}

impl Step {
    fn objection(&self, own: u32) -> Option<String> {
        let shown = self.path.display();
        let strange = self.owner != own && self.owner != 0;
        let owner = self.owner;
        match (self.sort, self.access) {
            (Sort::File, Access::Others) => Some(format!("others may write `{shown}`; run `chmod go-w '{shown}'`")),
            (Sort::Folder | Sort::Above, Access::Others) => {
                Some(format!("others may replace what is in `{shown}`; run `chmod go-w '{shown}'`"))
            }
            (Sort::File | Sort::Folder, Access::Owner) if strange => {
                Some(format!("`{shown}` belongs to another user (id {owner}); run `chown {own} '{shown}'`"))
            }
            (Sort::Link, _) if strange => {
                Some(format!("`{shown}` is a link of another user (id {owner}), who may let it lead elsewhere; put the thing itself there"))
            }
            (Sort::Link, _) | (Sort::File | Sort::Folder | Sort::Above, Access::Owner) => None,
        }
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
        let step = |path: &str, sort, mode, owner| Step { path: path.into(), sort, access: Access::of_mode(mode), owner };
        let said = |file: Step, folder: Step, above: Step| Facts { steps: vec![above, folder, file], own: 5 }.objection();
        let (file, folder) = (step("/c/b.yaml", Sort::File, 0o600, 5), step("/c", Sort::Folder, 0o755, 5));
        let above = step("/", Sort::Above, 0o755, 0);
        assert_eq!(said(file.clone(), folder.clone(), above.clone()), None);
        assert_eq!(said(Step { owner: 0, ..file.clone() }, Step { owner: 0, ..folder.clone() }, Step { owner: 7, ..above.clone() }), None);
        let others = Access::Others;
        let cases = [
            (Step { access: others, ..file.clone() }, folder.clone(), above.clone(), "chmod go-w '/c/b.yaml'"),
            (file.clone(), Step { access: others, ..folder.clone() }, above.clone(), "chmod go-w '/c'"),
            (file.clone(), folder.clone(), Step { access: others, ..above.clone() }, "chmod go-w '/'"),
            (Step { owner: 6, ..file.clone() }, folder.clone(), above.clone(), "chown 5 '/c/b.yaml'"),
            (file.clone(), Step { owner: 6, ..folder.clone() }, above.clone(), "chown 5 '/c'"),
            (file.clone(), folder.clone(), step("/l", Sort::Link, 0o777, 6), "`/l` is a link of another user (id 6)"),
        ];
        for (file, folder, above, hint) in cases {
            assert!(said(file, folder, above).unwrap().contains(hint), "{hint}");
        }
        assert_eq!(said(file, folder, step("/l", Sort::Link, 0o777, 5)), None);
    }
}
