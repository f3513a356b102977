//! What `/proc` says of processes.

use crate::outcome::Usage;
use rustix::process::{Pid, Signal};
use std::fs;

/// One line of a process's `stat`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    parent: i32,
    session: i32,
    zombie: bool,
}

/// Parses proc_pid_stat(5). The name may hold anything, so the last parenthesis counts.
fn parse(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let pid = head.split(' ').next()?.parse().ok()?;
    let mut fields = tail.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let _group = fields.next()?;
    let session = fields.next()?.parse().ok()?;
    Some(Stat { pid, parent, session, zombie })
}

fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| parse(&String::from_utf8_lossy(&fs::read(entry.path().join("stat")).ok()?)))
        .collect()
}

/// The living descendants of `root`, itself not among them.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let all = all();
    let mut family = vec![root];
    let mut looked = 0;
    while let Some(parent) = family.get(looked).copied() {
        looked += 1;
        family.extend(all.iter().filter(|one| one.parent == parent && one.pid != root).map(|one| one.pid));
    }
    family.retain(|pid| *pid != root && all.iter().any(|one| one.pid == *pid && !one.zombie));
    family
}

/// The descendants of `root` by the kernel's lists of children: cheaper than [`descendants`], and not exact while processes come and go.
pub(crate) fn children(root: i32) -> Vec<i32> {
    let mut family = vec![root];
    let mut looked = 0;
    while let Some(parent) = family.get(looked).copied() {
        looked += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            match fs::read_to_string(task.path().join("children")) {
                Ok(list) => family.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
                Err(_) if parent == root => return descendants(root),
                Err(_) => {}
            }
        }
    }
    family.remove(0);
    family
}

/// Bytes of memory that `pid` shares with no file: resident less shared, per proc_pid_statm(5).
pub(crate) fn own_bytes(pid: i32) -> u64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/statm")) else { return 0 };
    let mut fields = text.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let resident = fields.next().unwrap_or(0);
    let shared = fields.next().unwrap_or(0);
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// How many threads the user `uid` runs: what `RLIMIT_NPROC` is compared with.
pub(crate) fn threads_of(uid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == uid))
        .map(|entry| fs::read_dir(entry.path().join("task")).map_or(1, |tasks| tasks.count() as u64))
        .sum()
}

/// Tells what a server takes up, as long as it runs.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    helper: i32,
}

impl Meter {
    pub(crate) const fn of(helper: i32) -> Self {
        Self { helper }
    }

    /// What it takes up now; nothing when it has ended.
    pub fn usage(self) -> Usage {
        // The first one is the launcher's.
        let family: Vec<i32> = children(self.helper).into_iter().skip(1).collect();
        let threads = |pid: i32| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count() as u64);
        Usage {
            memory_bytes: family.iter().copied().map(own_bytes).fold(0, u64::saturating_add),
            processes: family.iter().copied().map(threads).fold(0, u64::saturating_add),
        }
    }
}

/// Kills every process of `session`.
pub(crate) fn kill_session(session: i32) {
    for one in all().into_iter().filter(|one| one.session == session && !one.zombie) {
        signal(one.pid, Signal::KILL);
    }
}

/// Sends `signal` to `pid`; one that has gone is no fault.
pub(crate) fn signal(pid: i32, signal: Signal) {
    // INVARIANT: 0, 1 and negative numbers mean others than one process of ours.
    if let Some(pid) = (pid > 1).then(|| Pid::from_raw(pid)).flatten() {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_parent() {
        let expected = Some(Stat { pid: 42, parent: 7, session: 9, zombie: false });
        assert_eq!(parse("42 (x) S 1 1 1) S 7 8 9 0"), expected);
        assert_eq!(parse("42 (a\nb) S 7 8 9 0"), expected);
        assert_eq!(parse("42 (x"), None);
    }

    #[test]
    fn both_ways_find_a_child() {
        let mut child = std::process::Command::new("/usr/bin/sleep").arg("60").spawn().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(descendants(own).contains(&pid) && children(own).contains(&pid));
        assert!(own_bytes(own) > 0 && threads_of(rustix::process::getuid().as_raw()) > 0);
        signal(pid, Signal::KILL);
        child.wait().unwrap();
        assert!(!descendants(own).contains(&pid));
    }
}
