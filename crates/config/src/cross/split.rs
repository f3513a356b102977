//! That the parts of a tool can be told apart.

use super::Checks;
use crate::file::{Split, Tool, ToolKey};
use std::collections::BTreeSet;

/// The most parts of one tool, and the most values of one part.
const MOST: usize = 64;

pub(super) fn check(checks: &mut Checks<'_>, key: &ToolKey, tool: &Tool) {
    let Some(split) = &tool.split else { return };
    let shown = key.to_string();
    let mut misfit = |path: &[&str], message: String| {
        let whole: Vec<&str> = ["tools", shown.as_str(), "split"].into_iter().chain(path.iter().copied()).collect();
        checks.misfit(&whole, message);
    };
    if tool.operation.is_some() {
        misfit(&[], "a tool that is split has the operations of its parts; leave `operation` out".to_owned());
    }
    let tells = tells(split, tool);
    let portions = split.portions(tool);
    if portions.len() > MOST {
        misfit(&["parts"], format!("at most {MOST} parts"));
    }
    let (mut values, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    let listed = portions.values().filter(|portion| portion.values.is_some()).count();
    if listed > 0 && listed < portions.len() {
        misfit(&["parts"], "either all parts have `values`, or none has and the guard of the argument tells".to_owned());
    }
    for (name, portion) in &portions {
        let own = ["parts", name.as_str()];
        match &portion.values {
            None if !tells => misfit(
                if split.parts.is_empty() { &["by"] } else { &own },
                format!("no guard tells what `{}` does: give it `guard: sql` or `guard: process`, or the parts their `values`", split.by),
            ),
            None if !kinds.insert(portion.operation) => misfit(&own, format!("another part is for {} already", portion.operation.as_str())),
            None => {}
            Some(list) if list.is_empty() || list.len() > MOST => misfit(&own, format!("a part has 1 to {MOST} values")),
            Some(list) => {
                for value in list {
                    if !values.insert(value) {
                        misfit(&own, format!("the value {value:?} belongs to one part alone"));
                    }
                }
            }
        }
    }
}

/// Whether the argument has a guard that reads in it what a call does.
fn tells(split: &Split, tool: &Tool) -> bool {
    let guard = tool.arguments.get(&split.by).and_then(|argument| argument.guarded().ok().flatten());
    guard.is_some_and(|guard| guard.kind().tells())
}
