//! Approved templates of prompts.

use super::Unfit;
use crate::file::{Prompt, PromptRole, ToolKey};
use detect::{Budget, Channel, Engine, Scratch};
use gateway::template::{Said, Template};
use std::collections::BTreeMap;
use terms::Class;

/// The template of an entry.
pub(super) fn of(prompt: &Prompt) -> Template {
    let role = |role| match role {
        PromptRole::User => "user",
        PromptRole::Assistant => "assistant",
    };
    let messages = prompt.messages.iter().map(|message| Said { role: role(message.role), text: message.text.clone() });
    Template { version: prompt.version.clone(), messages: messages.collect() }
}

/// Checks that every digest is true, and that no template holds a credential or text that is not seen.
pub(super) fn check(prompts: &BTreeMap<ToolKey, Prompt>, engine: &Engine) -> Result<(), Unfit> {
    for (key, prompt) in prompts {
        let unfit = |cause: String| Unfit::Template { prompt: key.to_string(), cause };
        let template = of(prompt);
        let digest = template.digest();
        if prompt.digest.as_ref().is_some_and(|told| *told != digest) {
            return Err(unfit(format!("its digest is {digest}, and another one is written")));
        }
        let texts: Vec<&str> = template.messages.iter().map(|said| said.text.as_str()).collect();
        let reports = engine.inspect_parts(&texts, Channel::Prompt, &Budget::default(), &mut Scratch::default());
        let found = reports.iter().flat_map(|report| &report.findings).find(|one| matches!(one.class, Class::Secret | Class::Unseen));
        if let Some(found) = found {
            return Err(unfit(format!("it holds what looks like a credential ({})", found.kind)));
        }
        let hidden = texts.iter().flat_map(|text| detect::hidden(text, &Budget::default(), &mut Scratch::default())).next();
        if let Some(hidden) = hidden {
            return Err(unfit(format!("it holds text that is not seen ({})", hidden.how)));
        }
    }
    Ok(())
}
