//! How many servers one machine holds, what they take, and how much longer they start in the sandbox than out of it. Not a check: run it with
//! `cargo test -p bastide-sandbox --test many [-- COUNT]`. This program is its own helper.
#![expect(clippy::unwrap_used, reason = "a measurement; with a main of its own it is not seen as a test")]

use sandbox::{Running, Spec, launch};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const COUNT: usize = 200;
const STARTS: usize = 50;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).map(String::as_str) == Some(sandbox::ARGUMENT) {
        sandbox::enter();
    }
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(COUNT);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        starts().await;
        many(count).await;
    });
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// From the order to the executed program, and for a program without a sandbox the same.
async fn starts() {
    let spec = Spec::new("/bin/cat".into());
    let (mut within, mut without) = (Vec::new(), Vec::new());
    drop(launch(&spec).await.unwrap());
    for _ in 0..STARTS {
        let began = Instant::now();
        let mut running = launch(&spec).await.unwrap();
        within.push(began.elapsed());
        running.process.kill().await.unwrap();
        let began = Instant::now();
        let mut plain = Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        without.push(began.elapsed());
        plain.kill().unwrap();
        plain.wait().unwrap();
    }
    println!("a start takes {:?} in the sandbox and {:?} out of it (median of {STARTS})", median(within), median(without));
}

async fn many(count: usize) {
    let before = available();
    let began = Instant::now();
    let mut all: Vec<Running> = Vec::new();
    for at in 0..count {
        let mut spec = Spec::new("/bin/cat".into());
        spec.account = sandbox::account("many", &at.to_string());
        all.push(launch(&spec).await.unwrap());
    }
    let took = began.elapsed();
    let own: u64 = all.iter().map(|running| family(running.process.pid())).sum();
    println!("{count} servers started in {took:?}, {:?} each", took / u32::try_from(count.max(1)).unwrap());
    println!(
        "memory: {} kB of the system's each; {} kB private of helpers and server each",
        before.saturating_sub(available()) / count as u64,
        own / count as u64
    );
    let began = Instant::now();
    for running in &mut all {
        running.process.kill().await.unwrap();
    }
    println!("ended in {:?}", began.elapsed());
}

/// Kilobytes that the system could still give.
fn available() -> u64 {
    number(&std::fs::read_to_string("/proc/meminfo").unwrap(), "MemAvailable:")
}

/// Private kilobytes of a server and of the two processes above it.
fn family(pid: u32) -> u64 {
    let mut sum = 0;
    let mut at = u64::from(pid);
    for _ in 0..3 {
        let rollup = std::fs::read_to_string(format!("/proc/{at}/smaps_rollup")).unwrap_or_default();
        sum += number(&rollup, "Private_Clean:") + number(&rollup, "Private_Dirty:");
        at = number(&std::fs::read_to_string(format!("/proc/{at}/status")).unwrap_or_default(), "PPid:");
    }
    sum
}

fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}
