//! Roles as the decision point takes them, each entry with its place.

use crate::file::{Entry, Listing, Role};
use crate::load::Loaded;
use policy::{CedarSource, Discovery, Place, RoleSource, ServerEntries, Sources};
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{Name, ServerName};

/// The sources of the one policy set: the roles of the file, and the Cedar files beside it.
pub fn sources(loaded: &Loaded, file: &str, cedar: Vec<CedarSource>) -> Sources {
    let file: Arc<str> = file.into();
    let place = |path: &[&str]| {
        let found = loaded.place(path);
        Place::new(Arc::clone(&file), found.line, found.column)
    };
    let roles = loaded.file.roles.iter().map(|(name, role)| source(name, role, &place)).collect();
    Sources { servers: loaded.file.servers.keys().cloned().collect(), roles, cedar, ..Sources::default() }
}

fn source(name: &Name, role: &Role, place: &dyn Fn(&[&str]) -> Place) -> RoleSource {
    let mut source = RoleSource::new(name.clone(), place(&["roles", name.as_str()]));
    source.clearance = role.clearance;
    source.members = role
        .members
        .iter()
        .enumerate()
        .map(|(at, member)| policy::Entry::new(member.to_string(), place(&["roles", name.as_str(), "members", &at.to_string()])))
        .collect();
    source.when.clone_from(&role.when);
    source.hours = role.hours.as_ref().map(|hours| policy::Hours {
        within: policy::Entry::new(hours.within.as_str(), place(&["roles", name.as_str(), "hours", "in"])),
        strict: if hours.strict { policy::Strict::Refuse } else { policy::Strict::Alert },
    });
    source.allow = entries(name, "allow", &role.allow, place);
    source.grant = entries(name, "grant", &role.grant, place);
    let asked: BTreeMap<ServerName, Vec<Entry>> = role.ask.iter().map(|(server, ask)| (server.clone(), ask.tools.clone())).collect();
    source.ask = entries(name, "ask", &asked, place);
    source.limits = crate::quota::role(&role.limits);
    source.discovery = match role.listing {
        Listing::All => Discovery::List,
        Listing::Search => Discovery::Search,
    };
    source
}

fn entries(role: &Name, key: &str, by_server: &BTreeMap<ServerName, Vec<Entry>>, place: &dyn Fn(&[&str]) -> Place) -> Vec<ServerEntries> {
    let path = |server: &ServerName, at: Option<usize>| match at {
        None => place(&["roles", role.as_str(), key, server.as_str()]),
        Some(at) => place(&["roles", role.as_str(), key, server.as_str(), &at.to_string()]),
    };
    let listed = |entry: &Entry, at: usize, server: &ServerName| match entry {
        Entry::Under(entries, when) => {
            let place = |inner: usize| place(&["roles", role.as_str(), key, server.as_str(), &at.to_string(), "tools", &inner.to_string()]);
            let one = |(inner, entry): (usize, &Entry)| policy::Entry::new(entry.to_string(), place(inner)).when(when.clone());
            entries.iter().enumerate().map(one).collect()
        }
        plain => vec![policy::Entry::new(plain.to_string(), path(server, Some(at)))],
    };
    by_server
        .iter()
        .map(|(server, list)| ServerEntries {
            server: server.clone(),
            place: path(server, None),
            entries: list.iter().enumerate().flat_map(|(at, entry)| listed(entry, at, server)).collect(),
        })
        .collect()
}
