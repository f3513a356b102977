//! Names by DNS over HTTPS (RFC 8484).
//!
//! Control: `network.dns`.

use crate::hostname::HostName;
use crate::lookup::{Kind, MOST, PATIENCE, addresses, question};
use crate::resolver::{ADDRESSES, Resolver, Resolving};
use crate::{Bounds, Client, Egress, Error, ServerTarget};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::io;
use std::net::IpAddr;
use url::Url;

const MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// The id of every question, so that answers can be cached on the way (RFC 8484 §4.1).
const ID: u16 = 0;

/// Asks one resolver, over connections that are kept.
#[derive(Clone)]
pub struct Doh {
    client: Client,
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
        let mut answer = self.client.post(headers, Bytes::from(question(ID, name, kind))).await.map_err(io::Error::other)?;
        if answer.status() != StatusCode::OK || answer.headers().get(CONTENT_TYPE) != Some(&MESSAGE) {
            return Err(io::Error::other(format!("the resolver answers with status {}", answer.status())));
        }
        let body = answer.collect(MOST, PATIENCE).await.map_err(io::Error::other)?;
        addresses(&body, ID, name, kind).map_err(io::Error::other)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::{answer, name};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_resolver_is_asked_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut got = Vec::new();
                    while !got.ends_with(&question(ID, &name(), Kind::A)) && !got.ends_with(&question(ID, &name(), Kind::Aaaa)) {
                        if stream.read_buf(&mut got).await.unwrap() == 0 {
                            return;
                        }
                    }
                    let four = got.ends_with(&question(ID, &name(), Kind::A));
                    let body = if four { answer(ID, Kind::A, &[&[8, 8, 8, 8]]) } else { answer(ID, Kind::Aaaa, &[]) };
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
