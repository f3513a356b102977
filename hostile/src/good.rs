//! The good client: it keeps one connection and calls again and again, whatever the others do.

use crate::arena::Side;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::Http;

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(1);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 10 });

/// One call: when it began, how long it took, and why it failed if it did.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    pub(crate) fault: Option<String>,
}

/// A client at work.
pub(crate) struct Good {
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

trait Channel: Read + Write + Send {}
impl<T: Read + Write + Send> Channel for T {}

impl Good {
    /// Begins to call.
    pub(crate) fn start(side: &Side) -> Self {
        let (client, calls, stop) = (side.tester.clone(), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (noted, over) = (Arc::clone(&calls), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (mut line, mut at) = (None, 0_u64);
            while !over.load(Ordering::Relaxed) {
                at += 1;
                let began = Instant::now();
                let fault = call(&client, &mut line, at).err().map(|fault| fault.to_string());
                if fault.is_some() {
                    line = None;
                }
                noted.lock().unwrap().push(Call { began, took: began.elapsed(), fault });
                std::thread::sleep(PAUSE);
            }
        });
        // The first call starts the server behind the gateway.
        while calls.lock().unwrap().is_empty() {
            std::thread::sleep(PAUSE);
        }
        Self { calls, stop, thread: Some(thread) }
    }

    /// The calls that began after `from`.
    pub(crate) fn since(&self, from: Instant) -> Vec<Call> {
        self.calls.lock().unwrap().iter().rev().take_while(|call| call.began >= from).cloned().collect()
    }

    /// How many there are of them.
    pub(crate) fn count_since(&self, from: Instant) -> usize {
        self.calls.lock().unwrap().iter().rev().take_while(|call| call.began >= from).count()
    }
}

impl Drop for Good {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn connect(client: &Http) -> io::Result<Box<dyn Channel>> {
    let stream = TcpStream::connect(client.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(tls) = &client.tls else { return Ok(Box::new(stream)) };
    let session = ClientConnection::new(Arc::clone(tls), client.address.ip().into()).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(session, stream)))
}

/// One call, on the connection that is there.
fn call(client: &Http, line: &mut Option<Box<dyn Channel>>, at: u64) -> io::Result<()> {
    if line.is_none() {
        *line = Some(connect(client)?);
    }
    let stream = line.as_mut().expect("it was put there");
    let mark = format!("good {at}");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{at},"method":"tools/call","params":{{"name":"canary__echo","arguments":{{"text":"{mark}"}}}}}}"#
    );
    let session = [("Mcp-Session-Id", client.session.as_deref().unwrap_or_default()), ("MCP-Protocol-Version", "2025-11-25")];
    let mut request = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", client.address, body.len());
    for (name, value) in client.headers(&session) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("\r\n{body}"));
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (mut answer, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::Error::other("it was cut off"));
        }
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        let lower = text.to_ascii_lowercase();
        let Some(end) = text.find("\r\n\r\n") else { continue };
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        let whole = match length {
            Some(length) => answer.len() >= end + 4 + length,
            // A stream, which an answer that is late becomes.
            None => text.ends_with("0\r\n\r\n"),
        };
        if whole {
            let good = text.starts_with("HTTP/1.1 200") && text.contains(&mark) && !text.contains("isError\":true");
            return if good { Ok(()) } else { Err(io::Error::other(text.chars().take(300).collect::<String>())) };
        }
    }
}
