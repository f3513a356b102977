//! The file that `bastide init` writes.

use crate::file::Profile;
use std::fmt::Write as _;
use terms::{Name, ServerName};

/// A server that the first file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// Its name.
    pub name: ServerName,
    /// Its argument vector; empty for a server elsewhere.
    pub run: Vec<String>,
    /// Its address; `None` for one that is started here.
    pub url: Option<String>,
    /// Folders that it may write.
    pub write: Vec<String>,
}

/// Words by which servers of source code are known, in their names, commands and addresses.
const OF_SOURCE: [&str; 6] = ["filesystem", "git", "github", "gitlab", "gitea", "bitbucket"];

impl Starter {
    /// Whether it is known to be one of source code.
    fn is_of_source(&self) -> bool {
        let told = std::iter::once(self.name.as_str()).chain(self.run.iter().map(String::as_str)).chain(self.url.as_deref());
        let mut words = told.flat_map(|text| text.split(|letter: char| !letter.is_ascii_alphanumeric()));
        words.any(|word| OF_SOURCE.iter().any(|known| word.eq_ignore_ascii_case(known)))
    }
}

/// The commented starting file for `user`, with `servers`; valid under [`crate::load`] for a profile that is built.
///
/// The first role lets the user's agents read: tools that start with read, get, list or search.
pub fn init_text(profile: Profile, user: &Name, servers: &[Starter]) -> String {
    let mut out = String::from(
        "# yaml-language-server: $schema=./bastide.schema.json\n\
         # What agents may do on this machine. What is not allowed here is refused; `bastide explain` says why.\n\
         # An absent key has its default; `bastide schema` prints all of them.\n",
    );
    let _ = writeln!(out, "profile: {}", profile.as_str());
    out.push_str(
        "state: ~/.local/state/bastide        # audit log, vault, sockets; mode 0700\n\
         listen:\n  \
           data:  { address: 127.0.0.1:8420 }   # for agents\n  \
           admin: { address: 127.0.0.1:8421 }   # for people\n\
         vault: { unlock: keyfile }            # or passphrase; values are put in with `bastide secret put`\n\n\
         # Who may look, decide and stop.\n\
         people:\n",
    );
    let _ = writeln!(out, "  - {{ name: {}, may: [view, approve, operate, audit, kill] }}\n", quoted(user.as_str()));
    out.push_str("# The servers behind the gateway: `run` starts one here, `url` names one elsewhere. `bastide lock` approves them.\n");
    out.push_str(if servers.is_empty() { "servers: {}\n" } else { "servers:\n" });
    for server in servers {
        let _ = writeln!(out, "  {}:", server.name);
        match &server.url {
            Some(url) => {
                let _ = writeln!(out, "    url: {}", quoted(url));
            }
            None => {
                let _ = writeln!(out, "    run: [{}]", list(&server.run));
                let _ = writeln!(out, "    sandbox: {{ read: [], write: [{}], egress: [] }}", list(&server.write));
            }
        }
    }
    if servers.is_empty() {
        out.push_str(
            "#   files:\n\
             #     run: [node, /opt/mcp/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js, /home/ana/work]\n\
             #     sandbox: { write: [/home/ana/work] }\n\
             #   github:\n\
             #     url: https://mcp.example.com/mcp\n\
             #     auth: { bearer: vault:github/token }\n",
        );
    }
    out.push_str("\n# Who may use what: globs on tool names, prompt:GLOB, resource:GLOB; nothing else passes.\nroles:\n  reader:\n");
    let _ = writeln!(out, "    members: [{}]", quoted(&format!("user:{user}")));
    out.push_str("    clearance: internal                # the highest label that its members receive\n");
    out.push_str(if servers.is_empty() { "    allow: {}\n" } else { "    allow:\n" });
    for server in servers {
        let _ = writeln!(out, "      {}: [\"read_*\", \"get_*\", \"list_*\", \"search_*\"]", server.name);
    }
    out.push_str("    limits: { calls: 120/min, repeats: 300 }\n\n");
    out.push_str("# What happens to what the screens find, in both directions: strict, balanced, or code.\ninspect:\n");
    out.push_str(match servers.iter().any(Starter::is_of_source) {
        true => "  preset: code          # there is a server of source code: authors and maintainers stay readable, secrets and numbers do not\n",
        false => "  preset: balanced      # code, where servers of source code are added: authors and maintainers stay readable\n",
    });
    out.push_str(
        "  injection: { action: flag }\n\n\
         audit: { retain: 400d }\n\n\
         # Named, reasoned, ending exceptions.\n\
         accept_risk: []\n",
    );
    out
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")
}

/// A double-quoted YAML scalar; JSON strings are a part of those.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
