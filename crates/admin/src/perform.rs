//! The one way to perform an act: record that it is about to happen, apply it, record how it ended.

use crate::{Act, Answer, Authorities, Cut, Error, Gravity, Handed, Operator, Pass, Reviews, Revoked, TokenWish};
use audit::record::{Kind, Object};
use audit::{Journal, Record, Ticket, Unavailable};
use gateway::arrival::Endpoint;
use gateway::gate::Gate;
use gateway::line::Door;
use identity::token::{Claims, Issuer, Purpose, Scope as TokenScope};
use identity::{Revocations, Tokens};
use response::{Scope, Switch};
use serde::Serialize;
use serde_json::{Map, Value};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use terms::{Authenticated, CallId, Clock, Code, Entropy, Instant, Principal, RecordId, ServerName, TokenId, Workload};
use transport::http::Full;

/// An answer of a port, not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a reload put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// What is worth knowing, one line each.
    pub warnings: Vec<String>,
}

/// Reads the configuration anew and puts it in force, whole or not at all.
pub trait Reload: Send + Sync {
    /// Does it. The error is what is wrong with the file, in sentences; then the last good one stays in force.
    fn reload(&self) -> Pending<'_, Result<Reloaded, String>>;
}

/// What an act reaches beyond the state.
pub enum Side {
    /// The gateway of this process.
    Running {
        /// The gateway.
        gate: Arc<Gate>,
        /// What reads its configuration anew.
        reload: Arc<dyn Reload>,
        /// What gives probes a certificate, where the data listener asks for one.
        lobby: Option<Arc<dyn Lobby>>,
    },
    /// None runs: acts reach the state alone.
    Stopped {
        /// The decision point, for what a token reaches.
        policy: Arc<policy::Engine>,
        /// The servers that there are.
        servers: Vec<ServerName>,
        /// `http://address:port` of the data listener.
        base: String,
    },
}

/// What gives probes a certificate that the data listener lets in.
pub trait Lobby: Send + Sync {
    /// One more, good for minutes.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn pass(&self) -> Result<Pass, String>;
}

/// What acts work on. Made once by the binary's wiring.
pub struct Admin {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where acts are recorded.
    pub journal: Arc<dyn Journal>,
    /// The kill switch; its epochs are those of the gateway.
    pub switch: Arc<Switch>,
    /// What was issued.
    pub tokens: Arc<dyn Tokens>,
    /// What was taken back.
    pub revocations: Arc<dyn Revocations>,
    /// Makes tokens.
    pub issuer: Arc<Issuer>,
    /// The vault, if it is open; the gateway's own where one runs.
    pub vault: Option<Arc<vault::Vault>>,
    /// Looks at servers and keeps the lock.
    pub reviews: Arc<dyn Reviews>,
    /// The certificate authority.
    pub authority: Arc<dyn Authorities>,
    /// The gateway, or what stands in for it.
    pub side: Side,
}

/// Performs `act` for `operator`.
///
/// Nothing is applied that cannot be recorded first, but for what stops something: a kill is applied at once and recorded beside it.
///
/// # Errors
/// [`Error`]; what was begun and failed is on record as failed.
pub async fn perform(admin: &Admin, operator: &Operator, act: Act) -> Result<Answer, Error> {
    act.check()?;
    let deed = Deed::new(admin, operator, &act);
    let began = admin.clock.instant();
    match act.gravity() {
        Gravity::Stop => {
            let begun = deed.note(None, None);
            let done = apply(admin, operator, act, began).await;
            if let Err(cause) = deed.durable(begun).await {
                tracing::error!(%cause, "an act that stops was applied and is not on record");
            }
            if let Err(cause) = deed.end(&done).await {
                tracing::error!(%cause, "the end of an act is not on record");
            }
            done
        }
        Gravity::Plain | Gravity::Grave => {
            deed.durable(deed.note(None, None)).await.map_err(Error::Unrecorded)?;
            let done = apply(admin, operator, act, began).await;
            match (deed.end(&done).await, done) {
                (Err(cause), Ok(_)) => Err(Error::HalfRecorded(cause)),
                (_, done) => done,
            }
        }
    }
}

