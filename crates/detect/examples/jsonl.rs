//! Answers requests on standard input, one a line.

use detect::{Engine, Rules, Scratch, jsonl};
use std::io::{BufRead, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(&Rules::built_in()?)?;
    let mut scratch = Scratch::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", jsonl::answer(&line?, &engine, &mut scratch))?;
        out.flush()?;
    }
    Ok(())
}
