//! The file as types: every key of the skeleton, its meaning and its default.

mod inspect;
mod limit;
mod listen;
mod prompt;
mod role;
mod server;
mod telemetry;
mod tool;
mod when;

pub use inspect::{Action, Inspect, Media, MediaAction, Pattern, Personal, Preset, Screen, Suppression};
pub use limit::{Each, Limits, Served, Together};
pub use listen::{Admin, Bounds, Ca, Data, Issuing, Listen, ListenTls, OwnTls, Revision, TlsFiles};
pub use policy::{Member, When};
pub use prompt::{Prompt, PromptMessage, PromptRole};
pub use role::{Ask, Entry, Hours, Listing, Once, Question, Role};
pub use server::{
    Auth, Certificate, Client, Environment, Instances, KeySource, Labelled, Oauth, Pages, Reference, Restart, Sandbox, Server, TlsPins,
    Traffic, Transport,
};
pub use telemetry::{Authorities, Telemetry};
pub use tool::{Argument, Denied, FreeText, GuardKind, JsonType, PartName, Portion, ResultRule, Split, Tool, ToolKey};

use crate::decode::{Decode, Reader, choice, section};
use crate::tree::{Node, Value};
use crate::unit::Span;
use std::collections::BTreeMap;
use std::path::PathBuf;
use terms::{Control, Name, ServerName};

section! {
    /// The whole file.
    defaulted File {
        /// How much is demanded at start: local or production.
        profile, "profile": Profile = Profile::Local;
        /// The folder of the state; `~` is the home folder.
        state, "state": PathBuf = PathBuf::from("~/.local/state/bastide");
        /// The two listeners.
        listen, "listen": Listen = Listen::default();
        /// The certificate authority of our own.
        ca, "ca": Option<Ca> = None;
        /// How the vault is unlocked and where it is.
        vault, "vault": Vault = Vault::default();
        /// Where state is kept.
        store, "store": Store = Store::Embedded;
        /// Outside issuers of tokens; empty means the built-in one.
        issuers, "issuers": Vec<Issuer> = Vec::new();
        /// Bounds on messages, streams and connections.
        bounds, "bounds": Bounds = Bounds::default();
        /// How names are resolved.
        dns, "dns": Dns = Dns::default();
        /// The proxy, http://HOST:PORT, that connections to public addresses go through; none: they go straight.
        proxy, "proxy": Option<url::Url> = None;
        /// The operators.
        people, "people": Vec<Person> = Vec::new();
        /// The servers behind the gateway.
        servers, "servers": BTreeMap<ServerName, Server> = BTreeMap::new();
        /// The roles; what no role allows is refused.
        roles, "roles": BTreeMap<Name, Role> = BTreeMap::new();
        /// What is known about single tools, by server__tool.
        tools, "tools": BTreeMap<ToolKey, Tool> = BTreeMap::new();
        /// Templates of prompts that were approved, by server__prompt: what else a server makes of one is refused.
        prompts, "prompts": BTreeMap<ToolKey, Prompt> = BTreeMap::new();
        /// What the screens do with what they find.
        inspect, "inspect": Inspect = Inspect::default();
        /// The audit log.
        audit, "audit": Audit = Audit::default();
        /// Who is told how calls went; absent: nobody.
        telemetry, "telemetry": Option<Telemetry> = None;
        /// How people are asked.
        approvals, "approvals": Approvals = Approvals::default();
        /// Named, reasoned, ending exceptions to controls.
        accept_risk, "accept_risk": Vec<AcceptedRisk> = Vec::new();
    }
}

choice! {
    /// How much is demanded at start.
    Profile {
        /// One user on one machine.
        Local = "local",
        /// A company's gateway.
        Production = "production",
    }
}

section! {
    /// How the vault is unlocked and where it is.
    defaulted Vault {
        /// What unlocks it.
        unlock, "unlock": Unlock = Unlock::Keyfile;
        /// Where it is.
        backend, "backend": Backend = Backend::File;
    }
}

choice! {
    /// What unlocks the vault.
    Unlock {
        /// The system's keychain.
        Keychain = "keychain",
        /// A passphrase, asked at start.
        Passphrase = "passphrase",
        /// The file `vault.key` in the state folder.
        Keyfile = "keyfile",
        /// A hardware token.
        Pkcs11 = "pkcs11",
        /// The machine's TPM.
        Tpm = "tpm",
    }
}

choice! {
    /// Where the vault is.
    Backend {
        /// In the state folder.
        File = "file",
        /// An OpenBao or Vault server.
        Openbao = "openbao",
        /// AWS Secrets Manager.
        Aws = "aws",
        /// Azure Key Vault.
        Azure = "azure",
        /// Google Secret Manager.
        Gcp = "gcp",
    }
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// In the state folder.
    Embedded,
    /// In databases that replicas share.
    Shared(Databases),
}

section! {
    /// The databases of replicas.
    Databases {
        /// The address of PostgreSQL.
        postgres, "postgres": Reference;
        /// The address of Valkey.
        valkey, "valkey": Option<Reference> = None;
    }
}

impl Decode for Store {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text { text, .. } if text == "embedded" => Some(Self::Embedded),
            Value::Map(_) => Databases::decode(node, reader).map(Self::Shared),
            Value::Text { .. } | Value::Null | Value::List(_) => reader.wrong(node, "embedded, or a mapping with postgres and valkey"),
        }
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [{"const": "embedded"}, Databases::schema()]})
    }
}

