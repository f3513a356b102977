//! Takes the connections of an observed server, reads how they begin, and answers nothing.

use egress::Protocol;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Connections that are read at once.
const MOST: usize = 64;
/// Longest that one is read.
const LONGEST: Duration = Duration::from_secs(2);
/// The most that is read of one, in bytes.
const START: usize = 4096;

type Known = Arc<Mutex<BTreeMap<SocketAddr, Protocol>>>;

/// What was spoken, by the addresses that were connected to. Nobody listens any more when this is dropped.
pub(super) struct Heard {
    known: Known,
    _listening: DropGuard,
}

impl Heard {
    /// Begins to take connections.
    pub(super) fn listen(ports: Vec<(u16, std::net::TcpListener)>) -> io::Result<Self> {
        let (known, end, room) = (Known::default(), CancellationToken::new(), Arc::new(Semaphore::new(MOST)));
        for (_, listener) in ports {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let (known, end, room) = (Arc::clone(&known), end.clone(), Arc::clone(&room));
            tokio::spawn(async move {
                loop {
                    let accepted = tokio::select! {
                        () = end.cancelled() => return,
                        accepted = listener.accept() => accepted,
                    };
                    let Ok((stream, _)) = accepted else { return };
                    let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let (known, end) = (Arc::clone(&known), end.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = end.cancelled() => {}
                            _ = tokio::time::timeout(LONGEST, hear(stream, &known)) => {}
                        }
                        drop(permit);
                    });
                }
            });
        }
        Ok(Self { known, _listening: end.drop_guard() })
    }

    /// What was spoken at `address`.
    pub(super) fn protocol_at(&self, address: SocketAddr) -> Option<Protocol> {
        self.known.lock().get(&address).copied()
    }
}

/// Reads until it is clear what is spoken.
async fn hear(mut stream: TcpStream, known: &Known) -> io::Result<()> {
    let address = stream.local_addr()?;
    let mut bytes = Vec::with_capacity(START);
    while bytes.len() < START {
        if (&mut stream).take(START as u64).read_buf(&mut bytes).await? == 0 {
            break;
        }
        if let Some(protocol) = Protocol::recognised(&bytes) {
            known.lock().insert(address, protocol);
            break;
        }
    }
    Ok(())
}
