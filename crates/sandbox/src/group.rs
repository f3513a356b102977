//! Control groups: limits on everything of one server together, and its end in one stroke.
//!
//! Version 2 where this process's own group was delegated (cgroups(7), "Delegation"), else version 1 where it can be written to, else none.

use crate::spec::Limits;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the names of our groups begin with; the gateway's process id and a number follow.
const PREFIX: &str = "bastide-";
/// The leaf that the gateway itself moves to: a group of version 2 with limits for others may hold no process.
const LEAF: &str = "bastide-gateway";
/// One period of the processor's quota, in microseconds.
const PERIOD: u64 = 100_000;
/// Processes and threads of the launcher in each group.
const OWN: u64 = 3;

/// Where groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    /// One tree for all.
    Two(PathBuf),
    /// A tree for each controller.
    One { memory: PathBuf, pids: PathBuf, cpu: PathBuf },
}

/// The group of one server.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
    events: PathBuf,
    entrance: &'static str,
    kill: Option<PathBuf>,
}

/// Why there are no groups, in a sentence for a person.
pub(crate) fn missing() -> Option<String> {
    home().as_ref().err().map(ToString::to_string)
}

fn home() -> &'static Result<Home, io::Error> {
    static HOME: OnceLock<Result<Home, io::Error>> = OnceLock::new();
    HOME.get_or_init(|| {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let home = find(&mounts, &own)?;
        home.sweep();
        Ok(home)
    })
}

fn find(mounts: &str, own: &str) -> io::Result<Home> {
    let two = two(mounts, own).and_then(|folder| delegate(&folder).map(|()| Home::Two(folder)));
    two.or_else(|second| {
        let first = one(mounts, own)?;
        first.tried().map(|()| first).map_err(|cause| io::Error::other(format!("version 2: {second}; version 1: {cause}")))
    })
}

/// This process's group in the one tree, when it has the controllers.
fn two(mounts: &str, own: &str) -> io::Result<PathBuf> {
    let none = |what: &str| io::Error::other(what.to_owned());
    let root = mount_of(mounts, |kind, _| kind == "cgroup2").ok_or_else(|| none("it is not mounted"))?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(|| none("this process is in none"))?;
    let folder = below(&root, path);
    // A gateway that was started anew within its leaf.
    let folder = if folder.ends_with(LEAF) { folder.parent().map(Path::to_path_buf).unwrap_or(folder) } else { folder };
    let controllers = fs::read_to_string(folder.join("cgroup.controllers"))?;
    let has = |name: &str| controllers.split_ascii_whitespace().any(|one| one == name);
    if has("memory") && has("pids") { Ok(folder) } else { Err(none("it has no controllers for memory and processes here")) }
}

/// Makes room for groups with limits: moves this process to a leaf, and hands the controllers down.
fn delegate(folder: &Path) -> io::Result<()> {
    let own = std::process::id().to_string();
    let leaf = folder.join(LEAF);
    make(&leaf)?;
    fs::write(leaf.join("cgroup.procs"), &own)?;
    let others = fs::read_to_string(folder.join("cgroup.procs"))?;
    let root = !folder.join("cgroup.type").exists();
    if !root && !others.trim().is_empty() {
        return Err(io::Error::other("other processes are in the gateway's own group: run it as a service with `Delegate=yes`"));
    }
    let wanted = fs::read_to_string(folder.join("cgroup.controllers"))?;
    for name in ["memory", "pids", "cpu"].into_iter().filter(|name| wanted.split_ascii_whitespace().any(|one| one == *name)) {
        fs::write(folder.join("cgroup.subtree_control"), format!("+{name}"))?;
    }
    Ok(())
}

