//! The root of a server: made anew, read-only, and with nothing of the host in it but what the plan names.

use super::account::INSIDE;
use super::plan::{Plan, READ_ONLY, Sort};
use super::{Named as _, Step};
use crate::layer::{Layer, Layers};
use crate::sys::{self, Reach};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where the root is put together; there is one everywhere.
const SITE: &str = "/tmp";
/// What is written into `/etc`.
const NAMES: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
/// Links of `/dev` that programs expect.
const LINKS: [(&str, &str); 4] =
    [("dev/fd", "/proc/self/fd"), ("dev/stdin", "/proc/self/fd/0"), ("dev/stdout", "/proc/self/fd/1"), ("dev/stderr", "/proc/self/fd/2")];

/// Whether names can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolver {
    /// At the doors.
    Doors,
    /// Nowhere.
    Nowhere,
}

/// Leaves the gateway's mounts for a root of `plan`. A layer that `layers` does not have is left out.
pub(super) fn build(mut plan: Plan, layers: Layers, resolver: Resolver) -> Step<()> {
    sys::unshare(libc::CLONE_NEWNS).named("mounts")?;
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).named("mounts")?;
    // Before anything is covered; after that nothing of the host is looked up by name.
    plan.open(None)?;
    scratch(SITE, c"size=4m,nr_inodes=65536,mode=0755").named("root")?;
    let inside = |path: &Path| Path::new(SITE).join(path.strip_prefix("/").unwrap_or(path));
    for (name, options) in [("/tmp", c"size=256m,nr_inodes=65536,mode=0700"), ("/dev/shm", c"size=64m,nr_inodes=4096,mode=0700")] {
        folder(&inside(Path::new(name))).named(name)?;
        scratch(inside(Path::new(name)), options).named(name)?;
    }
    folder(&inside(Path::new("/proc"))).named("/proc")?;
    etc(&inside(Path::new("/etc")), resolver).named("/etc")?;
    for bind in plan.binds {
        let named = bind.at.display().to_string();
        let (Some(tree), place) = (bind.tree, inside(&bind.at)) else { return Err(format!("{named}: it was not opened")) };
        point(&place, bind.sort).named(&named)?;
        rustix::mount::move_mount(&tree, c"", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).named(&named)?;
    }
    let links = plan.links.iter().map(|(at, to)| (inside(at), to.clone()));
    let own = LINKS.into_iter().map(|(at, to)| (Path::new(SITE).join(at), PathBuf::from(to)));
    for (at, to) in links.chain(own) {
        link(&at, &to).named(&at.display().to_string())?;
    }
    if layers.has(Layer::Proc) {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        // 2 is what newer kernels also call `invisible`. Not `subset=pid`: without the number of processors node finds none.
        rustix::mount::mount("proc", inside(Path::new("/proc")), "proc", flags, c"hidepid=2").named("/proc")?;
    }
    turn().named("root")?;
    let flags = OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let top = rustix::mount::open_tree(CWD, c"/", flags).named("root")?;
    // The root alone: what is below has its own.
    sys::mount_attributes(&top, Reach::One, READ_ONLY, None).named("root")
}

/// Turns to the new root and lets go of the old one.
fn turn() -> io::Result<()> {
    rustix::process::chdir(SITE)?;
    // Both at one place: the old root lies on the new one, until it is taken away (pivot_root(2), "pivot_root(".", ".")").
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

fn scratch(at: impl AsRef<Path>, options: &std::ffi::CStr) -> io::Result<()> {
    Ok(rustix::mount::mount("tmpfs", at.as_ref(), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options)?)
}

fn folder(at: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(at)
}

/// Something to mount on: what is there already, or a new one.
fn point(at: &Path, sort: Sort) -> io::Result<()> {
    match sort {
        Sort::Folder => folder(at),
        Sort::File => {
            at.parent().map_or(Ok(()), folder)?;
            if at.symlink_metadata().is_ok() { Ok(()) } else { fs::write(at, "") }
        }
    }
}

fn link(at: &Path, to: &Path) -> io::Result<()> {
    at.parent().map_or(Ok(()), folder)?;
    if at.symlink_metadata().is_ok() { Ok(()) } else { symlink(to, at) }
}

fn etc(at: &Path, resolver: Resolver) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    folder(at)?;
    let names = match resolver {
        Resolver::Doors => "nameserver 127.0.0.53\noptions attempts:1\n",
        Resolver::Nowhere => "",
    };
    let files = [
        ("passwd", format!("server:x:{INSIDE}:{INSIDE}::/tmp:/bin/false\n")),
        ("group", format!("server:x:{INSIDE}:\n")),
        ("hosts", "127.0.0.1 localhost\n".to_owned()),
        ("resolv.conf", names.to_owned()),
        ("nsswitch.conf", NAMES.to_owned()),
    ];
    for (name, text) in files {
        fs::write(at.join(name), text)?;
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