section! {
    /// An outside issuer of tokens.
    Issuer {
        /// Its address.
        url, "url": url::Url;
        /// The audience that its tokens must name.
        audience, "audience": Option<String> = None;
        /// The algorithms that it may sign with.
        algorithms, "algorithms": Vec<String> = Vec::new();
        /// The claim that holds groups.
        groups, "groups": Option<String> = None;
        /// From a claim to a role.
        roles, "roles": BTreeMap<String, String> = BTreeMap::new();
    }
}

section! {
    /// How names are resolved.
    defaulted Dns {
        /// system, or the address of an encrypted resolver (tls:// or https://).
        resolver, "resolver": String = "system".into();
    }
}

section! {
    /// An operator.
    Person {
        /// Who.
        name, "name": Name;
        /// What they may do.
        may, "may": Vec<Right>;
    }
}

choice! {
    /// A right of an operator.
    Right {
        /// See.
        View = "view",
        /// Decide on held calls.
        Approve = "approve",
        /// Change what runs.
        Operate = "operate",
        /// Read the evidence.
        Audit = "audit",
        /// Stop everything.
        Kill = "kill",
    }
}

section! {
    /// The audit log.
    defaulted Audit {
        /// How long records stay in the log before they are archived; at least a second.
        retain, "retain": Span = Span::seconds(400 * 86_400);
        /// Where records are sent.
        siem, "siem": Vec<Sink> = Vec::new();
        /// Who countersigns checkpoints.
        witness, "witness": Vec<String> = Vec::new();
    }
}

section! {
    /// A receiver of records.
    Sink {
        /// Its address.
        syslog, "syslog": url::Url;
        /// The format of what is sent.
        format, "format": Format = Format::Ocsf;
        /// Whether mutating calls stop when it stays away.
        required, "required": bool = false;
    }
}

choice! {
    /// The format of records for a receiver.
    Format {
        /// Open Cybersecurity Schema Framework.
        Ocsf = "ocsf",
        /// Common Event Format.
        Cef = "cef",
        /// Log Event Extended Format.
        Leef = "leef",
        /// Elastic Common Schema.
        Ecs = "ecs",
        /// The record as it is.
        Json = "json",
    }
}

section! {
    /// How people are asked.
    defaulted Approvals {
        /// Where a waiting call is announced.
        notify, "notify": Vec<Notify> = Vec::new();
        /// How long an approval may be used.
        expire, "expire": Span = Span::seconds(600);
        /// How many people must agree.
        quorum, "quorum": u32 = 1;
    }
}

section! {
    /// Where a waiting call is announced.
    Notify {
        /// The address.
        webhook, "webhook": url::Url;
    }
}

section! {
    /// A named, reasoned, ending exception to a control.
    AcceptedRisk {
        /// The control.
        control, "control": Control;
        /// Where: server/NAME, role/NAME or listener/data.
        scope, "where": Scope;
        /// For runtime.sandbox: which weakness of the machine, or of the server, is accepted.
        weakness, "weakness": Option<Weakness> = None;
        /// Why.
        reason, "reason": String;
        /// Who answers for it.
        owner, "owner": Name;
        /// The last day on which it counts, in UTC.
        until, "until": jiff::civil::Date;
    }
}

choice! {
    /// A weakness of a sandbox.
    Weakness {
        /// `/proc` cannot be mounted anew: the server runs without one.
        NoProc = "no-proc",
        /// The gateway is root and can give no account away: the server has the gateway's.
        SharedAccount = "shared-account",
        /// There are no user namespaces: Landlock and the filters alone hold the server.
        SharedNamespaces = "shared-namespaces",
        /// The kernel has no Landlock: the namespaces alone keep folders apart.
        NoLandlock = "no-landlock",
        /// The server needs system calls beyond those that are known.
        Relaxed = "relaxed",
    }
}

impl Weakness {
    /// As the launcher knows it.
    pub fn known(self) -> sandbox::Weakness {
        match self {
            Self::NoProc => sandbox::Weakness::NoProc,
            Self::SharedAccount => sandbox::Weakness::SharedAccount,
            Self::SharedNamespaces => sandbox::Weakness::SharedNamespaces,
            Self::NoLandlock => sandbox::Weakness::NoLandlock,
            Self::Relaxed => sandbox::Weakness::Relaxed,
        }
    }
}

/// What an accepted risk is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A server.
    Server(ServerName),
    /// A role.
    Role(Name),
    /// A listener.
    Listener(Listener),
}

choice! {
    /// One of the two listeners.
    Listener {
        /// For agents.
        Data = "data",
        /// For operators.
        Admin = "admin",
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(name) => write!(out, "server/{name}"),
            Self::Role(name) => write!(out, "role/{name}"),
            Self::Listener(listener) => write!(out, "listener/{}", listener.as_str()),
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('/') {
            Some(("server", name)) => ServerName::new(name).map(Self::Server).map_err(drop),
            Some(("role", name)) => Name::new(name).map(Self::Role).map_err(drop),
            Some(("listener", "data")) => Ok(Self::Listener(Listener::Data)),
            Some(("listener", "admin")) => Ok(Self::Listener(Listener::Admin)),
            _ => Err(()),
        }
    }
}

impl Decode for Scope {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        crate::decode::parsed(node, reader, "server/NAME, role/NAME or listener/data")
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "pattern": "^(server|role|listener)/.+$"})
    }
}
