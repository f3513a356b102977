//! Where paths lead on this machine: the file system behind [`guards::path::Links`].
//!
//! What is found out is true at that moment. That a link is not changed between here and the server's own use of it is held by its sandbox, which has
//! the open folders and no others.

use guards::path::{Links, Node, Real, Unresolved};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

/// Links that are followed on one path (Linux `MAXSYMLINKS`).
const LINKS: usize = 40;
/// Names that are looked at on one path, links' own included.
const NAMES: usize = 8_192;

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Links for FileSystem {
    fn real(&self, path: &str) -> Result<Real, Unresolved> {
        let mut left = steps(Path::new(path));
        let mut real = PathBuf::from("/");
        let mut node = Node::Plain;
        let (mut links, mut names) = (0, 0);
        while let Some(step) = left.pop_front() {
            names += 1;
            if names > NAMES {
                return Err(Unresolved);
            }
            let Step::Name(name) = step else {
                real.pop();
                continue;
            };
            let next = real.join(name);
            match std::fs::symlink_metadata(&next) {
                Ok(found) if found.file_type().is_symlink() => {
                    links += 1;
                    if links > LINKS {
                        return Err(Unresolved);
                    }
                    let target = std::fs::read_link(&next).map_err(|_| Unresolved)?;
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    let mut onward = steps(&target);
                    onward.append(&mut left);
                    left = onward;
                }
                Ok(found) => {
                    node = sort(&found);
                    real = next;
                }
                // What is not there yet has no links on it.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    node = Node::Plain;
                    real = next;
                }
                Err(_) => return Err(Unresolved),
            }
        }
        let path = real.into_os_string().into_string().map_err(|_| Unresolved)?;
        Ok(Real { path, node })
    }
}

enum Step {
    Up,
    Name(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    let step = |component| match component {
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Name(name.to_owned())),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(step).collect()
}

fn sort(found: &Metadata) -> Node {
    let sort = found.file_type();
    if sort.is_block_device() || sort.is_char_device() || sort.is_fifo() || sort.is_socket() { Node::Device } else { Node::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn real(path: &Path) -> Result<Real, Unresolved> {
        FileSystem.real(path.to_str().unwrap())
    }

    #[test]
    fn links_are_followed_in_order_and_what_is_not_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("in/deep")).unwrap();
        std::fs::create_dir_all(root.join("out/far")).unwrap();
        symlink("../out/far", root.join("in/link")).unwrap();
        symlink(root.join("out"), root.join("in/absolute")).unwrap();
        symlink("nowhere/yet", root.join("in/dangling")).unwrap();
        symlink("loop", root.join("in/loop")).unwrap();
        let leads = |path: &str| real(&root.join(path)).map(|real| PathBuf::from(real.path).strip_prefix(&root).unwrap().to_owned());
        for (path, to) in [
            ("in/deep/new.txt", "in/deep/new.txt"),
            ("in/link/x", "out/far/x"),
            ("in/link/../x", "out/x"),
            ("in/absolute", "out"),
            ("in/deep/../x", "in/x"),
            ("in/dangling/z", "in/nowhere/yet/z"),
            ("in/none/../../out", "out"),
        ] {
            assert_eq!(leads(path), Ok(PathBuf::from(to)), "{path}");
        }
        assert_eq!(leads("in/loop"), Err(Unresolved));
    }

    #[test]
    fn devices_pipes_and_sockets_are_told() {
        assert_eq!(real(Path::new("/dev/null")).unwrap().node, Node::Device);
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(real(&socket).unwrap().node, Node::Device);
        assert_eq!(real(folder.path()).unwrap().node, Node::Plain);
    }
}
