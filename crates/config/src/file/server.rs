//! A server behind the gateway.

use super::limit::Served;
use super::listen::Revision;
use crate::decode::{Decode, Reader, choice, parsed, section};
use crate::tree::Node;
use crate::unit::{Size, Span};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use terms::{Label, Trust};
use url::Host;

section! {
    /// A server: one that is started here (run, image) or one elsewhere (url).
    Server {
        /// The argument vector; a bare first word is looked up in /usr/local/bin, /usr/bin and /bin. Beside image: the words behind the image.
        run, "run": Vec<String> = Vec::new();
        /// The image that it is started from, by its registry and digest: registry/name@sha256:…
        image, "image": Option<String> = None;
        /// Its address.
        url, "url": Option<url::Url> = None;
        /// Environment variables.
        env, "env": BTreeMap<Environment, String> = BTreeMap::new();
        /// Environment variables that are filled from the vault.
        secrets, "secrets": BTreeMap<Environment, Reference> = BTreeMap::new();
        /// How it knows us.
        auth, "auth": Option<Auth> = None;
        /// How a server elsewhere is spoken to.
        transport, "transport": Transport = Transport::Http;
        /// How we know it.
        tls, "tls": Option<TlsPins> = None;
        /// What it may reach and use up.
        sandbox, "sandbox": Sandbox = Sandbox::default();
        /// The longest time of one call.
        call, "call": Span = Span::seconds(30);
        /// One process for each session, or one for all.
        instances, "instances": Instances = Instances::Session;
        /// After how long without a call it is ended.
        idle, "idle": Span = Span::seconds(600);
        /// What happens when it dies.
        restart, "restart": Restart = Restart::default();
        /// The revision that it speaks; absent: found out once, then pinned.
        revision, "revision": Option<Revision> = None;
        /// Whether strangers may have written what it returns; absent: from where it can reach.
        trust, "trust": Option<Trust> = None;
        /// The highest label that it may be sent; absent: public for an external server, restricted for an internal one.
        clearance, "clearance": Option<Label> = None;
        /// The label of what it returns; absent: public.
        label, "label": Option<Label> = None;
        /// How much may be asked of it, and so of what is behind it.
        limits, "limits": Served = Served::default();
        /// How much of a resource it gives at once.
        resources, "resources": Pages = Pages::default();
    }
}

impl Server {
    /// Whether it is started here: a program of this machine, or an image.
    pub const fn is_local(&self) -> bool {
        self.url.is_none()
    }

    /// Whether it is a program of this machine, which our own sandbox holds.
    pub const fn is_program(&self) -> bool {
        self.is_local() && self.image.is_none()
    }

    /// Its trust: as written, else external with a public address or public egress.
    pub fn trust(&self) -> Trust {
        let public = self.url.as_ref().is_some_and(|url| url.host().is_none_or(|host| is_public(&host)))
            || self.sandbox.egress.iter().any(|target| is_public_target(target));
        match self.trust {
            Some(trust) => trust,
            None if public => Trust::External,
            None => Trust::Internal,
        }
    }

    /// The highest label that it may be sent.
    pub fn clearance(&self) -> Label {
        self.clearance.unwrap_or(match self.trust() {
            Trust::External => Label::Public,
            Trust::Internal => Label::Restricted,
        })
    }

    /// The label of what it returns, unless a tool's rule says otherwise.
    pub fn label(&self) -> Label {
        self.label.unwrap_or(Label::Public)
    }
}

fn is_public_target(target: &str) -> bool {
    let target = target.split_once("://").map_or(target, |(_, rest)| rest);
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host).trim_start_matches("*.");
    // A network is as public as its first address: what is wider than one sort of addresses opens no inner one.
    let host = match host.split_once('/') {
        Some((first, _)) if first.starts_with('[') => format!("{first}]"),
        Some((first, _)) => first.to_owned(),
        None => host.to_owned(),
    };
    Host::parse(&host).map_or(true, |host| is_public(&host.as_ref_str()))
}

