//! What a server sees of the file system, and where.
//!
//! Every path is followed once, by hand: links on the way are remembered and made again, and what is opened is what was found, or nothing.

use super::{Named as _, Step, account};
use crate::layer::Layer;
use crate::order::Order;
use crate::spec::Access;
use crate::sys::{self, Reach};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::OpenTreeFlags;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Folders of the system that every server may read, where there are any.
const SYSTEM: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];
/// Devices that every server has.
pub(super) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Where the launcher puts things of its own, so that nothing of the host can be put there.
const OWN: [&str; 4] = ["/proc", "/dev", "/sys", "/"];
/// Links on one path, as the kernel counts them.
const LINKS: usize = 40;

/// `MOUNT_ATTR_*` of mount_setattr(2).
pub(super) const READ_ONLY: u64 = 1;
const NO_SUID: u64 = 2;
const NO_DEVICES: u64 = 4;
const NO_EXECUTION: u64 = 8;

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A folder.
    Folder,
    /// Anything else.
    File,
}

/// Why a server sees a thing of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Title {
    /// Its program needs it.
    Needed,
    /// Its program is run from it, and it may be the gateway's own.
    Lent,
    /// The operator gave it.
    Given,
}

/// One thing of the host that the server sees, at the place that it really has.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) at: PathBuf,
    pub(super) sort: Sort,
    pub(super) access: Access,
    /// User and group in whose stead the server acts there.
    owner: Option<(u32, u32)>,
    device: bool,
    pub(super) tree: Option<OwnedFd>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// From the top down.
    pub(super) binds: Vec<Bind>,
    /// Links by their place, and what they lead to.
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
}

impl Plan {
    /// Finds what `order` names, and refuses what it may not name.
    pub(super) fn of(order: &Order) -> Step<Self> {
        let mut plan = Self::default();
        for path in SYSTEM.map(Path::new).into_iter().filter(|path| path.symlink_metadata().is_ok()) {
            // A link of the system that leads nowhere is no fault of this server.
            let _ = plan.add(path, Access::Read);
        }
        let private: Vec<PathBuf> = order.private.iter().filter_map(|path| path.canonicalize().ok()).collect();
        if let Some((seen, own)) =
            plan.binds.iter().find_map(|bind| Some((&bind.at, private.iter().find(|own| own.starts_with(&bind.at))?)))
        {
            return Err(format!("{}: it lies in {}, which every server sees: put it elsewhere", own.display(), seen.display()));
        }
        let needed = order.needs.iter().map(|path| (path.as_path(), Access::Read, Title::Needed));
        let lent = order.lent.iter().map(|path| (path.as_path(), Access::Read, Title::Lent));
        let given = order.folders.iter().map(|folder| (folder.path.as_path(), folder.access, Title::Given));
        for (path, access, title) in needed.chain(lent).chain(given) {
            let named = path.display().to_string();
            let at = plan.add(path, access).named(&named)?;
            let Some(bind) = plan.binds.iter_mut().find(|bind| bind.at == at) else { continue };
            if OWN.iter().any(|own| bind.at == Path::new(own) || (*own != "/" && bind.at.starts_with(own))) {
                return Err(format!("{named}: no server is given this"));
            }
            let within = |private: &Path| bind.at.starts_with(private) && (title != Title::Lent || bind.at == private);
            let meets = |private: &&PathBuf| private.starts_with(&bind.at) || within(private);
            if let Some(private) = private.iter().find(meets) {
                return Err(format!("{named} holds {}, which is the gateway's own, or lies in it", private.display()));
            }
            if title == Title::Given {
                bind.owner = owner(&bind.at, access).named(&named)?;
            }
        }
        if order.layers.has(Layer::Files) {
            for device in DEVICES.map(PathBuf::from) {
                plan.binds.push(Bind { at: device, sort: Sort::File, access: Access::Write, owner: None, device: true, tree: None });
            }
        }
        plan.settle();
        Ok(plan)
    }

