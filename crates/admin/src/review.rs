//! The port behind the acts on the lock: looks at servers, and signs what was approved of them.

use crate::Pending;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use supply::{Difference, Digest};
use terms::{Name, ServerName};

/// Names of each sort that a record holds.
const RECORDED: usize = 100;

/// Looks at servers and keeps the lock, beside a running gateway and without one. The servers are those of the configuration file as it is now.
pub trait Reviews: Send + Sync {
    /// Starts or dials `server` and sets what it offers beside what was approved. A package is installed first where it has to be.
    fn look<'a>(&'a self, server: &'a ServerName, seek: Seek) -> Pending<'a, Result<Look, Unreviewed>>;

    /// Runs `server`, a local one, with nothing more than it may read, to see what it asks for.
    fn watch<'a>(&'a self, server: &'a ServerName, wish: &'a Watching) -> Pending<'a, Result<Watched, Unreviewed>>;

    /// Looks again, and when it sees what `shown` is the digest of: pins it in the name of `reviewer`, signs the lock and takes it into use.
    fn approve<'a>(&'a self, server: &'a ServerName, shown: Digest, reviewer: &'a Name) -> Pending<'a, Result<Approved, Unreviewed>>;

    /// Takes a server that is not configured out of the lock, signs it and takes it into use.
    fn forget<'a>(&'a self, server: &'a ServerName) -> Pending<'a, Result<Forgotten, Unreviewed>>;
}

/// Which version of a package is looked at, for a server that is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seek {
    /// The approved one; the newest that its line allows where none was approved.
    #[default]
    Approved,
    /// The newest that its line allows, installed afresh.
    Newest,
}

/// Why a server was not looked at, or the lock not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreviewed {
    /// The operator's: the configuration file does not name it.
    #[error("the configuration names no server `{0}`")]
    NoServer(ServerName),
    /// The operator's: the lock does not name it, or the configuration still does.
    #[error("`{0}` is no server that only the lock still names")]
    Kept(ServerName),
    /// The operator's: what is offered, or what was approved before, is not what was shown.
    #[error("`{0}` is no longer as it was shown: nothing was approved. Look at it again")]
    Moved(ServerName),
    /// The server's: it cannot be reached, or offers what cannot be approved.
    #[error("`{server}` cannot be looked at: {cause}")]
    Unseen {
        /// Which.
        server: ServerName,
        /// Why.
        cause: String,
    },
    /// The operator's: the configuration file cannot be used as it is.
    #[error("{0}")]
    Configuration(String),
    /// The system's: the lock cannot be written.
    #[error("the lock could not be written: {0}")]
    Unwritten(String),
}

/// What differs, by name: `server/kind/name`, or `server/part` for what is about the server itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    /// What is new.
    pub added: Vec<String>,
    /// What says something else.
    pub changed: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
}

impl Differs {
    /// The names of `difference` at `server`.
    pub fn of(server: &ServerName, difference: &Difference) -> Self {
        let path = |item: &supply::Item| format!("{server}/{}/{}", item.kind.as_str(), item.name);
        let mut changed: Vec<String> = difference.changed.iter().map(|changed| path(&changed.item)).collect();
        changed.extend(difference.parts().map(|part| format!("{server}/{part}")));
        changed.dedup();
        Self { added: difference.added.iter().map(path).collect(), changed, removed: difference.removed.iter().map(path).collect() }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// The first names of each sort, as many as a record takes.
    pub(crate) fn cut(&self) -> Value {
        let first = |names: &[String]| names.iter().take(RECORDED).cloned().collect::<Vec<_>>();
        let more = [&self.added, &self.changed, &self.removed].iter().map(|names| names.len().saturating_sub(RECORDED)).sum::<usize>();
        serde_json::json!({ "added": first(&self.added), "changed": first(&self.changed), "removed": first(&self.removed), "more": more })
    }

    /// Adds those of another server.
    pub fn extend(&mut self, other: Self) {
        self.added.extend(other.added);
        self.changed.extend(other.changed);
        self.removed.extend(other.removed);
    }
}

/// One look at a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Look {
    /// Which.
    pub server: ServerName,
    /// Whether there is anything to approve.
    pub open: bool,
    /// The digest of what is shown; a yes carries it.
    pub shown: Digest,
    /// What differs.
    #[serde(flatten)]
    pub differs: Differs,
    /// The difference for a person; hidden characters are made visible.
    pub text: String,
    /// Its row of the lock as it is; null when it has none.
    pub pinned: Value,
    /// What the screens found in what it offers.
    pub noted: Vec<Noted>,
}

/// What the screens found in one definition, without the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// `kind/name`.
    pub item: String,
    /// Where it stands in the definition (RFC 6901).
    pub path: String,
    /// `class:kind`, such as `secret:github-pat` or `hidden:unicode-tags`.
    pub what: String,
    /// Whether nobody may approve it without having been asked.
    pub grave: bool,
}

/// Whose use of a server is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// Ours: it is run for this alone.
    #[default]
    Ours,
    /// Its clients', as long as the seconds last.
    Clients,
}

/// What is done with a server that is watched, beside asking what it offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// Whose use of it is watched.
    #[serde(default)]
    pub whose: Whose,
    /// Calls of its tools, where the use is ours.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Seconds that it is left to itself after them.
    #[serde(default)]
    pub seconds: u64,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Which.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: serde_json::Map<String, Value>,
}

/// What a server asked for, and the smallest entry that covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Which.
    pub server: ServerName,
    /// How often it was run.
    pub rounds: u32,
    /// Whether the last run came to its end and asked for nothing new.
    pub complete: bool,
    /// Why the last run did not come to its end.
    pub fault: Option<String>,
    /// Tools that answered the last call with an error.
    pub failed: Vec<String>,
    /// Proposed to be read.
    pub read: Vec<PathBuf>,
    /// Proposed to be written.
    pub write: Vec<PathBuf>,
    /// Proposed to be connected to, `host:port`.
    pub egress: Vec<String>,
    /// Proposed bytes of memory.
    pub memory: u64,
    /// Proposed processes and threads.
    pub processes: u64,
    /// The most bytes of memory that were seen.
    pub peak_memory: u64,
    /// The most processes and threads that were seen.
    pub peak_processes: u64,
    /// What it asked for and is not proposed.
    pub withheld: Vec<Withheld>,
    /// Requests that could not be noted.
    pub missed: u64,
}

/// A file, a folder or `host:port` that a server asked for and that is not proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl Watched {
    /// What a record takes of it.
    pub(crate) fn cut(&self) -> Value {
        let first = |paths: &[PathBuf]| paths.iter().take(RECORDED).cloned().collect::<Vec<_>>();
        let hosts: Vec<&String> = self.egress.iter().take(RECORDED).collect();
        serde_json::json!({
            "server": self.server, "rounds": self.rounds, "complete": self.complete,
            "read": first(&self.read), "write": first(&self.write), "egress": hosts, "withheld": self.withheld.len(),
        })
    }
}

/// What an approval did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approved {
    /// Its row of the lock as it is now.
    pub row: Value,
    /// What was approved.
    #[serde(flatten)]
    pub differs: Differs,
    /// The digest of the lock that was signed.
    pub lock: Digest,
    /// Whether the configuration file is another than the one in force: what is new in it counts after a reload.
    pub behind: bool,
}

/// What the lock holds no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forgotten {
    /// Which.
    pub server: ServerName,
    /// The digest of the lock that was signed.
    pub lock: Digest,
}
