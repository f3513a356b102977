//! The well-behaved server. `canary-server [--notes DIR] [--journal FILE] [--http]`; with `--http` it prints its address as one line first.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use testkit::server::{Canary, serve_http, serve_stdio};

fn main() -> std::io::Result<()> {
    let (mut notes, mut journal, mut http) = (PathBuf::from("/tmp"), None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--notes" => notes = arguments.next().unwrap_or_default().into(),
            "--journal" => journal = arguments.next().map(PathBuf::from),
            "--http" => http = true,
            other => return Err(std::io::Error::other(format!("unknown argument `{other}`"))),
        }
    }
    let mut canary = Canary::new(&notes, journal.as_deref())?;
    if !http {
        return serve_stdio(&mut canary);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    serve_http(&listener, Arc::new(Mutex::new(canary)))
}
