//! Clearances and conditions that leave a line without effect.

use super::{Inventory, Notice, Why};
use crate::rule::Origin;
use crate::{Compare, Effect, Engine, Known, Pattern, Range, Rule, Spoken, Test, When};
use terms::{Label, ServerName};

impl Engine {
    /// Entries all of whose tools are labelled above the clearance of their role, and clearances above everything that their roles allow. `known` says
    /// the labels.
    pub fn check_labels(&self, inventory: &Inventory, known: &dyn Fn(&ServerName, &Spoken) -> Known) -> Vec<Notice> {
        let mut notices = Vec::new();
        for role in &self.roles {
            let mut highest: Option<Label> = None;
            for compiled in &self.rules {
                let Origin::Entry { role: of, server, pattern, .. } = &compiled.rule.origin else { continue };
                if *of != role.source.name {
                    continue;
                }
                let labels = labels(server, pattern, inventory, known);
                highest = highest.max(labels.iter().max().copied());
                let lowest = labels.iter().min().copied();
                if let Some(label) = lowest.filter(|label| *label > role.source.clearance) {
                    let why = Why::Above { label, clearance: role.source.clearance };
                    notices.push(super::notice(&compiled.rule, why));
                }
            }
            let by_cedar = self.rules.iter().any(|compiled| {
                compiled.rule.origin == Origin::Cedar
                    && compiled.rule.effect != Effect::Forbid
                    && compiled.rule.scope.as_ref() == Some(&role.source.name)
            });
            if let Some(highest) = highest.filter(|highest| *highest < role.source.clearance && !by_cedar) {
                let why = Why::Slack { clearance: role.source.clearance, highest };
                notices.push(Notice {
                    place: role.source.place.clone(),
                    what: format!("the role {}", role.source.name),
                    why,
                    server: None,
                });
            }
        }
        notices.sort();
        notices
    }
}

/// The labels of what an entry speaks of, as far as that is known.
fn labels(server: &ServerName, pattern: &Pattern, inventory: &Inventory, known: &dyn Fn(&ServerName, &Spoken) -> Known) -> Vec<Label> {
    let tools = inventory.get(server).into_iter().flatten();
    let fitting = |fits: &dyn Fn(&str) -> bool| {
        tools.clone().filter(|tool| fits(tool)).filter_map(|tool| known(server, &Spoken::Tool(tool.clone())).label).collect::<Vec<_>>()
    };
    let of_server = || known(server, &Spoken::Resource(String::new())).label.into_iter();
    match pattern {
        Pattern::Tool(glob) | Pattern::Kind(_, glob) => fitting(&|tool| glob.matches(tool)),
        Pattern::Everything => fitting(&|_| true).into_iter().chain(of_server()).collect(),
        Pattern::Prompt(_) | Pattern::Resource(_) => of_server().collect(),
        Pattern::Question(_) => Vec::new(),
    }
}

/// The test of an entry's conditions that can never hold.
pub(super) fn never(rule: &Rule, server: &ServerName, pattern: &Pattern, when: &When) -> Option<Notice> {
    let empty = |range: &Range| range.from.zip(range.to).is_some_and(|(from, to)| from > to);
    let cannot = |test: &Test| match test {
        Test::Server(globs) => !globs.iter().any(|glob| glob.matches(server.as_str())),
        Test::Tool(globs) => match pattern {
            Pattern::Tool(own) | Pattern::Kind(_, own) if own.is_exact() => !globs.iter().any(|glob| glob.matches(own.as_str())),
            Pattern::Tool(_) | Pattern::Kind(..) | Pattern::Everything => false,
            Pattern::Prompt(_) | Pattern::Resource(_) | Pattern::Question(_) => true,
        },
        Test::Prompt(_) => matches!(pattern, Pattern::Tool(_) | Pattern::Kind(..) | Pattern::Resource(_) | Pattern::Question(_)),
        Test::Resource(_) => matches!(pattern, Pattern::Tool(_) | Pattern::Kind(..) | Pattern::Prompt(_) | Pattern::Question(_)),
        Test::Depth(range) | Test::Argument(_, Compare::Within(range)) => empty(range),
        Test::Method(_)
        | Test::Operation(_)
        | Test::Label(_)
        | Test::Client(_)
        | Test::Network(_)
        | Test::Environment(_)
        | Test::Argument(_, Compare::OneOf(_) | Compare::Like(_)) => false,
    };
    let test = when.0.iter().find(|test| cannot(test))?;
    Some(super::notice(rule, Why::Never { test: word(test) }))
}

fn word(test: &Test) -> String {
    match test {
        Test::Server(_) => "server",
        Test::Tool(_) => "tool",
        Test::Prompt(_) => "prompt",
        Test::Resource(_) => "resource",
        Test::Method(_) => "method",
        Test::Operation(_) => "operation",
        Test::Label(_) => "label",
        Test::Client(_) => "client",
        Test::Network(_) => "network",
        Test::Environment(_) => "environment",
        Test::Depth(_) => "depth",
        Test::Argument(name, _) => return format!("arguments.{name}"),
    }
    .to_owned()
}
