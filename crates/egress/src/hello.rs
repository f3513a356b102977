//! A TLS ClientHello, read as strictly as a server would (RFC 8446 §4.1.2, §5.1; RFC 6066 §3; RFC 7301 §3.1).

use crate::octets::Octets;

/// Most bytes of a hello with its records. Real ones with post-quantum keys have about 2 KiB.
pub(crate) const MOST: usize = 16 * 1024;
/// Most records that it may be cut into.
const RECORDS: usize = 64;
/// Most extensions.
const EXTENSIONS: usize = 64;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Encrypted Client Hello (RFC 9849) and its forerunner: the name that is meant is not the one that is seen.
const HIDDEN: [u16; 2] = [0xfe0d, 0xffce];

/// What a hello says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The name that is asked for, as it was written.
    pub(crate) name: Option<String>,
    /// Whether another name may be hidden in it.
    pub(crate) hides: Hides,
    /// The protocols that are offered.
    pub(crate) alpn: Vec<Vec<u8>>,
}

/// Whether the name that is meant can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hides {
    Nothing,
    Name,
}

/// What was found so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Not all of it is here; nothing can be said before there are this many bytes.
    More(usize),
    /// All of it.
    Hello(Hello),
    /// It is none.
    Bad(&'static str),
}

/// Reads the hello at the front of `bytes`. What follows in further records is not looked at.
pub(crate) fn read(bytes: &[u8]) -> Found {
    match handshake(bytes) {
        Ok(message) => match parse(&message) {
            Ok(hello) => Found::Hello(hello),
            Err(why) => Found::Bad(why),
        },
        Err(found) => found,
    }
}

/// The first handshake message, put together from its records.
fn handshake(bytes: &[u8]) -> Result<Vec<u8>, Found> {
    let mut rest = Octets::new(bytes);
    let mut message = Vec::new();
    for _ in 0..RECORDS {
        let consumed = bytes.len() - rest.rest().len();
        let Some(header) = rest.take(5) else {
            // What is there of the header must fit already.
            return Err(match bytes.get(consumed..) {
                Some([22] | [22, 3] | [22, 3, 1..=3, ..] | []) => Found::More(consumed + 5),
                _ => Found::Bad("not a handshake record"),
            });
        };
        let [22, 3, 1..=3, high, low] = *header else { return Err(Found::Bad("not a handshake record")) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > 16_384 {
            return Err(Found::Bad("a record of an impossible length"));
        }
        if consumed + 5 + length > MOST {
            return Err(Found::Bad("the hello is too long"));
        }
        let Some(fragment) = rest.take(length) else { return Err(Found::More(consumed + 5 + length)) };
        message.extend_from_slice(fragment);
        if message.first().is_some_and(|kind| *kind != 1) {
            return Err(Found::Bad("not a client hello"));
        }
        let mut head = Octets::new(&message);
        let Some(body) = head.u8().and_then(|_| head.u24()) else { continue };
        if body > MOST {
            return Err(Found::Bad("the hello is too long"));
        }
        match head.rest().len().cmp(&body) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Ok(head.rest().to_vec()),
            std::cmp::Ordering::Greater => return Err(Found::Bad("something follows the hello in its record")),
        }
    }
    Err(Found::Bad("the hello is cut into too many records"))
}

fn parse(body: &[u8]) -> Result<Hello, &'static str> {
    const SHORT: &str = "the hello ends early";
    let mut body = Octets::new(body);
    if !matches!(body.u16().ok_or(SHORT)?, 0x0301..=0x0303) {
        return Err("a version that is not TLS");
    }
    body.take(32).ok_or(SHORT)?;
    if body.short().ok_or(SHORT)?.rest().len() > 32 {
        return Err("a session id that is too long");
    }
    let ciphers = body.long().ok_or(SHORT)?.rest().len();
    if ciphers == 0 || !ciphers.is_multiple_of(2) {
        return Err("a list of ciphers that is none");
    }
    if !body.short().ok_or(SHORT)?.rest().contains(&0) {
        return Err("a list of compressions without the null one");
    }
    let mut hello = Hello { name: None, hides: Hides::Nothing, alpn: Vec::new() };
    if body.is_empty() {
        return Ok(hello);
    }
    let mut extensions = body.long().ok_or(SHORT)?;
    if !body.is_empty() {
        return Err("something follows the extensions");
    }
    let mut seen: Vec<u16> = Vec::with_capacity(24);
    while !extensions.is_empty() {
        let kind = extensions.u16().ok_or(SHORT)?;
        let data = extensions.long().ok_or(SHORT)?;
        if seen.contains(&kind) {
            return Err("an extension comes twice");
        }
        if seen.len() == EXTENSIONS {
            return Err("too many extensions");
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => hello.name = Some(server_name(data)?),
            ALPN => hello.alpn = alpn(data)?,
            kind if HIDDEN.contains(&kind) => hello.hides = Hides::Name,
            _ => {}
        }
    }
    Ok(hello)
}

