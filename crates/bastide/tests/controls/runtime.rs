//! How local servers run.

mod environment;
mod restart;

use testkit::World;

/// The processes of this world's local servers: those whose program lies in its folder `bin`.
fn servers(world: &World) -> Vec<u32> {
    let bin = world.path("bin/");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).take(2).any(|word| word.starts_with(bin.as_os_str().as_encoded_bytes()))
    })
    .collect()
}
