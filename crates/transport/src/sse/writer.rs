//! The one form of event that we send.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A comment that keeps the way open; send it every 15 s.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// A frame or an id holds a line end (or an id a NUL), so that it would break out of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not fit one line of an event stream")]
pub struct NotOneLine;

/// One event: `event: message`, the id if there is one, one line of data, a blank line.
///
/// # Errors
/// [`NotOneLine`]: our own fault; compact JSON never holds a line end.
pub fn message(id: Option<&str>, frame: &[u8]) -> Result<Bytes, NotOneLine> {
    if memchr::memchr2(b'\r', b'\n', frame).is_some() {
        return Err(NotOneLine);
    }
    let id_bytes = id.unwrap_or_default().as_bytes();
    if memchr::memchr3(b'\r', b'\n', 0, id_bytes).is_some() {
        return Err(NotOneLine);
    }
    let mut event = BytesMut::with_capacity(frame.len() + id_bytes.len() + 40);
    event.put_slice(b"event: message\n");
    if id.is_some() {
        event.put_slice(b"id: ");
        event.put_slice(id_bytes);
        event.put_u8(b'\n');
    }
    event.put_slice(b"data: ");
    event.put_slice(frame);
    event.put_slice(b"\n\n");
    Ok(event.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::{Bounds, Reader};

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut reader = Reader::new(Bounds::default());
        reader.push(KEEP_ALIVE).unwrap();
        reader.push(message(Some("a-1"), b" {\"x\": 1}").unwrap()).unwrap();
        assert_eq!(reader.next_event().unwrap().unwrap().data, " {\"x\": 1}");
        assert_eq!(reader.last_id().unwrap(), "a-1");
        assert_eq!(message(None, b"{}").unwrap(), "event: message\ndata: {}\n\n");
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        assert_eq!(message(None, b"{}\n\ndata: {}"), Err(NotOneLine));
        assert_eq!(message(None, b"{}\r"), Err(NotOneLine));
        assert_eq!(message(Some("1\ndata: x"), b"{}"), Err(NotOneLine));
    }
}
