//! What a server offers right now.

use crate::{Content, Definition, Error};
use serde::Serialize;
use std::collections::BTreeSet;

/// The sort of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A tool, by its name.
    Tool,
    /// A prompt, by its name.
    Prompt,
    /// A resource template, by its `uriTemplate`.
    Template,
}

impl Kind {
    /// Every sort.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Prompt, Self::Template];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Template => "template",
        }
    }

    /// The member of a definition that says what it is called.
    const fn key(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Template => "uriTemplate",
        }
    }
}

/// A definition's place in a server: its sort and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Item {
    /// Its sort.
    pub kind: Kind,
    /// Its name, as the server spells it.
    pub name: String,
}

/// One definition as its server states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// What it says.
    pub definition: Definition,
}

impl Offered {
    /// A definition of sort `kind`, from the bytes of its JSON object; the name is read from it.
    ///
    /// # Errors
    /// Those of [`Definition::parse`], and [`Error::Definition`] when it has no name: the server's fault.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, Error> {
        let definition = Definition::parse(bytes)?;
        let name = definition.text(kind.key()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::Definition(format!("a {} needs the text `{}`", kind.as_str(), kind.key())))?;
        Ok(Self { name, definition })
    }
}

/// All that was fetched from a server in one go, in its own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What was started or dialled.
    pub content: Content,
    /// The revision of the protocol that was agreed on.
    pub revision: String,
    /// `serverInfo`.
    pub server_info: Definition,
    /// `capabilities`.
    pub capabilities: Definition,
    /// `instructions`.
    pub instructions: Option<String>,
    /// Its tools.
    pub tools: Vec<Offered>,
    /// Its prompts.
    pub prompts: Vec<Offered>,
    /// Its resource templates.
    pub templates: Vec<Offered>,
}

impl Fetched {
    /// The definitions of one sort.
    pub fn of(&self, kind: Kind) -> &[Offered] {
        match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Template => &self.templates,
        }
    }

    /// Checks that every definition carries the name it is listed under, and none is listed twice.
    ///
    /// # Errors
    /// [`Error::Misnamed`] and [`Error::Twice`]: the server's fault.
    pub fn check(&self) -> Result<(), Error> {
        for kind in Kind::ALL {
            let mut seen = BTreeSet::new();
            for offered in self.of(kind) {
                let own = offered.definition.text(kind.key()).unwrap_or_default();
                if own != offered.name {
                    return Err(Error::Misnamed { listed: offered.name.clone(), own });
                }
                if !seen.insert(offered.name.as_str()) {
                    return Err(Error::Twice { kind: kind.as_str(), name: offered.name.clone() });
                }
            }
        }
        Ok(())
    }
}