fn server_name(mut data: Octets<'_>) -> Result<String, &'static str> {
    const BAD: &str = "a server name that is none";
    let mut list = data.long().ok_or(BAD)?;
    let kind = list.u8().ok_or(BAD)?;
    let name = list.long().ok_or(BAD)?;
    if !list.is_empty() || !data.is_empty() {
        return Err("more than one server name");
    }
    match std::str::from_utf8(name.rest()) {
        Ok(text) if kind == 0 && text.is_ascii() && !text.is_empty() && text.len() <= 255 => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(BAD),
    }
}

fn alpn(mut data: Octets<'_>) -> Result<Vec<Vec<u8>>, &'static str> {
    const BAD: &str = "a list of protocols that is none";
    let mut list = data.long().ok_or(BAD)?;
    if !data.is_empty() || list.is_empty() {
        return Err(BAD);
    }
    let mut all = Vec::new();
    while !list.is_empty() {
        let one = list.short().ok_or(BAD)?;
        if one.is_empty() || all.len() == 32 {
            return Err(BAD);
        }
        all.push(one.rest().to_vec());
    }
    Ok(all)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(bytes: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(bytes);
        out
    }

    pub(crate) fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend(long(data));
        out
    }

    pub(crate) fn sni(name: &str) -> Vec<u8> {
        let mut entry = vec![0];
        entry.extend(long(name.as_bytes()));
        extension(SERVER_NAME, &long(&entry))
    }

    pub(crate) fn offers(id: &[u8]) -> Vec<u8> {
        let mut one = vec![u8::try_from(id.len()).unwrap()];
        one.extend_from_slice(id);
        extension(ALPN, &long(&one))
    }

    /// A handshake message with these extensions.
    pub(crate) fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend(long(&extensions.concat()));
        let mut out = vec![1, 0];
        out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        out.extend(body);
        out
    }

    /// The records of a message, cut into pieces of `size`.
    pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|piece| [vec![22, 3, 1], long(piece)].concat()).collect()
    }

    fn named(name: &str) -> Found {
        Found::Hello(Hello { name: Some(name.into()), hides: Hides::Nothing, alpn: vec![b"h2".to_vec()] })
    }

    #[test]
    fn a_hello_is_read_however_it_is_cut() {
        let message = message(&[sni("a.example"), offers(b"h2"), extension(43, &[2, 3, 4])]);
        for size in [message.len(), 100, 40, 3] {
            let mut bytes = records(&message, size);
            assert_eq!(read(&bytes), named("a.example"), "{size}");
            for cut in 0..bytes.len() {
                let Found::More(needed) = read(&bytes[..cut]) else { panic!("{size} cut at {cut}") };
                assert!(needed > cut && needed <= bytes.len());
            }
            bytes.extend([23, 3, 3, 0, 1, 0]);
            assert_eq!(read(&bytes), named("a.example"));
        }
        assert!(matches!(read(&records(&message, 1)), Found::Bad(_)), "too many records");
    }

    #[test]
    fn what_is_not_exactly_a_hello_is_refused() {
        let good = message(&[sni("a.example")]);
        let mut two = sni("a.example");
        two.extend(sni("b.example"));
        let mut pair = vec![0];
        pair.extend(long(b"a"));
        pair.push(0);
        pair.extend(long(b"b"));
        let mut follows = good.clone();
        follows.push(0);
        for (what, bytes) in [
            ("SSLv2", b"\x80\x2e\x01\x00\x02\0\0\0".to_vec()),
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
            ("an alert", vec![21, 3, 1, 0, 2, 1, 0]),
            ("SSL 3", [vec![22, 3, 0], long(&good)].concat()),
            ("an empty record", vec![22, 3, 1, 0, 0]),
            ("two extensions of a kind", records(&message(&[two]), 9999)),
            ("two names", records(&message(&[extension(0, &long(&pair))]), 9999)),
            ("a name of another kind", records(&message(&[extension(0, &long(&[1, 0, 1, b'a']))]), 9999)),
            ("a name that is not ASCII", records(&message(&[sni("bücher")]), 9999)),
            ("bytes behind it", records(&follows, 9999)),
            ("a server hello", records(&[2, 0, 0, 0], 9999)),
            ("a length of 16 MiB", records(&[1, 255, 255, 255], 9999)),
            ("a torn list", records(&message(&[vec![0, 0, 0, 9]]), 9999)),
        ] {
            assert!(matches!(read(&bytes), Found::Bad(_)), "{what}: {:?}", read(&bytes));
        }
    }

    #[test]
    fn a_hidden_name_is_seen_to_be_hidden() {
        let Found::Hello(hello) = read(&records(&message(&[sni("a.example"), extension(0xfe0d, &[0; 8])]), 9999)) else { panic!() };
        assert_eq!(hello.hides, Hides::Name);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_changed_hello_is_judged(at in 0_usize..120, byte: u8, cut in 0_usize..120, size in 1_usize..80) {
            let mut bytes = records(&message(&[sni("a.example"), offers(b"h2")]), size);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut);
            match read(&bytes) {
                Found::More(needed) => prop_assert!(needed > bytes.len() && needed <= MOST),
                Found::Hello(_) | Found::Bad(_) => {}
            }
        }
    }
}
