//! What each stage of the line cost, from the gateway's own counters, beside its budget.

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The counter of the time in a stage.
const SPENT: &str = "bastide_stage_nanoseconds_total{stage=\"";

/// What is done, its budget in microseconds, and the stages that it is. Where a stage waits for others (`forward`, `pair`), its time is theirs too and
/// it has no budget.
const BUDGETS: [(&str, f64, &[&str]); 5] = [
    ("head and strict parse of the call", 10.0, &["accept", "parse"]),
    ("token, session, kill epochs, limits", 3.0, &["identify", "admit"]),
    ("name, pin, schema, guards", 6.0, &["resolve"]),
    ("screening both ways, canonical text, its digest", 8.0, &["inspect", "screen"]),
    ("facts, decision, obligations", 3.0, &["decide", "enforce"]),
];
/// The stages that make records and hand them over.
const RECORDS: (&str, f64, &[&str]) = ("records encoded and handed to group commit", 6.0, &["record", "settle"]);

/// The counters of one moment, in nanoseconds.
pub struct Counters(BTreeMap<String, f64>);

/// Means over a round.
#[derive(Debug, Serialize)]
pub struct Stages {
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    stages: &'static [&'static str],
    cost_us: f64,
    budget_us: f64,
}

impl Counters {
    /// Reads them at the admin listener.
    pub async fn read(admin: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(admin).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get("/metrics").header("host", admin.to_string()).body(Empty::<Bytes>::new())?;
        let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        let rows = text.lines().filter_map(|line| line.strip_prefix(SPENT)?.split_once("\"} "));
        let counters: BTreeMap<String, f64> = rows.filter_map(|(stage, value)| Some((stage.to_owned(), value.parse().ok()?))).collect();
        (!counters.is_empty()).then_some(Self(counters)).context("no stage in /metrics")
    }

    /// What one of `calls` spent since `before`.
    pub fn since(&self, before: &Self, calls: u64) -> Stages {
        let of = |stage: &&str| {
            let at = |counters: &Self| counters.0.get(*stage).copied().unwrap_or_default();
            (at(self) - at(before)) / 1e3 / calls.max(1) as f64
        };
        let row = |(what, budget_us, stages): (&'static str, f64, &'static [&'static str])| Row {
            what,
            stages,
            cost_us: stages.iter().map(of).sum(),
            budget_us,
        };
        Stages { rows: BUDGETS.into_iter().chain([RECORDS]).map(row).collect() }
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "stage, one connection              {:>10} {:>10}", "cost", "budget")?;
        for row in &self.rows {
            writeln!(out, "{:<49} {:>6.1} us {:>6.1} us   ({})", row.what, row.cost_us, row.budget_us, row.stages.join(", "))?;
        }
        Ok(())
    }
}
