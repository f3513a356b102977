//! Questions for names and their answers, as far as a sandbox needs them (RFC 1035 §4, RFC 6891 §6.1).
//!
//! One question in one datagram, no compression, nothing behind it but an OPT record. Control: `network.dns`.

use crate::hostname::HostName;
use crate::octets::Octets;
use std::net::Ipv4Addr;

/// Most bytes of a question. A name has at most 255, the rest is the header, the question and an OPT record.
const MOST: usize = 512;
/// Seconds for which an answer holds. An address belongs to its name as long as the sandbox lives.
const TTL: u32 = 60;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// IPv4 addresses.
    A,
    /// What clients ask for on the way to a connection besides: IPv6 addresses, service parameters (RFC 9460).
    Beside,
    /// Anything else, by its number.
    Odd(u16),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    id: [u8; 2],
    recursion: u8,
    /// The question as it was asked, to be repeated.
    question: &'a [u8],
    pub(crate) name: HostName,
    pub(crate) wanted: Wanted,
}

/// Why something is not a question that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Odd {
    /// The id to answer under; none where not even an error is due.
    id: Option<[u8; 2]>,
    /// What is wrong.
    pub(crate) why: &'static str,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The name has this address.
    Address(Ipv4Addr),
    /// The name is there, and has nothing of what was wanted.
    Nothing,
    /// There is no such name.
    NoName,
    /// Not now.
    Refused,
}

/// Reads a question.
///
/// # Errors
/// [`Odd`]: it is anything else.
pub(crate) fn read(bytes: &[u8]) -> Result<Query<'_>, Odd> {
    let mut rest = Octets::new(bytes);
    let header = rest.take(12).and_then(|header| <[u8; 12]>::try_from(header).ok());
    let Some([i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, x0, x1]) = header else { return Err(Odd { id: None, why: "it is too short" }) };
    let id = [i0, i1];
    if f0 & 0x80 != 0 {
        return Err(Odd { id: None, why: "it is an answer" });
    }
    let odd = |why| Odd { id: Some(id), why };
    if bytes.len() > MOST {
        return Err(odd("it is too long"));
    }
    // Opcode 0, not truncated, no code; recursion, authentic data and checking disabled may be asked for.
    if f0 & 0x7e != 0 || f1 & 0xcf != 0 {
        return Err(odd("it is no standard query"));
    }
    let additional = u16::from_be_bytes([x0, x1]);
    if [q0, q1] != [0, 1] || [a0, a1, n0, n1] != [0; 4] || additional > 1 {
        return Err(odd("it is not one question"));
    }
    let question = rest.rest();
    let name = name_at(&mut rest).map_err(odd)?;
    let (Some(kind), Some(class)) = (rest.u16(), rest.u16()) else { return Err(odd("it ends early")) };
    if class != 1 {
        return Err(odd("it is of another class"));
    }
    let question = question.get(..question.len() - rest.rest().len()).unwrap_or_default();
    if additional == 1 {
        options(&mut rest).ok_or_else(|| odd("what follows is no OPT record"))?;
    }
    if !rest.is_empty() {
        return Err(odd("something follows the question"));
    }
    let wanted = match kind {
        1 => Wanted::A,
        28 | 64 | 65 => Wanted::Beside,
        other => Wanted::Odd(other),
    };
    Ok(Query { id, recursion: f0 & 1, question, name, wanted })
}

