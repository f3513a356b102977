//! Puts a bearer token in front of requests, for clients that cannot send one.
//!
//! `token-relay ADDRESS [--port N]` reads the token from `RELAY_TOKEN`, listens on 127.0.0.1, prints its address, and adds one header to the head of
//! each request. Each connection carries one request: `Connection` is set to `close`. `Host` and `Origin` pass as they are, but for the port,
//! which becomes the gateway's, so that the gateway's own checks of both still decide.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().ok_or_else(|| std::io::Error::other("token-relay ADDRESS [--port N]"))?;
    let port = arguments.nth(1).and_then(|port| port.parse().ok()).unwrap_or(0_u16);
    let token = std::env::var("RELAY_TOKEN").map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let own = listener.local_addr()?.port().to_string();
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        let (target, token, own) = (target.clone(), token.clone(), own.clone());
        std::thread::spawn(move || relay(stream, &target, &token, &own));
    }
}

fn relay(mut client: TcpStream, target: &str, token: &str, own: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0_u64);
    let theirs = target.rsplit(':').next().unwrap_or_default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim_end().is_empty() {
            break;
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "connection" | "authorization" | "keep-alive" => continue,
            "host" | "origin" => line = line.replace(&format!(":{own}"), &format!(":{theirs}")),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        head.push_str(&line);
    }
    head.push_str(&format!("Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"));
    let mut server = TcpStream::connect(target)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    server.write_all(head.as_bytes())?;
    std::io::copy(&mut reader.by_ref().take(length), &mut server)?;
    // The client's hanging up must reach the gateway: in one revision it is the cancel.
    let (mut gone, closing) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let mut rest = [0_u8; 1];
        while gone.read(&mut rest).is_ok_and(|read| read > 0) {}
        let _ = closing.shutdown(Shutdown::Both);
    });
    let mut piece = [0_u8; 16384];
    loop {
        let read = server.read(&mut piece)?;
        if read == 0 {
            return client.shutdown(Shutdown::Both);
        }
        client.write_all(&piece[..read])?;
    }
}
