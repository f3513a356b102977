//! How much work and stack a check can take, before it is made.
//!
//! A schema of a few lines can look at one value 2^n times (`allOf` of two references, each to an `allOf` of two …), and a recursive one
//! can do so once for each level of the value. Counted here: how often one node of a value at each depth can be looked at.

use super::graph::{Graph, Part};
use crate::Error;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The deepest value that is checked; that of a message.
const DEEPEST: usize = 64;
/// The longest chain of subschemas that look at one value.
const LONGEST: usize = 32;
/// The longest chain over all levels of a value: it is the stack that the check needs.
const STACK: usize = 768;
/// The most pairs of subschemas that are weighed.
const PAIRS: usize = 200_000;

/// The size of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    nodes: u64,
    depth: usize,
}

/// Measures `value`; none when it is deeper than 64.
pub(super) fn measure(value: &Value) -> Option<Size> {
    let mut size = Size { nodes: 0, depth: 0 };
    count(value, 0, &mut size)?;
    Some(size)
}

fn count(value: &Value, depth: usize, size: &mut Size) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    size.nodes += 1;
    size.depth = size.depth.max(depth);
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| count(item, depth + 1, size)),
        Value::Object(members) => members.values().try_for_each(|member| count(member, depth + 1, size)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(()),
    }
}

/// The bounds of one schema's checks.
pub(super) struct Cost {
    /// The longest chain at one value.
    chain: usize,
    /// `looks[d]`: how often a node at depth `d` or above can be looked at.
    looks: Vec<u64>,
}

impl fmt::Debug for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "chain {}, {} looks", self.chain, self.looks.first().copied().unwrap_or_default())
    }
}

impl Cost {
    /// Weighs `graph`.
    pub(super) fn new(graph: &Graph<'_>) -> Result<Self, Error> {
        let heights = heights(graph)?;
        let chain = heights.iter().copied().max().unwrap_or_default() + 1;
        let mut order: Vec<usize> = (0..graph.nodes.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(heights.get(*at).copied().unwrap_or_default()));
        Ok(Self { chain, looks: looks(graph, &order)? })
    }

    /// Whether a check of a value of this size stays within its stack.
    pub(super) fn stacks(&self, size: Size) -> bool {
        self.chain * (size.depth + 1) <= STACK
    }

    /// The most steps that it can take.
    pub(super) fn steps(&self, size: Size) -> u64 {
        let looks = self.looks.get(size.depth).or(self.looks.last()).copied().unwrap_or(u64::MAX);
        looks.saturating_mul(size.nodes)
    }
}

/// The longest chain below each subschema that stays at the same value.
fn heights(graph: &Graph<'_>) -> Result<Vec<usize>, Error> {
    let mut heights: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for at in 0..graph.nodes.len() {
        height(graph, at, 0, &mut heights)?;
    }
    Ok(heights.into_iter().map(Option::unwrap_or_default).collect())
}

fn height(graph: &Graph<'_>, at: usize, depth: usize, heights: &mut [Option<usize>]) -> Result<usize, Error> {
    if let Some(known) = heights.get(at).copied().flatten() {
        return Ok(known);
    }
    // A circle is an endless chain; one that is merely long is refused with it.
    if depth > LONGEST {
        return Err(Error::Loop);
    }
    let mut highest = 0;
    for (next, _) in graph.nodes.get(at).map(|node| node.same.as_slice()).unwrap_or_default() {
        highest = highest.max(height(graph, *next, depth + 1, heights)? + 1);
    }
    if highest > LONGEST {
        return Err(Error::Loop);
    }
    if let Some(slot) = heights.get_mut(at) {
        *slot = Some(highest);
    }
    Ok(highest)
}

/// For one subschema: which subschemas look at a part when it looks at the whole, and how often.
type Steps<'s> = BTreeMap<Part<'s>, BTreeMap<usize, u64>>;

/// How often a node at each depth can be looked at, with the root looking once.
fn looks(graph: &Graph<'_>, order: &[usize]) -> Result<Vec<u64>, Error> {
    let mut pairs = 0_usize;
    let mut own = Vec::with_capacity(graph.nodes.len());
    let mut below = Vec::with_capacity(graph.nodes.len());
    for start in 0..graph.nodes.len() {
        let counts = counts(graph, order, start);
        own.push(counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count)));
        let mut steps: Steps<'_> = BTreeMap::new();
        for (at, count) in counts {
            for (part, next) in graph.nodes.get(at).map(|node| node.parts.as_slice()).unwrap_or_default() {
                let slot = steps.entry(*part).or_default().entry(*next).or_default();
                *slot = slot.saturating_add(count);
                pairs += 1;
            }
            pairs += 1;
        }
        if pairs > PAIRS {
            return Err(Error::Costly);
        }
        below.push(steps);
    }
    let mut at_depth = own;
    let mut most = at_depth.first().copied().unwrap_or(1);
    let mut looks = vec![most];
    for _ in 0..DEEPEST {
        at_depth = below.iter().map(|steps| deeper(steps, &at_depth)).collect();
        most = most.max(at_depth.first().copied().unwrap_or_default());
        looks.push(most);
    }
    Ok(looks)
}

/// How often `start` looking once makes each subschema look at the same value.
fn counts(graph: &Graph<'_>, order: &[usize], start: usize) -> BTreeMap<usize, u64> {
    let mut counts: BTreeMap<usize, u64> = BTreeMap::from([(start, 1)]);
    if graph.nodes.get(start).is_none_or(|node| node.same.is_empty()) {
        return counts;
    }
    for at in order {
        let Some(count) = counts.get(at).copied() else { continue };
        for (next, times) in graph.nodes.get(*at).map(|node| node.same.as_slice()).unwrap_or_default() {
            let slot = counts.entry(*next).or_default();
            *slot = slot.saturating_add(count.saturating_mul(*times));
        }
    }
    counts
}

/// The most looks at one part, when `at_depth` tells how often each subschema makes the depth below it looked at.
fn deeper(steps: &Steps<'_>, at_depth: &[u64]) -> u64 {
    let sum = |part: Part<'_>| {
        let targets = steps.get(&part).into_iter().flatten();
        targets.fold(0_u64, |sum, (next, times)| sum.saturating_add(times.saturating_mul(at_depth.get(*next).copied().unwrap_or(u64::MAX))))
    };
    let (names, indexes) = (sum(Part::AnyName), sum(Part::AnyIndex));
    let each = steps.keys().map(|part| match part {
        Part::Name(_) => sum(*part).saturating_add(names),
        Part::Index(_) => sum(*part).saturating_add(indexes),
        Part::AnyName => names,
        Part::AnyIndex => indexes,
    });
    each.max().unwrap_or_default()
}
