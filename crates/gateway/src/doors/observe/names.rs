//! Answers every name of an observed server with an address that stands for it and leads nowhere.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Names that get an address.
const MOST: usize = 4096;
/// The first of 198.18.0.0/15, which stand for names.
const FIRST: u32 = 0xc612_0001;
const ASKED_FOR_ADDRESS: u16 = 1;

/// The names that were asked for. Nobody answers any more when this is dropped.
pub(super) struct Names {
    known: Arc<Mutex<BTreeMap<Ipv4Addr, String>>>,
    _answering: DropGuard,
}

impl Names {
    /// Begins to answer on `socket`.
    pub(super) fn answer(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let known: Arc<Mutex<BTreeMap<Ipv4Addr, String>>> = Arc::default();
        let (end, names) = (CancellationToken::new(), Arc::clone(&known));
        let ended = end.clone();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            loop {
                let received = tokio::select! {
                    () = ended.cancelled() => return,
                    received = socket.recv_from(&mut packet) => received,
                };
                let Ok((length, from)) = received else { continue };
                if let Some(answer) = packet.get(..length).and_then(|packet| reply(packet, &mut names.lock())) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Ok(Self { known, _answering: end.drop_guard() })
    }

    /// The name that `address` stands for.
    pub(super) fn name_of(&self, address: Ipv4Addr) -> Option<String> {
        self.known.lock().get(&address).cloned()
    }
}

/// The answer to a question of one name (RFC 1035, section 4): its address, or nothing of the kind.
fn reply(packet: &[u8], known: &mut BTreeMap<Ipv4Addr, String>) -> Option<Vec<u8>> {
    let head: &[u8; 12] = packet.first_chunk()?;
    let mut at = 12_usize;
    let mut labels: Vec<String> = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at = at.checked_add(1)?;
        if length == 0 {
            break;
        }
        let end = at.checked_add(length).filter(|_| length < 64)?;
        let label = std::str::from_utf8(packet.get(at..end)?).ok()?;
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !plain {
            return None;
        }
        labels.push(label.to_ascii_lowercase());
        at = end;
    }
    let sort = u16::from_be_bytes(*packet.get(at..)?.first_chunk()?);
    let question = packet.get(12..at.checked_add(4)?)?;
    let name = labels.join(".");
    let address = known.iter().find(|(_, other)| **other == name).map(|(address, _)| *address);
    let address = match address {
        Some(address) => Some(address),
        None if known.len() < MOST && !name.is_empty() => {
            let next = Ipv4Addr::from(FIRST.saturating_add(u32::try_from(known.len()).unwrap_or(0)));
            known.insert(next, name);
            Some(next)
        }
        None => None,
    };
    let found = address.filter(|_| sort == ASKED_FOR_ADDRESS);
    let mut out = head.get(..2)?.to_vec();
    // A response, recursion available, no error; one question, and at most one answer.
    out.extend([0x81, 0x80, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
    out.extend_from_slice(question);
    if let Some(address) = found {
        // The name of the question, type A, class IN, one second.
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, sort: u16) -> Vec<u8> {
        let mut packet = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend(label.as_bytes());
        }
        packet.push(0);
        packet.extend(sort.to_be_bytes());
        packet.extend([0, 1]);
        packet
    }

    #[test]
    fn a_name_gets_one_address_and_what_is_no_question_gets_nothing() {
        let mut known = BTreeMap::new();
        let first = reply(&question("API.example.com", 1), &mut known).unwrap();
        assert_eq!((&first[..2], first[7], &first[first.len() - 4..]), (&[7, 7][..], 1, &[198, 18, 0, 1][..]));
        assert_eq!(reply(&question("api.example.com", 1), &mut known).unwrap()[30..], first[30..]);
        assert_eq!(reply(&question("other.example", 28), &mut known).unwrap()[7], 0);
        assert_eq!(known.len(), 2);
        assert_eq!(known[&Ipv4Addr::new(198, 18, 0, 1)], "api.example.com");
        for length in 0..question("a.b", 1).len() {
            assert!(reply(&question("a.b", 1)[..length], &mut known).is_none(), "{length}");
        }
        assert!(reply(&question("a b", 1), &mut known).is_none());
    }
}
