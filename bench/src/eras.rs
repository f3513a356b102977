//! What a call costs where client and server speak revisions of different eras, beside calls in one.

use crate::load::{self, Era, Seen, Target};
use crate::run::{Started, gateway};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The rounds of each pair: the client's era, the server's, and what was seen.
pub struct Report {
    connections: usize,
    pairs: Vec<(Era, Era, Vec<Seen>)>,
}

/// Measures `program` over `connections`, with `rounds` of length `round` for each pair.
pub async fn measure(program: &Path, connections: usize, round: Duration, rounds: usize) -> anyhow::Result<Report> {
    let upstream = Started::new(Command::new(std::env::current_exe()?).arg("upstream"))?;
    let server: SocketAddr = upstream.line.parse()?;
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let running = gateway(program, folder.path(), server)?;
    let eras = [Era::Legacy, Era::Modern];
    let mut pairs: Vec<_> = eras.iter().flat_map(|client| eras.map(|server| (*client, server, Vec::new()))).collect();
    for _ in 0..rounds.max(1) {
        for (client, server, seen) in &mut pairs {
            let path = match server {
                Era::Legacy => "/mcp/bench",
                Era::Modern => "/mcp/modern",
            };
            let target = Target { path: path.into(), era: *client, ..running.target.clone() };
            seen.push(load::drive(&target, connections, round).await?);
        }
    }
    Ok(Report { connections, pairs })
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} connections, 1 KB echo; CPU of a call, {} rounds",
            self.connections,
            self.pairs.first().map_or(0, |pair| pair.2.len())
        )?;
        writeln!(out, "client   server        least    median      most   to legacy, legacy: round by round, median")?;
        let cpu = |seen: &Vec<Seen>| seen.iter().filter_map(|seen| seen.cpu_us).collect::<Vec<f64>>();
        let base = self.pairs.first().map(|pair| cpu(&pair.2)).unwrap_or_default();
        for (client, server, seen) in &self.pairs {
            let costs = cpu(seen);
            let differences = costs.iter().zip(&base).map(|(cost, base)| cost - base).collect();
            let (least, middle, most) = spread(costs);
            let (lower, more, upper) = spread(differences);
            let names = (format!("{client:?}").to_lowercase(), format!("{server:?}").to_lowercase());
            writeln!(
                out,
                "{:<8} {:<8} {least:>8.1} {middle:>9.1} {most:>9.1} us {more:>+8.1} us ({lower:+.1} to {upper:+.1})",
                names.0, names.1
            )?;
        }
        Ok(())
    }
}

/// The least, the one in the middle, and the most.
fn spread(mut costs: Vec<f64>) -> (f64, f64, f64) {
    costs.sort_by(f64::total_cmp);
    let at = |place: usize| costs.get(place).copied().unwrap_or(f64::NAN);
    (at(0), at(costs.len() / 2), at(costs.len().saturating_sub(1)))
}
