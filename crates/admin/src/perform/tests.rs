//! Acts on a stopped gateway, with ports in memory.

use super::*;
use crate::{Unreviewed, Way, error::Fault};
use audit::{Position, State};
use identity::token::SigningKey;
use identity::{Memory, Pending as Waiting, Revocation, Standing, TokenRecord};
use response::{EpochStore, Kept, Stop};
use std::sync::Mutex;
use std::time::Duration;
use terms::{Name, Secret, Utc};
use testkit::{SeededEntropy, SetClock};

/// A log in memory that can be made to fail.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Mutex<Vec<Value>>,
    pub(crate) fails: Mutex<Option<Unavailable>>,
}

impl Journal for Log {
    fn append(&self, record: Vec<u8>) -> Ticket {
        if let Some(why) = *self.fails.lock().unwrap() {
            return Ticket::refused(why);
        }
        let mut records = self.records.lock().unwrap();
        records.push(serde_json::from_slice(&record).unwrap());
        let (ticket, completion) = audit::ticket();
        completion.complete(Ok(Position { index: records.len() as u64 - 1 }));
        ticket
    }

    fn append_soon(&self, record: Vec<u8>) -> Ticket {
        self.append(record)
    }

    fn append_reserved(&self, record: Vec<u8>) -> Ticket {
        self.append(record)
    }

    fn state(&self) -> State {
        State::Healthy
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn checkpoint(&self) -> Option<String> {
        None
    }
}

#[derive(Default)]
struct Kills(Mutex<Vec<Stop>>);

impl EpochStore for Kills {
    fn keep(&self, stop: Stop) -> response::Pending<'_, ()> {
        self.0.lock().unwrap().push(stop);
        Box::pin(std::future::ready(Ok(())))
    }

    fn kept(&self) -> response::Pending<'_, Kept> {
        Box::pin(std::future::ready(Ok(Kept::default())))
    }
}

#[derive(Default)]
pub(crate) struct Issued {
    pub(crate) kept: Mutex<Vec<TokenRecord>>,
    revoked: Memory,
}

impl Tokens for Issued {
    fn keep(&self, record: TokenRecord) -> Waiting<'_, ()> {
        self.kept.lock().unwrap().push(record);
        Box::pin(std::future::ready(Ok(())))
    }

    fn find(&self, id: TokenId) -> Waiting<'_, Option<TokenRecord>> {
        let found = self.kept.lock().unwrap().iter().find(|record| record.id == id).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn list(&self) -> Waiting<'_, Vec<TokenRecord>> {
        Box::pin(std::future::ready(Ok(self.kept.lock().unwrap().clone())))
    }

    fn forget(&self, _: Utc) -> Waiting<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }
}

impl Revocations for Issued {
    fn standing(&self, id: TokenId) -> Standing {
        self.revoked.standing(id)
    }

    fn revoke(&self, id: TokenId, at: Utc) -> Waiting<'_, Revocation> {
        let noted = self.revoked.note(id, at);
        Box::pin(std::future::ready(Ok(noted)))
    }

    fn revoked(&self) -> Waiting<'_, Vec<Revocation>> {
        Box::pin(std::future::ready(Ok(self.revoked.all())))
    }
}

/// Servers that cannot be looked at.
struct Unseen;

impl Reviews for Unseen {
    fn look<'a>(&'a self, server: &'a ServerName, _: crate::Seek) -> Pending<'a, Result<crate::Look, Unreviewed>> {
        Box::pin(std::future::ready(Err(Unreviewed::NoServer(server.clone()))))
    }

    fn watch<'a>(&'a self, server: &'a ServerName, _: &'a crate::Watching) -> Pending<'a, Result<crate::Watched, Unreviewed>> {
        Box::pin(std::future::ready(Err(Unreviewed::NoServer(server.clone()))))
    }

    fn approve<'a>(&'a self, server: &'a ServerName, _: supply::Digest, _: &'a Name) -> Pending<'a, Result<crate::Approved, Unreviewed>> {
        Box::pin(std::future::ready(Err(Unreviewed::Moved(server.clone()))))
    }

    fn forget<'a>(&'a self, server: &'a ServerName) -> Pending<'a, Result<crate::Forgotten, Unreviewed>> {
        Box::pin(std::future::ready(Err(Unreviewed::Kept(server.clone()))))
    }
}

