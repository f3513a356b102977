//! Which program a `run` entry means.

use crate::Error;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The absolute path of `program`: itself when it is absolute, else the first executable of that bare name in `/usr/local/bin`, `/usr/bin`
/// and `/bin`. Neither the environment's `PATH` nor the working directory is ever asked.
///
/// # Errors
/// [`Error::ProgramForm`] for a relative path, [`Error::ProgramAbsent`] when there is no executable file.
pub fn program_lookup(program: &str) -> Result<PathBuf, Error> {
    let absent = || Error::ProgramAbsent(program.to_owned());
    let path = Path::new(program);
    if path.is_absolute() {
        return if executable(path) { Ok(path.to_owned()) } else { Err(absent()) };
    }
    if program.is_empty() || program.contains('/') || program.contains('\0') || program == "." || program == ".." {
        return Err(Error::ProgramForm(program.to_owned()));
    }
    FOLDERS.iter().map(|folder| Path::new(folder).join(program)).find(|path| executable(path)).ok_or_else(absent)
}

fn executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_names_and_absolute_paths_are_programs() {
        assert!(program_lookup("cat").unwrap().is_absolute());
        assert_eq!(program_lookup("/usr/bin/cat").unwrap(), Path::new("/usr/bin/cat"));
        for bad in ["", "./cat", "bin/cat", "../cat", "..", "."] {
            assert!(matches!(program_lookup(bad), Err(Error::ProgramForm(_))), "{bad}");
        }
        for absent in ["/usr/bin", "/etc/passwd", "/nonexistent", "no-such-program"] {
            assert!(matches!(program_lookup(absent), Err(Error::ProgramAbsent(_))), "{absent}");
        }
    }
}
