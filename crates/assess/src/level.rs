//! From evidence to a level.

use crate::tally::{Checklist, List, Tally};
use crate::{Evidence, How, Outcome};
use std::collections::BTreeMap;
use std::fmt;
use terms::Control::{
    self, AccessDenyByDefault, AuditCalls, AuditChain, DataPii, DataSecrets, IdentityTokens, SecretsConfigScan, SecretsIsolation,
    SecretsVault, TransportTls,
};
use terms::{Priority, Utc};

/// What level 1 takes.
const BASIC: [Control; 3] = [SecretsConfigScan, TransportTls, AuditCalls];
/// What level 2 takes beside it.
const MANAGED: [Control; 7] = [SecretsVault, SecretsIsolation, IdentityTokens, AccessDenyByDefault, DataPii, DataSecrets, AuditChain];
/// How much of the applicable high controls level 3 takes: four of five, not rounded.
const PART: (usize, usize) = (4, 5);

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// None of the others.
    Raw,
    /// Configurations without plain secrets, encrypted traffic, every call on record.
    Basic,
    /// And credentials, identity, access, screening and log under control.
    Managed,
    /// And every critical control, with four fifths of the high ones.
    Governed,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Basic, Self::Managed, Self::Governed];

    /// 0 to 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Basic => 1,
            Self::Managed => 2,
            Self::Governed => 3,
        }
    }

    /// The level of that number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "Raw",
            Self::Basic => "Basic",
            Self::Managed => "Managed",
            Self::Governed => "Governed",
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Raw => Some(Self::Basic),
            Self::Basic => Some(Self::Managed),
            Self::Managed => Some(Self::Governed),
            Self::Governed => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {}", self.number(), self.as_str())
    }
}

/// What the next level takes that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Which level.
    pub level: Level,
    /// Controls that must hold and do not, in the order of the catalogue.
    pub blocking: Vec<Control>,
    /// How many more high controls must pass; 0 where the level does not ask for them.
    pub high_missing: usize,
}

/// The state of every control, and what follows from it.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// How far the deployment is.
    pub level: Level,
    /// What the next level takes; `None` at the highest.
    pub next: Option<Next>,
    /// One entry for each control of the catalogue, in its order.
    pub evidence: Vec<Evidence>,
    /// By group, in the order of the catalogue.
    pub groups: Vec<(&'static str, Tally)>,
    /// By checklist.
    pub checklists: Vec<Checklist>,
    /// By priority, critical first.
    pub priorities: [(Priority, Tally); 3],
}

impl Assessment {
    /// What `control` came to.
    pub fn outcome(&self, control: Control) -> Outcome {
        self.evidence.iter().find(|evidence| evidence.control == control).map_or(Outcome::Absent, |evidence| evidence.outcome)
    }

    /// All controls together.
    pub fn total(&self) -> Tally {
        Tally::of(self.evidence.iter().map(|evidence| evidence.outcome))
    }
}

