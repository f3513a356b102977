//! The whole measurement: upstream, null proxy and gateway started, the same load through each in interleaved rounds.

use crate::load::{self, Era, Seen, Target};
use crate::stages::{Counters, Stages};
use crate::{fsync, usage};
use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What to measure, and how long.
#[derive(Debug)]
pub struct Plan {
    /// The gateway's program.
    pub bastide: Option<PathBuf>,
    /// Connections of a round.
    pub connections: usize,
    /// Length of a round.
    pub round: Duration,
    /// Rounds for each target.
    pub rounds: usize,
}

/// Medians over the rounds.
#[derive(Debug, Serialize)]
pub struct Report {
    connections: usize,
    direct: Seen,
    proxy: Seen,
    nginx: Option<Seen>,
    bastide: Option<Gateway>,
    commit_us: f64,
}

#[derive(Debug, Serialize)]
struct Gateway {
    seen: Seen,
    cpu_ratio: Option<f64>,
    p50_added_us: f64,
    p99_added_us: f64,
    /// With one connection: latency beyond that of the server alone, p50.
    alone_p50_added_us: f64,
    /// With one connection: CPU for one call.
    alone_cpu_us: Option<f64>,
    durable_per_second_64: f64,
    idle_bytes: u64,
    stages: Stages,
}

/// The gateway's program at work.
pub struct Running {
    started: Started,
    /// Its tool `echo`, in the legacy era on both legs.
    pub target: Target,
    admin: SocketAddr,
    config: PathBuf,
}

/// A process that ends with this.
pub struct Started {
    child: Child,
    /// The first line that it said.
    pub line: String,
}

impl Running {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.started.child.id()
    }

    /// Stops a server that nothing is asked of, by a program as an operator does; how long that took.
    pub fn kill_of(&self) -> impl Fn(&Path) -> anyhow::Result<Duration> + Send + 'static {
        let config = self.config.clone();
        move |program| {
            let began = Instant::now();
            json(program, &config, &["kill", "--server", "modern", "--reason", "measured"])?;
            Ok(began.elapsed())
        }
    }
}

impl Started {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts `command` and waits for its first line.
    pub fn new(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().context("a piped output")?);
        reader.read_line(&mut line)?;
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok(Self { child, line: line.trim().to_owned() })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for _ in 0..600 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `plan`.
pub async fn measure(plan: &Plan) -> anyhow::Result<Report> {
    let own = std::env::current_exe()?;
    let upstream = Started::new(Command::new(&own).arg("upstream"))?;
    let server: SocketAddr = upstream.line.parse()?;
    let proxy = Started::new(Command::new(&own).arg("proxy").arg(server.to_string()))?;
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let nginx = nginx(folder.path(), server)?;
    let gateway = plan.bastide.as_deref().map(|program| gateway(program, folder.path(), server)).transpose()?;
    let idle = gateway.as_ref().map(|gateway| usage::resident(gateway.pid())).transpose()?;

    let plain = |address, pid| Target { address, path: "/mcp".into(), token: None, tool: "echo".into(), era: Era::Legacy, pid, tls: None };
    let mut targets = vec![plain(server, None), plain(proxy.line.parse()?, Some(proxy.child.id()))];
    let nginx_at = nginx.as_ref().map(|(started, address)| (targets.len(), started, *address));
    targets.extend(nginx.as_ref().map(|(started, address)| plain(*address, Some(started.child.id()))));
    let gateway_at = gateway.as_ref().map(|_| targets.len());
    targets.extend(gateway.as_ref().map(|gateway| gateway.target.clone()));

    let mut rounds: Vec<Vec<Seen>> = vec![Vec::new(); targets.len()];
    for _ in 0..plan.rounds.max(1) {
        for (seen, target) in rounds.iter_mut().zip(&targets) {
            seen.push(load::drive(target, plan.connections, plan.round).await?);
        }
    }
    let mut seen = rounds.into_iter().map(median).collect::<anyhow::Result<Vec<_>>>()?.into_iter();
    let (direct, null) = seen.next().zip(seen.next()).context("two targets")?;
    let nginx = if nginx_at.is_some() { seen.next() } else { None };
    let bastide = match (gateway_at, &gateway, seen.next()) {
        (Some(_), Some(Running { target, admin, .. }), Some(seen)) => {
            let crowd = load::drive(target, 64, plan.round).await?;
            let bare = load::drive(&plain(server, None), 1, plan.round).await?;
            let before = Counters::read(*admin).await?;
            let alone = load::drive(target, 1, plan.round).await?;
            let stages = Counters::read(*admin).await?.since(&before, alone.driven);
            Some(Gateway {
                alone_p50_added_us: alone.p50_us - bare.p50_us,
                alone_cpu_us: alone.cpu_us,
                stages,
                cpu_ratio: seen.cpu_us.zip(null.cpu_us).map(|(ours, theirs)| ours / theirs),
                p50_added_us: seen.p50_us - direct.p50_us,
                p99_added_us: seen.p99_us - direct.p99_us,
                durable_per_second_64: crowd.per_second,
                idle_bytes: idle.unwrap_or(0),
                seen,
            })
        }
        _ => None,
    };
    let commit_us = fsync::commit(folder.path(), 300)?.as_secs_f64() * 1e6;
    Ok(Report { connections: plan.connections, direct, proxy: null, nginx, bastide, commit_us })
}

/// The round in the middle by CPU, or by latency where no CPU was measured.
fn median(mut rounds: Vec<Seen>) -> anyhow::Result<Seen> {
    rounds.sort_by(|left, right| left.cpu_us.unwrap_or(left.p50_us).total_cmp(&right.cpu_us.unwrap_or(right.p50_us)));
    let middle = rounds.len() / 2;
    rounds.into_iter().nth(middle).context("a round")
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts the gateway's program before the null upstream at `server`, which is `bench` in the legacy era and `modern` in the other.
pub fn gateway(program: &Path, folder: &Path, server: SocketAddr) -> anyhow::Result<Running> {
    gateway_with(program, folder, server, "", "inflight: 1024, connections: 512")
}

/// As [`gateway`], with further entries of the data listener and these bounds.
pub fn gateway_with(program: &Path, folder: &Path, server: SocketAddr, listener: &str, bounds: &str) -> anyhow::Result<Running> {
    let (data, admin) = (free()?, free()?);
    let (state, config) = (folder.join("state"), folder.join("bastide.yaml"));
    std::fs::create_dir(&state)?;
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700))?;
    let state = state.display();
    std::fs::write(
        &config,
        format!(
            "profile: local\nstate: {state}\nlisten:\n  data: {{ address: {data}{listener} }}\n  admin: {{ address: {admin} }}\n\
             people:\n  - {{ name: ana, may: [view, approve, operate, audit, kill] }}\n\
             bounds: {{ {bounds} }}\n\
             servers:\n  bench:\n    url: http://{server}/mcp\n    revision: \"2025-11-25\"\n\
             \x20 modern:\n    url: http://{server}/mcp\n    revision: \"2026-07-28\"\n\
             roles:\n  bench:\n    members: [\"agent:bench\"]\n    allow: {{ bench: [echo, ask, \"question:elicitation\"], modern: [echo] }}\n\
             tools:\n  bench__echo: {{ operation: read }}\n  bench__ask: {{ operation: read }}\n  modern__echo: {{ operation: read }}\n"
        ),
    )?;
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600))?;
    json(program, &config, &["lock", "--yes"])?;
    let token = json(program, &config, &["token", "issue", "--principal", "agent:bench"])?;
    let token = token.get("token").and_then(Value::as_str).context("a token")?.to_owned();
    let started = Started::new(Command::new(program).args(["serve", "--json", "--config"]).arg(&config))?;
    let ready: Value = serde_json::from_str(&started.line).with_context(|| format!("not the ready line: {}", started.line))?;
    ensure!(ready.get("ready") == Some(&Value::Bool(true)), "not ready: {ready}");
    let pid = Some(started.child.id());
    let target =
        Target { address: data, path: "/mcp/bench".into(), token: Some(token), tool: "echo".into(), era: Era::Legacy, pid, tls: None };
    Ok(Running { started, target, admin, config })
}

