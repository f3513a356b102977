//! What the disk itself takes for one group commit.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The median time of appending 4 KiB and `fdatasync`, of `times` in a file of `folder` that is removed afterwards.
pub fn commit(folder: &Path, times: usize) -> anyhow::Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let page = [0x5A_u8; 4096];
    let mut spans = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        spans.push(start.elapsed());
    }
    spans.sort_unstable();
    Ok(spans.get(times / 2).copied().unwrap_or_default())
}