/// Scores `evidence`.
///
/// A control without evidence is absent. One with several entries, such as from several replicas, has the worst of their outcomes.
///
/// - Level 1: `secrets.config-scan`, `transport.tls` and `audit.calls` hold.
/// - Level 2: level 1, and `secrets.vault`, `secrets.isolation`, `identity.tokens`, `access.deny-by-default`, `data.pii`, `data.secrets`, `audit.chain` hold.
/// - Level 3: level 2, every critical control holds, and at least 80 % of the applicable high ones pass, not rounded.
///
/// To hold is to pass or to be proved not to apply; what does not apply is left out of both sums. Medium controls never block.
pub fn score(evidence: &[Evidence]) -> Assessment {
    let mut worst: BTreeMap<&str, &Evidence> = BTreeMap::new();
    let mut latest = Utc::default();
    for entry in evidence {
        latest = latest.max(entry.at);
        let place = worst.entry(entry.control.id()).or_insert(entry);
        if entry.outcome > place.outcome {
            *place = entry;
        }
    }
    let none = |control| Evidence { control, how: How::Read, outcome: Outcome::Absent, steps: Vec::new(), at: latest };
    let whole: Vec<Evidence> =
        Control::ALL.into_iter().map(|control| worst.get(control.id()).map_or_else(|| none(control), |entry| (*entry).clone())).collect();

    let outcome = |control: Control| whole.iter().find(|entry| entry.control == control).map_or(Outcome::Absent, |entry| entry.outcome);
    let held = |level: Level| missing(level, &outcome);
    let mut level = Level::Raw;
    let mut next = None;
    while let Some(above) = level.next() {
        let (blocking, high_missing) = held(above);
        if !blocking.is_empty() || high_missing > 0 {
            next = Some(Next { level: above, blocking, high_missing });
            break;
        }
        level = above;
    }

    let tally = |wanted: &dyn Fn(Control) -> bool| Tally::of(whole.iter().filter(|entry| wanted(entry.control)).map(|entry| entry.outcome));
    let mut groups: Vec<(&'static str, Tally)> = Vec::new();
    for control in Control::ALL {
        if groups.last().is_none_or(|(name, _)| *name != control.group()) {
            groups.push((control.group(), tally(&|other| other.group() == control.group())));
        }
    }
    let by = |priority: Priority| (priority, tally(&|other| other.priority() == priority));
    let priorities = [by(Priority::Critical), by(Priority::High), by(Priority::Medium)];
    let checklists = List::ALL.into_iter().map(|list| Checklist::of(list, &outcome)).collect();
    Assessment { level, next, evidence: whole, groups, checklists, priorities }
}

/// What `level` takes, beside the levels below it, that does not hold.
fn missing(level: Level, outcome: &impl Fn(Control) -> Outcome) -> (Vec<Control>, usize) {
    let open = |controls: &[Control]| {
        let mut open: Vec<Control> = controls.iter().copied().filter(|control| !outcome(*control).holds()).collect();
        open.sort_by_key(|control| Control::ALL.iter().position(|other| other == control));
        open
    };
    match level {
        Level::Raw => (Vec::new(), 0),
        Level::Basic => (open(&BASIC), 0),
        Level::Managed => (open(&MANAGED), 0),
        Level::Governed => {
            let critical: Vec<Control> = Control::ALL.into_iter().filter(|control| control.priority() == Priority::Critical).collect();
            let high = Tally::of(Control::ALL.into_iter().filter(|control| control.priority() == Priority::High).map(outcome));
            let needed = (high.applicable() * PART.0).div_ceil(PART.1);
            (open(&critical), needed.saturating_sub(high.passed()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(outcome: impl Fn(Control) -> Outcome) -> Assessment {
        let evidence: Vec<Evidence> = Control::ALL
            .into_iter()
            .map(|control| Evidence { control, how: How::Probe, outcome: outcome(control), steps: Vec::new(), at: Utc::default() })
            .collect();
        score(&evidence)
    }

    fn high() -> Vec<Control> {
        Control::ALL.into_iter().filter(|control| control.priority() == Priority::High).collect()
    }

    #[test]
    fn nothing_is_raw_and_everything_is_governed() {
        let nothing = score(&[]);
        assert_eq!(nothing.level, Level::Raw);
        assert_eq!(nothing.next.unwrap().blocking, [SecretsConfigScan, TransportTls, AuditCalls]);
        assert_eq!(nothing.evidence.len(), 72);
        let all = with(|_| Outcome::Pass);
        assert_eq!((all.level, all.next), (Level::Governed, None));
    }

    #[test]
    fn each_control_of_a_set_blocks_its_level() {
        for control in BASIC {
            assert_eq!(with(|other| if other == control { Outcome::Part } else { Outcome::Pass }).level, Level::Raw, "{}", control.id());
        }
        for control in MANAGED {
            let found = with(|other| if other == control { Outcome::Accepted } else { Outcome::Pass });
            assert_eq!(found.level, Level::Basic, "{}", control.id());
            assert_eq!(found.next.unwrap().blocking, [control]);
        }
        for control in Control::ALL.into_iter().filter(|control| control.priority() == Priority::Critical) {
            assert!(
                with(|other| if other == control { Outcome::Stale } else { Outcome::Pass }).level < Level::Governed,
                "{}",
                control.id()
            );
        }
    }

    #[test]
    fn a_high_level_does_not_make_up_for_a_low_one() {
        let found = with(|control| if control == AuditCalls { Outcome::Error } else { Outcome::Pass });
        assert_eq!(found.level, Level::Raw);
    }

    /// Passes as many of the high controls that no lower level asks for as leaves `open` of them failing and `without` out of the sums.
    fn governed_with(open: usize, without: usize) -> Assessment {
        let free: Vec<Control> = high().into_iter().filter(|control| !BASIC.contains(control) && !MANAGED.contains(control)).collect();
        with(|control| match free.iter().position(|other| *other == control) {
            Some(at) if at < open => Outcome::Fail,
            Some(at) if at < open + without => Outcome::NotApplicable,
            _ => Outcome::Pass,
        })
    }

    #[test]
    fn four_fifths_of_the_high_controls_are_not_rounded() {
        let all = high().len();
        for without in 0..8 {
            let applicable = all - without;
            let most_open = applicable - (applicable * 4).div_ceil(5);
            assert_eq!(governed_with(most_open, without).level, Level::Governed, "{most_open} of {applicable}");
            let short = governed_with(most_open + 1, without);
            assert_eq!(short.level, Level::Managed, "{} of {applicable}", most_open + 1);
            assert_eq!(short.next.unwrap().high_missing, 1);
        }
        // 29 of 36 is enough, 28 is not: 80 % is 28.8.
        let without = all.checked_sub(36).unwrap();
        assert_eq!(governed_with(7, without).level, Level::Governed);
        assert_eq!(governed_with(8, without).level, Level::Managed);
    }

    #[test]
    fn medium_controls_never_block() {
        let found = with(|control| if control.priority() == Priority::Medium { Outcome::Fail } else { Outcome::Pass });
        assert_eq!(found.level, Level::Governed);
    }

    #[test]
    fn what_does_not_apply_fills_its_place_and_leaves_the_sums() {
        let found =
            with(|control| if BASIC.contains(&control) || MANAGED.contains(&control) { Outcome::NotApplicable } else { Outcome::Pass });
        assert_eq!(found.level, Level::Governed);
        let (_, critical) = found.priorities.first().unwrap();
        assert_eq!(critical.passed(), critical.applicable());
        assert!(critical.applicable() < Control::ALL.into_iter().filter(|control| control.priority() == Priority::Critical).count());
    }

    #[test]
    fn of_two_replicas_the_worse_counts() {
        let entry = |outcome| Evidence { control: AuditCalls, how: How::Probe, outcome, steps: Vec::new(), at: Utc::default() };
        for pair in [[Outcome::Pass, Outcome::Fail], [Outcome::Fail, Outcome::Pass], [Outcome::Error, Outcome::NotApplicable]] {
            assert!(!score(&pair.map(entry)).outcome(AuditCalls).holds());
        }
    }

    fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
        proptest::collection::vec(proptest::sample::select(Outcome::ALL.to_vec()), 72)
    }

    proptest! {
        #[test]
        fn mending_one_control_never_lowers_the_level(outcomes in outcomes(), at in 0_usize..72) {
            let of = |list: &[Outcome]| with(|control| list[Control::ALL.iter().position(|other| *other == control).unwrap()]).level;
            let mut mended = outcomes.clone();
            // From not applicable to passed enlarges both sums by one, which never lowers the share.
            mended[at] = Outcome::Pass;
            prop_assert!(of(&mended) >= of(&outcomes));
        }

        #[test]
        fn sums_add_up(outcomes in outcomes()) {
            let found = with(|control| outcomes[Control::ALL.iter().position(|other| *other == control).unwrap()]);
            let passed = outcomes.iter().filter(|outcome| **outcome == Outcome::Pass).count();
            prop_assert_eq!(found.total().passed(), passed);
            prop_assert_eq!(found.groups.iter().map(|(_, tally)| tally.passed()).sum::<usize>(), passed);
            prop_assert_eq!(found.priorities.iter().map(|(_, tally)| tally.passed()).sum::<usize>(), passed);
            prop_assert_eq!(found.next.is_none(), found.level == Level::Governed);
        }
    }
}