    /// Follows `path` and adds what it leads to; gives its real place.
    fn add(&mut self, path: &Path, access: Access) -> io::Result<PathBuf> {
        let (at, links) = follow(path)?;
        self.links.extend(links);
        let sort = if at.metadata()?.is_dir() { Sort::Folder } else { Sort::File };
        match self.binds.iter_mut().find(|bind| bind.at == at) {
            Some(bind) => bind.access = bind.access.max(access),
            None => self.binds.push(Bind { at: at.clone(), sort, access, owner: None, device: false, tree: None }),
        }
        Ok(at)
    }

    /// Sorts from the top down, and drops what is seen anyway.
    fn settle(&mut self) {
        self.binds.sort_by(|one, other| one.at.cmp(&other.at));
        let mut kept: Vec<Bind> = Vec::new();
        for bind in std::mem::take(&mut self.binds) {
            let above = kept.iter().rev().find(|above| bind.at.starts_with(&above.at));
            let seen = above.is_some_and(|above| above.access == bind.access && above.owner == bind.owner && !bind.device);
            let read_anyway =
                above.is_some_and(|above| bind.access == Access::Read && above.access == Access::Read && bind.owner.is_none());
            if !(seen || read_anyway) {
                kept.push(bind);
            }
        }
        let within = |path: &Path| kept.iter().any(|bind| path.starts_with(&bind.at));
        self.links.retain(|at, _| !within(at));
        self.binds = kept;
    }

    /// Takes hold of everything, so that nothing of it can be exchanged any more. As root, in whose stead `account` acts is mapped where the
    /// file system can do that.
    pub(super) fn open(&mut self, account: Option<u32>) -> Step<()> {
        let mut mappings: BTreeMap<(u32, u32), Option<OwnedFd>> = BTreeMap::new();
        for bind in self.binds.iter_mut().filter(|bind| bind.tree.is_none()) {
            let named = bind.at.display().to_string();
            let tree = tree(&bind.at).named(&named)?;
            let read_only = if bind.access == Access::Read { READ_ONLY } else { 0 };
            let attributes = NO_SUID | if bind.device { NO_EXECUTION } else { NO_DEVICES | read_only };
            let mapping = match (account, bind.owner) {
                (Some(account), Some(owner)) => mappings.entry(owner).or_insert_with(|| account::mapping(owner, account).ok()).as_ref(),
                (None, _) | (_, None) => None,
            };
            let mapped = mapping.is_some() && sys::mount_attributes(&tree, Reach::Below, attributes, mapping).is_ok();
            if !mapped {
                sys::mount_attributes(&tree, Reach::Below, attributes, None).named(&named)?;
            }
            bind.tree = Some(tree);
        }
        Ok(())
    }
}

/// A copy of the mounts at and below `at`, where no link may be on the way any more.
fn tree(at: &Path) -> io::Result<OwnedFd> {
    let found = rustix::fs::openat2(
        CWD,
        at,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )?;
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE;
    Ok(rustix::mount::open_tree(&found, c"", flags)?)
}

/// In whose stead a server acts in a folder that it was given: its owner's. What root owns is read with the rights of others.
fn owner(at: &Path, access: Access) -> io::Result<Option<(u32, u32)>> {
    let found = at.metadata()?;
    Ok((access == Access::Write || found.uid() != 0).then(|| (found.uid(), found.gid())))
}

/// A link by its place, and what it leads to.
type Link = (PathBuf, PathBuf);

