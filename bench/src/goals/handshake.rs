//! What a handshake costs in which both sides show a certificate, beside a server that does nothing else.

use super::Figure;
use crate::papers::Papers;
use crate::run::{Started, gateway_with};
use crate::usage;
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ROUND: usize = 400;
const ROUNDS: usize = 5;
const ABREAST: usize = 4;

/// Shakes hands with whoever comes, reads until the end; the address is printed first.
pub async fn serve(folder: &Path) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(Papers(folder).server()?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 1]).await;
            }
        });
    }
}

pub(super) async fn measure(program: &Path) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let papers = Papers(folder.path());
    papers.make()?;
    let own = std::env::current_exe()?;
    let bare = Started::new(Command::new(&own).arg("shake").arg(folder.path()))?;
    let upstream = Started::new(Command::new(&own).arg("upstream"))?;
    let running = gateway_with(program, folder.path(), upstream.line.parse()?, &papers.listener(), "connections: 512")?;
    let client = papers.client("http/1.1")?;
    let targets = [(bare.line.parse()?, bare.pid()), (running.target.address, running.pid())];
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (costs, (address, pid)) in costs.iter_mut().zip(targets) {
            let cost = cost(&client, address, pid).await?;
            // The first warms up.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    let [bare, ours] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN)
    });
    Ok(vec![
        Figure::plain("CPU of a mutual handshake, a bare server", bare, "us"),
        Figure::plain("CPU of a mutual handshake, the gateway", ours, "us"),
        Figure::plain("  to the bare server", ours / bare, "times").at_most(1.3),
    ])
}

async fn cost(client: &Arc<ClientConfig>, address: SocketAddr, pid: u32) -> anyhow::Result<f64> {
    let before = usage::cpu(pid)?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..ABREAST {
        let client = Arc::clone(client);
        tasks.spawn(async move {
            for _ in 0..ROUND / ABREAST {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut stream = TlsConnector::from(Arc::clone(&client)).connect(address.ip().into(), stream).await?;
                stream.shutdown().await?;
                let _ = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 1])).await;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok((usage::cpu(pid)?.saturating_sub(before)).as_secs_f64() * 1e6 / ROUND as f64)
}
