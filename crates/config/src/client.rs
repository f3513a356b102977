//! A plain `{"mcpServers": {...}}` file as a start. See `docs/decisions/0001-client-files-start-for-one-user.md`.

use crate::cross::sounds_secret;
use crate::decode::{Decode, Reader};
use crate::file::{Entry, File, Limits, Listing, Member, Role, Server};
use crate::problem::{Fault, Place, Problem};
use crate::tree::{Member as Field, Node, Value};
use crate::unit::{Rate, Several, Unit};
use std::collections::BTreeMap;
use terms::{Label, Name, ServerName};

/// Reads the servers of `root` and gives `user` one role over them.
pub(crate) fn read(root: &Node, user: Option<&Name>, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Option<File> {
    let mut file = File::default();
    let Value::Map(members) = &root.value else { return None };
    for member in members.iter().filter(|member| member.key != "mcpServers") {
        warnings.push(note(member.place, &member.key, Fault::Warning, format!("{:?} is not used from a client's file", member.key)));
    }
    let servers = &root.member("mcpServers")?.node;
    let Value::Map(entries) = &servers.value else {
        problems.push(note(servers.place, "mcpServers", Fault::Value, format!("mcpServers must be a mapping, not {}", servers.sort())));
        return None;
    };
    for entry in entries {
        let Some(name) = server_name(&entry.key) else {
            let message = format!("{:?} cannot become a server's name of a-z, 0-9 and inner hyphens; rename it", entry.key);
            problems.push(note(entry.place, &key(&entry.key, ""), Fault::Value, message));
            continue;
        };
        if name.as_str() != entry.key {
            warnings.push(note(entry.place, &key(&entry.key, ""), Fault::Warning, format!("{:?} is called {name} here", entry.key)));
        }
        let Some(server) = read_server(entry, &name, problems, warnings) else { continue };
        if file.servers.insert(name.clone(), server).is_some() {
            problems.push(note(
                entry.place,
                &key(&entry.key, ""),
                Fault::Misfit,
                format!("two servers would be called {name}; rename one"),
            ));
        }
    }
    match user {
        Some(user) => {
            file.roles.insert(Name::new("owner").ok()?, owner(user, &file));
            let message = format!(
                "this is a client's file: user:{user} may use everything of its servers; `bastide init` writes a file with narrower roles"
            );
            warnings.push(note(root.place, "", Fault::Warning, message));
        }
        None => warnings.push(note(
            root.place,
            "",
            Fault::Warning,
            "this is a client's file and the user is not known: nobody may use its servers".into(),
        )),
    }
    Some(file)
}

fn owner(user: &Name, file: &File) -> Role {
    Role {
        members: policy::Glob::new(user.as_str()).map(Member::User).into_iter().collect(),
        clearance: Label::Public,
        when: policy::When::default(),
        allow: file.servers.keys().map(|server| (server.clone(), vec![Entry::Everything])).collect(),
        ask: BTreeMap::new(),
        grant: BTreeMap::new(),
        limits: Limits { calls: Several(vec![Rate { count: 120, per: Unit::Minute }]), ..Limits::default() },
        hours: None,
        listing: Listing::All,
    }
}

fn server_name(text: &str) -> Option<ServerName> {
    let plain: String = text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    ServerName::new(plain.trim_matches('-')).ok()
}

/// Reads one entry by building the mapping of our own form and decoding that.
fn read_server(entry: &Field, name: &ServerName, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Option<Server> {
    let Value::Map(members) = &entry.node.value else {
        problems.push(note(entry.place, &key(&entry.key, ""), Fault::Value, format!("{:?} must be a mapping", entry.key)));
        return None;
    };
    let mut own = Vec::new();
    let mut run = Vec::new();
    for member in members {
        match (member.key.as_str(), &member.node.value) {
            ("command", Value::Text { .. }) => run.insert(0, member.node.clone()),
            ("args", Value::List(items)) => run.extend(items.iter().cloned()),
            ("env" | "url", _) => own.push(member.clone()),
            ("headers", Value::Map(headers)) => {
                for header in headers {
                    let message = if sounds_secret(&header.key) {
                        format!(
                            "the header {:?} of {name} looks like a credential in plain text and is not sent; run `bastide secret put {name}/token` and write `auth: {{ bearer: vault:{name}/token }}`",
                            header.key
                        )
                    } else {
                        format!("the header {:?} of {name} is not sent", header.key)
                    };
                    warnings.push(note(header.place, &key(&entry.key, "headers"), Fault::Warning, message));
                }
            }
            ("type", Value::Text { text, .. }) if matches!(text.as_str(), "stdio" | "http" | "streamable-http" | "streamableHttp") => {}
            ("type", Value::Text { text, .. }) => {
                let message = format!("{name} speaks {text:?}, which is not spoken here; give it streamable HTTP or stdio");
                problems.push(note(member.place, &key(&entry.key, "type"), Fault::NotBuilt, message));
            }
            _ => {
                let message = format!("{:?} of {name} is not used from a client's file", member.key);
                warnings.push(note(member.place, &key(&entry.key, &member.key), Fault::Warning, message));
            }
        }
    }
    if !run.is_empty() {
        let node = Node { place: entry.place, value: Value::List(run) };
        own.push(Field { key: "run".into(), place: entry.place, node });
    }
    let mut reader = Reader::default();
    let node = Node { place: entry.place, value: Value::Map(own) };
    let server = reader.within("mcpServers", |reader| reader.within(&entry.key, |reader| Server::decode(&node, reader)));
    problems.append(&mut reader.problems);
    server
}

fn key(server: &str, rest: &str) -> String {
    if rest.is_empty() { format!("mcpServers.{server}") } else { format!("mcpServers.{server}.{rest}") }
}

fn note(place: Place, key: &str, fault: Fault, message: String) -> Problem {
    Problem { place, key: key.to_owned(), fault, message, nearest: None }
}
