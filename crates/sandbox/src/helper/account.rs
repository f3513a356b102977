//! Whose rights a server has: an account of its own, and a user namespace in which that account owns nothing else.

use crate::layer::{Layer, Layers};
use crate::sys;
use rustix::process::{DumpableBehavior, Gid, Pid, Signal, Uid};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

/// The number of the server's account as the server sees it; never 0.
pub(super) const INSIDE: u32 = 1000;

/// Numbers that accounts of the system take, at the beginning of a range.
const SYSTEM: u32 = 2048;

/// `number`, or what stands for it where this process's user namespace, as a container's, does not know it (user_namespaces(7)).
pub(super) fn known(number: u32) -> io::Result<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in map.lines() {
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0));
        ranges.push((fields.next().unwrap_or(0), fields.nth(1).unwrap_or(0)));
    }
    if ranges.iter().any(|(first, count)| number.checked_sub(*first).is_some_and(|at| at < *count)) {
        return Ok(number);
    }
    let (first, count) = ranges.into_iter().max_by_key(|range| range.1).unwrap_or((0, 0));
    let free = count.checked_sub(SYSTEM).filter(|free| *free >= SYSTEM);
    let free = free.ok_or_else(|| io::Error::other("the gateway is root of a container that knows no accounts to give"))?;
    Ok(first.saturating_add(SYSTEM).saturating_add(number.checked_rem(free).unwrap_or(0)))
}

/// Becomes user and group `number`, without any further group.
pub(super) fn put_on(number: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    Ok(())
}

/// Leaves the namespaces that `layers` names, all of which stand on the one of users; but for that of the network, which root may leave by itself, for a
/// container that gets its own one of users later. Of the mounts the inner process takes leave, so that this one keeps seeing the host's `/proc`.
pub(super) fn leave_namespaces(layers: Layers) -> io::Result<()> {
    if !layers.has(Layer::User) {
        return if layers.has(Layer::Network) { sys::unshare(libc::CLONE_NEWNET) } else { Ok(()) };
    }
    let flag = |layer, flag| if layers.has(layer) { flag } else { 0 };
    let flags = flag(Layer::Processes, libc::CLONE_NEWPID)
        | flag(Layer::Network, libc::CLONE_NEWNET)
        | flag(Layer::Objects, libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP);
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // Of a process that cannot be dumped nobody but root may write the map.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    sys::unshare(libc::CLONE_NEWUSER | flags)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{INSIDE} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{INSIDE} {group} 1"))?;
    Ok(())
}

/// A user namespace that shows what `owner` (user and group) has as what `account` has, for a mount (mount_setattr(2), "ID-mapped mounts").
pub(super) fn mapping(owner: (u32, u32), account: u32) -> io::Result<OwnedFd> {
    let (mut ready, tell) = pipe()?;
    let (wait, go) = pipe()?;
    let pid = match sys::fork()? {
        sys::Fork::Child => {
            drop((ready, go));
            let made = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .map_err(io::Error::from)
                .and_then(|()| sys::unshare(libc::CLONE_NEWUSER))
                .and_then(|()| (&tell).write_all(b"r"));
            drop(tell);
            // Lives until its namespace was taken.
            let _ = made.and_then(|()| (&wait).read(&mut [0_u8; 1]));
            sys::leave(0)
        }
        sys::Fork::Parent(pid) => pid,
    };
    drop((tell, wait));
    let taken = ready.read_exact(&mut [0_u8; 1]).and_then(|()| take(pid, owner, account));
    drop(go);
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    taken
}

fn take(pid: Pid, owner: (u32, u32), account: u32) -> io::Result<OwnedFd> {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    std::fs::write(format!("{folder}/uid_map"), format!("{} {account} 1", owner.0))?;
    std::fs::write(format!("{folder}/gid_map"), format!("{} {account} 1", owner.1))?;
    Ok(File::open(format!("{folder}/ns/user"))?.into())
}

fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}
