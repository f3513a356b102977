//! What the listener has to bear, beside its goals: idle streams, more load than can be done, handshakes, TLS.

mod handshake;
mod inside;
mod overload;
mod streams;

pub use handshake::serve as shake;

use clap::ValueEnum;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Idle streams.
    Streams,
    /// More than can be done.
    Overload,
    /// Handshakes.
    Handshake,
    /// Calls inside TLS.
    Tls,
}

/// One figure beside its goal.
#[derive(Debug, Serialize)]
pub struct Figure {
    what: String,
    seen: f64,
    unit: &'static str,
    /// At most, or at least; none where there is no goal.
    goal: Option<Goal>,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// All figures.
#[derive(Debug, Serialize)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Figure {
    fn plain(what: impl Into<String>, seen: f64, unit: &'static str) -> Self {
        Self { what: what.into(), seen, unit, goal: None }
    }

    fn at_most(self, most: f64) -> Self {
        Self { goal: Some(Goal::AtMost(most)), ..self }
    }

    fn at_least(self, least: f64) -> Self {
        Self { goal: Some(Goal::AtLeast(least)), ..self }
    }

    fn holds(&self) -> bool {
        match self.goal {
            None => true,
            Some(Goal::AtMost(most)) => self.seen <= most,
            Some(Goal::AtLeast(least)) => self.seen >= least,
        }
    }
}

impl Report {
    /// Whether every goal is reached.
    pub fn holds(&self) -> bool {
        self.figures.iter().all(Figure::holds)
    }
}

/// Measures `program`: all parts, or those of `only`.
pub async fn measure(program: &Path, only: &[Part]) -> anyhow::Result<Report> {
    let mut figures = Vec::new();
    for part in [Part::Handshake, Part::Tls, Part::Overload, Part::Streams] {
        if only.is_empty() || only.contains(&part) {
            figures.extend(match part {
                Part::Streams => streams::measure(program).await?,
                Part::Overload => overload::measure(program).await?,
                Part::Handshake => handshake::measure(program).await?,
                Part::Tls => inside::measure(program).await?,
            });
        }
    }
    Ok(Report { figures })
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.figures {
            let goal = match figure.goal {
                None => String::new(),
                Some(Goal::AtMost(most)) => format!("(at most {most})"),
                Some(Goal::AtLeast(least)) => format!("(at least {least})"),
            };
            let missed = if figure.holds() { "" } else { "  MISSED" };
            writeln!(out, "{:<62} {:>9.2} {:<7} {goal}{missed}", figure.what, figure.seen, figure.unit)?;
        }
        Ok(())
    }
}
