//! The API: paths to acts and views. Who asks is known before anything here runs; without an [`Operator`] nothing under `/api/v1` answers.

mod body;
#[cfg(test)]
mod tests;

use crate::{Act, Admin, Answer, Error, Fault, Operator, TokenWish, Unissued, Unreviewed, perform, view};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use terms::{Secret, ServerName, TokenId};

/// The description of the API, OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("api/openapi.json");

/// The largest body of a request: a credential of 64 KiB in base64, and some.
const MOST_BODY: usize = 256 * 1024;
/// The longest time that a request may take.
const LONGEST: Duration = Duration::from_secs(90);
/// The longest time that a look at a server may take, which installs its package where it has to.
const LONGEST_LOOK: Duration = Duration::from_secs(400);

/// How long a request for `path` may take.
pub(crate) fn longest(path: &str) -> Duration {
    if path.starts_with("/api/v1/servers/") && path.ends_with("/look") { LONGEST_LOOK } else { LONGEST }
}

/// All paths. Each request must carry an [`Operator`] as an extension for anything under `/api/v1`.
pub fn router(admin: Arc<Admin>) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/sessions", get(sessions))
        .route("/servers", get(servers))
        .route("/servers/{server}/release", post(server_release))
        .route("/servers/{server}/look", post(server_look))
        .route("/servers/{server}/watch", post(server_watch))
        .route("/servers/{server}/approve", post(server_approve))
        .route("/servers/{server}/forget", post(server_forget))
        .route("/tokens", get(tokens).post(token_issue))
        .route("/tokens/{id}", get(token_show).delete(token_revoke))
        .route("/secrets", get(secrets).post(secret_put))
        .route("/secrets/{server}/{*name}", delete(secret_remove))
        .route("/ca", get(ca).post(ca_init))
        .route("/ca/certificates", post(ca_issue))
        .route("/ca/codes", post(ca_invite))
        .route("/ca/revoke", post(ca_revoke))
        .route("/ca/renew", post(ca_renew))
        .route("/ca/import", post(ca_import))
        .route("/kill", post(kill))
        .route("/release", post(release))
        .route("/reload", post(reload))
        .route("/openapi.json", get(openapi))
        .layer(from_fn(known));
    Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(metrics))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async { refuse(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method") })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(plain))
        .with_state(admin)
}

/// An answer without content: why not.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "fault": Fault::Usage, "message": message } }))).into_response()
}

/// Lets nobody in who is not known.
async fn known(request: Request, next: Next) -> Response {
    if request.extensions().get::<Operator>().is_none() {
        return refuse(StatusCode::UNAUTHORIZED, "only operators may ask this");
    }
    next.run(request).await
}

/// Bounds the time, and marks every answer as data that nobody keeps.
pub(crate) async fn plain(request: Request, next: Next) -> Response {
    let longest = longest(request.uri().path());
    let mut response = match tokio::time::timeout(longest, whole(request, next)).await {
        Ok(response) => response,
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "it took too long"),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

/// Answers. An act that was begun comes to its end and on record, whether or not whoever asked for it still waits.
async fn whole(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let ended = tokio::spawn(next.run(request)).await;
    ended.unwrap_or_else(|_| refuse(StatusCode::INTERNAL_SERVER_ERROR, "it failed; see the audit log"))
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self.fault() {
            Fault::Usage => match &self {
                Self::NoServer(_) | Self::NoToken(_) | Self::NoSecret(_) | Self::Unreviewed(Unreviewed::NoServer(_)) => {
                    StatusCode::NOT_FOUND
                }
                Self::Unissued(Unissued::Nobody(_) | Unissued::Unfounded) => StatusCode::NOT_FOUND,
                Self::Unreviewed(Unreviewed::Moved(_)) | Self::Unissued(Unissued::Founded(_)) => StatusCode::CONFLICT,
                _ => StatusCode::BAD_REQUEST,
            },
            Fault::System => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(json!({ "error": { "fault": self.fault(), "message": self.sentence() } }))).into_response()
    }
}

type Shared = State<Arc<Admin>>;
type Answered = Result<Json<Answer>, Error>;

fn shown<T: Serialize>(list: &str, items: T) -> Json<serde_json::Value> {
    Json(json!({ list: items }))
}

async fn status(State(admin): Shared) -> Result<Json<view::StatusView>, Error> {
    view::status(&admin).map(Json)
}

async fn sessions(State(admin): Shared) -> Result<Response, Error> {
    Ok(shown("sessions", view::sessions(admin.gate()?)).into_response())
}

async fn servers(State(admin): Shared) -> Result<Response, Error> {
    Ok(shown("servers", view::servers(admin.gate()?)).into_response())
}

async fn server_release(State(admin): Shared, Extension(operator): Extension<Operator>, Path(server): Path<String>) -> Answered {
    let server = body::name::<ServerName>(&server)?;
    perform(&admin, &operator, Act::ServerRelease { server }).await.map(Json)
}

