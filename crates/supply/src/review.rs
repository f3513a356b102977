//! What a person is shown of a server before they approve it, bound so that nothing else can be approved by their yes.

use crate::{Approval, Content, Definition, Difference, Digest, Error, Fetched, Kind, ServerPin, approve, compare, visible};
use serde::Serialize;
use terms::ServerName;

/// What the digest covers before the review, so that it cannot be taken for the digest of something else.
const DOMAIN: &[u8] = b"dev.bastide/review/v1\n";

/// One look at a server: what was approved of it, and what it offers.
#[derive(Clone, Debug)]
pub struct Review {
    server: ServerName,
    pinned: Option<ServerPin>,
    fetched: Fetched,
    difference: Option<Difference>,
}

/// All that the digest covers; lists in the order of their names, since order does not count.
#[derive(Serialize)]
struct Bound<'a> {
    server: &'a ServerName,
    pinned: Option<&'a ServerPin>,
    content: &'a Content,
    revision: &'a str,
    server_info: &'a Definition,
    capabilities: &'a Definition,
    instructions: Option<&'a str>,
    tools: Vec<(&'a str, &'a Definition)>,
    prompts: Vec<(&'a str, &'a Definition)>,
    templates: Vec<(&'a str, &'a Definition)>,
}

impl Review {
    /// Sets what `server` offers beside what was approved of it, if anything was.
    ///
    /// # Errors
    /// Those of [`Fetched::check`]: the server's fault.
    pub fn new(server: &ServerName, pinned: Option<&ServerPin>, fetched: Fetched) -> Result<Self, Error> {
        fetched.check()?;
        let difference = pinned.map(|pinned| compare(pinned, &fetched));
        Ok(Self { server: server.clone(), pinned: pinned.cloned(), fetched, difference })
    }

    /// What was approved.
    pub const fn pinned(&self) -> Option<&ServerPin> {
        self.pinned.as_ref()
    }

    /// Whether there is anything to approve.
    pub fn differs(&self) -> bool {
        self.difference.as_ref().is_none_or(|difference| !difference.is_empty())
    }

    /// What is new, gone and different; of a server that was never approved everything is new.
    pub fn difference(&self) -> Difference {
        self.difference.clone().unwrap_or_else(|| {
            let mut first = Difference::default();
            for kind in Kind::ALL {
                first.added.extend(self.fetched.of(kind).iter().map(|one| crate::Item { kind, name: one.name.clone() }));
            }
            first
        })
    }

    /// The digest that a yes carries: over what was approved before and all that is offered, which together make what is shown.
    ///
    /// # Errors
    /// [`Error::Print`], which nothing that [`Review::new`] took meets.
    pub fn digest(&self) -> Result<Digest, Error> {
        let sorted = |kind| {
            let mut list: Vec<_> = self.fetched.of(kind).iter().map(|one| (one.name.as_str(), &one.definition)).collect();
            list.sort_by_key(|(name, _)| *name);
            list
        };
        let bound = Bound {
            server: &self.server,
            pinned: self.pinned.as_ref(),
            content: &self.fetched.content,
            revision: &self.fetched.revision,
            server_info: &self.fetched.server_info,
            capabilities: &self.fetched.capabilities,
            instructions: self.fetched.instructions.as_deref(),
            tools: sorted(Kind::Tool),
            prompts: sorted(Kind::Prompt),
            templates: sorted(Kind::Template),
        };
        let mut bytes = DOMAIN.to_vec();
        serde_json::to_writer(&mut bytes, &bound).map_err(Error::Print)?;
        Ok(Digest::of(&bytes))
    }

    /// Pins what is offered.
    ///
    /// # Errors
    /// Those of [`approve`].
    pub fn approve(&self, approval: &Approval) -> Result<ServerPin, Error> {
        approve(&self.server, &self.fetched, approval)
    }

    /// The review for a person, hidden characters made visible; nothing where nothing differs.
    pub fn render(&self) -> String {
        let server = &self.server;
        match &self.difference {
            Some(difference) if difference.is_empty() => String::new(),
            Some(difference) => {
                let described = difference.added.iter().filter_map(|item| {
                    let one = self.fetched.of(item.kind).iter().find(|one| one.name == item.name)?;
                    Some(format!("+ {} {}: {}\n", item.kind.as_str(), visible(&item.name), visible(one.definition.as_str())))
                });
                format!("~ {server} differs from what was approved\n{}{}\n", difference.render(), described.collect::<String>())
            }
            None => {
                let mut text = format!("+ {server}  {}\n", visible(&self.fetched.content.to_string()));
                for kind in Kind::ALL {
                    for one in self.fetched.of(kind) {
                        let described = one.definition.text("description").unwrap_or_default();
                        let line: String = visible(described.lines().next().unwrap_or_default()).chars().take(90).collect();
                        text.push_str(&format!("  + {} {}  {line}\n", kind.as_str(), visible(&one.name)));
                    }
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Offered, Transport};
    use terms::{Name, Utc};

    fn fetched(tools: &[&str]) -> Fetched {
        Fetched {
            content: Content::Remote { url: "https://mcp.example.com/".into(), transport: Transport::default(), spki: Vec::new() },
            revision: "2025-11-25".into(),
            server_info: Definition::empty(),
            capabilities: Definition::empty(),
            instructions: None,
            tools: tools.iter().map(|text| Offered::parse(Kind::Tool, text.as_bytes()).unwrap()).collect(),
            prompts: Vec::new(),
            templates: Vec::new(),
        }
    }

    fn review(pinned: Option<&ServerPin>, tools: &[&str]) -> Review {
        Review::new(&ServerName::new("files").unwrap(), pinned, fetched(tools)).unwrap()
    }

    #[test]
    fn a_yes_counts_for_what_was_shown_and_nothing_else() {
        let (one, two) = (r#"{"name":"a","description":"x"}"#, r#"{"name":"b"}"#);
        let first = review(None, &[one, two]);
        assert!(first.differs());
        assert_eq!(first.digest().unwrap(), review(None, &[two, one]).digest().unwrap(), "order does not count");
        let approval = Approval { reviewer: Name::new("ana").unwrap(), at: Utc::from_seconds(1), expires: None };
        let pin = first.approve(&approval).unwrap();
        for other in [review(None, &[one]), review(None, &[r#"{"name":"a","description":"y"}"#, two]), review(Some(&pin), &[one, two])] {
            assert_ne!(first.digest().unwrap(), other.digest().unwrap());
        }
        assert!(!review(Some(&pin), &[two, one]).differs());
    }

    #[test]
    fn what_is_new_is_shown_whole() {
        let approval = Approval { reviewer: Name::new("ana").unwrap(), at: Utc::from_seconds(1), expires: None };
        let pin = review(None, &[r#"{"name":"a"}"#]).approve(&approval).unwrap();
        let shown = review(Some(&pin), &[r#"{"name":"a"}"#, "{\"name\":\"b\",\"description\":\"do \u{200B}this\"}"]).render();
        assert!(shown.contains("do <U+200B>this"), "{shown}");
    }
}
