//! More than can be done: five times what a server can do, and what the gateway itself can.
//!
//! The load is open: calls are due at their times whatever became of those before. What waits long for a free connection is counted as sent late, and what is
//! answered later than a second after it was due as not done.

use super::Figure;
use crate::load::{self, Ended, Line, PAYLOAD, Target};
use crate::run::{Started, gateway, gateway_with};
use crate::usage;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the server does at once, and how long each takes.
const AT_ONCE: usize = 8;
const TAKES_MS: u64 = 20;
const SPAN: Duration = Duration::from_secs(6);
/// Connections that calls are offered on: enough for a server that is slow, and for a gateway that is.
const LINES: usize = 384;
const MANY: usize = 8_000;
/// Bytes of a call that takes the gateway long.
const LONG: usize = 16 << 10;
/// When what is answered is of no use any more.
const DEADLINE: Duration = Duration::from_secs(1);
/// When what waits for a connection counts as sent late.
const LATE: Duration = Duration::from_millis(50);

/// What open load showed.
struct Shown {
    done: f64,
    offered: f64,
    refused: u64,
    /// Answered otherwise.
    failed: u64,
    /// Sent long after they were due.
    late: u64,
    /// Done later than a second after they were due, or after the end.
    overdue: u64,
    /// How long refusals took, sorted, in milliseconds.
    refusals: Vec<f64>,
}

pub(super) async fn measure(program: &Path) -> anyhow::Result<Vec<Figure>> {
    let own = std::env::current_exe()?;
    let narrow = ["upstream", "--at-once", &AT_ONCE.to_string(), "--takes", &TAKES_MS.to_string()].map(str::to_owned);
    let upstream = Started::new(Command::new(&own).args(narrow))?;
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let running = gateway(program, folder.path(), upstream.line.parse()?)?;
    let direct = Target { address: upstream.line.parse()?, path: "/mcp".into(), token: None, pid: None, ..running.target.clone() };
    let capacity = load::drive(&direct, 2 * AT_ONCE, Duration::from_secs(3)).await?.per_second;
    // What a call usually takes is known from ordinary work.
    load::drive(&running.target, 4, Duration::from_secs(1)).await?;
    let killer = async {
        tokio::time::sleep(SPAN / 2).await;
        let (kill, program) = (running.kill_of(), program.to_owned());
        tokio::task::spawn_blocking(move || kill(&program)).await?
    };
    let (shown, killed) = tokio::join!(offer(&running.target, 5.0 * capacity, LINES, PAYLOAD), killer);
    let (shown, killed) = (shown?, killed?);
    let at = |share: f64| shown.refusals.get((shown.refusals.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    let mut figures = vec![
        Figure::plain("what the server can do", capacity, "/s"),
        Figure::plain("offered to it through the gateway", shown.offered / capacity, "times").at_least(4.0),
        Figure::plain("  done of what it can do", 100.0 * shown.done / capacity, "%").at_least(90.0),
        Figure::plain("  refused", shown.refused as f64, ""),
        Figure::plain("  failed otherwise", shown.failed as f64, "").at_most(0.0),
        Figure::plain("  time of a refusal, p50", at(0.5), "ms").at_most(5.0),
        Figure::plain("  time of a refusal, p99", at(0.99), "ms"),
        Figure::plain("  a kill, its program included", killed.as_secs_f64() * 1e3, "ms").at_most(1000.0),
    ];
    drop(running);
    figures.extend(itself(program).await?);
    Ok(figures)
}

/// More than the gateway itself can do: it has one processor of its own, and calls that take it long, so that whoever offers them has time to.
async fn itself(program: &Path) -> anyhow::Result<Vec<Figure>> {
    let upstream = Started::new(Command::new(std::env::current_exe()?).arg("upstream"))?;
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let bounds = "inflight: 20000, connections: 20000, streams: 20000, header: 60s";
    let running = gateway_with(program, folder.path(), upstream.line.parse()?, "", bounds)?;
    let processors = std::thread::available_parallelism()?.get();
    if processors > 1 {
        usage::pin(running.pid(), 0..1)?;
        usage::pin(upstream.pid(), 1..processors)?;
        usage::pin(std::process::id(), 1..processors)?;
    }
    let peak = load::drive_with(&running.target, 32, Duration::from_secs(4), LONG).await?.per_second;
    let mut figures = vec![Figure::plain(format!("what the gateway can do of {} KiB on one processor", LONG >> 10), peak, "/s")];
    for times in [2.0, 5.0] {
        let shown = offer(&running.target, times * peak, MANY, LONG).await?;
        figures.extend([
            Figure::plain("offered to it", shown.offered / peak, "times"),
            Figure::plain("  done within a second, of what it can do", 100.0 * shown.done / peak, "%").at_least(50.0),
            Figure::plain("  done later", 100.0 * shown.overdue as f64 / (SPAN - SPAN / 3).as_secs_f64() / peak, "%"),
            Figure::plain("  refused", shown.refused as f64, ""),
            Figure::plain("  failed otherwise", shown.failed as f64, "").at_most(0.0),
            Figure::plain("  sent late", shown.late as f64, ""),
        ]);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    if processors > 1 {
        usage::pin(std::process::id(), 0..processors)?;
    }
    Ok(figures)
}

/// Offers `rate` calls of so many bytes a second.
async fn offer(target: &Target, rate: f64, connections: usize, bytes: usize) -> anyhow::Result<Shown> {
    let mut lines = Vec::with_capacity(connections);
    for _ in 0..connections {
        lines.push(Line::open(target).await?);
    }
    let (next, began) = (Arc::new(AtomicU64::new(0)), Instant::now() + Duration::from_millis(50));
    let settled = began + SPAN / 3;
    let mut tasks = JoinSet::new();
    for mut line in lines {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            let (mut done, mut overdue, mut sent, mut late, mut failed, mut refusals) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64, Vec::new());
            loop {
                let due = began + Duration::from_secs_f64(next.fetch_add(1, Ordering::Relaxed) as f64 / rate);
                if due >= began + SPAN || Instant::now() >= began + SPAN {
                    return anyhow::Ok((done, overdue, sent, late, failed, refusals));
                }
                tokio::time::sleep_until(due.into()).await;
                let start = Instant::now();
                let ended = line.attempt(bytes).await?;
                // The first third shows what the gateway has to learn.
                if start < settled {
                    continue;
                }
                sent += 1;
                late += u64::from(start.saturating_duration_since(due) > LATE);
                match ended {
                    Ended::Done if Instant::now() < (due + DEADLINE).min(began + SPAN) => done += 1,
                    Ended::Done => overdue += 1,
                    Ended::Failed => failed += 1,
                    Ended::Refused => refusals.push(start.elapsed().as_secs_f64() * 1e3),
                }
            }
        });
    }
    let (mut done, mut overdue, mut sent, mut late, mut failed, mut refusals) = (0, 0, 0, 0, 0, Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (more_done, more_overdue, more_sent, more_late, more_failed, more) = ended??;
        done += more_done;
        overdue += more_overdue;
        late += more_late;
        failed += more_failed;
        sent += more_sent;
        refusals.extend(more);
    }
    refusals.sort_by(f64::total_cmp);
    let span = (SPAN - SPAN / 3).as_secs_f64();
    Ok(Shown { done: done as f64 / span, offered: sent as f64 / span, refused: refusals.len() as u64, failed, late, overdue, refusals })
}
