//! What a control can show for itself right now.

use crate::How;
use serde::Serialize;
use std::fmt;
use terms::{Control, Utc};

/// How a control came out of one run.
///
/// The order is from good to bad; of two outcomes of one control the later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Outcome {
    /// Proved from the running state that the thing does not exist; left out of the sums.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// Every step met its condition in this run.
    #[serde(rename = "pass")]
    Pass,
    /// An unexpired accepted risk covers exactly this failure.
    #[serde(rename = "accepted")]
    Accepted,
    /// Some steps met their conditions, at least one did not.
    #[serde(rename = "part")]
    Part,
    /// Older than it may be.
    #[serde(rename = "stale")]
    Stale,
    /// No step met its condition.
    #[serde(rename = "fail")]
    Fail,
    /// Not in this build, or not switched on.
    #[serde(rename = "absent")]
    Absent,
    /// The probe could not run.
    #[serde(rename = "error")]
    Error,
}

impl Outcome {
    /// Every outcome, from good to bad.
    pub const ALL: [Self; 8] =
        [Self::NotApplicable, Self::Pass, Self::Accepted, Self::Part, Self::Stale, Self::Fail, Self::Absent, Self::Error];

    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "n/a",
            Self::Pass => "pass",
            Self::Accepted => "accepted",
            Self::Part => "part",
            Self::Stale => "stale",
            Self::Fail => "fail",
            Self::Absent => "absent",
            Self::Error => "error",
        }
    }

    /// Whether it fills its place in a set of controls: passed, or proved not to apply.
    pub const fn holds(self) -> bool {
        match self {
            Self::Pass | Self::NotApplicable => true,
            Self::Accepted | Self::Part | Self::Stale | Self::Fail | Self::Absent | Self::Error => false,
        }
    }

    /// What `steps` come to. No step is no evidence: an error.
    pub fn of(steps: &[Step]) -> Self {
        let good = steps.iter().filter(|step| step.ok).count();
        match (steps.len(), good) {
            (0, _) => Self::Error,
            (all, good) if all == good => Self::Pass,
            (_, 0) => Self::Fail,
            _ => Self::Part,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// One thing that was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was done.
    pub did: String,
    /// What had to come of it.
    pub expected: String,
    /// What came of it. Never a secret.
    pub found: String,
    /// Whether the one is the other.
    pub ok: bool,
}

/// What one control showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Which control.
    pub control: Control,
    /// How the evidence was come by.
    pub how: How,
    /// What it comes to.
    pub outcome: Outcome,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// When it was complete.
    pub at: Utc,
}

impl Evidence {
    /// The evidence that `steps` are.
    pub fn of(control: Control, how: How, steps: Vec<Step>, at: Utc) -> Self {
        Self { control, how, outcome: Outcome::of(&steps), steps, at }
    }

    /// That this build does not assess `control`, for the reason `why`.
    pub fn absent(control: Control, why: &str, at: Utc) -> Self {
        let step = Step { did: "looked for a probe".into(), expected: "one in this build".into(), found: why.into(), ok: false };
        Self { control, how: How::Read, outcome: Outcome::Absent, steps: vec![step], at }
    }

    /// That `control` could not be assessed: `did` met `why`. Steps made before it are kept.
    pub fn error(control: Control, how: How, mut steps: Vec<Step>, did: &str, why: &str, at: Utc) -> Self {
        steps.push(Step { did: did.into(), expected: "an answer".into(), found: why.into(), ok: false });
        Self { control, how, outcome: Outcome::Error, steps, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(ok: bool) -> Step {
        Step { did: "d".into(), expected: "e".into(), found: "f".into(), ok }
    }

    #[test]
    fn no_step_is_no_pass() {
        assert_eq!(Outcome::of(&[]), Outcome::Error);
        assert_eq!(Outcome::of(&[step(true)]), Outcome::Pass);
        assert_eq!(Outcome::of(&[step(true), step(false)]), Outcome::Part);
        assert_eq!(Outcome::of(&[step(false), step(false)]), Outcome::Fail);
    }

    #[test]
    fn only_a_pass_and_a_proof_hold() {
        let holding: Vec<&str> = Outcome::ALL.into_iter().filter(|outcome| outcome.holds()).map(Outcome::as_str).collect();
        assert_eq!(holding, ["n/a", "pass"]);
    }

    #[test]
    fn outcomes_are_written_as_they_are_said() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    proptest! {
        #[test]
        fn one_bad_step_is_never_a_pass(before in proptest::collection::vec(any::<bool>(), 0..9), after in proptest::collection::vec(any::<bool>(), 0..9)) {
            let steps: Vec<Step> = before.into_iter().chain([false]).chain(after).map(step).collect();
            prop_assert!(!Outcome::of(&steps).holds());
        }
    }
}
