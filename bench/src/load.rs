//! The load: connections that are kept, each with one call of about 1 KB at a time.

use crate::usage;
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use serde::Serialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Bytes of the usual call.
pub const PAYLOAD: usize = 900;

/// The kinds of revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// With a handshake: 2025-11-25.
    Legacy,
    /// Without: 2026-07-28.
    Modern,
}

/// Who is driven.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// The endpoint's path.
    pub path: String,
    /// The bearer token, if it wants one.
    pub token: Option<String>,
    /// The tool that is called.
    pub tool: String,
    /// What is spoken with it.
    pub era: Era,
    /// The process whose CPU time counts.
    pub pid: Option<u32>,
    /// Inside TLS, as HTTP/2; in the clear HTTP/1.1 where there is none.
    pub tls: Option<Arc<ClientConfig>>,
}

/// What requests are sent on.
enum Sender {
    Single(http1::SendRequest<Full<Bytes>>),
    Multiplexed(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &target.tls else {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(Self::Single(sender));
        };
        let stream = TlsConnector::from(Arc::clone(tls)).connect(target.address.ip().into(), stream).await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Multiplexed(sender))
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>, address: SocketAddr) -> anyhow::Result<Response<Incoming>> {
        Ok(match self {
            Self::Single(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Multiplexed(sender) => {
                request.headers_mut().remove(HOST);
                *request.uri_mut() = format!("https://{address}{}", request.uri().path()).parse()?;
                sender.ready().await?;
                sender.send_request(request).await?
            }
        })
    }
}

/// What one round showed.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Calls answered.
    pub calls: u64,
    /// Calls answered, those of the warming up included.
    #[serde(skip)]
    pub driven: u64,
    /// Calls a second.
    pub per_second: f64,
    /// CPU of the target's process for one call, in microseconds.
    pub cpu_us: Option<f64>,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of latency in microseconds.
    pub p99_us: f64,
}

/// Drives `target` over `connections` for `span` with usual calls, after a fifth of it to warm up. Any answer but a good one ends the round with a fault.
pub async fn drive(target: &Target, connections: usize, span: Duration) -> anyhow::Result<Seen> {
    drive_with(target, connections, span, PAYLOAD).await
}

/// As [`drive`], with calls of about so many bytes.
pub async fn drive_with(target: &Target, connections: usize, span: Duration, bytes: usize) -> anyhow::Result<Seen> {
    let mut lines = Vec::with_capacity(connections);
    for _ in 0..connections {
        lines.push(Line::open(target).await?);
    }
    let warm = Instant::now() + span / 5;
    let end = warm + span;
    let mut tasks = JoinSet::new();
    for mut line in lines {
        tasks.spawn(async move {
            let mut spans = Vec::with_capacity(65_536);
            let mut driven = 0_u64;
            loop {
                let start = Instant::now();
                if start >= end {
                    return anyhow::Ok((spans, driven));
                }
                line.call(bytes).await?;
                driven += 1;
                if start >= warm {
                    spans.push(start.elapsed());
                }
            }
        });
    }
    tokio::time::sleep_until(warm.into()).await;
    let before = target.pid.map(usage::cpu).transpose()?;
    tokio::time::sleep_until(end.into()).await;
    let after = target.pid.map(usage::cpu).transpose()?;
    let mut spans = Vec::new();
    let mut driven = 0;
    while let Some(done) = tasks.join_next().await {
        let (more, calls) = done??;
        spans.extend(more);
        driven += calls;
    }
    ensure!(!spans.is_empty(), "no call was answered");
    spans.sort_unstable();
    let at = |share: f64| spans.get((spans.len() as f64 * share) as usize).map_or(0.0, |span| span.as_secs_f64() * 1e6);
    let cpu = before.zip(after).map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / spans.len() as f64);
    let per_second = spans.len() as f64 / span.as_secs_f64();
    Ok(Seen { calls: spans.len() as u64, driven, per_second, cpu_us: cpu, p50_us: at(0.5), p99_us: at(0.99) })
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was done.
    Done,
    /// It was refused because there was too much to do.
    Refused,
    /// It was answered otherwise.
    Failed,
}