/// No authority.
struct Nobody;

impl Nobody {
    fn no<'a, T: Send + 'a>() -> Pending<'a, Result<T, crate::Unissued>> {
        Box::pin(std::future::ready(Err(crate::Unissued::Unfounded)))
    }
}

impl Authorities for Nobody {
    fn found(&self, _: crate::Founding) -> Pending<'_, Result<crate::Founded, crate::Unissued>> {
        Self::no()
    }

    fn issue(&self, _: crate::CertificateWish, _: String) -> Pending<'_, Result<crate::Certified, crate::Unissued>> {
        Self::no()
    }

    fn invite(&self, _: crate::CertificateWish, _: Duration) -> Pending<'_, Result<crate::Invited, crate::Unissued>> {
        Self::no()
    }

    fn revoke<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<crate::TakenBack, crate::Unissued>> {
        Self::no()
    }

    fn renew(&self, _: crate::Renewal) -> Pending<'_, Result<crate::Renewed, crate::Unissued>> {
        Self::no()
    }

    fn adopt(&self, _: crate::Adoption) -> Pending<'_, Result<crate::Founded, crate::Unissued>> {
        Self::no()
    }

    fn standing(&self) -> Pending<'_, Result<Value, crate::Unissued>> {
        Self::no()
    }
}

/// Who performs in tests.
pub(crate) fn operator() -> Operator {
    Operator { name: Name::new("ana").unwrap(), way: Way::CommandLine }
}

/// A stopped gateway with the servers `files` and `git`; `agent:coder` reaches `files`.
pub(crate) async fn admin() -> (Arc<Admin>, Arc<Log>, Arc<Issued>) {
    let (log, issued) = (Arc::new(Log::default()), Arc::new(Issued::default()));
    let place = || policy::Place::new("bastide.yaml", 1, 1);
    let servers: Vec<ServerName> = ["files", "git"].into_iter().map(|name| ServerName::new(name).unwrap()).collect();
    let mut role = policy::RoleSource::new(Name::new("coder").unwrap(), place());
    role.members = vec![policy::Entry::new("agent:coder", place())];
    role.allow =
        vec![policy::ServerEntries { server: servers[0].clone(), place: place(), entries: vec![policy::Entry::new("read_*", place())] }];
    let policy =
        policy::Engine::compile(policy::Sources { servers: servers.clone(), roles: vec![role], cedar: vec![], tools: Default::default() })
            .unwrap();
    let admin = Admin {
        clock: Arc::new(SetClock::default()),
        entropy: Arc::new(SeededEntropy::new(7)),
        journal: log.clone(),
        switch: Arc::new(Switch::open(Arc::new(Kills::default())).await.unwrap()),
        tokens: issued.clone(),
        revocations: issued.clone(),
        issuer: Arc::new(Issuer::new("http://127.0.0.1:8420", SigningKey::from_seed(&Secret::new([3; 32])))),
        vault: None,
        reviews: Arc::new(Unseen),
        authority: Arc::new(Nobody),
        side: Side::Stopped { policy: Arc::new(policy), servers, base: "http://127.0.0.1:8420".to_owned() },
    };
    (Arc::new(admin), log, issued)
}

fn wish(servers: Option<&[&str]>) -> TokenWish {
    TokenWish {
        agent: Name::new("coder").unwrap(),
        user: None,
        servers: servers.map(|names| names.iter().map(|name| ServerName::new(name).unwrap()).collect()),
        tools: vec![],
        workload: None,
        life: Duration::from_secs(60),
        purpose: identity::token::Purpose::Work,
    }
}

