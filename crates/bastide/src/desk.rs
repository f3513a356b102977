//! Where a verb does its work: at the running gateway over the admin socket, else on the state itself.

use crate::acts::{SOCKET, account, admin};
use crate::outcome::{Common, Failure};
use crate::wire::{Configured, Wired, configuration_folder, wire};
use admin::client::{self, Client};
use admin::{Act, Admin, Fault, KeyPlace, Operator, Side, TokenWish, Way, perform};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use response::Scope;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use terms::{Secret, ServerName, TokenId};
use vault::Address;

/// The running gateway, or the state.
pub enum Desk {
    /// A gateway runs.
    Running(Client),
    /// None runs: this process has the state until [`Desk::close`].
    Stopped(Box<State>),
}

/// The state, in this process.
pub struct State {
    wired: Wired,
    admin: Admin,
    operator: Operator,
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::Refused { fault: Fault::Usage, message } => Self::usage(message),
            client::Error::Refused { fault: Fault::System, message } => Self::system(message),
            error => Self::caused(&error),
        }
    }
}

impl From<admin::Error> for Failure {
    fn from(error: admin::Error) -> Self {
        match error.fault() {
            Fault::Usage => Self::usage(error.sentence()),
            Fault::System => Self::caused(&error),
        }
    }
}

/// The gateway that runs on the state of `configured`, if one does.
///
/// # Errors
/// [`Failure`] when the socket is there and cannot be used.
pub async fn running(configured: &Configured) -> Result<Option<Client>, Failure> {
    Ok(Client::find(&configured.loaded.file.state.join(SOCKET)).await?)
}

/// The gateway that runs on the state which a file names that is otherwise broken: what stops must not wait for its mending.
pub async fn despite(common: &Common) -> Option<Client> {
    let environment = std::env::var_os("BASTIDE_CONFIG").map(PathBuf::from);
    let path = config::find(common.config.as_deref(), environment.as_deref(), configuration_folder().as_deref()).ok()?;
    let text = std::fs::read_to_string(path).ok()?;
    let state = state_of(&text, std::env::var_os("HOME").map(PathBuf::from).as_deref())?;
    Client::find(&state.join(SOCKET)).await.ok().flatten()
}

/// The folder after `state:` at the start of a line, else the default one.
fn state_of(text: &str, home: Option<&Path>) -> Option<PathBuf> {
    let written = text.lines().find_map(|line| line.strip_prefix("state:"));
    let written = written.map(|rest| rest.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']));
    let path = Path::new(written.unwrap_or("~/.local/state/bastide"));
    match path.strip_prefix("~") {
        Ok(rest) => Some(home?.join(rest)),
        Err(_) => path.is_absolute().then(|| path.to_owned()),
    }
}

impl Desk {
    /// The desk for `configured`.
    ///
    /// # Errors
    /// [`Failure`] when neither a gateway answers nor the state can be had.
    pub async fn open(configured: &Configured) -> Result<Self, Failure> {
        if let Some(client) = running(configured).await? {
            return Ok(Self::Running(client));
        }
        let wired = wire(configured).await?;
        let snapshot = wired.gate.snapshot();
        let side = Side::Stopped {
            policy: snapshot.policy.clone(),
            servers: snapshot.servers.keys().cloned().collect(),
            base: snapshot.listen.base.clone(),
        };
        let admin = admin(&wired, side);
        let operator = Operator { name: account()?, way: Way::CommandLine };
        Ok(Self::Stopped(Box::new(State { wired, admin, operator })))
    }

    /// Lets go of the state; call it whatever came before.
    pub async fn close(self) {
        match self {
            Self::Running(_) => {}
            Self::Stopped(state) => {
                state.wired.gate.ending.cancel();
                state.wired.gate.servers.cut(None);
                state.wired.close().await;
            }
        }
    }

    /// Does `work` at the desk of `configured`, and closes it.
    ///
    /// # Errors
    /// [`Failure`]: that of the desk, else that of `work`.
    pub async fn at<T>(configured: &Configured, work: impl AsyncFnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        Self::open(configured).await?.finish(work).await
    }

    /// Does `work` here, and closes it.
    ///
    /// # Errors
    /// [`Failure`] of `work`.
    pub async fn finish<T>(self, work: impl AsyncFnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let desk = self;
        let done = work(&desk).await;
        desk.close().await;
        done
    }

    /// Whether a gateway runs.
    pub const fn is_running(&self) -> bool {
        match self {
            Self::Running(_) => true,
            Self::Stopped(_) => false,
        }
    }

    /// Performs `act`; gives the answer as the API prints it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn perform(&self, act: Act) -> Result<Value, Failure> {
        match self {
            Self::Running(client) => send(client, act).await,
            Self::Stopped(state) => Ok(serde_json::to_value(perform(&state.admin, &state.operator, act).await?)?),
        }
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn tokens(&self) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Running(client) => listed(client, "tokens").await,
            Self::Stopped(state) => array(serde_json::to_value(state.admin.tokens.list().await?)?),
        }
    }

    /// What the vault holds, without values.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn secrets(&self) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Running(client) => listed(client, "secrets").await,
            Self::Stopped(state) => {
                let vault = state.admin.vault.as_ref().ok_or_else(|| Failure::system("the vault is locked").next("bastide doctor"))?;
                array(serde_json::to_value(vault.list())?)
            }
        }
    }

    /// How the certificate authority stands, with its certificates.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn authority(&self) -> Result<Value, Failure> {
        match self {
            Self::Running(client) => Ok(client.get("/api/v1/ca").await?),
            Self::Stopped(state) => Ok(state.admin.authority.standing().await.map_err(admin::Error::from)?),
        }
    }

    /// The servers as they stand.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn servers(&self) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Running(client) => listed(client, "servers").await,
            Self::Stopped(state) => array(serde_json::to_value(admin::servers(&state.wired.gate))?),
        }
    }

    /// The open sessions; without a gateway there are none.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sessions(&self) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Running(client) => listed(client, "sessions").await,
            Self::Stopped(_) => Ok(Vec::new()),
        }
    }
}

