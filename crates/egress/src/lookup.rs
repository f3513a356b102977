//! Questions for names that are asked of a resolver, and its answers (RFC 1035 §4).
//!
//! Control: `network.dns`.

use crate::hostname::HostName;
use crate::octets::Octets;
use crate::query::name_at;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Most bytes of an answer.
pub(crate) const MOST: usize = 4096;
/// Most records of an answer.
const RECORDS: u16 = 64;
/// Longest time for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// A question under `id`.
pub(crate) fn question(id: u16, name: &HostName, kind: Kind) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut out = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.as_str().split('.') {
        // INVARIANT: a label of a `HostName` has at most 63 bytes.
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend_from_slice(label.as_bytes());
    }
    out.extend([0, 0, kind as u8, 0, 1]);
    out
}

/// The addresses in the answer to the question for `kind` of `name` under `id`.
///
/// # Errors
/// A sentence: it is no answer to this question, was cut short, or says that the resolver could not tell.
pub(crate) fn addresses(bytes: &[u8], id: u16, name: &HostName, kind: Kind) -> Result<Vec<IpAddr>, &'static str> {
    const SHORT: &str = "the resolver's answer ends early";
    let mut rest = Octets::new(bytes);
    let header = rest.take(12).and_then(|header| <[u8; 12]>::try_from(header).ok()).ok_or(SHORT)?;
    let [i0, i1, f0, f1, 0, 1, a0, a1, ..] = header else { return Err("the resolver answers something else") };
    if u16::from_be_bytes([i0, i1]) != id {
        return Err("the resolver answers another question");
    }
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
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: u16 = 0x1234;

    /// What is asked for.
    pub(crate) fn name() -> HostName {
        HostName::parse("a.example").unwrap()
    }

    /// The answer to a question for `kind`: an alias, then these addresses.
    pub(crate) fn answer(id: u16, kind: Kind, data: &[&[u8]]) -> Vec<u8> {
        let mut out = question(id, &name(), kind);
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
        let four = answer(ID, Kind::A, &[&[8, 8, 8, 8], &[10, 0, 0, 1]]);
        assert_eq!(addresses(&four, ID, &name(), Kind::A).unwrap(), ["8.8.8.8", "10.0.0.1"].map(|one| one.parse::<IpAddr>().unwrap()));
        let six = answer(ID, Kind::Aaaa, &[&Ipv6Addr::LOCALHOST.octets()]);
        assert_eq!(addresses(&six, ID, &name(), Kind::Aaaa).unwrap(), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        let mut none = question(ID, &name(), Kind::A);
        (none[2], none[3]) = (0x81, 0x83);
        assert!(addresses(&none, ID, &name(), Kind::A).unwrap().is_empty());
    }

    #[test]
    fn what_answers_something_else_is_refused() {
        let good = answer(ID, Kind::A, &[&[8, 8, 8, 8]]);
        assert!(addresses(&good, ID, &HostName::parse("b.example").unwrap(), Kind::A).is_err());
        assert!(addresses(&good, ID, &name(), Kind::Aaaa).is_err());
        for (at, byte) in [(0, 1), (2, 1), (2, 0x83), (3, 0x82), (5, 2), (7, 9), (12, 0xc0), (13, b'x')] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(addresses(&bad, ID, &name(), Kind::A).is_err(), "{at}");
        }
        assert!(addresses(&answer(ID, Kind::A, &[&[8, 8, 8]]), ID, &name(), Kind::A).is_err());
        assert!(addresses(&good, ID + 1, &name(), Kind::A).is_err());
        for cut in 0..good.len() {
            assert!(addresses(&good[..cut], ID, &name(), Kind::A).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..80, byte: u8) {
            let _ = addresses(&bytes, ID, &name(), Kind::A);
            let mut changed = answer(ID, Kind::A, &[&[8, 8, 8, 8]]);
            if let Some(slot) = changed.get_mut(at) {
                *slot = byte;
            }
            let _ = addresses(&changed, ID, &name(), Kind::A);
        }
    }
}
