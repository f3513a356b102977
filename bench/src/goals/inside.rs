//! What a call costs inside TLS as HTTP/2, beside the same call in the clear as HTTP/1.1.

use super::Figure;
use crate::load::{self, Target};
use crate::papers::Papers;
use crate::run::{Started, gateway, gateway_with};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CONNECTIONS: usize = 32;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

pub(super) async fn measure(program: &Path) -> anyhow::Result<Vec<Figure>> {
    let upstream = Started::new(Command::new(std::env::current_exe()?).arg("upstream"))?;
    let server = upstream.line.parse()?;
    let [clear, secured] = [tempfile::tempdir()?, tempfile::tempdir()?];
    let papers = Papers(secured.path());
    papers.make()?;
    let clear = gateway(program, clear.path(), server)?;
    let secured = gateway_with(program, secured.path(), server, &papers.listener(), "inflight: 1024, connections: 512")?;
    let targets = [clear.target.clone(), Target { tls: Some(papers.client("h2")?), ..secured.target.clone() }];
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (costs, target) in costs.iter_mut().zip(&targets) {
            costs.extend(load::drive(target, CONNECTIONS, ROUND).await?.cpu_us);
        }
    }
    let [clear, secured] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN)
    });
    Ok(vec![
        Figure::plain("CPU of a call, HTTP/1.1 in the clear", clear, "us"),
        Figure::plain("CPU of a call, HTTP/2 inside TLS", secured, "us"),
        Figure::plain("  to HTTP/1.1 in the clear", secured / clear, "times").at_most(1.6),
    ])
}