/// The name at the front of `rest`, which is not compressed.
pub(crate) fn name_at(rest: &mut Octets<'_>) -> Result<HostName, &'static str> {
    let mut text = String::with_capacity(64);
    loop {
        let length = rest.u8().ok_or("it ends early")?;
        if length == 0 {
            break;
        }
        if length & 0xc0 != 0 {
            return Err("its name is compressed");
        }
        let label = rest.take(length.into()).ok_or("it ends early")?;
        if !text.is_empty() {
            text.push('.');
        }
        // A dot inside a label would be two labels in text.
        let label =
            std::str::from_utf8(label).ok().filter(|label| label.is_ascii() && !label.contains('.')).ok_or("its name has odd letters")?;
        text.push_str(label);
        if text.len() > 253 {
            return Err("its name is too long");
        }
    }
    HostName::parse(&text).ok_or("its name has odd letters")
}

/// An OPT record: the root, type 41, size, version 0, and its data to the end.
fn options(rest: &mut Octets<'_>) -> Option<()> {
    let root = rest.u8()?;
    let kind = rest.u16()?;
    rest.take(6)?;
    rest.long()?;
    (root == 0 && kind == 41).then_some(())
}

impl Query<'_> {
    /// The datagram that says `answer`.
    pub(crate) fn answer(&self, answer: Answer) -> Vec<u8> {
        let (code, address) = match answer {
            Answer::Address(address) => (0, Some(address)),
            Answer::Nothing => (0, None),
            Answer::NoName => (3, None),
            Answer::Refused => (5, None),
        };
        let mut out = Vec::with_capacity(self.question.len() + 32);
        out.extend(self.id);
        out.extend([0x80 | self.recursion, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        out.extend_from_slice(self.question);
        if let Some(address) = address {
            // The name of the question, type A, class IN.
            out.extend([0xc0, 12, 0, 1, 0, 1]);
            out.extend(TTL.to_be_bytes());
            out.extend([0, 4]);
            out.extend(address.octets());
        }
        out
    }
}

impl Odd {
    /// The datagram that says that it was not understood, where one is due.
    pub(crate) fn answer(self) -> Option<Vec<u8>> {
        let [i0, i1] = self.id?;
        Some(vec![i0, i1, 0x80, 0x81, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A question for `kind` of `name`.
    pub(crate) fn ask(name: &str, kind: u16) -> Vec<u8> {
        let mut out = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend(label.as_bytes());
        }
        out.push(0);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out
    }

    fn with_options(mut query: Vec<u8>) -> Vec<u8> {
        query[11] = 1;
        query.extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
        query
    }

    #[test]
    fn a_question_is_read_and_answered_as_it_was_asked() {
        for bytes in [ask("Api.Example.com", 1), with_options(ask("Api.Example.com", 1))] {
            let query = read(&bytes).unwrap();
            assert_eq!((query.name.as_str(), query.wanted), ("api.example.com", Wanted::A));
            let answer = query.answer(Answer::Address(Ipv4Addr::new(198, 18, 0, 1)));
            assert_eq!(&answer[..12], &[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            assert_eq!(&answer[12..12 + 21], &bytes[12..12 + 21]);
            assert_eq!(&answer[33..], &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 0, 1]);
        }
        assert_eq!(read(&ask("a", 28)).unwrap().wanted, Wanted::Beside);
        assert_eq!(read(&ask("a", 16)).unwrap().wanted, Wanted::Odd(16));
        let bytes = ask("a.b", 28);
        assert_eq!(&read(&bytes).unwrap().answer(Answer::NoName)[2..8], &[0x81, 0x83, 0, 1, 0, 0]);
        assert_eq!(&read(&bytes).unwrap().answer(Answer::Nothing)[2..8], &[0x81, 0x80, 0, 1, 0, 0]);
    }

    #[test]
    fn anything_but_one_plain_question_is_refused() {
        let good = ask("a.example", 1);
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let long = [(); 5].map(|()| "a".repeat(60)).join(".");
        let mut loops = good[..12].to_vec();
        loops.extend([0xc0, 12, 0, 1, 0, 1]);
        let mut extra = good.clone();
        extra.push(0);
        for (what, bytes) in [
            ("nothing", vec![]),
            ("an answer", changed(2, 0x81)),
            ("another opcode", changed(2, 0x28)),
            ("truncated", changed(2, 2)),
            ("a code", changed(3, 3)),
            ("two questions", changed(5, 2)),
            ("no question", changed(5, 0)),
            ("an answer section", changed(7, 1)),
            ("an authority section", changed(9, 1)),
            ("two additional records", changed(11, 2)),
            ("an additional record that is not there", changed(11, 1)),
            ("a pointer", loops),
            ("a long label", changed(12, 64)),
            ("a label beyond the end", changed(12, 63)),
            ("class CHAOS", changed(good.len() - 1, 3)),
            ("bytes behind it", extra),
            ("a long name", ask(&long, 1)),
            ("the root", ask("", 1)),
            ("a dot in a label", changed(13, b'.')),
            ("a zero byte in a label", changed(13, 0)),
            ("a letter beyond ASCII", changed(13, 0xe9)),
            ("an address", ask("127.0.0.1", 1)),
            ("too long", [good.clone(), vec![0; 600]].concat()),
        ] {
            assert!(read(&bytes).is_err(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_changed_question_is_judged(at in 0_usize..40, byte: u8, cut in 0_usize..40) {
            let mut bytes = with_options(ask("a.example", 1));
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut);
            if let Ok(query) = read(&bytes) {
                prop_assert!(query.answer(Answer::Address(Ipv4Addr::LOCALHOST)).len() <= 512 + 16);
            }
        }

        #[test]
        fn what_is_printed_is_what_is_read(name in "[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9]{0,20}){0,5}", kind: u16) {
            let bytes = ask(&name, kind);
            let query = read(&bytes).unwrap();
            prop_assert_eq!(query.name.as_str(), name.as_str());
            prop_assert_eq!(query.question, &bytes[12..]);
        }
    }
}
