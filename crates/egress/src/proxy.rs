//! The operator's proxy: connections to public addresses go through it, by CONNECT (RFC 9110 §9.3.6), those to networks of one's own do not.
//!
//! It is asked for the address that was resolved and judged here, never for a name: what a name leads to is not left to it. It comes from the configuration
//! alone; `HTTPS_PROXY` and its like are not read.

use crate::Error;
use crate::address::plain;
use std::io;
use std::net::{IpAddr, SocketAddr};
use terms::{Reach, reach};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

/// The most bytes of the head of its answer.
const HEAD_BYTES: usize = 8 * 1024;

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    host: Host<String>,
    port: u16,
}

impl Proxy {
    /// The proxy at `http://HOST:PORT`.
    ///
    /// # Errors
    /// [`Error::Url`]: another scheme, a path, a user or password, or no port.
    pub fn new(url: &Url) -> Result<Self, Error> {
        if url.scheme() != "http" {
            return Err(Error::Url("a proxy is http://HOST:PORT"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url("it holds a user or a password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::Url("a proxy has no path"));
        }
        let host = url.host().ok_or(Error::Url("it has no host"))?.to_owned();
        Ok(Self { host, port: url.port().ok_or(Error::Url("a proxy has a port"))? })
    }

    /// Whether connections to `address` go through it.
    pub(crate) fn takes(address: IpAddr) -> bool {
        reach(plain(address)) == Reach::Public
    }

    /// A connection to `address`, made by the proxy. `open` opens one to the proxy itself. The caller bounds the time.
    pub(crate) async fn connect<F>(&self, address: SocketAddr, open: impl Fn(SocketAddr) -> F) -> io::Result<TcpStream>
    where
        F: Future<Output = io::Result<TcpStream>>,
    {
        let mut stream = self.reach(open).await?;
        stream.write_all(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut head = Vec::with_capacity(256);
        // One byte at a time: what comes after the head belongs to the peer.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES {
                return Err(io::Error::other("the proxy's answer is too long"));
            }
            head.push(stream.read_u8().await?);
        }
        match status(&head) {
            Some(200..300) => Ok(stream),
            Some(status) => Err(io::Error::other(format!("the proxy answers with status {status}"))),
            None => Err(io::Error::other("the proxy does not answer in HTTP")),
        }
    }

    async fn reach<F>(&self, open: impl Fn(SocketAddr) -> F) -> io::Result<TcpStream>
    where
        F: Future<Output = io::Result<TcpStream>>,
    {
        let addresses: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(*address), self.port)],
            Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(*address), self.port)],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), self.port)).await?.take(16).collect(),
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match open(address).await {
                Ok(stream) => return Ok(stream),
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A proxy that answers `head`, and leads everybody to who says `hi`; gives what it was asked.
    async fn proxy(head: &'static str) -> (Proxy, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(stream.read_u8().await.unwrap());
            }
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(b"hi").await;
            String::from_utf8(seen).unwrap()
        });
        (Proxy::new(&url).unwrap(), asked)
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_the_address_and_what_follows_is_the_peers() {
        let (proxy, asked) = proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await;
        let mut stream = proxy.connect("203.0.113.9:443".parse().unwrap(), TcpStream::connect).await.unwrap();
        let mut said = [0; 2];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hi");
        assert_eq!(asked.await.unwrap(), "CONNECT 203.0.113.9:443 HTTP/1.1\r\nHost: 203.0.113.9:443\r\n\r\n");
    }

    #[tokio::test]
    async fn what_a_proxy_refuses_or_does_not_say_in_http_is_no_connection() {
        const LONG: &str = "HTTP/1.1 200 OK\r\nX: ";
        let long: &'static str = Box::leak(format!("{LONG}{}", "x".repeat(HEAD_BYTES)).into_boxed_str());
        for (head, said) in [
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "status 302"),
            ("SSH-2.0-x\r\n\r\n", "not answer in HTTP"),
            (long, "too long"),
        ] {
            let (proxy, _asked) = proxy(head).await;
            let fault = proxy.connect("203.0.113.9:443".parse().unwrap(), TcpStream::connect).await.unwrap_err();
            assert!(fault.to_string().contains(said), "{head}: {fault}");
        }
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port_and_takes_public_addresses_alone() {
        for bad in ["https://p:3128", "http://p", "http://u:p@p:3128", "http://p:3128/x", "socks5://p:1"] {
            assert!(Proxy::new(&bad.parse().unwrap()).is_err(), "{bad}");
        }
        for (address, taken) in
            [("8.8.8.8", true), ("10.0.0.1", false), ("127.0.0.1", false), ("::ffff:10.0.0.1", false), ("2606:4700::1", true)]
        {
            assert_eq!(Proxy::takes(address.parse().unwrap()), taken, "{address}");
        }
    }
}