/// The list `name` of the API.
///
/// # Errors
/// [`Failure`].
pub async fn listed(client: &Client, name: &str) -> Result<Vec<Value>, Failure> {
    let mut answer: Value = client.get(&format!("/api/v1/{name}")).await?;
    array(answer.get_mut(name).map(Value::take).unwrap_or_default())
}

fn array(value: Value) -> Result<Vec<Value>, Failure> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::system("the gateway's answer cannot be read")),
    }
}

/// The request that an act is over the API.
async fn send(client: &Client, act: Act) -> Result<Value, Failure> {
    let reasoned = |scope: Scope, reason: String| json!({ "scope": scope, "reason": reason });
    let answer = match act {
        Act::Kill { scope, reason } => client.post("/api/v1/kill", &reasoned(scope, reason)).await,
        Act::Release { scope, reason } => client.post("/api/v1/release", &reasoned(scope, reason)).await,
        Act::TokenIssue(TokenWish { agent, user, servers, tools, workload, life, purpose }) => {
            let life = life.as_secs();
            let body = json!({ "agent": agent, "user": user, "servers": servers, "tools": tools, "workload": workload,
                "life_seconds": life, "purpose": purpose });
            client.post("/api/v1/tokens", &body).await
        }
        Act::TokenRevoke { id } => client.delete(&token_path(id)).await,
        Act::Reload => client.post("/api/v1/reload", &json!({})).await,
        Act::ServerRelease { server } => client.post(&server_path(&server, "release"), &json!({})).await,
        Act::ServerLook { server, seek } => client.post(&server_path(&server, "look"), &json!({ "seek": seek })).await,
        Act::ServerWatch { server, wish } => client.post(&server_path(&server, "watch"), &json!(wish)).await,
        Act::ServerApprove { server, shown } => client.post(&server_path(&server, "approve"), &json!({ "shown": shown })).await,
        Act::ServerForget { server } => client.post(&server_path(&server, "forget"), &json!({})).await,
        Act::SecretPut { address, value } => client.post("/api/v1/secrets", &credential(&address, &value)).await,
        Act::CaInit(new) => {
            let root_key = new.root_key.as_ref().map(Secret::open);
            let body = json!({ "domain": new.domain.to_string(), "root": new.root, "root_key": root_key, "issuer": new.issuer,
                "issuer_key": new.issuer_key.open() });
            client.post("/api/v1/ca", &body).await
        }
        Act::CaIssue { wish, request } => client.post("/api/v1/ca/certificates", &json!({ "wish": wish, "request": request })).await,
        Act::CaInvite { wish, within } => {
            client.post("/api/v1/ca/codes", &json!({ "wish": wish, "within_seconds": within.as_secs() })).await
        }
        Act::CaRevoke { which, reason } => client.post("/api/v1/ca/revoke", &json!({ "which": which, "reason": reason })).await,
        Act::CaRenew(what) => client.post("/api/v1/ca/renew", &json!({ "what": what })).await,
        Act::CaImport(adoption) => {
            let (key, vault) = match &adoption.key {
                KeyPlace::Here(key) => (Some(key.open()), None),
                KeyPlace::Vault(address) => (None, Some(address)),
            };
            let body = json!({ "chain": adoption.chain, "root": adoption.root, "key": key, "vault": vault });
            client.post("/api/v1/ca/import", &body).await
        }
        Act::SecretRemove { address } => client.delete(&format!("/api/v1/secrets/{}/{}", address.server, address.name)).await,
    };
    Ok(answer?)
}

fn token_path(id: TokenId) -> String {
    format!("/api/v1/tokens/{id}")
}

fn server_path(server: &ServerName, act: &str) -> String {
    format!("/api/v1/servers/{server}/{act}")
}

fn credential(address: &Address, value: &Secret<Vec<u8>>) -> Value {
    json!({ "address": address, "value": STANDARD.encode(value.open()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_in_a_file_that_does_not_load() {
        let home = Some(Path::new("/home/ana"));
        for (text, expected) in [
            ("profile: lokal\nstate: /srv/bastide   # here\n", Some("/srv/bastide")),
            ("state: \"/srv/b\"\n", Some("/srv/b")),
            ("state: ~/x\n", Some("/home/ana/x")),
            ("servers:\n  state: /no\n", Some("/home/ana/.local/state/bastide")),
            ("state: here\n", None),
        ] {
            assert_eq!(state_of(text, home).as_deref(), expected.map(Path::new), "{text}");
        }
    }
}
