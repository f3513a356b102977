//! What the file may say that this release does not build: refused by name, in one table.

use crate::decode::show;
use crate::problem::{Fault, Place, Problem};
use crate::tree::{Node, Value};

/// When a row applies to the value that stands under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// It is there.
    Present,
    /// It is there and not empty.
    Filled,
    /// It is none of these words.
    Not(&'static [&'static str]),
}

/// One row: a known key or value that is not built yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBuilt {
    /// The key, `*` for any name or number.
    pub key: &'static str,
    when: When,
    /// What to do instead.
    pub instead: &'static str,
    /// A file in which only this row applies, used by its test.
    pub example: &'static str,
}

macro_rules! rows {
    ($( $key:literal $when:expr, $instead:literal, $example:literal; )*) => {
        const ROWS: &[NotBuilt] = &[$( NotBuilt { key: $key, when: $when, instead: $instead, example: $example } ),*];
    };
}

use When::{Filled, Not, Present};
const SCREEN: &[&str] = &["flag", "redact", "mask", "tokenise", "block"];

rows! {
    "profile" Not(&["local"]), "write `profile: local`", "profile: production";
    "vault.unlock" Not(&["keyfile", "passphrase"]), "write `unlock: keyfile` or `unlock: passphrase`", "vault: { unlock: keychain }";
    "vault.backend" Not(&["file"]), "leave `backend` out", "vault: { backend: aws }";
    "store" Not(&["embedded"]), "write `store: embedded`", "store: { postgres: vault:store/url }";
    "issuers" Filled, "leave `issuers` empty and use the built-in issuer", "issuers: [{ url: \"https://id.example.com\" }]";
    "servers.*.auth.oauth" Present, "use `auth: { bearer: vault:server/NAME }`",
        "servers: { a: { url: \"https://a.example.com\", auth: { oauth: { client: { id: x } } } } }";
    "roles.*.ask" Filled, "move the tools to `allow`, or leave them out", "servers: { a: { run: [a] } }\nroles: { r: { ask: { a: [w] } } }";
    "roles.*.grant" Filled, "move the tools to `allow`, or leave them out", "servers: { a: { run: [a] } }\nroles: { r: { grant: { a: [w] } } }";
    "roles.*.when.purpose" Present, "leave `purpose` out", "roles: { r: { when: { purpose: build } } }";
    "roles.*.when.taint" Present, "leave `taint` out", "roles: { r: { when: { taint: external } } }";
    "roles.*.when.anomaly" Present, "leave `anomaly` out", "roles: { r: { when: { anomaly: 3 } } }";
    "roles.*.allow.*.*.when.purpose" Present, "leave `purpose` out",
        "servers: { a: { run: [a] } }\nroles: { r: { allow: { a: [{ tools: [w], when: { purpose: build } }] } } }";
    "roles.*.allow.*.*.when.taint" Present, "leave `taint` out",
        "servers: { a: { run: [a] } }\nroles: { r: { allow: { a: [{ tools: [w], when: { taint: external } }] } } }";
    "roles.*.allow.*.*.when.anomaly" Present, "leave `anomaly` out",
        "servers: { a: { run: [a] } }\nroles: { r: { allow: { a: [{ tools: [w], when: { anomaly: 3 } }] } } }";
    "inspect.secrets.action" Not(SCREEN), "use flag, redact, mask, tokenise or block", "inspect: { secrets: { action: fence } }";
    "inspect.financial.action" Not(SCREEN), "use flag, redact, mask, tokenise or block", "inspect: { financial: { action: fence } }";
    "inspect.pii.action" Not(SCREEN), "use flag, redact, mask, tokenise or block", "inspect: { pii: { action: fence } }";
    "inspect.injection.action" Not(&["flag"]), "write `action: flag`", "inspect: { injection: { action: fence } }";
    "inspect.errors.action" Not(&["flag", "redact", "block"]), "use flag, redact or block", "inspect: { errors: { action: mask } }";
    "inspect.open_text.action" Not(&["flag", "block"]), "use flag or block", "inspect: { open_text: { action: redact } }";
    "inspect.media.images" Not(&["label"]), "write `images: label`", "inspect: { media: { images: refuse } }";
    "inspect.media.audio" Not(&["label"]), "write `audio: label`", "inspect: { media: { audio: refuse } }";
    "audit.siem" Filled, "leave `siem` empty and use `bastide audit export`", "audit: { siem: [{ syslog: \"tls://siem.internal:6514\" }] }";
    "audit.witness" Filled, "leave `witness` empty", "audit: { witness: [w] }";
    "approvals.notify" Filled, "leave `approvals` out", "approvals: { notify: [{ webhook: \"https://hooks.example.com/x\" }] }";
    "approvals.expire" Present, "leave `approvals` out", "approvals: { expire: 10m }";
    "approvals.quorum" Present, "leave `approvals` out", "approvals: { quorum: 2 }";
}

/// Every row: what is known and not built.
pub fn not_built() -> &'static [NotBuilt] {
    ROWS
}

/// The rows that apply to `root`.
pub(crate) fn check(root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in ROWS {
        let steps: Vec<&str> = row.key.split('.').collect();
        visit(root, root.place, &steps, &mut Vec::new(), row, &mut problems);
    }
    problems
}

fn visit<'a>(node: &'a Node, place: Place, steps: &[&str], path: &mut Vec<String>, row: &NotBuilt, problems: &mut Vec<Problem>) {
    let Some((step, rest)) = steps.split_first() else {
        problems.extend(applies(node, row.when).map(|value| {
            let key = show(path.iter().map(String::as_str));
            let message = format!("{key}{value} is known but not built in this release; {}", row.instead);
            Problem { place, key, fault: Fault::NotBuilt, message, nearest: None }
        }));
        return;
    };
    let children: Vec<(String, Place, &'a Node)> = match &node.value {
        Value::Map(members) => members.iter().map(|member| (member.key.clone(), member.place, &member.node)).collect(),
        Value::List(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item.place, item)).collect(),
        Value::Null | Value::Text { .. } => Vec::new(),
    };
    for (name, place, child) in children.into_iter().filter(|(name, ..)| *step == "*" || name == step) {
        path.push(name);
        visit(child, place, rest, path, row, problems);
        path.pop();
    }
}

/// What is shown of the value when the row applies.
fn applies(node: &Node, when: When) -> Option<String> {
    match (when, &node.value) {
        (_, Value::Null) => None,
        (Present, Value::Text { .. } | Value::List(_) | Value::Map(_)) => Some(String::new()),
        (Filled, Value::List(items)) => (!items.is_empty()).then(String::new),
        (Filled, Value::Map(members)) => (!members.is_empty()).then(String::new),
        (Filled, Value::Text { .. }) => Some(String::new()),
        (Not(built), Value::Text { text, .. }) => {
            (!built.contains(&text.as_str())).then(|| format!(" {:?}", text.chars().take(60).collect::<String>()))
        }
        (Not(_), Value::List(_) | Value::Map(_)) => Some(String::new()),
    }
}
