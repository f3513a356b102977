//! What is only looked at: no act, no record.

use crate::{Admin, Error};
use audit::State;
use gateway::gate::Gate;
use gateway::snapshot::{Carrier, Server, Unpinned};
use response::Stop;
use serde::Serialize;
use supply::ServerRow;
use terms::{Name, ServerName, SessionId};

/// The gateway in a few numbers.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Of this program.
    pub version: &'static str,
    /// `http://address:port` of the data listener.
    pub data: String,
    /// SHA-256 of the configuration in force, in hexadecimal.
    pub configuration: String,
    /// How many servers are configured.
    pub servers: usize,
    /// How many of them may be used.
    pub usable: usize,
    /// Local processes that run.
    pub processes: usize,
    /// Open sessions.
    pub sessions: usize,
    /// Calls under way.
    pub calls: usize,
    /// `healthy`, `nearly-full`, `failed` or `closed`.
    pub audit: &'static str,
    /// `open` or `locked`.
    pub vault: &'static str,
    /// The kill epoch.
    pub epoch: u64,
    /// The kills in force.
    pub stops: Vec<Stop>,
}

/// One open session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Its agent.
    pub agent: Name,
    /// Its user.
    pub user: Option<Name>,
    /// `/mcp` or `/mcp/{server}`.
    pub endpoint: String,
    /// When it was opened, RFC 3339.
    pub opened: String,
    /// Seconds since its last use.
    pub idle_seconds: u64,
    /// Calls that it made.
    pub calls: u64,
    /// Calls under way.
    pub flying: usize,
}

/// A definition that is put aside while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// `changed`, `new`, `collision` or `removed`.
    pub why: String,
}

/// One server as it stands now.
#[derive(Clone, Debug, Serialize)]
pub struct ServerView {
    /// Its name.
    pub name: ServerName,
    /// `local` or `remote`.
    pub carrier: &'static str,
    /// `approved`, `unapproved`, `unverified`, `changed`, or `aside` when it died too often.
    pub state: &'static str,
    /// What was approved, if that may be used.
    pub pinned: Option<ServerRow>,
    /// Definitions that differ from what was approved.
    pub held: Vec<Held>,
}

/// The state of the gateway.
///
/// # Errors
/// [`Error::NotRunning`].
pub fn status(admin: &Admin) -> Result<StatusView, Error> {
    let gate = admin.gate()?;
    let snapshot = gate.snapshot();
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION"),
        data: snapshot.listen.base.clone(),
        configuration: snapshot.digest.clone(),
        servers: snapshot.servers.len(),
        usable: snapshot.servers.values().filter(|server| server.pinned.is_ok() && !gate.servers.is_given_up(&server.name)).count(),
        processes: gate.servers.running(),
        sessions: gate.sessions.count(),
        calls: gate.calls.count(),
        audit: match gate.journal.state() {
            State::Healthy => "healthy",
            State::NearlyFull => "nearly-full",
            State::Failed { .. } => "failed",
            State::Closed => "closed",
        },
        vault: if admin.vault.is_some() { "open" } else { "locked" },
        epoch: gate.epochs.epoch(),
        stops: gate.epochs.stops(),
    })
}

/// The open sessions, oldest first.
pub fn sessions(gate: &Gate) -> Vec<SessionView> {
    let now = gate.clock.instant();
    let mut all = gate.sessions.list();
    all.sort_by_key(|session| (session.opened, session.id));
    all.iter()
        .map(|session| SessionView {
            id: session.id,
            agent: session.principal.agent.clone(),
            user: session.principal.user.clone(),
            endpoint: session.endpoint.path(),
            opened: session.opened.to_string(),
            idle_seconds: now.since(session.used()).as_secs(),
            calls: session.call_count(),
            flying: session.flying(),
        })
        .collect()
}

/// The servers, by name.
pub fn servers(gate: &Gate) -> Vec<ServerView> {
    let view = |server: &Server| ServerView {
        name: server.name.clone(),
        carrier: match server.carrier {
            Carrier::Run(_) => "local",
            Carrier::Remote(_) => "remote",
        },
        state: match &server.pinned {
            Ok(_) if gate.servers.is_given_up(&server.name) => "aside",
            Ok(_) => "approved",
            Err(Unpinned::Unapproved) => "unapproved",
            Err(Unpinned::Unverified) => "unverified",
            Err(Unpinned::Changed) => "changed",
        },
        pinned: server.pinned.as_ref().ok().map(|pinned| ServerRow::of(&server.name, &pinned.pin)),
        held: gate.servers.put_aside(&server.name).into_iter().map(|(name, why)| Held { name, why }).collect(),
    };
    gate.snapshot().servers.values().map(|server| view(server)).collect()
}