/// The two records of one act.
struct Deed<'a> {
    admin: &'a Admin,
    id: CallId,
    operator: String,
    name: &'static str,
    parameters: Vec<u8>,
}

impl<'a> Deed<'a> {
    fn new(admin: &'a Admin, operator: &Operator, act: &Act) -> Self {
        Self {
            admin,
            id: CallId::new(&*admin.entropy),
            operator: operator.to_string(),
            name: act.name(),
            parameters: object(act.parameters()),
        }
    }

    /// Hands a record over: that it begins, or how it ended and what came of it.
    fn note(&self, outcome: Option<&str>, detail: Option<&[u8]>) -> Ticket {
        let Admin { clock, entropy, journal, .. } = self.admin;
        let mut record = Record::new(RecordId::new(&**entropy), Kind::Act, clock.utc(), clock.instant());
        record.request = Some(self.id);
        let parameters = Object::new(&self.parameters).ok();
        record.act = Some(audit::record::Act { operator: &self.operator, name: self.name, parameters, outcome });
        record.detail = detail.and_then(|detail| Object::new(detail).ok());
        journal.append_reserved(record.encode())
    }

    async fn durable(&self, ticket: Ticket) -> Result<(), Unavailable> {
        tokio::time::timeout(self.admin.journal.limit(), ticket).await.unwrap_or(Err(Unavailable::Slow)).map(drop)
    }

    async fn end(&self, done: &Result<Answer, Error>) -> Result<(), Unavailable> {
        let ticket = match done {
            Ok(answer) => self.note(Some("ok"), Some(&object(shown(answer)))),
            Err(cause) => {
                let cause = Map::from_iter([("cause".to_owned(), Value::from(cause.sentence()))]);
                self.note(Some("failed"), Some(&object(cause)))
            }
        };
        self.durable(ticket).await
    }
}

