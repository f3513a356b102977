//! Sums: how many of a set of controls came out how, and which items of a checklist hold.

use crate::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use terms::Control;

/// How many controls of a set came out how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Outcome, usize>);

impl Tally {
    /// Counts `outcomes`.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        Self(counts)
    }

    /// How many came out so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.0.get(&outcome).copied().unwrap_or(0)
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.count(Outcome::Pass)
    }

    /// All but those that do not apply.
    pub fn applicable(&self) -> usize {
        self.0.iter().filter(|(outcome, _)| **outcome != Outcome::NotApplicable).map(|(_, count)| count).sum()
    }
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let counts =
            Outcome::ALL.into_iter().filter(|outcome| self.count(*outcome) > 0).map(|outcome| (outcome.as_str(), self.count(outcome)));
        let sums = [("passed", self.passed()), ("applicable", self.applicable())];
        let detail: BTreeMap<&str, usize> = counts.collect();
        let mut map = serde::Serializer::serialize_map(out, None)?;
        for (name, count) in sums {
            serde::ser::SerializeMap::serialize_entry(&mut map, name, &count)?;
        }
        serde::ser::SerializeMap::serialize_entry(&mut map, "outcomes", &detail)?;
        serde::ser::SerializeMap::end(map)
    }
}

/// One of the public hardening checklists that the catalogue answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// 30 controls for production deployments.
    D,
    /// 28 controls in six domains.
    V,
    /// 50 items in layers.
    U,
    /// 10 steps.
    T,
}

impl List {
    /// Every list.
    pub const ALL: [Self; 4] = [Self::D, Self::V, Self::U, Self::T];

    /// The letter that its items begin with.
    pub const fn letter(self) -> char {
        match self {
            Self::D => 'D',
            Self::V => 'V',
            Self::U => 'U',
            Self::T => 'T',
        }
    }

    /// What it is.
    pub const fn title(self) -> &'static str {
        match self {
            Self::D => "30 controls for production deployments",
            Self::V => "28 controls in six domains",
            Self::U => "50 items in layers",
            Self::T => "10 steps",
        }
    }
}

/// Which items of a checklist hold: those of which every control that names them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checklist {
    /// Which list.
    pub list: List,
    /// The items that hold, such as `D16`, in the order of the list.
    pub holding: Vec<&'static str>,
    /// The others.
    pub open: Vec<&'static str>,
}

impl Checklist {
    pub(crate) fn of(list: List, outcome: &impl Fn(Control) -> Outcome) -> Self {
        let mut items: BTreeMap<Vec<u32>, (&'static str, bool)> = BTreeMap::new();
        for control in Control::ALL {
            for item in control.items().iter().copied().filter(|item| item.starts_with(list.letter())) {
                let holds = outcome(control).holds();
                let place = items.entry(order(item)).or_insert((item, true));
                place.1 &= holds;
            }
        }
        let (holding, open): (Vec<_>, Vec<_>) = items.into_values().partition(|(_, holds)| *holds);
        let names = |items: Vec<(&'static str, bool)>| items.into_iter().map(|(item, _)| item).collect();
        Self { list, holding: names(holding), open: names(open) }
    }
}

/// `V10.2` as 10, 2.
fn order(item: &str) -> Vec<u32> {
    item.get(1..).unwrap_or_default().split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_covered_whole() {
        for (list, items) in List::ALL.into_iter().zip([30, 28, 50, 10]) {
            let all = Checklist::of(list, &|_| Outcome::Pass);
            assert_eq!((all.holding.len(), all.open.len()), (items, 0), "{}", list.title());
        }
    }

    #[test]
    fn one_open_control_opens_its_items_alone() {
        let found = Checklist::of(List::D, &|control| if control == Control::AuditCalls { Outcome::Fail } else { Outcome::Pass });
        assert_eq!(found.open, ["D16"]);
        let items =
            Checklist::of(List::V, &|control| if control == Control::IdentityTokens { Outcome::Absent } else { Outcome::NotApplicable });
        assert_eq!(items.open, ["V1.3"]);
        assert_eq!(items.holding.first().copied(), Some("V1.1"));
        assert_eq!(items.holding.last().copied(), Some("V6.5"));
    }

    #[test]
    fn a_tally_prints_sums_and_outcomes() {
        let tally = Tally::of([Outcome::Pass, Outcome::NotApplicable, Outcome::Fail]);
        let printed = serde_json::to_value(&tally).unwrap();
        assert_eq!(printed, serde_json::json!({"passed": 1, "applicable": 2, "outcomes": {"pass": 1, "n/a": 1, "fail": 1}}));
    }
}
