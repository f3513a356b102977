//! The guards beside those who know better: what a guard lets through, the system, other languages' URL libraries, databases and shells are asked
//! what they take it for. None may take it to a path, host, table, program or effect that the policy does not open.
//!
//! The values are made by grammars of what attacks are made of, from fixed seeds. `BASTIDE_CASES` says how many for each guard, ten thousand unless
//! it does; `cargo xtask oracles` asks for a hundred thousand. Enough of them must be let through, or the property would say nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod chance;
mod commands;
mod paths;
mod postgres;
mod speaker;
mod sqlite;
mod statements;
mod urls;

/// How many cases a guard is tried with.
fn cases() -> usize {
    std::env::var("BASTIDE_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}

/// What became of the cases of one guard.
#[derive(Default)]
struct Tally {
    cases: usize,
    allowed: usize,
    /// Readings and runs of what was allowed that oracles made something of.
    asked: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Notes a disagreement, the first few of them in full.
    fn wrong(&mut self, said: String) {
        if self.wrong.len() < 40 {
            println!("disagreement: {said}");
        }
        self.wrong.push(said);
    }

    /// Prints what was found. Panics where an oracle disagrees, or where less than `least` of a hundred cases were let through.
    fn close(self, name: &str, least: usize) {
        println!(
            "{name}: {} cases, {} allowed ({} %), {} answers of oracles, {} disagreements",
            self.cases,
            self.allowed,
            self.allowed * 100 / self.cases.max(1),
            self.asked,
            self.wrong.len()
        );
        assert!(self.wrong.is_empty(), "{name}: {} disagreements", self.wrong.len());
        assert!(self.allowed * 100 >= self.cases * least, "{name}: too few are allowed to say anything");
        assert!(self.asked >= self.allowed / 2, "{name}: the oracles said too little");
    }
}
