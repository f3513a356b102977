//! Prints microseconds a KiB for texts of several sorts.

#![allow(clippy::disallowed_methods, reason = "what is printed is time")]

use detect::{Budget, Channel, Engine, Rules, Scratch};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let engine = Engine::new(&Rules::built_in()?)?;
    println!("engine built in {:?}", start.elapsed());
    let prose = "The build finished in 41 seconds and every check of the pipeline passed without a warning. ";
    let row = "{\"id\": 3534, \"state\": \"open\", \"title\": \"Weekly sync\", \"trace\": \"b6d3a3a6-e50d-4cab-bedd-851385b3003f\"}\n";
    let escaped = "{\\\"path\\\": \\\"/srv/app\\\", \\\"size\\\": 12, \\\"note\\\": \\\"a line\\\\n\\\"}, ";
    let mixed =
        format!("{prose}{prose}card 4111 1111 1111 1111, mail ana@example.org, key ghp_{}, {row}", "oe3nflC7dNYXxIzGXSYBj2EeXqDuZM0EE8xY");
    for (name, unit) in [("prose", prose), ("json", row), ("escaped", escaped), ("candidates", mixed.as_str())] {
        for size in [2 << 10, 64 << 10, 10 << 20] {
            let text = unit.repeat(size / unit.len() + 1);
            let mut scratch = Scratch::default();
            let budget = Budget { findings: usize::MAX, ..Budget::default() };
            let rounds = ((16 << 20) / size).clamp(2, 2_000);
            let mut found = engine.inspect(&text, Channel::Result, &budget, &mut scratch).findings.len();
            let start = Instant::now();
            for _ in 0..rounds {
                found = found.max(engine.inspect(&text, Channel::Result, &budget, &mut scratch).findings.len());
            }
            let each = start.elapsed().as_secs_f64() * 1e6 / rounds as f64 / (text.len() as f64 / 1024.0);
            println!("{name:12} {size:>10} bytes  {each:8.3} µs/KiB  {found} findings");
        }
    }
    Ok(())
}
