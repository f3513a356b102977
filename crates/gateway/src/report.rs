//! Tells a collector how calls went: OpenTelemetry over HTTP, in batches, beside the calls and never on their way.
//!
//! A finished trail is put into a room of bounded size; one task empties it, prints spans and sends them. What finds no room, is not taken or cannot be
//! sent is dropped and counted in `bastide_telemetry_dropped`. Nothing here refuses a call or makes one wait.
//!
//! Sources: OpenTelemetry protocol 1.9, "OTLP/HTTP"; semantic conventions for MCP. Control: `audit.correlation`.

use crate::gate::Gate;
use crate::metrics::{Signal, Untold};
use crate::trail::Finished;
use bytes::Bytes;
use http::HeaderName;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Moments, Resource, Sampled, Value, print_metrics, print_spans, rejected};
use terms::{CallId, Utc};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Finished calls that may wait to be told.
const ROOM: usize = 8192;
/// Calls that are told at once.
const BATCH: usize = 512;
/// How long a finished call waits for others.
const GATHERING: Duration = Duration::from_millis(500);
/// How often one batch is tried.
const TRIES: u32 = 4;
/// Until it is tried again; it doubles.
const DELAY: Duration = Duration::from_secs(1);
/// The longest wait between tries.
const LONGEST: Duration = Duration::from_secs(30);
/// How long everything that waits at the end may take.
const FLUSH: Duration = Duration::from_secs(3);
/// In millionths, all.
const ALL: u64 = 1_000_000;

/// Who is told of calls.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Where it is; `/v1/traces` and `/v1/metrics` come behind.
    pub url: url::Url,
    /// What it wants to see in the head of a request: a header and a place in the vault, `OWNER/NAME`.
    pub headers: Vec<(HeaderName, String)>,
    /// The authorities that its certificate may come from, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Of how many calls in a million spans are sent.
    pub sample: u64,
    /// How often metrics are sent.
    pub every: Duration,
}

/// Tells a collector of calls.
pub struct Report {
    collector: Collector,
    room: Mutex<Vec<Finished>>,
    half_full: Notify,
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untaken {
    /// It cannot be taken now.
    #[error("{0}")]
    Now(String),
    /// It will not be taken.
    #[error("the collector answered with the status {0}")]
    Ever(u16),
}

impl Report {
    /// Tells `collector`.
    pub(crate) fn new(collector: Collector) -> Self {
        Self { collector, room: Mutex::default(), half_full: Notify::new() }
    }

    /// Whether spans of a call are sent. The call's own chance says so: a client can neither have itself left out nor fill the collector.
    pub(crate) fn sampled(&self, call: CallId) -> Sampled {
        let drawn = (u128::from(call.bits()) * u128::from(ALL)) >> 60;
        if drawn < u128::from(self.collector.sample) { Sampled::Yes } else { Sampled::No }
    }

    /// Takes a finished call, if there is room. Wakes nobody as long as there is plenty.
    pub(crate) fn take(&self, gate: &Gate, finished: Finished) {
        let waiting = {
            let mut room = self.room.lock();
            if room.len() < ROOM {
                room.push(finished);
            } else {
                drop(room);
                return dropped(gate, "spans", "full", 1);
            }
            room.len()
        };
        if waiting == ROOM / 2 {
            self.half_full.notify_one();
        }
    }