/// Lets an owned host be judged like a borrowed one.
trait AsRefStr {
    fn as_ref_str(&self) -> Host<&str>;
}

impl AsRefStr for Host<String> {
    fn as_ref_str(&self) -> Host<&str> {
        match self {
            Self::Domain(name) => Host::Domain(name),
            Self::Ipv4(address) => Host::Ipv4(*address),
            Self::Ipv6(address) => Host::Ipv6(*address),
        }
    }
}

/// Whether `host` can be outside the house: all but loopback, private and link-local addresses, bare names, and names
/// under `localhost`, `internal`, `local`, `lan`, `home.arpa`.
fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => !inside_v4(*address),
        Host::Ipv6(address) => !address.to_ipv4_mapped().map_or_else(|| inside_v6(*address), inside_v4),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let inner = ["localhost", "internal", "local", "lan", "home.arpa"];
            name.contains('.') && !inner.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        }
    }
}

fn inside_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local()
}

fn inside_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
}

/// The name of an environment variable: a letter or `_`, then letters, digits and `_`, at most 128.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment(Box<str>);

impl Environment {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Environment {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if text.is_empty() || text.len() > 128 || !good || text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self(text.into()))
    }
}

impl Decode for Environment {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, "the name of an environment variable")
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$"})
    }
}

/// A credential by its place in the vault, written `vault:OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    owner: Box<str>,
    name: Box<str>,
}

impl Reference {
    /// Whose it is, mostly a server's.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// `OWNER/NAME`, as `bastide secret put` takes it.
impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for Reference {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (owner, name) = text.strip_prefix("vault:").and_then(|rest| rest.split_once('/')).ok_or(())?;
        terms::ServerName::new(owner).map_err(drop)?;
        let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if name.is_empty() || name.len() > 128 || !good || name.starts_with('.') {
            return Err(());
        }
        Ok(Self { owner: owner.into(), name: name.into() })
    }
}

impl Decode for Reference {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = node.text().and_then(|text| text.parse().ok());
        if found.is_none() {
            // The value may be the credential itself: it is not repeated.
            let key = reader.key();
            let message =
                format!("{key} must be a place in the vault such as vault:server/NAME; put the value there with `bastide secret put`");
            reader.note(node.place, crate::Fault::Value, message, None);
        }
        found
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "pattern": "^vault:[a-z0-9-]{1,32}/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$"})
    }
}

/// Where a private key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the vault.
    Vault(Reference),
    /// In a file.
    File(PathBuf),
}

impl Decode for KeySource {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = node.text().unwrap_or_default();
        if text.starts_with('/') || text.starts_with("~/") {
            return PathBuf::decode(node, reader).map(Self::File);
        }
        Reference::decode(node, reader).map(Self::Vault)
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [Reference::schema(), {"type": "string", "pattern": "^(/|~/).+$"}]})
    }
}

section! {
    /// How much of a resource is given at once: the rest is further pages.
    defaulted Pages {
        /// The most bytes.
        max, "max": Size = Size::kibibytes(256);
        /// The most lines.
        lines, "lines": u32 = 10_000;
        /// Labels by address; the first that matches counts, and where none does, the server's.
        labels, "labels": Vec<Labelled> = Vec::new();
    }
}

section! {
    /// The label of some resources.
    Labelled {
        /// A glob on their addresses, as the server writes them.
        uri, "uri": policy::Glob;
        /// Their label.
        label, "label": Label;
    }
}

section! {
    /// How a server knows us.
    Auth {
        /// A token that is sent as it is.
        bearer, "bearer": Option<Reference> = None;
        /// Tokens that are fetched from its authorization server.
        oauth, "oauth": Option<Oauth> = None;
        /// A certificate of ours.
        certificate, "certificate": Option<Certificate> = None;
    }
}

section! {
    /// OAuth towards a server.
    Oauth {
        /// Who we are there.
        client, "client": Client;
    }
}