/// One connection with one client on it.
pub struct Line {
    sender: Sender,
    address: SocketAddr,
    path: String,
    headers: HeaderMap,
    tool: String,
    era: Era,
    next: u64,
}

/// What a client of the modern era says of itself in each request.
const META: &str = r#"{"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

impl Line {
    /// Connects, and shakes hands where that is the custom.
    pub async fn open(target: &Target) -> anyhow::Result<Self> {
        let sender = Sender::open(target).await?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&target.address.to_string())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(token) = &target.token {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        let mut line = Self {
            sender,
            address: target.address,
            path: target.path.clone(),
            headers,
            tool: target.tool.clone(),
            era: target.era,
            next: 0,
        };
        if line.era == Era::Modern {
            line.headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
            line.headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
            line.headers.insert("mcp-name", HeaderValue::from_str(&line.tool)?);
            return Ok(line);
        }
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"}}});
        let (session, _) = line.send(hello.to_string()).await?;
        line.headers.insert("mcp-protocol-version", HeaderValue::from_static("2025-11-25"));
        if let Some(session) = session {
            line.headers.insert("mcp-session-id", session);
        }
        line.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()).await?;
        Ok(line)
    }

    async fn call(&mut self, bytes: usize) -> anyhow::Result<()> {
        match self.attempt(bytes).await? {
            Ended::Done => Ok(()),
            Ended::Refused => bail!("refused for want of time"),
            Ended::Failed => bail!("not the answer that was asked for"),
        }
    }

    /// One call with about so many bytes; whether it was done, or refused because there is too much to do.
    pub async fn attempt(&mut self, bytes: usize) -> anyhow::Result<Ended> {
        const WORDS: &str = "lorem ipsum dolor sit amet, consectetur adipiscing elit; ";
        let text = format!("{:08} {}", self.next, WORDS.repeat(bytes / WORDS.len() + 1));
        let text = text.get(..bytes).context("a payload")?;
        let Some(answer) = self.asked(&format!(r#"{{"text":"{text}"}}"#), "").await? else { return Ok(Ended::Refused) };
        let good = answer.len() > bytes && !answer.windows(14).any(|window| window == br#""isError":true"#);
        Ok(if good { Ended::Done } else { Ended::Failed })
    }

    /// Calls the tool with `arguments`, one JSON object; `more` are further members of the params, each after a comma.
    pub async fn ask(&mut self, arguments: &str, more: &str) -> anyhow::Result<Bytes> {
        self.asked(arguments, more).await?.context("refused for want of time")
    }

    async fn asked(&mut self, arguments: &str, more: &str) -> anyhow::Result<Option<Bytes>> {
        self.next += 1;
        let (next, tool) = (self.next, &self.tool);
        let meta = match self.era {
            Era::Legacy => String::new(),
            Era::Modern => format!(r#""_meta":{META},"#),
        };
        let params = format!(r#"{{{meta}"name":"{tool}","arguments":{arguments}{more}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{next},"method":"tools/call","params":{params}}}"#);
        let (status, _, body) = self.sent(body).await?;
        match status {
            StatusCode::SERVICE_UNAVAILABLE => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => bail!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    async fn send(&mut self, body: String) -> anyhow::Result<(Option<HeaderValue>, Bytes)> {
        let (status, session, body) = self.sent(body).await?;
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok((session, body))
    }

    async fn sent(&mut self, body: String) -> anyhow::Result<(StatusCode, Option<HeaderValue>, Bytes)> {
        let mut request = Request::post(self.path.as_str()).body(Full::new(Bytes::from(body)))?;
        *request.headers_mut() = self.headers.clone();
        let response = self.sender.send(request, self.address).await?;
        let status = response.status();
        let session = response.headers().get("mcp-session-id").cloned();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, session, body))
    }
}
