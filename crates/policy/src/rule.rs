//! One line that decides.

use crate::{Obligation, Pattern, Place, When};
use std::sync::Arc;
use terms::{Label, Name, ServerName};

/// What a rule does when it applies. Ordered from loosest to strictest: the strictest that applies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It passes.
    Allow,
    /// It waits for a person.
    Ask,
    /// It is closed until a person grants it.
    Grant,
    /// It is refused, whatever else applies.
    Forbid,
}

impl Effect {
    /// The key in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Grant => "grant",
            Self::Forbid => "forbid",
        }
    }
}

/// Where a rule's text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An entry of a role.
    Entry {
        /// The role.
        role: Name,
        /// For this server.
        server: ServerName,
        /// What it speaks of.
        pattern: Pattern,
        /// What must hold beside.
        when: When,
    },
    /// A Cedar file.
    Cedar,
}

/// One rule: an entry of a role, or a policy of a Cedar file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique in its engine: `ROLE.EFFECT.SERVER[N]`, or `FILE#N` or its `@id`.
    pub id: Arc<str>,
    /// Where it stands.
    pub place: Place,
    /// What the operator wrote: the entry, or the Cedar text.
    pub text: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// The highest label that it lets out.
    pub clearance: Label,
    /// What must be done beside, without the clearance.
    pub obligations: Arc<[Obligation]>,
    /// The role to whose members alone it applies.
    pub(crate) scope: Option<Name>,
    pub(crate) origin: Origin,
}

impl Rule {
    /// The role that it belongs to, if it is an entry of one.
    pub const fn role(&self) -> Option<&Name> {
        match &self.origin {
            Origin::Entry { role, .. } => Some(role),
            Origin::Cedar => None,
        }
    }
}
