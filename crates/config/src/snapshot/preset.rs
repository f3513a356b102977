//! What the screens do with what they find: the presets, and the keys that beat them.

use crate::file::{Action as Chosen, Inspect, Pattern, Preset};
use detect::{Actions, Personal, Rules};
use gateway::snapshot::Source;
use terms::{Action, Class, Label, Trust};

/// The detectors' rules, with the patterns and the words of the operator.
pub(super) fn rules(inspect: &Inspect) -> Result<Rules, detect::Error> {
    let own = |rules: Rules, one: &Pattern| {
        let words = || detect::words(&one.words);
        rules.with_custom(Class::Pii, &one.name, &one.pattern.clone().unwrap_or_else(words))
    };
    Ok(inspect.pii.custom.iter().fold(Rules::built_in()?, own))
}

/// The actions for what comes from `source`.
pub(super) fn actions(inspect: &Inspect, source: Source) -> Actions {
    let mut actions = match inspect.preset {
        Preset::Strict => Actions::default().closed(),
        Preset::Balanced => balanced(source),
        Preset::Code => code(source),
    };
    let told = [
        (Class::Secret, inspect.secrets.as_ref().map(|screen| screen.action)),
        (Class::Financial, inspect.financial.as_ref().map(|screen| screen.action)),
        (Class::Pii, inspect.pii.action),
        (Class::Injection, Some(inspect.injection.action)),
        (Class::Leak, Some(inspect.errors.action)),
    ];
    for (class, chosen) in told {
        if let Some(chosen) = chosen {
            actions = actions.with(class, action(chosen));
        }
    }
    actions
}

/// What is called public may name people, and where it is ours, say how they are reached. Nothing else of what is found passes; of cards and accounts
/// the last digits stay, but for what is restricted.
fn balanced(source: Source) -> Actions {
    let actions = Actions::default();
    match (source.label, source.trust) {
        (Some(Label::Public), Trust::Internal) => {
            let named = actions.with_personal(Personal::Name, Action::Flag).with_personal(Personal::Mail, Action::Flag);
            named.with_personal(Personal::Reach, Action::Flag)
        }
        (Some(Label::Public), Trust::External) => actions.with_personal(Personal::Name, Action::Flag),
        (Some(Label::Restricted), Trust::Internal | Trust::External) => actions.closed(),
        (None | Some(Label::Internal | Label::Confidential), Trust::Internal | Trust::External) => actions,
    }
}

/// As balanced, and who is given credit for a work stays readable, but for what is restricted.
fn code(source: Source) -> Actions {
    match source.label {
        Some(Label::Restricted) => balanced(source),
        None | Some(Label::Public | Label::Internal | Label::Confidential) => balanced(source).with_credits(Action::Flag),
    }
}

fn action(chosen: Chosen) -> Action {
    match chosen {
        Chosen::Flag | Chosen::Fence | Chosen::Strip => Action::Flag,
        Chosen::Tokenise => Action::Tokenise,
        Chosen::Redact => Action::Redact,
        Chosen::Mask => Action::Mask,
        Chosen::Block => Action::Block,
    }
}
