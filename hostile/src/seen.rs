//! What came back of a case.

use crate::case::Want;
use crate::frames;
use std::time::Duration;

/// How a connection stood when nothing more was read of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was open.
    #[default]
    Open,
    /// The gateway had closed it.
    Closed,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) goaway: Option<u32>,
    pub(crate) reset: Option<u32>,
    pub(crate) alert: Option<u8>,
    pub(crate) ended: Ended,
    pub(crate) good: bool,
    pub(crate) note: String,
    pub(crate) took: Duration,
}

impl Seen {
    /// What the driver judged.
    pub(crate) fn judged(good: bool, note: impl Into<String>) -> Self {
        Self { good, note: note.into(), ..Self::default() }
    }

    /// Bytes of HTTP/1.1.
    pub(crate) fn http(bytes: &[u8], ended: Ended) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let status = text.match_indices("HTTP/1.1 ").last().and_then(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
        Self {
            status,
            code: member(&text, "code"),
            reference: member(&text, "reference"),
            ended,
            note: text.chars().take(60).collect(),
            ..Self::default()
        }
    }

    /// Bytes of HTTP/2.
    pub(crate) fn frames(bytes: &[u8], ended: Ended) -> Self {
        let mut seen = Self { ended, ..Self::default() };
        let mut body = Vec::new();
        for frame in frames::read(bytes) {
            let number =
                |from: usize| frame.payload.get(from..from + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            match frame.kind {
                frames::DATA => body.extend_from_slice(frame.payload),
                frames::HEADERS => seen.status = frames::status(frame.payload).or(seen.status),
                frames::RESET => seen.reset = number(0),
                frames::GOAWAY => seen.goaway = number(4),
                _ => {}
            }
        }
        let body = String::from_utf8_lossy(&body);
        (seen.code, seen.reference) = (member(&body, "code"), member(&body, "reference"));
        seen
    }

    /// Bytes of TLS in the clear.
    pub(crate) fn records(mut bytes: &[u8], ended: Ended) -> Self {
        let mut seen = Self { ended, ..Self::default() };
        let mut kinds = Vec::new();
        while let [kind, _, _, high, low, rest @ ..] = bytes {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
            let (payload, next) = rest.split_at(length);
            kinds.push(*kind);
            if let (21, [2, code]) = (*kind, payload) {
                seen.alert = Some(*code);
            }
            bytes = next;
        }
        seen.note = format!("records {kinds:?}");
        seen
    }

    /// Whether this is the end that was wanted.
    pub(crate) fn is(&self, want: Want) -> bool {
        match want {
            Want::Status(status) => self.status == Some(status),
            Want::Code(code) => self.code.as_deref() == Some(code),
            Want::GoAway(code) => self.goaway == Some(code),
            Want::Reset(code) => self.reset == Some(code),
            Want::Alert(code) => self.alert == Some(code),
            Want::Cut => self.ended == Ended::Closed && self.status.is_none_or(|status| status >= 400),
            Want::Good => self.good,
        }
    }
}

/// What the last refusal in a text says of itself that is there whole: of many answers in a row the last may be cut off.
fn member(text: &str, name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    text.rmatch_indices(&key).find_map(|(at, _)| Some(text.get(at + key.len()..)?.split_once('"')?.0.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_answers_in_a_row_the_last_that_is_whole_counts() {
        let seen = Seen::http(b"HTTP/1.1 405 x\r\n\r\n{\"reference\":\"C-1\"}HTTP/1.1 405 x\r\n\r\n{\"reference\":\"C-2", Ended::Open);
        assert_eq!((seen.status, seen.reference.as_deref()), (Some(405), Some("C-1")));
    }
}
