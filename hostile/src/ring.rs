//! How a case reaches a listener: bytes in the clear, bytes where a handshake should be, frames inside TLS.

use crate::arena::{Arena, Door};
use crate::case::Want;
use crate::frames::{POST, PREFACE, SETTINGS, frame, request};
use crate::seen::{Ended, Seen};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes that are read of one connection at most.
const MOST: usize = 16 << 20;
/// Bytes that are written between two looks at what came back.
const PIECE: usize = 16_384;

/// A connection inside TLS.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// What one case may use.
pub(crate) struct Ring<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) want: Want,
    pub(crate) within: Duration,
    /// Where its connections came from so far.
    pub(crate) from: Mutex<Vec<SocketAddr>>,
}

/// How bytes are read.
type Parse = fn(&[u8], Ended) -> Seen;

impl Ring<'_> {
    /// A connection on which nothing was said.
    pub(crate) fn tcp(&self, door: Door) -> TcpStream {
        let stream = TcpStream::connect(self.arena.side(door).address).expect("the listener accepts");
        self.from.lock().unwrap().push(stream.local_addr().unwrap());
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        stream
    }

    /// A connection inside TLS, shaken by `settings`; none where the gateway refused it.
    pub(crate) fn shaken(&self, settings: &Arc<ClientConfig>) -> Result<Secured, std::io::Error> {
        let stream = self.tcp(Door::Secured);
        stream.set_read_timeout(Some(self.within))?;
        let name = self.arena.secured.address.ip().into();
        let session = ClientConnection::new(Arc::clone(settings), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// Writes `bytes` to `stream`, reading between, until the wanted end or no more time.
    pub(crate) fn through<S: Read + Write>(&self, stream: &mut S, wait: &dyn Fn(&S, Duration), bytes: &[u8], parse: Parse) -> Seen {
        let began = Instant::now();
        let (mut came, mut piece) = (Vec::new(), vec![0; PIECE]);
        for part in bytes.chunks(PIECE) {
            if stream.write_all(part).and_then(|()| stream.flush()).is_err() || began.elapsed() > self.within {
                break;
            }
            wait(stream, Duration::from_millis(1));
            if let Ok(read) = stream.read(&mut piece) {
                came.extend_from_slice(&piece[..read]);
            }
        }
        wait(stream, Duration::from_millis(100));
        let mut looked = usize::MAX;
        loop {
            let ended = match stream.read(&mut piece) {
                Ok(0) => Some(Ended::Closed),
                Ok(read) => {
                    came.extend_from_slice(&piece[..read]);
                    if came.len() < MOST && came.len() - looked.min(came.len()) < PIECE && looked != usize::MAX {
                        continue;
                    }
                    None
                }
                Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => None,
                Err(_) => Some(Ended::Closed),
            };
            looked = came.len();
            let seen = parse(&came, ended.unwrap_or_default());
            let over = ended.is_some() || began.elapsed() > self.within || came.len() >= MOST;
            if over || seen.is(self.want) {
                return Seen { took: began.elapsed(), ..seen };
            }
        }
    }

    fn plainly(&self, mut stream: TcpStream, bytes: &[u8], parse: Parse) -> Seen {
        let wait = |stream: &TcpStream, time| drop(stream.set_read_timeout(Some(time)));
        self.through(&mut stream, &wait, bytes, parse)
    }

    /// Bytes of HTTP/1.1, in the clear.
    pub(crate) fn http(&self, bytes: &[u8]) -> Seen {
        self.plainly(self.tcp(Door::Plain), bytes, Seen::http)
    }

    /// Bytes where a handshake should be.
    pub(crate) fn tls(&self, bytes: &[u8]) -> Seen {
        self.plainly(self.tcp(Door::Secured), bytes, Seen::records)
    }

    /// Bytes where a handshake should be, and the end of what is sent.
    pub(crate) fn tls_then_end(&self, bytes: &[u8]) -> Seen {
        let mut stream = self.tcp(Door::Secured);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        self.plainly(stream, &[], Seen::records)
    }

    /// Bytes inside TLS, as `settings` have it.
    pub(crate) fn inside(&self, settings: &Arc<ClientConfig>, bytes: &[u8], parse: Parse) -> Seen {
        let Ok(mut stream) = self.shaken(settings) else { return Seen::judged(false, "no handshake") };
        let wait = |stream: &Secured, time| drop(stream.sock.set_read_timeout(Some(time)));
        self.through(&mut stream, &wait, bytes, parse)
    }

    /// Frames of HTTP/2, after the preface and settings of no news.
    pub(crate) fn h2(&self, frames: &[u8]) -> Seen {
        self.h2_from(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), frames].concat())
    }

    /// Bytes where HTTP/2 should begin.
    pub(crate) fn h2_from(&self, bytes: &[u8]) -> Seen {
        self.inside(&self.arena.multiplexed, bytes, Seen::frames)
    }

    /// Writes one piece after the other, `each` so long after the one before, until the gateway ends it; then listens.
    pub(crate) fn drip<S: Read + Write>(
        &self,
        stream: &mut S,
        wait: &dyn Fn(&S, Duration),
        pieces: impl Iterator<Item = Vec<u8>>,
        each: Duration,
        parse: Parse,
    ) -> Seen {
        let began = Instant::now();
        let (mut came, mut piece) = (Vec::new(), vec![0; PIECE]);
        wait(stream, each);
        for part in pieces {
            let next = Instant::now() + each;
            if began.elapsed() > self.within || stream.write_all(&part).and_then(|()| stream.flush()).is_err() {
                break;
            }
            let read = stream.read(&mut piece);
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(if read.is_ok() { each } else { Duration::ZERO }));
            match read {
                Ok(0) => break,
                Ok(read) => came.extend_from_slice(&piece[..read]),
                Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            let seen = parse(&came, Ended::Open);
            if self.want != Want::Cut && seen.is(self.want) {
                return Seen { took: began.elapsed(), ..seen };
            }
        }
        let mut rest = Ended::Open;
        wait(stream, Duration::from_millis(100));
        while began.elapsed() < self.within {
            match stream.read(&mut piece) {
                Ok(0) => rest = Ended::Closed,
                Ok(read) => came.extend_from_slice(&piece[..read]),
                Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => rest = Ended::Closed,
            }
            if rest == Ended::Closed || parse(&came, rest).is(self.want) {
                break;
            }
        }
        Seen { took: began.elapsed(), ..parse(&came, rest) }
    }

    /// As [`Ring::drip`], in the clear.
    pub(crate) fn drip_http(&self, pieces: impl Iterator<Item = Vec<u8>>, each: Duration) -> Seen {
        self.drip(&mut self.tcp(Door::Plain), &plain_wait, pieces, each, Seen::http)
    }

    /// As [`Ring::drip`], where a handshake should be.
    pub(crate) fn drip_tls(&self, pieces: impl Iterator<Item = Vec<u8>>, each: Duration) -> Seen {
        self.drip(&mut self.tcp(Door::Secured), &plain_wait, pieces, each, Seen::records)
    }

    /// As [`Ring::drip`], inside TLS.
    pub(crate) fn drip_inside(
        &self,
        settings: &Arc<ClientConfig>,
        pieces: impl Iterator<Item = Vec<u8>>,
        each: Duration,
        parse: Parse,
    ) -> Seen {
        let Ok(mut stream) = self.shaken(settings) else { return Seen::judged(false, "no handshake") };
        self.drip(&mut stream, &secured_wait, pieces, each, parse)
    }

    /// `Host` of a listener.
    pub(crate) fn host(&self, door: Door) -> String {
        self.arena.side(door).address.to_string()
    }

    /// A request without a body, in the clear, with these further lines.
    pub(crate) fn get(&self, path: &str, more: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.host(Door::Plain)).into_bytes()
    }

    /// The head of the attacker's POST, with these further lines, without the length of its body.
    pub(crate) fn post_head(&self, more: &str) -> Vec<u8> {
        let mallory = &self.arena.plain.mallory;
        let session = mallory.session.as_deref().unwrap_or_default();
        let token = mallory.token.as_deref().unwrap_or_default();
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n{more}",
            self.host(Door::Plain)
        )
        .into_bytes()
    }

    /// The fields of the attacker's POST over HTTP/2.
    pub(crate) fn post_fields(&self) -> Vec<u8> {
        let mallory = &self.arena.secured.mallory;
        let (token, session) =
            (format!("Bearer {}", mallory.token.as_deref().unwrap_or_default()), mallory.session.clone().unwrap_or_default());
        let more = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", session.as_str()),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        request(POST, "/mcp", &self.host(Door::Secured), &more)
    }

    /// The attacker's POST of `body`.
    pub(crate) fn post(&self, body: &[u8], more: &str) -> Vec<u8> {
        [&self.post_head(&format!("{more}Content-Length: {}\r\n\r\n", body.len())), body].concat()
    }
}

pub(crate) fn plain_wait(stream: &TcpStream, time: Duration) {
    let _ = stream.set_read_timeout(Some(time));
}

pub(crate) fn secured_wait(stream: &Secured, time: Duration) {
    let _ = stream.sock.set_read_timeout(Some(time));
}