fn one(mounts: &str, own: &str) -> io::Result<Home> {
    let place = |controller: &str| {
        let named = |list: &str| list.split(',').any(|one| one == controller);
        let root = mount_of(mounts, |kind, options| kind == "cgroup" && named(options))
            .ok_or_else(|| io::Error::other(format!("the controller `{controller}` is not mounted")))?;
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            parts.next().filter(|list| named(list)).and(parts.next())
        });
        let path = path.ok_or_else(|| io::Error::other(format!("this process is in no group of `{controller}`")))?;
        Ok::<_, io::Error>(below(&root, path))
    };
    Ok(Home::One { memory: place("memory")?, pids: place("pids")?, cpu: place("cpu")? })
}

fn mount_of(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        wanted(kind, options).then(|| PathBuf::from(place))
    })
}

fn below(root: &Path, path: &str) -> PathBuf {
    let path = path.trim_start_matches('/');
    // A container may show the path of the host, which is not there; its own group is then at the root of the mount.
    let folder = root.join(path);
    if folder.is_dir() { folder } else { root.to_owned() }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Home {
    fn roots(&self) -> Vec<&Path> {
        match self {
            Self::Two(folder) => vec![folder],
            Self::One { memory, pids, cpu } => {
                let mut all: Vec<&Path> = vec![memory, pids, cpu];
                all.dedup();
                all
            }
        }
    }

    /// Whether a group can be made and taken away.
    fn tried(&self) -> io::Result<()> {
        for root in self.roots() {
            let folder = root.join(format!("{PREFIX}{}-0", std::process::id()));
            make(&folder)?;
            fs::remove_dir(&folder)?;
        }
        Ok(())
    }

    /// Takes away what gateways left behind that are no more.
    fn sweep(&self) {
        for root in self.roots() {
            for entry in fs::read_dir(root).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
                if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                    let _ = fs::write(entry.path().join("cgroup.kill"), "1");
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }
}

impl Group {
    /// A new group with `limits`; none where groups cannot be made.
    ///
    /// # Errors
    /// A limit that was asked for and could not be set.
    pub(crate) fn new(limits: &Limits) -> io::Result<Option<Self>> {
        let Ok(home) = home() else { return Ok(None) };
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let group = Self::at(home, &name);
        group.limit(home, limits).map(|()| Some(group))
    }

    fn at(home: &Home, name: &str) -> Self {
        let folders: Vec<PathBuf> = home.roots().into_iter().map(|root| root.join(name)).collect();
        match home {
            Home::Two(root) => {
                let (events, kill) = (root.join(name).join("memory.events"), Some(root.join(name).join("cgroup.kill")));
                Self { events, kill, entrance: "cgroup.procs", folders }
            }
            Home::One { memory, .. } => {
                Self { events: memory.join(name).join("memory.oom_control"), kill: None, entrance: "tasks", folders }
            }
        }
    }

    fn limit(&self, home: &Home, limits: &Limits) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| make(folder))?;
        let processes = u64::from(limits.processes).saturating_add(OWN).to_string();
        let quota = limits.cpu_cores.map(|cores| Self::quota(cores).to_string());
        match (home, self.folders.as_slice()) {
            (Home::Two(_), [folder]) => {
                fs::write(folder.join("pids.max"), processes)?;
                if let Some(bytes) = limits.memory_bytes {
                    fs::write(folder.join("memory.max"), bytes.to_string())?;
                    // Both may be missing: swapping is off, or the kernel is older.
                    let _ = fs::write(folder.join("memory.swap.max"), "0");
                    let _ = fs::write(folder.join("memory.oom.group"), "1");
                }
                if let Some(quota) = quota {
                    fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD}"))?;
                }
            }
            (Home::One { .. }, folders) => {
                let [memory, pids, cpu] = folders else { return Err(io::Error::other("a tree is missing")) };
                fs::write(pids.join("pids.max"), processes)?;
                if let Some(bytes) = limits.memory_bytes {
                    fs::write(memory.join("memory.limit_in_bytes"), bytes.to_string())?;
                    let _ = fs::write(memory.join("memory.memsw.limit_in_bytes"), bytes.to_string());
                }
                if let Some(quota) = quota {
                    fs::write(cpu.join("cpu.cfs_period_us"), PERIOD.to_string())?;
                    fs::write(cpu.join("cpu.cfs_quota_us"), quota)?;
                }
            }
            (Home::Two(_), _) => return Err(io::Error::other("a tree is missing")),
        }
        Ok(())
    }

    /// Microseconds a period.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits before")]
    fn quota(cores: f64) -> u64 {
        (cores * PERIOD as f64).clamp(1000.0, 1e12) as u64
    }

    /// The files by which a process enters it: one that writes `0` to each is in it, with all that it makes from then on. A process without
    /// threads that enters by itself waits for nobody; one that is put in by another waits until every processor has come to rest (in the
    /// first version, up to a hundredth of a second for each tree).
    pub(crate) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |folder: &PathBuf| fs::OpenOptions::new().write(true).open(folder.join(self.entrance)).map(OwnedFd::from);
        self.folders.iter().map(open).collect()
    }

    /// Kills every process in it, where the kernel can do that at once.
    pub(crate) fn kill(&self) {
        if let Some(kill) = &self.kill {
            let _ = fs::write(kill, "1");
        }
    }

    /// How many of its processes the kernel ended for want of memory.
    pub(crate) fn starved(&self) -> u64 {
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        for folder in &self.folders {
            // One that still holds a dying process is swept up later.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "proc /proc proc rw 0 0\ncgroup /c/cpu cgroup rw,relatime,cpu,cpuacct 0 0\ncgroup /c/memory cgroup rw,memory 0 0\n\
        cgroup /c/pids cgroup rw,pids 0 0\ncgroup2 ROOT cgroup2 rw 0 0\n";

    #[test]
    fn groups_of_the_first_version_are_found_by_controller() {
        let own = "4:cpu,cpuacct:/a\n3:memory:/b\n2:pids:/\n0::/x\n";
        let found = one(MOUNTS, own).unwrap();
        assert_eq!(found, Home::One { memory: "/c/memory".into(), pids: "/c/pids".into(), cpu: "/c/cpu".into() });
        assert!(one("cgroup /c/memory cgroup rw,memory 0 0\n", own).is_err());
    }

    #[test]
    fn a_delegated_group_of_the_second_version_is_handed_down() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("service");
        for (name, text) in [
            ("cgroup.controllers", "cpu io memory pids\n"),
            ("cgroup.type", "domain"),
            ("cgroup.procs", ""),
            ("cgroup.subtree_control", ""),
        ] {
            fs::create_dir_all(&own).unwrap();
            fs::write(own.join(name), text).unwrap();
        }
        let mounts = MOUNTS.replace("ROOT", root.path().to_str().unwrap());
        let home = find(&mounts, "0::/service\n").unwrap();
        assert_eq!(home, Home::Two(own.clone()));
        assert_eq!(fs::read_to_string(own.join(LEAF).join("cgroup.procs")).unwrap(), std::process::id().to_string());
        let limits = Limits { memory_bytes: Some(7), cpu_cores: Some(1.5), processes: 3, ..Limits::default() };
        let group = Group::at(&home, "bastide-1-1");
        group.limit(&home, &limits).unwrap();
        let read = |name: &str| fs::read_to_string(own.join("bastide-1-1").join(name)).unwrap();
        assert_eq!((read("memory.max"), read("pids.max"), read("cpu.max")), ("7".into(), "6".into(), "150000 100000".into()));
        fs::write(own.join("bastide-1-1/memory.events"), "low 0\noom 2\noom_kill 2\n").unwrap();
        assert_eq!(group.starved(), 2);
        // Someone else in the group: nothing may be handed down.
        fs::write(own.join("cgroup.procs"), "1\n").unwrap();
        assert!(delegate(&own).unwrap_err().to_string().contains("Delegate=yes"));
        fs::write(own.join("cgroup.controllers"), "hugetlb").unwrap();
        assert!(two(&mounts, "0::/service\n").is_err());
    }
}