async fn server_look(State(admin): Shared, Extension(operator): Extension<Operator>, Path(server): Path<String>, bytes: Bytes) -> Answered {
    let server = body::name::<ServerName>(&server)?;
    let body::Sought { seek } = if bytes.is_empty() { body::Sought::default() } else { body::read(&bytes)? };
    perform(&admin, &operator, Act::ServerLook { server, seek }).await.map(Json)
}

async fn server_watch(
    State(admin): Shared,
    Extension(operator): Extension<Operator>,
    Path(server): Path<String>,
    bytes: Bytes,
) -> Answered {
    let server = body::name::<ServerName>(&server)?;
    let wish = body::read(&bytes)?;
    perform(&admin, &operator, Act::ServerWatch { server, wish }).await.map(Json)
}

async fn server_approve(
    State(admin): Shared,
    Extension(operator): Extension<Operator>,
    Path(server): Path<String>,
    bytes: Bytes,
) -> Answered {
    let server = body::name::<ServerName>(&server)?;
    let body::Seen { shown } = body::read(&bytes)?;
    perform(&admin, &operator, Act::ServerApprove { server, shown }).await.map(Json)
}

async fn server_forget(State(admin): Shared, Extension(operator): Extension<Operator>, Path(server): Path<String>) -> Answered {
    let server = body::name::<ServerName>(&server)?;
    perform(&admin, &operator, Act::ServerForget { server }).await.map(Json)
}

async fn tokens(State(admin): Shared) -> Result<Response, Error> {
    Ok(shown("tokens", admin.tokens.list().await?).into_response())
}

async fn token_show(State(admin): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    let id = body::name::<TokenId>(&id)?;
    let record = admin.tokens.find(id).await?.ok_or(Error::NoToken(id))?;
    Ok(Json(record).into_response())
}

async fn token_issue(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let wish = TokenWish::from(body::read::<body::Token>(&bytes)?);
    perform(&admin, &operator, Act::TokenIssue(wish)).await.map(Json)
}

async fn token_revoke(State(admin): Shared, Extension(operator): Extension<Operator>, Path(id): Path<String>) -> Answered {
    let id = body::name::<TokenId>(&id)?;
    perform(&admin, &operator, Act::TokenRevoke { id }).await.map(Json)
}

async fn secrets(State(admin): Shared) -> Result<Response, Error> {
    Ok(shown("secrets", admin.vault()?.list()).into_response())
}

async fn secret_put(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let wish = body::read::<body::Credential>(&bytes)?;
    let (address, value): (vault::Address, Secret<Vec<u8>>) = wish.open()?;
    perform(&admin, &operator, Act::SecretPut { address, value }).await.map(Json)
}

async fn secret_remove(
    State(admin): Shared,
    Extension(operator): Extension<Operator>,
    Path((server, name)): Path<(String, String)>,
) -> Answered {
    let address = vault::Address::new(body::name(&server)?, body::name(&name)?);
    perform(&admin, &operator, Act::SecretRemove { address }).await.map(Json)
}

async fn ca(State(admin): Shared) -> Result<Response, Error> {
    Ok(Json(admin.authority.standing().await?).into_response())
}

async fn ca_init(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let founding = body::read::<body::Founded>(&bytes)?.open()?;
    perform(&admin, &operator, Act::CaInit(Box::new(founding))).await.map(Json)
}

async fn ca_issue(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Certificate { wish, request } = body::read(&bytes)?;
    perform(&admin, &operator, Act::CaIssue { wish, request }).await.map(Json)
}

async fn ca_invite(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Invitation { wish, within_seconds } = body::read(&bytes)?;
    perform(&admin, &operator, Act::CaInvite { wish, within: Duration::from_secs(within_seconds) }).await.map(Json)
}

async fn ca_revoke(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Revocation { which, reason } = body::read(&bytes)?;
    perform(&admin, &operator, Act::CaRevoke { which, reason }).await.map(Json)
}

async fn ca_renew(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Renewal { what } = body::read(&bytes)?;
    perform(&admin, &operator, Act::CaRenew(what)).await.map(Json)
}

async fn ca_import(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let adoption = body::read::<body::Adopted>(&bytes)?.open()?;
    perform(&admin, &operator, Act::CaImport(Box::new(adoption))).await.map(Json)
}

async fn kill(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Reasoned { scope, reason } = body::read(&bytes)?;
    perform(&admin, &operator, Act::Kill { scope: scope.parse()?, reason }).await.map(Json)
}

async fn release(State(admin): Shared, Extension(operator): Extension<Operator>, bytes: Bytes) -> Answered {
    let body::Reasoned { scope, reason } = body::read(&bytes)?;
    perform(&admin, &operator, Act::Release { scope: scope.parse()?, reason }).await.map(Json)
}

async fn reload(State(admin): Shared, Extension(operator): Extension<Operator>) -> Answered {
    perform(&admin, &operator, Act::Reload).await.map(Json)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn metrics(State(admin): Shared) -> Result<Response, Error> {
    let text = admin.gate()?.exposition();
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

/// Ready means: calls can be recorded, and the gateway is not ending.
async fn ready(State(admin): Shared) -> Response {
    match admin.gate() {
        Ok(gate) if gate.journal.state().writable() && !gate.ending.is_cancelled() => "ready\n".into_response(),
        Ok(_) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}
