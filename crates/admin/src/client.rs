//! The command line's way to a running gateway: HTTP over the admin socket.

use crate::Fault;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// How much longer than the gateway itself an answer is waited for.
const MORE: Duration = Duration::from_secs(10);
const MOST_ANSWER: usize = 64 << 20;

/// Why a running gateway did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another account listens there.
    #[error("the admin socket belongs to user {0}")]
    Foreign(u32),
    /// The socket cannot be used.
    #[error("the admin socket cannot be used")]
    Socket(#[from] io::Error),
    /// The exchange broke off.
    #[error("the gateway broke off")]
    Broken(#[from] hyper::Error),
    /// The gateway took too long.
    #[error("the gateway did not answer in time")]
    Slow,
    /// What came back is no answer.
    #[error("the gateway's answer cannot be read")]
    Answer,
    /// The gateway said no.
    #[error("{message}")]
    Refused {
        /// Whose fault it is.
        fault: Fault,
        /// Why, in sentences.
        message: String,
    },
}

/// A running gateway.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// The gateway that listens at `path`; none when nobody does.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Socket`].
    pub async fn find(path: &Path) -> Result<Option<Self>, Error> {
        let client = Self { path: path.to_owned() };
        match client.open().await {
            Ok(_) => Ok(Some(client)),
            Err(Error::Socket(cause)) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Reads `path`, such as `/api/v1/status`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None).await
    }

    /// Reads `path`, which is text, such as `/metrics`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn text(&self, path: &str) -> Result<String, Error> {
        let longest = crate::api::longest(path) + MORE;
        let body = tokio::time::timeout(longest, self.exchange(Method::GET, path, None)).await.unwrap_or(Err(Error::Slow))?;
        String::from_utf8(body.into()).map_err(|_| Error::Answer)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Error> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Removes what `path` names.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn open(&self) -> Result<UnixStream, Error> {
        let stream = UnixStream::connect(&self.path).await?;
        let uid = stream.peer_cred()?.uid();
        let own = rustix::process::geteuid().as_raw();
        if uid == own || uid == 0 { Ok(stream) } else { Err(Error::Foreign(uid)) }
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, Error> {
        let longest = crate::api::longest(path) + MORE;
        let body = tokio::time::timeout(longest, self.exchange(method, path, body)).await.unwrap_or(Err(Error::Slow))?;
        serde_json::from_slice(&body).map_err(|_| Error::Answer)
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, Error> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.open().await?)).await?;
        let driver = tokio::spawn(connection);
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "bastide")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|_| Error::Answer)?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER).collect().await.map_err(|_| Error::Answer)?.to_bytes();
        drop(sender);
        driver.abort();
        if status.is_success() {
            return Ok(body);
        }
        Err(refused(&body))
    }
}

fn refused(body: &[u8]) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    match (value.pointer("/error/fault").and_then(Value::as_str), value.pointer("/error/message").and_then(Value::as_str)) {
        (Some("usage"), Some(message)) => Error::Refused { fault: Fault::Usage, message: message.to_owned() },
        (Some(_), Some(message)) => Error::Refused { fault: Fault::System, message: message.to_owned() },
        (_, None) | (None, _) => Error::Answer,
    }
}
