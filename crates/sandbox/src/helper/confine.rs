//! Limits of the kernel on the server's processes (getrlimit(2)), and the processors that they run on.

use super::{Named as _, Step};
use crate::layer::{Layer, Layers};
use crate::process::threads_of;
use crate::spec::Limits;
use crate::sys::{self, Fork};
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use std::io;

/// Processes and threads of the launcher that count with the server's own.
const OWN: u64 = 3;
/// Threads that a process may have on average, where the limit is on those of the whole user.
const THREADS: u64 = 16;

/// Sets what holds for each process. Not the address space: node alone reserves tens of gigabytes.
pub(super) fn confine(limits: &Limits) -> Step<()> {
    limit(Resource::Core, 0).named("limit of core files")?;
    limit(Resource::Nofile, limits.files).named("limit of files")?;
    limit(Resource::Fsize, limits.file_bytes).named("limit of file sizes")?;
    if let Some(cores) = limits.cpu_cores {
        cpus(cores).named("processors")?;
    }
    Ok(())
}

/// Forks with a limit on processes and threads that can be raised again. Since Linux 5.14 it counts those of the user namespace. Before that,
/// and where `layers` has no user namespace, it counts those of the whole user, and a wide one is set.
pub(super) fn fork(limits: &Limits, layers: Layers) -> io::Result<Fork> {
    if layers.has(Layer::User) {
        soft(u64::from(limits.processes).saturating_add(OWN))?;
        match sys::fork() {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
            forked => return forked,
        }
    }
    let now = threads_of(rustix::process::getuid().as_raw());
    soft(now.saturating_add(u64::from(limits.processes).saturating_mul(THREADS).max(1024)))?;
    sys::fork()
}

/// Keeps the limit on processes that is set from being raised.
pub(super) fn seal() -> io::Result<()> {
    let now = rustix::process::getrlimit(Resource::Nproc).current;
    Ok(rustix::process::setrlimit(Resource::Nproc, Rlimit { current: now, maximum: now })?)
}

fn soft(most: u64) -> io::Result<()> {
    let maximum = rustix::process::getrlimit(Resource::Nproc).maximum;
    let current = Some(maximum.map_or(most, |allowed| most.min(allowed)));
    Ok(rustix::process::setrlimit(Resource::Nproc, Rlimit { current, maximum })?)
}

/// Sets both limits, never above what is allowed already.
fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |allowed| most.min(allowed));
    rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Keeps to as many processors as `cores` asks for, of those allowed now; helpers start at different ones.
fn cpus(cores: f64) -> rustix::io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let wanted = (0..allowed.len()).take_while(|count| *count == 0 || (*count as f64) < cores).count();
    if wanted >= allowed.len() {
        return Ok(());
    }
    let first = usize::try_from(rustix::process::getpid().as_raw_nonzero().get()).unwrap_or(0);
    let mut chosen = CpuSet::new();
    for offset in 0..wanted {
        if let Some(cpu) = allowed.get((first + offset) % allowed.len()) {
            chosen.set(*cpu);
        }
    }
    rustix::thread::sched_setaffinity(None, &chosen)
}
