//! The steps of one probe, and why a probe cannot go on.

use assess::Step;
use std::fmt::Display;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Steps(Vec<Step>);

impl Steps {
    /// Notes that `did` had to give `expected` and gave `found`.
    pub fn note(&mut self, did: impl Display, expected: impl Display, found: impl Display, ok: bool) {
        self.0.push(Step { did: did.to_string(), expected: expected.to_string(), found: found.to_string(), ok });
    }

    /// Notes that `did` had to give exactly `expected`.
    pub fn equal<T: PartialEq + Display>(&mut self, did: impl Display, expected: T, found: T) {
        let ok = expected == found;
        self.note(did, expected, found, ok);
    }

    /// Notes that `did` had to find nothing, and which it found.
    pub fn none(&mut self, did: impl Display, found: &[String]) {
        const SHOWN: usize = 8;
        let mut said: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
        let more = format!("{} more", found.len().saturating_sub(SHOWN));
        if found.len() > SHOWN {
            said.push(&more);
        }
        self.note(did, "none", if found.is_empty() { "none".to_owned() } else { said.join(", ") }, found.is_empty());
    }

    /// All of them.
    pub fn take(self) -> Vec<Step> {
        self.0
    }
}

/// How a probe that ran to its end came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As its steps say.
    Judged,
    /// What it looks at does not exist here; the steps prove it.
    NotApplicable,
    /// What did not hold is an accepted risk.
    Accepted,
}

/// Why a probe cannot go on.
#[derive(Debug)]
pub struct Trouble {
    /// What was tried.
    pub did: String,
    /// What came of it, and what to do.
    pub why: String,
}

impl Trouble {
    /// That `did` met `why`.
    pub fn new(did: impl Display, why: impl Display) -> Self {
        Self { did: did.to_string(), why: why.to_string() }
    }
}

/// What a probe gives.
pub type Probed = Result<Finding, Trouble>;
