//! What carries a server's messages: standard streams, or HTTP with one answer a request.

use super::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Serves standard input and output until it ends. A line that is no JSON is taken as `{"unread": LINE}`.
///
/// # Errors
/// When the client no longer reads.
pub fn serve_stdio(server: &mut dyn Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut lines = std::io::stdin().lock();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let message = serde_json::from_slice(&line).unwrap_or_else(|_| json!({"unread": String::from_utf8_lossy(&line)}));
        if !server.take(&message, &mut out)? {
            break;
        }
        line.clear();
    }
    Ok(())
}

/// Serves `listener`, a thread a connection, one request each; every answer is the first line that the server writes. Never returns.
pub fn serve_http(listener: &TcpListener, server: Arc<Mutex<dyn Server>>) -> ! {
    loop {
        if let Ok((stream, _)) = listener.accept() {
            let server = Arc::clone(&server);
            std::thread::spawn(move || serve_one(stream, &server));
        }
    }
}

fn serve_one(mut stream: TcpStream, server: &Mutex<dyn Server>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let post = line.starts_with("POST ");
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if !post {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut written = Vec::new();
    {
        let mut server = server.lock().expect("a server does not panic");
        server.arrived(&headers);
        if !server.take(&message, &mut written)? {
            return Ok(());
        }
    }
    let first = written.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let head = if first.is_empty() {
        "HTTP/1.1 202 Accepted\r\n".to_owned()
    } else {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n".to_owned()
    };
    stream.write_all(format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", first.len()).as_bytes())?;
    stream.write_all(first)
}