fn json(program: &Path, config: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new(program).args(arguments).arg("--json").arg("--config").arg(config).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn nginx(folder: &Path, server: SocketAddr) -> anyhow::Result<Option<(Started, SocketAddr)>> {
    let Some(program) = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().map(Path::new).find(|path| path.exists()) else {
        return Ok(None);
    };
    let (address, root) = (free()?, folder.display());
    let text = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log /dev/null; events {{ }}\nhttp {{ access_log off; keepalive_requests 1000000;\n\
         client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root}; scgi_temp_path {root};\n\
         upstream up {{ server {server}; keepalive 64; }}\n\
         server {{ listen {address}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text)?;
    let child = Command::new(program).arg("-c").arg(folder.join("nginx.conf")).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let started = Started { child, line: String::new() };
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(Some((started, address)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(None)
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} connections, 1 KB echo       CPU/1,000 calls   calls/s      p50        p99", self.connections)?;
        let rows = [("direct", Some(&self.direct)), ("null proxy", Some(&self.proxy)), ("nginx", self.nginx.as_ref())];
        for (name, seen) in rows.into_iter().chain([("bastide", self.bastide.as_ref().map(|gateway| &gateway.seen))]) {
            if let Some(seen) = seen {
                let cpu = seen.cpu_us.map_or("-".into(), |cpu| format!("{cpu:.1} ms"));
                writeln!(out, "{name:<30} {cpu:>16} {:>9.0} {:>7.0} us {:>7.0} us", seen.per_second, seen.p50_us, seen.p99_us)?;
            }
        }
        if let Some(gateway) = &self.bastide {
            let ratio = gateway.cpu_ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
            writeln!(out, "CPU to the null proxy          {ratio:>16}   (at most 2.50)")?;
            let beside = gateway.alone_p50_added_us - self.commit_us;
            writeln!(out, "latency added, p50             {:>13.0} us", gateway.p50_added_us)?;
            writeln!(out, "latency added, p99             {:>13.0} us", gateway.p99_added_us)?;
            writeln!(out, "  one connection, p50          {:>13.0} us", gateway.alone_p50_added_us)?;
            writeln!(out, "  of it beside one commit      {beside:>13.0} us   (at most 150)")?;
            if let Some(cpu) = gateway.alone_cpu_us {
                writeln!(out, "  CPU/1,000 calls              {cpu:>13.1} ms")?;
            }
            writeln!(out, "durable calls at 64            {:>14.0} /s  (at least 6,000)", gateway.durable_per_second_64)?;
            writeln!(out, "idle memory                    {:>13.1} MB   (at most 40)", gateway.idle_bytes as f64 / 1e6)?;
        }
        writeln!(out, "one group commit, p50          {:>13.0} us   (4 KiB, fdatasync, same folder)", self.commit_us)?;
        match &self.bastide {
            Some(gateway) => write!(out, "{}", gateway.stages),
            None => Ok(()),
        }
    }
}
