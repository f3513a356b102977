//! Prints what inspection costs: microseconds of processor time a KiB for texts of many sorts, the most of each that stays in memory while it streams.
//! Arguments choose sorts by name. It ends with 1 when the cost does not grow as the text does, or a stream takes more memory than it may.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is printed is time and memory, which are the machine's")]

mod texts;

use detect::{Actions, Budget, Channel, Engine, Rules, Scratch, Stream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use texts::{HOSTILE, ORDINARY, Sort};

/// Sizes of texts, in bytes.
const SIZES: [usize; 4] = [1 << 10, 128 << 10, 1 << 20, 10 << 20];
/// How much more a KiB of the largest text may cost than one of the second.
const GROWTH: f64 = 2.0;
/// The most memory of a stream, in KiB.
const STREAM: u64 = 2 << 10;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let sorts = ORDINARY.iter().chain(&HOSTILE);
    if let [flag, name] = chosen.as_slice()
        && flag == "--stream"
    {
        let sort = sorts.clone().find(|sort| sort.0 == name).ok_or("no such sort")?;
        println!("{}", streamed(sort)?);
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    let engine = Engine::new(&Rules::built_in()?)?;
    println!("engine built in {:?}", start.elapsed());
    println!("{:14}{:>20}{:>20}{:>20}{:>20}{:>8}{:>12}", "µs a KiB", "1 KiB", "128 KiB", "1 MiB", "10 MiB", "growth", "stream, KiB");
    let mut sound = true;
    for sort in sorts.filter(|(name, _)| chosen.is_empty() || chosen.iter().any(|one| one == name)) {
        let costs = SIZES.map(|size| cost(&engine, sort, size));
        let growth = costs[3].0 / costs[1].0;
        let child = Command::new(std::env::current_exe()?).args(["--stream", sort.0]).output()?;
        let memory: u64 = String::from_utf8_lossy(&child.stdout).trim().parse()?;
        let columns: String =
            costs.iter().map(|(least, median, found)| format!("{least:>7.2} {median:>6.2} {:>5}", format!("({found})"))).collect();
        let wrong = growth > GROWTH || memory > STREAM;
        println!("{:14}{columns}{growth:>8.2}{memory:>12}{}", sort.0, if wrong { "  too much" } else { "" });
        sound &= !wrong;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Microseconds for a KiB of a text of `size` bytes, least and median of rounds, and how much is found in it.
fn cost(engine: &Engine, (_, make): &Sort, size: usize) -> (f64, f64, usize) {
    let mut text = make(size);
    text.truncate(text.floor_char_boundary(size));
    let mut scratch = Scratch::default();
    let budget = Budget::default();
    let count = engine.inspect(&text, Channel::Result, &budget, &mut scratch).findings.len();
    let repeats = (64 << 10) / size.min(64 << 10);
    let kib = (text.len() * repeats) as f64 / 1024.0;
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < 3 || times.len() < 101 && begun.elapsed() < Duration::from_millis(400) {
        let start = spent();
        for _ in 0..repeats {
            std::hint::black_box(engine.inspect(&text, Channel::Result, &budget, &mut scratch));
        }
        times.push((spent() - start).as_secs_f64() * 1e6 / kib);
    }
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2], count)
}

/// How long this thread has run: what others have of the processor is no cost of ours.
fn spent() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    // Linux brings the figure up to date when a thread gives the processor up.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = text.as_deref().and_then(|text| text.split(' ').next()).and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// How many KiB more are resident at most while 10 MiB of a sort pass through a stream; for a process of its own.
fn streamed((_, make): &Sort) -> Result<u64, Box<dyn std::error::Error>> {
    const CHUNK: usize = 4 << 10;
    let engine = Engine::new(&Rules::built_in()?)?;
    let text = make(10 << 20);
    // What is compiled when it is met for the first time is the engine's own, and so is what the allocator keeps.
    let warm = text.get(..text.floor_char_boundary(64 << 10)).unwrap_or_default();
    std::hint::black_box(engine.inspect(warm, Channel::Result, &Budget::default(), &mut Scratch::default()));
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = resident("VmRSS:")?;
    let mut stream = Stream::new(&engine, Channel::Result, Budget::default(), Actions::all(terms::Action::Redact));
    let mut from = 0;
    while from < text.len() {
        let to = text.floor_char_boundary(from + CHUNK);
        std::hint::black_box(stream.push(text.get(from..to).unwrap_or_default()));
        from = to;
    }
    std::hint::black_box(stream.finish());
    Ok(resident("VmHWM:")?.saturating_sub(before))
}

/// A figure of the kernel's of this process, in KiB.
fn resident(name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
