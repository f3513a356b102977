//! What the disk itself takes for one group commit.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const PAGE: usize = 4096;

/// The median time of writing 4 KiB over zeros and `fdatasync`, as the log does, of `times` in a file of `folder` that is removed afterwards.
pub fn commit(folder: &Path, times: usize) -> anyhow::Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    for _ in 0..times {
        file.write_all(&[0; PAGE])?;
    }
    file.sync_all()?;
    let page = [0x5A_u8; PAGE];
    let mut spans = Vec::with_capacity(times);
    for at in 0..times {
        let start = Instant::now();
        file.write_all_at(&page, (at * PAGE) as u64)?;
        file.sync_data()?;
        spans.push(start.elapsed());
    }
    spans.sort_unstable();
    Ok(spans.get(times / 2).copied().unwrap_or_default())
}
