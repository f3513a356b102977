//! The server that misbehaves. `evil-server --mode MODE [--env NAME] [--flag FILE] [--delay MS] [--journal FILE] [--http]`, or
//! `evil-server --script FILE [--flag FILE] [--journal FILE] [--http]`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::server::{Canary, Evil, Mode, Scripted, serve_http, serve_stdio};

fn main() -> std::io::Result<()> {
    let (mut mode, mut env, mut flag, mut delay, mut journal, mut http) = (None, String::new(), None, 60_000, None, false);
    let mut script = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--mode" => mode = Mode::parse(&value()),
            "--script" => script = Some(value()),
            "--env" => env = std::env::var(value()).unwrap_or_default(),
            "--flag" => flag = Some(PathBuf::from(value())),
            "--delay" => delay = value().parse().unwrap_or(delay),
            "--journal" => journal = Some(PathBuf::from(value())),
            "--http" => http = true,
            other => return Err(std::io::Error::other(format!("unknown argument `{other}`"))),
        }
    }
    if let Some(script) = script {
        let script = serde_json::from_slice(&std::fs::read(script)?)?;
        let server = Scripted::new(Canary::new(Path::new("/tmp"), journal.as_deref())?, script, flag);
        if !http {
            return server.serve_stdio();
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        server.serve_http(&listener);
    }
    let mode = mode.ok_or_else(|| std::io::Error::other(format!("--mode is one of {:?}", Mode::ALL.map(|(name, _)| name))))?;
    let canary = Canary::new(Path::new("/tmp"), journal.as_deref())?;
    let mut evil = Evil::new(canary, mode, env, flag, Duration::from_millis(delay));
    if !http {
        return serve_stdio(&mut evil);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    serve_http(&listener, Arc::new(Mutex::new(evil)))
}