/// What of an answer is put on record: everything but the token.
fn shown(answer: &Answer) -> Map<String, Value> {
    let printed = match answer {
        Answer::Handed(handed) => serde_json::json!({ "id": handed.id, "expires_at": handed.expires_at.to_string() }),
        Answer::Looked(look) => {
            serde_json::json!({ "server": look.server, "open": look.open, "shown": look.shown, "differs": look.differs.cut() })
        }
        Answer::Approved(approved) => {
            serde_json::json!({ "lock": approved.lock, "behind": approved.behind, "differs": approved.differs.cut() })
        }
        Answer::Watched(watched) => watched.cut(),
        Answer::Certified(certified) => {
            serde_json::json!({ "serial": certified.serial, "id": certified.id, "ends": certified.ends.to_string() })
        }
        Answer::Invited(invited) => serde_json::json!({ "id": invited.id, "ends": invited.ends.to_string() }),
        Answer::Cut(_)
        | Answer::Forgotten(_)
        | Answer::Revoked(_)
        | Answer::Reloaded(_)
        | Answer::ServerReleased { .. }
        | Answer::Kept(_)
        | Answer::Removed { .. }
        | Answer::Founded(_)
        | Answer::TakenBack(_)
        | Answer::Renewed(_) => serde_json::to_value(answer).unwrap_or_default(),
    };
    match printed {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// One JSON object as bytes that a record takes: DEL is the one control character that JSON leaves as it is.
fn object(members: Map<String, Value>) -> Vec<u8> {
    let text = Value::Object(members).to_string();
    text.replace('\u{7f}', "\\u007f").into_bytes()
}

async fn apply(admin: &Admin, operator: &Operator, act: Act, began: Instant) -> Result<Answer, Error> {
    match act {
        Act::Kill { scope, reason } => kill(admin, operator, scope, &reason, began).await,
        Act::Release { scope, reason: _ } => {
            admin.switch.release(&scope, admin.clock.utc()).await?;
            Ok(Answer::Cut(Cut { scope, ended_sessions: 0, ended_calls: 0, ms: millis(admin, began), kept: Vec::new() }))
        }
        Act::TokenIssue(wish) => issue(admin, wish).await,
        Act::TokenRevoke { id } => revoke(admin, id).await,
        Act::Reload => match &admin.side {
            Side::Running { reload, .. } => reload.reload().await.map(Answer::Reloaded).map_err(Error::Configuration),
            Side::Stopped { .. } => Err(Error::NotRunning),
        },
        Act::ServerRelease { server } => match &admin.side {
            Side::Running { gate, .. } if gate.snapshot().servers.contains_key(&server) => {
                gate.servers.release(&server);
                Ok(Answer::ServerReleased { server })
            }
            Side::Running { .. } => Err(Error::NoServer(server)),
            Side::Stopped { .. } => Err(Error::NotRunning),
        },
        Act::ServerLook { server, seek } => Ok(Answer::Looked(Box::new(admin.reviews.look(&server, seek).await?))),
        Act::ServerWatch { server, wish } => Ok(Answer::Watched(Box::new(admin.reviews.watch(&server, &wish).await?))),
        Act::ServerApprove { server, shown } => {
            Ok(Answer::Approved(Box::new(admin.reviews.approve(&server, shown, &operator.name).await?)))
        }
        Act::ServerForget { server } => Ok(Answer::Forgotten(admin.reviews.forget(&server).await?)),
        Act::SecretPut { address, value } => {
            let kept = admin.vault()?.put(address, value, &*admin.clock, &*admin.entropy).await?;
            admin.learn();
            Ok(Answer::Kept(kept))
        }
        Act::SecretRemove { address } => {
            if !admin.vault()?.remove(&address).await? {
                return Err(Error::NoSecret(address));
            }
            admin.learn();
            Ok(Answer::Removed { address })
        }
        Act::CaInit(founding) => Ok(Answer::Founded(admin.authority.found(*founding).await?)),
        Act::CaIssue { wish, request } => Ok(Answer::Certified(Box::new(admin.authority.issue(wish, request).await?))),
        Act::CaInvite { wish, within } => Ok(Answer::Invited(admin.authority.invite(wish, within).await?)),
        Act::CaRevoke { which, reason } => Ok(Answer::TakenBack(admin.authority.revoke(&which, &reason).await?)),
        Act::CaRenew(what) => Ok(Answer::Renewed(admin.authority.renew(what).await?)),
        Act::CaImport(adoption) => Ok(Answer::Founded(admin.authority.adopt(*adoption).await?)),
    }
}

async fn kill(admin: &Admin, operator: &Operator, scope: Scope, reason: &str, began: Instant) -> Result<Answer, Error> {
    let by = operator.to_string();
    let throw = admin.switch.kill(scope.clone(), reason, &by, admin.clock.utc());
    let cut = async {
        match &admin.side {
            Side::Running { gate, .. } => gate.cut(&scope),
            Side::Stopped { .. } => gateway::kill::Ended::default(),
        }
    };
    // The first poll of `throw` raises the epoch, so that nothing begins anew between it and `cut`; only then the store is waited for.
    let (thrown, ended) = tokio::join!(biased; throw, cut);
    thrown.durable.map_err(Error::NotDurable)?;
    let ms = millis(admin, began);
    Ok(Answer::Cut(Cut { scope, ended_sessions: ended.sessions, ended_calls: ended.calls, ms, kept: ended.kept }))
}

async fn issue(admin: &Admin, wish: TokenWish) -> Result<Answer, Error> {
    let (policy, known, base) = match &admin.side {
        Side::Running { gate, .. } => {
            let snapshot = gate.snapshot();
            (Arc::clone(&snapshot.policy), snapshot.servers.keys().cloned().collect(), snapshot.listen.base.clone())
        }
        Side::Stopped { policy, servers, base } => (Arc::clone(policy), servers.clone(), base.clone()),
    };
    let servers: Vec<ServerName> = match wish.servers {
        Some(servers) => servers,
        None => {
            let principal = Principal {
                agent: wish.agent.clone(),
                user: wish.user.clone(),
                workload: match &wish.workload {
                    Some(identity) => Workload::Certificate { identity: Arc::clone(identity) },
                    None => Workload::Remote,
                },
                authenticated: Authenticated::Token { id: TokenId::from_bits(0) },
            };
            policy.servers_of(&principal).into_iter().collect()
        }
    };
    if let Some(stranger) = servers.iter().find(|server| !known.contains(server)) {
        return Err(Error::NoServer(stranger.clone()));
    }
    let endpoints = std::iter::once(Endpoint::All).chain(servers.iter().cloned().map(Endpoint::Server));
    let claims = Claims {
        agent: wish.agent,
        user: wish.user,
        audiences: endpoints.map(|endpoint| format!("{base}{}", endpoint.path())).collect(),
        scope: TokenScope::new(servers, wish.tools)?,
        workload: wish.workload,
        life: wish.life,
        purpose: wish.purpose,
    };
    let issued = admin.issuer.issue(claims, &*admin.clock, &*admin.entropy)?;
    admin.tokens.keep(issued.record).await?;
    let certificate = match (&admin.side, wish.purpose) {
        (Side::Running { lobby: Some(lobby), .. }, Purpose::Probe) => Some(lobby.pass().map_err(Error::Configuration)?),
        (Side::Running { .. } | Side::Stopped { .. }, _) => None,
    };
    Ok(Answer::Handed(Handed { token: issued.token, id: issued.id, expires_at: issued.expires_at, certificate }))
}

async fn revoke(admin: &Admin, id: TokenId) -> Result<Answer, Error> {
    let known = admin.tokens.find(id).await;
    if matches!(known, Ok(None)) {
        return Err(Error::NoToken(id));
    }
    // Whether it is known or cannot be told: it is taken back, in force before the store is waited for.
    let revocation = admin.revocations.revoke(id, admin.clock.utc());
    let ended_sessions = match &admin.side {
        Side::Running { gate, .. } => end_sessions(gate, id),
        Side::Stopped { .. } => 0,
    };
    let revocation = revocation.await?;
    Ok(Answer::Revoked(Revoked { id, at: revocation.at, ended_sessions }))
}

/// Ends the sessions that came by the token `id`.
fn end_sessions(gate: &Arc<Gate>, id: TokenId) -> usize {
    let by = |session: &Arc<gateway::session::Session>| session.principal.authenticated.token() == Some(id);
    let sessions: Vec<_> = gate.sessions.list().into_iter().filter(by).collect();
    sessions.iter().map(|session| gate.cut(&Scope::Session(session.id)).sessions).sum()
}

fn millis(admin: &Admin, began: Instant) -> u64 {
    u64::try_from(admin.clock.instant().since(began).as_millis()).unwrap_or(u64::MAX)
}

impl Admin {
    /// The vault.
    ///
    /// # Errors
    /// [`Error::VaultLocked`].
    pub(crate) fn vault(&self) -> Result<&Arc<vault::Vault>, Error> {
        self.vault.as_ref().ok_or(Error::VaultLocked)
    }

    /// Takes note of a request that the listener has refused.
    pub(crate) async fn refused(&self, code: Code, cause: &(dyn std::fmt::Display + Sync), from: SocketAddr) {
        if let Side::Running { gate, .. } = &self.side {
            gateway::line::refused(gate, Door::Admin, code, cause, from).await;
        }
    }

    /// Counts a connection that the listener has closed unread.
    pub(crate) fn turned_away(&self, full: Full) {
        if let Side::Running { gate, .. } = &self.side {
            gate.metrics.turned_away(Door::Admin.as_str(), full);
        }
    }

    /// Lets the gateway know the credentials as they are now, so that it finds each that comes back.
    fn learn(&self) {
        match &self.side {
            Side::Running { gate, .. } => gate.servers.learn(),
            Side::Stopped { .. } => {}
        }
    }

    pub(crate) fn gate(&self) -> Result<&Arc<Gate>, Error> {
        match &self.side {
            Side::Running { gate, .. } => Ok(gate),
            Side::Stopped { .. } => Err(Error::NotRunning),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
