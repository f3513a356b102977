//! The first message of a client of TLS, made by hand (RFC 8446 §4.1.2), so that any part of it can be wrong.

/// A hello in the making: as a client of TLS 1.3 with X25519 sends it, until something is changed.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) record: [u8; 2],
    pub(crate) version: [u8; 2],
    pub(crate) session: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) compressions: Vec<u8>,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
    /// Bytes after the extensions.
    pub(crate) after: Vec<u8>,
}

pub(crate) const NAME: u16 = 0;
pub(crate) const GROUPS: u16 = 10;
pub(crate) const SIGNATURES: u16 = 13;
pub(crate) const ALPN: u16 = 16;
pub(crate) const PSK: u16 = 41;
pub(crate) const VERSIONS: u16 = 43;
pub(crate) const MODES: u16 = 45;
pub(crate) const SHARE: u16 = 51;

/// A list with its length before it, in one byte.
pub(crate) fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// A list with its length before it, in two bytes.
pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A share of a key of this group.
pub(crate) fn share(group: u16, key: &[u8]) -> Vec<u8> {
    [&group.to_be_bytes()[..], &long(key)].concat()
}

/// A record of TLS.
pub(crate) fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &long(payload)].concat()
}

impl Hello {
    /// A good one, that asks for HTTP/1.1.
    pub(crate) fn new() -> Self {
        Self {
            record: [3, 1],
            version: [3, 3],
            session: vec![7; 32],
            suites: vec![0x1301, 0x1302, 0x1303],
            compressions: vec![0],
            extensions: vec![
                (GROUPS, long(&[0, 29])),
                (SIGNATURES, long(&[4, 3, 8, 4, 8, 7])),
                (ALPN, long(&short(b"http/1.1"))),
                (VERSIONS, short(&[3, 4])),
                (MODES, short(&[1])),
                (SHARE, long(&share(29, &[9; 32]))),
            ],
            after: Vec::new(),
        }
    }

    /// Of TLS 1.2, with these suites and nothing of 1.3.
    pub(crate) fn old(suites: &[u16]) -> Self {
        let mut hello = Self::new();
        hello.suites = suites.to_vec();
        hello.extensions = vec![(GROUPS, long(&[0, 29, 0, 23])), (SIGNATURES, long(&[4, 3, 8, 4])), (11, short(&[0]))];
        hello
    }

    /// With this extension instead of the one of its kind, or as the last one.
    pub(crate) fn with(mut self, kind: u16, value: Vec<u8>) -> Self {
        match self.extensions.iter_mut().find(|(found, _)| *found == kind) {
            Some((_, old)) => *old = value,
            None => self.extensions.push((kind, value)),
        }
        self
    }

    /// Without the extension of this kind.
    pub(crate) fn without(mut self, kind: u16) -> Self {
        self.extensions.retain(|(found, _)| *found != kind);
        self
    }

    /// Changed in some way.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The message of the handshake.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_vec();
        body.extend([7; 32]);
        body.extend(short(&self.session));
        body.extend(long(&self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect::<Vec<_>>()));
        body.extend(short(&self.compressions));
        let extensions =
            self.extensions.iter().flat_map(|(kind, value)| [&kind.to_be_bytes()[..], &long(value)].concat()).collect::<Vec<_>>();
        body.extend(long(&extensions));
        body.extend(&self.after);
        let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1, a, b, c][..], &body].concat()
    }

    /// In records of at most `size` bytes.
    pub(crate) fn split(&self, size: usize) -> Vec<u8> {
        let message = self.message();
        message.chunks(size).flat_map(|piece| [&[22, self.record[0], self.record[1]][..], &long(piece)].concat()).collect()
    }

    /// In as few records as can be.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.split(16_384)
    }
}
