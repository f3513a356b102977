//! What the canary can reach of the network, tried from inside its sandbox.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

/// Of a connection, and of an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where names are answered in a sandbox.
const NAMES: (&str, u16) = ("127.0.0.53", 53);
/// Type TXT (RFC 1035 §3.2.2).
const TXT: u16 = 16;

/// What is said first.
pub const SAY: [&str; 5] = ["nothing", "ssh", "tls", "connect", "question"];

/// Tries `host` at `port`, says `say` there, `name` where that names somebody, and tells what came of it.
pub fn reach(host: &str, port: u16, say: &str, name: &str) -> String {
    if say == "question" {
        return question(host).unwrap_or_else(|fault| format!("no answer: {}", fault.kind()));
    }
    let Some(address) = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()) else { return "no address".to_owned() };
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Ok(stream) => format!("{}: {}", address.ip(), spoken(stream, say, name)),
        Err(fault) => format!("{}: not connected: {}", address.ip(), fault.kind()),
    }
}

fn spoken(mut stream: TcpStream, say: &str, name: &str) -> String {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut answer = [0; 512];
    let first = match say {
        "ssh" => b"SSH-2.0-canary\r\n".to_vec(),
        "tls" => hello(name),
        "connect" => {
            let target = if name.contains(':') { name.to_owned() } else { format!("{name}:443") };
            let asked = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            let read = stream.write_all(asked.as_bytes()).and_then(|()| stream.read(&mut answer)).unwrap_or(0);
            if !answer.get(..read).unwrap_or_default().starts_with(b"HTTP/1.1 200") {
                return "connected, the proxy refuses".to_owned();
            }
            hello(name)
        }
        _ => return "connected".to_owned(),
    };
    match stream.write_all(&first).and_then(|()| stream.read(&mut answer)) {
        Ok(0) => "connected, closed without an answer".to_owned(),
        Ok(read) => format!("connected, answered {read} bytes"),
        Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => "connected, open without an answer".to_owned(),
        Err(_) => "connected, closed without an answer".to_owned(),
    }
}

/// Asks the stub for the texts of a name, by which data could go out and come in.
fn question(host: &str) -> std::io::Result<String> {
    let mut query = vec![0x42, 0x42, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.split('.') {
        query.push(u8::try_from(label.len()).unwrap_or(63).min(63));
        query.extend(label.bytes().take(63));
    }
    query.extend([0]);
    query.extend(TXT.to_be_bytes());
    query.extend([0, 1]);
    let address = NAMES.to_socket_addrs()?.next().ok_or(ErrorKind::AddrNotAvailable)?;
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(&query, address)?;
    let mut answer = [0; 512];
    let (read, _) = socket.recv_from(&mut answer)?;
    match answer.get(..read) {
        Some([_, _, _, flags, _, _, high, low, ..]) => Ok(format!("code {}, {} records", flags & 15, u16::from_be_bytes([*high, *low]))),
        _ => Ok("no answer that can be read".to_owned()),
    }
}

/// The smallest TLS 1.3 ClientHello that names a server (RFC 8446 §4.1.2, RFC 6066 §3).
fn hello(name: &str) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes(), bytes].concat();
    let server_name = long(&[&[0], long(name.as_bytes()).as_slice()].concat());
    let extensions = [&[0, 0], long(&server_name).as_slice(), &[0, 43, 0, 3, 2, 3, 4]].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(long(&extensions));
    let message = [&[1, 0], long(&body).as_slice()].concat();
    [&[22, 3, 1], long(&message).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_comes_of_a_connection_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = [0; 512];
            let read = stream.read(&mut said).unwrap();
            stream.write_all(b"hello").unwrap();
            said[..read].to_vec()
        });
        assert_eq!(reach("127.0.0.1", port, "nothing", ""), "127.0.0.1: connected");
        assert_eq!(reach("127.0.0.1", port, "ssh", ""), "127.0.0.1: connected, closed without an answer");
        assert_eq!(reach("127.0.0.1", port, "tls", "a.example"), "127.0.0.1: connected, answered 5 bytes");
        let said = served.join().unwrap();
        assert!(said.starts_with(&[22, 3, 1]) && said.windows(9).any(|window| window == b"a.example"), "{said:?}");
        assert_eq!(usize::from(u16::from_be_bytes([said[3], said[4]])), said.len() - 5);
        assert!(reach("127.0.0.1", port, "nothing", "").contains("not connected"));
        assert_eq!(reach("no name at all", 1, "nothing", ""), "no address");
    }
}