    /// What waits.
    fn waiting(&self) -> Vec<Finished> {
        std::mem::take(&mut *self.room.lock())
    }
}

fn dropped(gate: &Gate, signal: &'static str, reason: &'static str, count: u64) {
    gate.metrics.untold.get_or_create(&Untold { signal, reason }).inc_by(count);
}

/// Tells the collector of the configuration until `over`, and then what is left; ends at once where there is none.
pub async fn run(gate: Arc<Gate>, over: CancellationToken) {
    let Some(report) = &gate.report else { return };
    let mut instance = [0; 16];
    gate.entropy.fill(&mut instance);
    let resource = Resource {
        attributes: vec![
            ("service.name", Value::Word("bastide")),
            ("service.version", Value::Word(env!("CARGO_PKG_VERSION"))),
            ("service.instance.id", Value::Text(hex::encode(instance))),
        ],
        version: env!("CARGO_PKG_VERSION"),
    };
    let since = gate.clock.utc();
    let collector = &report.collector;
    let mut sender =
        Sender { gate: &gate, collector, resource, since, over: &over, client: None, spans: Going::default(), metrics: Going::default() };
    let mut gathering = tokio::time::interval(GATHERING);
    gathering.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut measuring = tokio::time::interval(collector.every);
    measuring.set_missed_tick_behavior(MissedTickBehavior::Delay);
    measuring.tick().await;
    let telling = async {
        loop {
            tokio::select! {
                () = over.cancelled() => break,
                _ = gathering.tick() => sender.spans(report.waiting()).await,
                () = report.half_full.notified() => sender.spans(report.waiting()).await,
                _ = measuring.tick() => sender.metrics().await,
            }
        }
        sender.spans(report.waiting()).await;
        sender.metrics().await;
    };
    let late = async {
        over.cancelled().await;
        tokio::time::sleep(FLUSH).await;
    };
    tokio::select! {
        () = telling => {}
        () = late => tracing::warn!("the collector did not take what was left at the end in time"),
    }
}

/// The way to the collector, and how it has been going.
struct Sender<'a> {
    gate: &'a Arc<Gate>,
    collector: &'a Collector,
    resource: Resource,
    /// Since when is counted.
    since: Utc,
    /// Whether the gateway ends: then nothing is waited for.
    over: &'a CancellationToken,
    client: Option<egress::Client>,
    spans: Going,
    metrics: Going,
}

/// How it has been going with one signal: what the collector does not take of one says nothing of the other.
#[derive(Default)]
struct Going {
    /// Tries in a row that came to nothing.
    failed: u32,
    /// Until when it is left alone.
    resting: Option<Instant>,
}

impl Sender<'_> {
    /// Sends spans, batch by batch, each tried a few times.
    async fn spans(&mut self, calls: Vec<Finished>) {
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() {
            let (body, count) = self.batch(calls.by_ref().take(BATCH));
            let body = Bytes::from(body);
            for left in (0..TRIES).rev() {
                self.rest().await;
                let left = if self.over.is_cancelled() { 0 } else { left };
                if self.send("v1/traces", "spans", &body, count, left).await {
                    break;
                }
            }
        }
    }

    fn batch(&self, calls: impl Iterator<Item = Finished>) -> (Vec<u8>, u64) {
        let mut spans = Vec::with_capacity(BATCH * 2);
        calls.for_each(|call| call.spans(&mut spans));
        (print_spans(&self.resource, &spans), spans.len() as u64)
    }

    /// Sends the metrics of this moment. They are not tried again: the next ones tell the same and more.
    async fn metrics(&mut self) {
        if !self.over.is_cancelled() && self.metrics.resting.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let moments = Moments { since: self.since.nanos(), now: self.gate.clock.utc().nanos() };
        let printed = print_metrics(&self.gate.exposition(), &self.resource, moments);
        self.send("v1/metrics", "metrics", &Bytes::from(printed.text), printed.points, 0).await;
    }

    /// Leaves a collector alone that did not take spans.
    async fn rest(&mut self) {
        if let Some(until) = self.spans.resting.take() {
            tokio::select! {
                () = self.over.cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Sends once. Whether that is the end of it: it was taken, or nobody tries again.
    async fn send(&mut self, path: &str, signal: &'static str, body: &Bytes, count: u64, left: u32) -> bool {
        let taken = self.gate.servers.collect(self.collector, &mut self.client, path, body.clone()).await;
        let going = if signal == "spans" { &mut self.spans } else { &mut self.metrics };
        let cause = match taken {
            Ok(answer) => {
                if going.failed > 0 {
                    tracing::warn!(signal, "the collector of telemetry takes it again");
                }
                *going = Going::default();
                let refused = rejected(&answer).min(count);
                self.gate.metrics.told.get_or_create(&Signal { signal }).inc_by(count - refused);
                if refused > 0 {
                    dropped(self.gate, signal, "rejected", refused);
                }
                return true;
            }
            Err(cause) => cause,
        };
        if going.failed == 0 {
            tracing::warn!(signal, %cause, "the collector of telemetry does not take it");
        }
        self.client = None;
        going.failed = going.failed.saturating_add(1);
        let wait = DELAY.saturating_mul(1 << (going.failed - 1).min(5)).min(LONGEST);
        going.resting = Some(Instant::now() + wait);
        let over = left == 0 || matches!(cause, Untaken::Ever(_));
        if over {
            dropped(self.gate, signal, "unsent", count);
        }
        over
    }
}
