//! What a process has used, from `/proc` (proc(5)).

use anyhow::Context as _;
use std::time::Duration;

/// User and system time of the process so far, its ended children not counted.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    // Nanoseconds on the run queue of each thread, far finer than the ticks of `stat`.
    let mut nanos = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    if nanos > 0 {
        return Ok(Duration::from_nanos(nanos));
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().context("a stat line")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)))
}

/// Lets every thread of the process run on these processors alone, by their numbers.
pub fn pin(pid: u32, processors: impl Iterator<Item = usize> + Clone) -> anyhow::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    processors.for_each(|processor| set.set(processor));
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let id: i32 = task?.file_name().to_str().context("a thread's number")?.parse()?;
        rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(id), &set)?;
    }
    Ok(())
}

/// Resident memory of the process in bytes.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}
