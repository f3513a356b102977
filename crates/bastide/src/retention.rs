//! Keeps the log to its time: what is older than `audit.retain` becomes an archive, and the log's interruptions get on record.

use crate::wire::Wired;
use audit::record::{Act, Kind, Object, Severity};
use audit::{Journal as _, Record, Unavailable};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::journal::{FileJournal, Sealed, within};
use terms::{RecordId, Utc};

/// How often it looks, at most and at least; in between a quarter of the time that records stay.
const EVERY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// How soon a reload is noticed.
const NOTICE: Duration = Duration::from_secs(1);
/// How often interruptions are asked for.
const INTERRUPTIONS: Duration = Duration::from_millis(500);
/// Whose deed an archive is.
const OPERATOR: &str = "gateway:retention";

/// Why nothing was archived.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Log(#[from] store::journal::Error),
    #[error(transparent)]
    Unrecorded(#[from] Unavailable),
    #[error("the archiving was cut short")]
    Cut(#[from] tokio::task::JoinError),
}

/// Archives until the gateway ends.
pub async fn keep(wired: Arc<Wired>) {
    let mut told = String::new();
    let mut looked = wired.clock.instant();
    loop {
        let every = |retain: Duration| (retain / 4).clamp(EVERY.0, EVERY.1);
        tokio::select! {
            () = wired.gate.ending.cancelled() => return,
            () = tokio::time::sleep(every(wired.gate.snapshot().retain).min(NOTICE)) => {}
        }
        let (retain, now) = (wired.gate.snapshot().retain, wired.clock.instant());
        if now.since(looked) < every(retain) {
            continue;
        }
        looked = now;
        let gate = Arc::clone(&wired.gate);
        let sweep = move || {
            gate.forensics.sweep();
            gate.withheld.sweep();
        };
        let _ = tokio::task::spawn_blocking(sweep).await;
        let cause = match all(&wired, retain).await {
            Ok(()) => String::new(),
            Err(cause) => sentence(&cause),
        };
        // What goes on being wrong is told once.
        if !cause.is_empty() && cause != told {
            tracing::error!(%cause, "old records could not be archived; they stay in the log");
            failed(&wired, &cause);
        }
        told = cause;
    }
}

fn sentence(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Archives every segment that is old enough, one after the other.
async fn all(wired: &Arc<Wired>, retain: Duration) -> Result<(), Fault> {
    let nanos = u64::try_from(retain.as_nanos()).unwrap_or(u64::MAX);
    let before = Utc::from_nanos(wired.clock.utc().nanos().saturating_sub(nanos));
    while !wired.gate.ending.is_cancelled() {
        let Some(sealed) = aside(wired, move |journal| journal.seal(before)).await? else { return Ok(()) };
        recorded(wired, &sealed).await?;
        aside(wired, move |journal| journal.drop_sealed(&sealed)).await?;
    }
    Ok(())
}

/// Runs what blocks on the disk beside the runtime.
async fn aside<T: Send + 'static>(
    wired: &Arc<Wired>,
    work: impl FnOnce(&FileJournal) -> Result<T, store::journal::Error> + Send + 'static,
) -> Result<T, Fault> {
    let journal = Arc::clone(&wired.journal);
    Ok(tokio::task::spawn_blocking(move || work(&journal)).await??)
}

/// Puts an archive on record, before its segment goes.
async fn recorded(wired: &Wired, sealed: &Sealed) -> Result<(), Fault> {
    let seal = sealed.seal();
    let hex: String = seal.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let parameters = json!({
        "archive": sealed.path(), "first": seal.first, "records": seal.records, "sha256": hex,
    })
    .to_string();
    let mut record = Record::new(RecordId::new(&*wired.entropy), Kind::Act, wired.clock.utc(), wired.clock.instant());
    record.act = Some(Act {
        operator: OPERATOR,
        name: "audit.archive",
        parameters: Object::new(parameters.as_bytes()).ok(),
        outcome: Some("sealed"),
    });
    within(wired.journal.append_reserved(record.encode()), wired.journal.limit()).await?;
    Ok(())
}

fn failed(wired: &Wired, cause: &str) {
    event(wired, "audit.archive-failed", Severity::Medium, &["T1562"], &json!({ "cause": cause }));
}

/// Puts on record that the log took no records for a time, once it takes them again.
pub async fn interruptions(wired: Arc<Wired>) {
    let mut tick = tokio::time::interval(INTERRUPTIONS);
    loop {
        tokio::select! {
            () = wired.gate.ending.cancelled() => return,
            _ = tick.tick() => {}
        }
        for one in wired.journal.interruptions() {
            let detail = json!({ "since": one.since.to_string(), "until": one.until.to_string(), "cause": one.cause });
            event(&wired, "audit.interrupted", Severity::High, &["T1562", "T1070"], &detail);
        }
    }
}

fn event(wired: &Wired, name: &str, severity: Severity, mitre: &[&str], detail: &serde_json::Value) {
    let detail = detail.to_string();
    let mut record = Record::new(RecordId::new(&*wired.entropy), Kind::Event, wired.clock.utc(), wired.clock.instant());
    record.event = Some(name);
    record.severity = Some(severity);
    record.mitre = mitre;
    record.detail = Object::new(detail.as_bytes()).ok();
    drop(wired.journal.append_reserved(record.encode()));
}