#[tokio::test]
async fn an_act_has_two_records_of_one_id() {
    let (admin, log, _) = admin().await;
    let act = Act::Kill { scope: Scope::All, reason: "drill\u{7f}".replace('\u{7f}', "") };
    let answer = perform(&admin, &operator(), act).await.unwrap();
    assert!(matches!(answer, Answer::Cut(Cut { scope: Scope::All, .. })));
    assert!(admin.switch.epochs().all_stopped());
    let records = log.records.lock().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["request"], records[1]["request"]);
    assert_eq!(records[0]["act"]["name"], "kill");
    assert_eq!(records[0]["act"]["operator"], "ana via command line");
    assert!(records[0]["act"].get("outcome").is_none());
    assert_eq!(records[1]["act"]["outcome"], "ok");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_unless_it_stops() {
    let (admin, log, issued) = admin().await;
    *log.fails.lock().unwrap() = Some(Unavailable::Failed);
    let refused = perform(&admin, &operator(), Act::TokenIssue(wish(None))).await.unwrap_err();
    assert!(matches!(refused, Error::Unrecorded(_)), "{refused}");
    assert!(issued.kept.lock().unwrap().is_empty());
    perform(&admin, &operator(), Act::Kill { scope: Scope::All, reason: "drill".into() }).await.unwrap();
    assert!(admin.switch.epochs().all_stopped());
    let release = perform(&admin, &operator(), Act::Release { scope: Scope::All, reason: "over".into() }).await;
    assert!(release.is_err() && admin.switch.epochs().all_stopped());
}

#[tokio::test]
async fn a_token_reaches_what_the_roles_reach_and_is_not_on_record() {
    let (admin, log, issued) = admin().await;
    let Answer::Handed(handed) = perform(&admin, &operator(), Act::TokenIssue(wish(None))).await.unwrap() else { panic!("no token") };
    assert_eq!(issued.kept.lock().unwrap()[0].servers, vec![ServerName::new("files").unwrap()]);
    let payload = handed.token.open().split('.').nth(1).unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["aud"], serde_json::json!(["http://127.0.0.1:8420/mcp", "http://127.0.0.1:8420/mcp/files"]));
    let records = Value::from(log.records.lock().unwrap().clone()).to_string();
    assert!(!records.contains(handed.token.open()) && records.contains(&handed.id.to_string()));
}

#[tokio::test]
async fn a_token_names_only_servers_that_there_are() {
    let (admin, log, _) = admin().await;
    let refused = perform(&admin, &operator(), Act::TokenIssue(wish(Some(&["nope"])))).await.unwrap_err();
    assert_eq!((refused.fault(), refused.to_string().as_str()), (Fault::Usage, "there is no server `nope`"));
    assert_eq!(log.records.lock().unwrap()[1]["act"]["outcome"], "failed");
}

#[tokio::test]
async fn a_revoked_token_is_no_longer_good() {
    let (admin, _, issued) = admin().await;
    let Answer::Handed(handed) = perform(&admin, &operator(), Act::TokenIssue(wish(Some(&["git"])))).await.unwrap() else {
        panic!("no token")
    };
    assert_eq!(issued.standing(handed.id), Standing::Good);
    perform(&admin, &operator(), Act::TokenRevoke { id: handed.id }).await.unwrap();
    assert_eq!(issued.standing(handed.id), Standing::Revoked);
    let unknown = perform(&admin, &operator(), Act::TokenRevoke { id: TokenId::from_bits(1) }).await;
    assert!(matches!(unknown, Err(Error::NoToken(_))));
}

#[tokio::test]
async fn what_needs_a_gateway_says_so() {
    let (admin, _, _) = admin().await;
    assert!(matches!(perform(&admin, &operator(), Act::Reload).await, Err(Error::NotRunning)));
    let address: vault::Address = "vault:git/token".parse().unwrap();
    assert!(matches!(perform(&admin, &operator(), Act::SecretRemove { address }).await, Err(Error::VaultLocked)));
}