section! {
    /// A client at an authorization server.
    Client {
        /// Its id.
        id, "id": Option<String> = None;
        /// Its secret.
        secret, "secret": Option<Reference> = None;
        /// What is asked for.
        scopes, "scopes": Vec<String> = Vec::new();
    }
}

section! {
    /// A certificate of ours.
    Certificate {
        /// The file of the chain.
        chain, "chain": PathBuf;
        /// Its key.
        key, "key": Reference;
    }
}

section! {
    /// How we know a server.
    TlsPins {
        /// Keys that its certificate must have one of, sha256/ and base64 of the subject public key info.
        pin, "pin": Vec<String> = Vec::new();
        /// The last day on which another key is put on record and not refused: while pins are tried out.
        report_until, "report_until": Option<jiff::civil::Date> = None;
        /// The file of the authorities that its certificate may come from, beside those of the system.
        ca, "ca": Option<PathBuf> = None;
        /// The file of what the authorities of its chain have taken back, a list of each (PEM).
        crl, "crl": Option<PathBuf> = None;
    }
}

section! {
    /// What a local server may reach and use up.
    defaulted Sandbox {
        /// Folders that it may read.
        read, "read": Vec<PathBuf> = Vec::new();
        /// Folders that it may read and write.
        write, "write": Vec<PathBuf> = Vec::new();
        /// host:port or protocol://host:port that it may connect to; a host is a name, "*." and a name, an address or a network.
        egress, "egress": Vec<String> = Vec::new();
        /// How much it may send and get there.
        traffic, "traffic": Traffic = Traffic::default();
        /// Memory.
        memory, "memory": Size = Size::mebibytes(512);
        /// Cores.
        cpu, "cpu": u32 = 1;
        /// Processes and threads.
        processes, "processes": u32 = 64;
        /// Open files.
        files, "files": u32 = 256;
    }
}

section! {
    /// How much a local server may send and get, over all of its processes together.
    defaulted Traffic {
        /// Connections at once.
        connections, "connections": u32 = 64;
        /// New connections a second.
        opening, "opening": u32 = 64;
        /// Bytes that it sends within an hour.
        out, "out": Size = Size::mebibytes(1024);
        /// Bytes that it gets within an hour.
        back, "back": Size = Size::mebibytes(16 * 1024);
        /// Bytes a second, each way.
        rate, "rate": Size = Size::mebibytes(256);
    }
}

choice! {
    /// How messages go to a server elsewhere and back.
    Transport {
        /// Streamable HTTP.
        Http = "http",
        /// HTTP+SSE, as revision 2024-11-05 has it.
        Sse = "sse",
    }
}

choice! {
    /// How many processes a local server has.
    Instances {
        /// One for each session key.
        Session = "session",
        /// One for all.
        Shared = "shared",
    }
}

section! {
    /// What happens when a server dies.
    defaulted Restart {
        /// The first wait; it doubles.
        delay, "delay": Span = Span::seconds(1);
        /// How often within the time below.
        most, "most": u32 = 5;
        /// The time in which deaths are counted.
        within, "within": Span = Span::seconds(600);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_house_is_public() {
        for public in
            ["api.example.com:443", "8.8.8.8:53", "*.example.com:443", "[2001:db8::1]:443", "ssh://git.example.com:22", "8.8.0.0/16:53"]
        {
            assert!(is_public_target(public), "{public}");
        }
        for inner in [
            "db.internal:5432",
            "localhost:1",
            "10.0.0.1:1",
            "127.0.0.1:1",
            "[::1]:1",
            "[fd00::1]:1",
            "db:5432",
            "ssh://db.internal:22",
            "10.0.0.0/8:1",
            "[fd00::/8]:1",
        ] {
            assert!(!is_public_target(inner), "{inner}");
        }
    }

    #[test]
    fn references_have_an_owner_and_a_name() {
        assert_eq!("vault:github/token".parse::<Reference>().unwrap().to_string(), "github/token");
        for bad in ["github/token", "vault:github", "vault:/x", "vault:a/", "vault:a/b/c", "vault:A/b", "vault:a/../b", "vault:a/.."] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