/// The real place of `path`, and the links on the way to it.
fn follow(path: &Path) -> io::Result<(PathBuf, Vec<Link>)> {
    if !path.is_absolute() {
        return Err(io::Error::other("it is not an absolute path"));
    }
    let parts = |path: &Path| -> Vec<OsString> {
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
        parts.map(|part| part.as_os_str().to_owned()).collect()
    };
    let (mut at, mut rest, mut links) = (PathBuf::from("/"), VecDeque::from(parts(path)), Vec::new());
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        if !next.symlink_metadata()?.is_symlink() {
            at = next;
            continue;
        }
        let target = next.read_link()?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
        links.push((next, target));
        if links.len() > LINKS {
            return Err(io::Error::other("too many links"));
        }
    }
    Ok((at, links))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layers;
    use crate::spec::Folder;
    use std::os::unix::fs::symlink;

    fn order(folders: &[(&Path, Access)]) -> Order {
        let mut order = Order::trial(Layers::FULL, 1000);
        order.folders = folders.iter().map(|(path, access)| Folder { path: (*path).to_owned(), access: *access }).collect();
        order
    }

    #[test]
    fn links_are_followed_once_and_made_again() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("data/work")).unwrap();
        symlink("data", real.join("home")).unwrap();
        symlink(real.join("home/work"), real.join("short")).unwrap();
        let plan = Plan::of(&order(&[(&real.join("short"), Access::Write)])).unwrap();
        let bind = plan.binds.iter().find(|bind| bind.access == Access::Write && !bind.device).unwrap();
        assert_eq!((&bind.at, bind.sort), (&real.join("data/work"), Sort::Folder));
        assert_eq!(plan.links[&real.join("home")], Path::new("data"));
        assert!(plan.links.contains_key(&real.join("short")));
        symlink("loop", real.join("loop")).unwrap();
        assert!(Plan::of(&order(&[(&real.join("loop"), Access::Read)])).is_err());
        assert!(Plan::of(&order(&[(&real.join("absent"), Access::Read)])).is_err());
    }

    #[test]
    fn what_is_the_gateways_own_cannot_be_reached_by_any_name() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("state/audit")).unwrap();
        symlink(real.join("state"), real.join("innocent")).unwrap();
        let tried = |path: &Path| {
            let mut order = order(&[(path, Access::Read)]);
            order.private = vec![real.join("state")];
            Plan::of(&order).unwrap_err()
        };
        for path in [real.clone(), real.join("state"), real.join("state/audit"), real.join("innocent"), real.join("innocent/audit")] {
            assert!(tried(&path).contains("the gateway's own"), "{}", path.display());
        }
        let mut seen = order(&[]);
        seen.private = vec!["/usr/bin".into()];
        assert!(Plan::of(&seen).unwrap_err().contains("which every server sees"));
        for path in ["/", "/proc", "/proc/1", "/dev", "/dev/shm", "/sys", "/usr/.."] {
            assert!(tried(Path::new(path)).contains("no server is given this"), "{path}");
        }
    }

    #[test]
    fn what_is_lent_of_the_gateways_own_is_seen_and_no_more_of_it() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        for name in ["state/packages/one", "state/packages/two"] {
            std::fs::create_dir_all(real.join(name)).unwrap();
        }
        let lending = |path: &str| {
            let mut order = order(&[]);
            order.private = vec![real.join("state")];
            order.lent = vec![real.join(path)];
            order
        };
        let plan = Plan::of(&lending("state/packages/one")).unwrap();
        let seen: Vec<_> = plan.binds.iter().filter(|bind| bind.at.starts_with(&real)).collect();
        let [bind] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!((&bind.at, bind.access, bind.owner), (&real.join("state/packages/one"), Access::Read, None));
        for path in ["state", ""] {
            assert!(Plan::of(&lending(path)).unwrap_err().contains("the gateway's own"), "{path}");
        }
        let mut both = lending("state/packages/one");
        both.needs = vec![real.join("state/packages/two")];
        assert!(Plan::of(&both).unwrap_err().contains("the gateway's own"));
    }

    #[test]
    fn a_folder_to_write_within_one_to_read_is_kept_and_others_are_not_bound_twice() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        for name in ["a/b/c", "a/d"] {
            std::fs::create_dir_all(real.join(name)).unwrap();
        }
        let mut order = order(&[(&real.join("a/b"), Access::Write)]);
        order.needs = vec![real.join("a"), real.join("a/d"), real.join("a/b/c"), "/usr/bin".into()];
        let plan = Plan::of(&order).unwrap();
        let own: Vec<_> = plan.binds.iter().filter(|bind| bind.at.starts_with(&real)).map(|bind| (bind.at.clone(), bind.access)).collect();
        assert_eq!(own[..2], [(real.join("a"), Access::Read), (real.join("a/b"), Access::Write)]);
        assert!(!plan.binds.iter().any(|bind| bind.at == Path::new("/usr/bin") || bind.at == real.join("a/d")));
    }
}
