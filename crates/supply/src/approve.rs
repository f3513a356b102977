//! A review becomes pins.

use crate::{Aside, Error, Fetched, Kind, Offered, Pin, ServerPin, fold, shown_as};
use std::collections::BTreeMap;
use terms::{Name, ServerName, Utc};

/// Who approves, when, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The person.
    pub reviewer: Name,
    /// The moment.
    pub at: Utc,
    /// Until when it counts; `None` for no end.
    pub expires: Option<Utc>,
}

/// Pins everything that `server` offers, as `approval` says.
///
/// Names of one server that are equal after folding are pinned but put aside, all of them.
///
/// # Errors
/// Those of [`Fetched::check`], and [`Error::Shown`] when two names would be shown as the same: the server's fault.
pub fn approve(server: &ServerName, fetched: &Fetched, approval: &Approval) -> Result<ServerPin, Error> {
    fetched.check()?;
    Ok(ServerPin {
        content: fetched.content.clone(),
        revision: fetched.revision.clone(),
        server_info: fetched.server_info.clone(),
        capabilities: fetched.capabilities.clone(),
        instructions: fetched.instructions.clone(),
        reviewer: approval.reviewer.clone(),
        approved_at: approval.at,
        expires: approval.expires,
        tools: pins(server, Kind::Tool, fetched)?,
        prompts: pins(server, Kind::Prompt, fetched)?,
        templates: pins(server, Kind::Template, fetched)?,
    })
}

fn pins(server: &ServerName, kind: Kind, fetched: &Fetched) -> Result<Vec<Pin>, Error> {
    let offered = fetched.of(kind);
    let folded = crowded(offered);
    let mut shown: BTreeMap<String, &str> = BTreeMap::new();
    let mut pins = Vec::with_capacity(offered.len());
    for (position, offered) in offered.iter().enumerate() {
        let name = match kind {
            Kind::Tool | Kind::Prompt => shown_as(server, &offered.name),
            Kind::Template => offered.name.clone(),
        };
        if let Some(first) = shown.insert(name.clone(), &offered.name) {
            return Err(Error::Shown { first: first.to_owned(), second: offered.name.clone(), shown: name });
        }
        pins.push(Pin {
            name: offered.name.clone(),
            shown_as: name,
            digest: offered.definition.digest(),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            aside: folded.get(&fold(&offered.name)).is_some_and(|count| *count > 1).then_some(Aside::Collision),
            definition: offered.definition.clone(),
        });
    }
    Ok(pins)
}

/// How many of `offered` share each folded name.
pub(crate) fn crowded(offered: &[Offered]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for offered in offered {
        *counts.entry(fold(&offered.name)).or_insert(0) += 1;
    }
    counts
}
