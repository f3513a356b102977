//! Which trace a call is in, and which span of it is ours (W3C Trace Context, section 3).

use crate::state::Tracestate;
use std::fmt;
use std::str::FromStr;
use terms::{CallId, Entropy};

/// A trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span of a trace: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The span of our answering `call`: its 60 bits behind a 1, so that no further chance is needed and each tells the other.
    pub const fn of_call(call: CallId) -> Self {
        Self((1 << 60 | call.bits()).to_be_bytes())
    }

    /// The span of what we ask a server for `call`: its 60 bits behind a 2.
    pub const fn of_asking(call: CallId) -> Self {
        Self((2 << 60 | call.bits()).to_be_bytes())
    }
}

fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

/// Whether the spans of a call are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// They are.
    Yes,
    /// They are not; the ids go on all the same.
    No,
}

/// A `traceparent` as version 00 has it (section 3.2); of a higher version the same part is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that asks.
    pub span: SpanId,
    /// Its flags; of a higher version the one that is known. They say nothing of our spans: whether we send those is ours to say.
    flags: u8,
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Letters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The flag that every version has: the sender may have told of its span.
const SAMPLED: u8 = 1;

impl FromStr for Traceparent {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (own, more) = text.split_at_checked(LENGTH).ok_or(Unreadable)?;
        let mut parts = own.split('-');
        let [version] = digits(parts.next())?;
        let (trace, span) = (digits(parts.next())?, digits(parts.next())?);
        let [flags] = digits(parts.next())?;
        let (fits, known) = match version {
            0 => (more.is_empty(), u8::MAX),
            0xff => (false, 0),
            _ => (more.is_empty() || more.starts_with('-'), SAMPLED),
        };
        if !fits || trace == [0; 16] || span == [0; 8] {
            return Err(Unreadable);
        }
        Ok(Self { trace: TraceId(trace), span: SpanId(span), flags: flags & known })
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// `N` bytes in small hexadecimal digits.
fn digits<const N: usize>(text: Option<&str>) -> Result<[u8; N], Unreadable> {
    let text = text.ok_or(Unreadable)?.as_bytes();
    let mut bytes = [0; N];
    if text.len() != N * 2 {
        return Err(Unreadable);
    }
    for (slot, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(Unreadable),
        };
        let [high, low] = pair else { return Err(Unreadable) };
        *slot = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

/// Where a call stands in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace: the client's, else one of ours.
    pub trace: TraceId,
    /// The client's span, where it sent one.
    pub parent: Option<SpanId>,
    /// What other systems keep of it, where the client sent that too.
    pub state: Option<Tracestate>,
    /// Whether its spans are sent.
    pub sampled: Sampled,
}

impl Context {
    /// The context of a call whose client sent `parent` and with it `state`; without a parent, a trace begins.
    pub fn new(parent: Option<Traceparent>, state: Option<Tracestate>, sampled: Sampled, entropy: &dyn Entropy) -> Self {
        match parent {
            Some(Traceparent { trace, span, .. }) => Self { trace, parent: Some(span), state, sampled },
            None => {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes);
                // All zero is no trace.
                if bytes == [0; 16] {
                    bytes[15] = 1;
                }
                Self { trace: TraceId(bytes), parent: None, state: None, sampled }
            }
        }
    }

    /// What a server is told of it: the span of our asking is the parent of what it does.
    pub fn outgoing(&self, call: CallId) -> String {
        let flags = match self.sampled {
            Sampled::Yes => "01",
            Sampled::No => "00",
        };
        format!("00-{}-{}-{flags}", self.trace, SpanId::of_asking(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_nothing_else_is() {
        let read: Traceparent = PARENT.parse().unwrap();
        assert_eq!((read.trace.to_string(), read.span.to_string()), (PARENT[3..35].to_owned(), PARENT[36..52].to_owned()));
        assert_eq!(read.to_string(), PARENT);
        for bad in [
            "",
            "x",
            &PARENT[..54],
            &PARENT.to_uppercase(),
            &format!("{PARENT}-00"),
            &format!("{PARENT}é"),
            &PARENT.replace('-', "_"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
        ] {
            assert_eq!(bad.parse::<Traceparent>(), Err(Unreadable), "{bad}");
        }
    }

    #[test]
    fn a_higher_version_is_read_as_far_as_it_is_known() {
        let of = |version: &str, more: &str| format!("{version}{}07{more}", &PARENT[2..53]).parse::<Traceparent>();
        for (version, more) in [("01", ""), ("01", "-"), ("cc", "-what-may-come.later")] {
            assert_eq!(of(version, more).map(|read| read.to_string()), Ok(PARENT.to_owned()), "{version} {more}");
        }
        for (version, more) in [("ff", ""), ("ff", "-00"), ("01", "00"), ("01", ".x"), ("0A", ""), ("1", "")] {
            assert_eq!(of(version, more), Err(Unreadable), "{version} {more}");
        }
        assert_eq!(of("00", "").map(|read| read.to_string()), Ok(format!("{}07", &PARENT[..53])), "what is known whole goes on whole");
    }

    #[test]
    fn both_spans_of_a_call_are_told_from_each_other_and_from_none() {
        for bits in [0, 1, u64::MAX] {
            let call = CallId::from_bits(bits);
            let (ours, asking) = (SpanId::of_call(call), SpanId::of_asking(call));
            assert!(ours != asking && ours.bytes() != &[0; 8] && asking.bytes() != &[0; 8]);
        }
    }

    #[test]
    fn the_trace_goes_on_and_the_flag_is_ours() {
        struct Zero;
        impl Entropy for Zero {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let call = CallId::from_bits(7);
        let context = Context::new(PARENT.parse().ok(), None, Sampled::No, &Zero);
        assert_eq!(context.outgoing(call), "00-4bf92f3577b34da6a3ce929d0e0e4736-2000000000000007-00");
        let own = Context::new(None, None, Sampled::Yes, &Zero).outgoing(call);
        assert!(own.parse::<Traceparent>().is_ok(), "{own}");
    }
}
