//! What the helper takes from itself, and thereby from the server.

use crate::process::threads_of;
use crate::spec::Limits;
use crate::sys;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use std::io;

/// Threads that a process may have on average; `RLIMIT_NPROC` counts threads, and those of the whole user.
const THREADS: u64 = 16;

/// Leaves session, privileges to come, group and others' rights on new files, descriptors, and limits behind; adopts orphans from now on.
pub(super) fn confine(limits: &Limits) -> Result<(), (&'static str, io::Error)> {
    let step = |what: &'static str| move |cause: rustix::io::Errno| (what, io::Error::from(cause));
    sys::default_signals();
    rustix::process::setsid().map_err(step("session"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(step("subreaper"))?;
    rustix::thread::set_no_new_privs(true).map_err(step("no new privileges"))?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    sys::close_on_exec_from_3().map_err(|cause| ("descriptors", cause))?;
    limit(Resource::Core, 0).map_err(step("limit of core files"))?;
    limit(Resource::Nofile, limits.files).map_err(step("limit of files"))?;
    limit(Resource::Fsize, limits.file_bytes).map_err(step("limit of file sizes"))?;
    let now = threads_of(rustix::process::getuid().as_raw());
    let more = u64::from(limits.processes).saturating_mul(THREADS).max(1024);
    limit(Resource::Nproc, now.saturating_add(more)).map_err(step("limit of processes"))?;
    if let Some(cores) = limits.cpu_cores {
        cpus(cores).map_err(step("processors"))?;
    }
    Ok(())
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
