//! Names by DNS over HTTPS (RFC 8484).
//!
//! Control: `network.dns`.

use crate::hostname::HostName;
use crate::octets::Octets;
use crate::query::name_at;
use crate::resolver::{ADDRESSES, Resolver, Resolving};
use crate::{Bounds, Client, Egress, Error, ServerTarget};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use url::Url;

const MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// Most bytes of an answer.
const MOST: usize = 4096;
/// Most records of an answer.
const RECORDS: u16 = 64;
/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one resolver, over connections that are kept.
#[derive(Clone)]
pub struct Doh {
    client: Client,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    A = 1,
    Aaaa = 28,
}

impl Doh {
    /// The resolver at `url`. A name in it is resolved by the system.
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::NoRoots`]: it cannot be used.
    pub fn new(url: &str) -> Result<Self, Error> {
        let url: Url = url.parse().map_err(|_| Error::Url("it is none"))?;
        let bounds = Bounds { connect: PATIENCE, answer: PATIENCE, connections: 32, ..Bounds::default() };
        Ok(Self { client: Egress::new().client(ServerTarget::new(url)?.bounds(bounds))? })
    }

    async fn ask(&self, name: &HostName, kind: Kind) -> io::Result<Vec<IpAddr>> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, MESSAGE), (ACCEPT, MESSAGE)]);
        let mut answer = self.client.post(headers, Bytes::from(question(name, kind))).await.map_err(io::Error::other)?;
        if answer.status() != StatusCode::OK || answer.headers().get(CONTENT_TYPE) != Some(&MESSAGE) {
            return Err(io::Error::other(format!("the resolver answers with status {}", answer.status())));
        }
        let body = answer.collect(MOST, PATIENCE).await.map_err(io::Error::other)?;
        addresses(&body, name, kind).map_err(io::Error::other)
    }
}

impl Resolver for Doh {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Resolving<'a> {
        Box::pin(async move {
            let (four, six) = tokio::join!(self.ask(name, Kind::A), self.ask(name, Kind::Aaaa));
            let mut all = four?;
            all.extend(six?);
            all.truncate(ADDRESSES);
            Ok(all)
        })
    }
}

/// A question, its id 0 so that answers can be cached on the way (RFC 8484 §4.1).
fn question(name: &HostName, kind: Kind) -> Vec<u8> {
    let mut out = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.as_str().split('.') {
        // INVARIANT: a label of a `HostName` has at most 63 bytes.
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend_from_slice(label.as_bytes());
    }
    out.extend([0, 0, kind as u8, 0, 1]);
    out
}

/// The addresses in the answer to `question`.
fn addresses(bytes: &[u8], name: &HostName, kind: Kind) -> Result<Vec<IpAddr>, &'static str> {
    const SHORT: &str = "the resolver's answer ends early";
    let mut rest = Octets::new(bytes);
    let header = rest.take(12).and_then(|header| <[u8; 12]>::try_from(header).ok()).ok_or(SHORT)?;
    let [0, 0, f0, f1, 0, 1, a0, a1, ..] = header else { return Err("the resolver answers something else") };
    // A response to a standard query, not truncated.
    if f0 & 0xfa != 0x80 {
        return Err("the resolver answers something else");
    }
    match f1 & 0x0f {
        0 => {}
        3 => return Ok(Vec::new()),
        _ => return Err("the resolver cannot tell"),
    }
    let asked = name_at(&mut rest).map_err(|_| "the resolver answers another question")?;
    if asked != *name || rest.u16() != Some(kind as u16) || rest.u16() != Some(1) {
        return Err("the resolver answers another question");
    }
    let count = u16::from_be_bytes([a0, a1]);
    if count > RECORDS {
        return Err("the resolver has too many answers");
    }
    let mut found = Vec::new();
    for _ in 0..count {
        owner(&mut rest).ok_or(SHORT)?;
        let (Some(sort), Some(class), Some(_)) = (rest.u16(), rest.u16(), rest.take(4)) else { return Err(SHORT) };
        let data = rest.long().ok_or(SHORT)?.rest();
        if class != 1 || sort != kind as u16 {
            // On the way to them: other names of the same.
            continue;
        }
        let address = match kind {
            Kind::A => <[u8; 4]>::try_from(data).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
            Kind::Aaaa => <[u8; 16]>::try_from(data).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
        };
        found.push(address.map_err(|_| "the resolver's answer holds an address that is none")?);
    }
    Ok(found)
}

/// Passes over the name of a record, compressed or not.
fn owner(rest: &mut Octets<'_>) -> Option<()> {
    loop {
        match rest.u8()? {
            0 => return Some(()),
            pointer if pointer & 0xc0 == 0xc0 => return rest.u8().map(drop),
            length if length & 0xc0 == 0 => drop(rest.take(length.into())?),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn name() -> HostName {
        HostName::parse("a.example").unwrap()
    }

    /// The answer to a question for `kind`: an alias, then these addresses.
    fn answer(kind: Kind, data: &[&[u8]]) -> Vec<u8> {
        let mut out = question(&name(), kind);
        out[2] = 0x81;
        out[3] = 0x80;
        out[7] = u8::try_from(data.len() + 1).unwrap();
        out.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'b', 0xc0, 14]);
        for one in data {
            out.extend([1, b'b', 0xc0, 14, 0, kind as u8, 0, 1, 0, 0, 0, 9, 0, u8::try_from(one.len()).unwrap()]);
            out.extend_from_slice(one);
        }
        out
    }

    #[test]
    fn addresses_are_read_behind_aliases() {
        let four = answer(Kind::A, &[&[8, 8, 8, 8], &[10, 0, 0, 1]]);
        assert_eq!(addresses(&four, &name(), Kind::A).unwrap(), ["8.8.8.8", "10.0.0.1"].map(|one| one.parse::<IpAddr>().unwrap()));
        let six = answer(Kind::Aaaa, &[&Ipv6Addr::LOCALHOST.octets()]);
        assert_eq!(addresses(&six, &name(), Kind::Aaaa).unwrap(), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        let mut none = question(&name(), Kind::A);
        (none[2], none[3]) = (0x81, 0x83);
        assert!(addresses(&none, &name(), Kind::A).unwrap().is_empty());
    }

    #[test]
    fn what_answers_something_else_is_refused() {
        let good = answer(Kind::A, &[&[8, 8, 8, 8]]);
        assert!(addresses(&good, &HostName::parse("b.example").unwrap(), Kind::A).is_err());
        assert!(addresses(&good, &name(), Kind::Aaaa).is_err());
        for (at, byte) in [(0, 1), (2, 1), (2, 0x83), (3, 0x82), (5, 2), (7, 9), (12, 0xc0), (13, b'x')] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(addresses(&bad, &name(), Kind::A).is_err(), "{at}");
        }
        assert!(addresses(&answer(Kind::A, &[&[8, 8, 8]]), &name(), Kind::A).is_err());
        for cut in 0..good.len() {
            assert!(addresses(&good[..cut], &name(), Kind::A).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..80, byte: u8) {
            let _ = addresses(&bytes, &name(), Kind::A);
            let mut changed = answer(Kind::A, &[&[8, 8, 8, 8]]);
            if let Some(slot) = changed.get_mut(at) {
                *slot = byte;
            }
            let _ = addresses(&changed, &name(), Kind::A);
        }
    }

    #[tokio::test]
    async fn a_resolver_is_asked_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut got = Vec::new();
                    while !got.ends_with(&question(&name(), Kind::A)) && !got.ends_with(&question(&name(), Kind::Aaaa)) {
                        if stream.read_buf(&mut got).await.unwrap() == 0 {
                            return;
                        }
                    }
                    let four = got.ends_with(&question(&name(), Kind::A));
                    let body = if four { answer(Kind::A, &[&[8, 8, 8, 8]]) } else { answer(Kind::Aaaa, &[]) };
                    let head =
                        format!("HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
                });
            }
        });
        let doh = Doh::new(&url).unwrap();
        assert_eq!(doh.resolve(&name()).await.unwrap(), ["8.8.8.8".parse::<IpAddr>().unwrap()]);
        assert!(Doh::new("http://example.com/").is_err());
    }
}
