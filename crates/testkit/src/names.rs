//! A resolver of names that lead where a test says.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A resolver of our own, asked by DNS over HTTP on this host. Each name leads where `led` says, from how often the resolver was asked before.
#[derive(Debug)]
pub struct Names {
    /// Where it is asked, by DNS over HTTP (RFC 8484).
    pub url: String,
}

impl Names {
    /// Begins to listen.
    pub fn new<A: Into<IpAddr>>(led: impl Fn(&str, usize) -> A + Send + Sync + 'static) -> Self {
        Self::several(move |name, asked| vec![led(name, asked).into()])
    }

    /// As [`Names::new`], for names that lead to several addresses.
    pub fn several(led: impl Fn(&str, usize) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
        let (led, asked) = (Arc::new(led), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, led, asked) = (stream.unwrap(), Arc::clone(&led), Arc::clone(&asked));
                std::thread::spawn(move || while Self::answer(&mut stream, &*led, &asked).is_some() {});
            }
        });
        Self { url }
    }

    fn answer(stream: &mut std::net::TcpStream, led: &dyn Fn(&str, usize) -> Vec<IpAddr>, asked: &AtomicUsize) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            stream.read_exact(&mut one).ok()?;
            head.push(one[0]);
        }
        let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let labels = &body[12..length - 5];
        let name: String = labels.iter().map(|byte| if *byte < 32 { '.' } else { char::from(*byte) }).collect();
        (body[2], body[3]) = (0x81, 0x80);
        let kind = body[length - 3];
        // Whoever looks for a name asks for both sorts of addresses: it counts once.
        let before = if kind == 1 { asked.fetch_add(1, Ordering::SeqCst) } else { asked.load(Ordering::SeqCst).saturating_sub(1) };
        for address in led(&name[1..], before) {
            let address = match (kind, address) {
                (1, IpAddr::V4(address)) => address.octets().to_vec(),
                (28, IpAddr::V6(address)) => address.octets().to_vec(),
                _ => continue,
            };
            body[7] += 1;
            body.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0]);
            body.extend(u8::try_from(address.len()));
            body.extend(address);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()
    }
}
