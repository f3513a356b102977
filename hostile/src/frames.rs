//! Frames of HTTP/2 and fields of HPACK, made and read by hand (RFC 9113 §4.1, RFC 7541).

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITISED: u8 = 0x20;
/// `:method` GET and POST, as fields of the static table.
pub(crate) const GET: u8 = 0x82;
pub(crate) const POST: u8 = 0x83;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// One setting.
pub(crate) fn setting(id: u8, value: u32) -> Vec<u8> {
    [&[0, id][..], &value.to_be_bytes()].concat()
}

/// A text of HPACK, not compressed.
pub(crate) fn text(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 4);
    if text.len() < 127 {
        out.push(u8::try_from(text.len()).unwrap());
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap());
    }
    out.extend_from_slice(text);
    out
}

/// A field that is not kept in the table.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name.as_bytes()), text(value.as_bytes())].concat()
}

/// The pseudo fields of a request over `https`, then `more`.
pub(crate) fn request(method: u8, path: &str, authority: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![method, 0x87, 0x04];
    block.extend(text(path.as_bytes()));
    block.push(0x01);
    block.extend(text(authority.as_bytes()));
    block.extend(more.iter().flat_map(|(name, value)| field(name, value)));
    block
}

/// A frame that was read.
pub(crate) struct Read<'a> {
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

/// The whole frames in `bytes`.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<Read<'_>> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(payload) = rest.get(..length) else { break };
        frames.push(Read { kind: *kind, payload });
        bytes = &rest[length..];
    }
    frames
}

/// The status that a block of fields begins with: one of the static table, or three digits, compressed or not.
pub(crate) fn status(mut block: &[u8]) -> Option<u16> {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    const DIGITS: [(u32, u32); 10] = [(0, 5), (1, 5), (2, 5), (0x19, 6), (0x1a, 6), (0x1b, 6), (0x1c, 6), (0x1d, 6), (0x1e, 6), (0x1f, 6)];
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        // The size of the table, in one byte or a few.
        let more = if first & 0x1f == 0x1f { rest.iter().position(|byte| byte & 0x80 == 0)? + 1 } else { 0 };
        block = rest.get(more..)?;
    }
    match block {
        [first, ..] if (0x88..=0x8e).contains(first) => KNOWN.get(usize::from(first - 0x88)).copied(),
        [0x48 | 0x08 | 0x18, 3, digits @ ..] => std::str::from_utf8(digits.get(..3)?).ok()?.parse().ok(),
        [0x48 | 0x08 | 0x18, length, rest @ ..] if length & 0x80 != 0 => {
            let bits: u32 = rest.get(..usize::from(length & 0x7f))?.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let (mut left, mut status) = (u32::from(length & 0x7f) * 8, 0);
            for _ in 0..3 {
                let (digit, width) = (0..10_u16).find_map(|digit| {
                    let (code, width) = DIGITS[usize::from(digit)];
                    (left >= width && bits >> (left - width) & ((1 << width) - 1) == code).then_some((digit, width))
                })?;
                (left, status) = (left - width, status * 10 + digit);
            }
            Some(status)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_however_it_is_written() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x3f, 0x00, 0x8c]), Some(400));
        assert_eq!(status(&[0x48, 3, b'5', b'0', b'3']), Some(503));
        // RFC 7541 appendix C.6.1: 302.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let bytes = [frame(PING, 0, 0, &[0; 8]), frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11])].concat();
        let kinds: Vec<_> = read(&bytes).iter().map(|frame| (frame.kind, frame.payload.len())).collect();
        assert_eq!(kinds, [(PING, 8), (GOAWAY, 8)]);
        assert_eq!(text(&[b'x'; 200])[..2], [127, 73]);
    }
}
