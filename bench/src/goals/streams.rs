//! What idle streams hold: clients that have opened a session and listen.

use super::Figure;
use crate::papers::Papers;
use crate::run::{Started, gateway_with};
use crate::usage;
use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const STREAMS: usize = 9_000;
const ABREAST: usize = 32;
const MOST_MB: f64 = 400.0;

trait Channel: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Channel for T {}

pub(super) async fn measure(program: &Path) -> anyhow::Result<Vec<Figure>> {
    // Both sides of each connection need a file; the gateway asks for its own.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let mut figures = Vec::new();
    for secured in [false, true] {
        let upstream = Started::new(Command::new(std::env::current_exe()?).arg("upstream"))?;
        let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
        let papers = Papers(folder.path());
        papers.make()?;
        let listener = if secured { papers.listener() } else { String::new() };
        let bounds = "inflight: 1024, connections: 20000, streams: 20000, header: 60s, turn: 60s";
        let running = gateway_with(program, folder.path(), upstream.line.parse()?, &listener, bounds)?;
        let before = usage::resident(running.pid())?;
        let tls = if secured { Some(papers.client("http/1.1")?) } else { None };
        let (target, token) = (running.target.address, running.target.token.clone().context("a token")?);
        let (mut held, mut at) = (Vec::with_capacity(STREAMS), 0);
        while at < STREAMS {
            let mut tasks = JoinSet::new();
            for _ in 0..ABREAST.min(STREAMS - at) {
                tasks.spawn(stream(target, token.clone(), tls.clone()));
                at += 1;
            }
            while let Some(opened) = tasks.join_next().await {
                held.push(opened??);
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mega = usage::resident(running.pid())? as f64 / 1e6;
        let name = if secured { "inside TLS" } else { "in the clear" };
        figures.push(Figure::plain(format!("memory before, {name}"), before as f64 / 1e6, "MB"));
        figures.push(Figure::plain(format!("memory with {} idle streams, {name}", held.len()), mega, "MB").at_most(MOST_MB));
    }
    Ok(figures)
}

/// Opens a session and its stream on one connection, which goes on.
async fn stream(address: std::net::SocketAddr, token: String, tls: Option<Arc<ClientConfig>>) -> anyhow::Result<Box<dyn Channel>> {
    let plain = TcpStream::connect(address).await?;
    let mut stream: Box<dyn Channel> = match tls {
        None => Box::new(plain),
        Some(tls) => Box::new(TlsConnector::from(tls).connect(address.ip().into(), plain).await?),
    };
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
    let common = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n");
    let both = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let length = hello.len();
    stream.write_all(format!("POST /mcp/bench HTTP/1.1\r\n{common}{both}Content-Length: {length}\r\n\r\n{hello}").as_bytes()).await?;
    stream.flush().await?;
    let answer = head(&mut stream, "}}").await?;
    let session = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).context("a session")?.to_owned();
    let named = format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
    stream.write_all(format!("GET /mcp/bench HTTP/1.1\r\n{common}{named}Accept: text/event-stream\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    head(&mut stream, "\r\n\r\n").await?;
    Ok(stream)
}

async fn head(stream: &mut (impl AsyncRead + Unpin), end: &str) -> anyhow::Result<String> {
    let (mut text, mut piece) = (String::new(), [0; 2048]);
    while !(text.contains("\r\n\r\n") && text.contains(end)) {
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut piece)).await??;
        ensure!(read > 0, "it was closed: {text}");
        text.push_str(&String::from_utf8_lossy(piece.get(..read).unwrap_or_default()));
    }
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    Ok(text)
}
