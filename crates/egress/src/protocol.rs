//! Which protocol is spoken on a port, told by the first bytes of a connection.
//!
//! Control: `network.protocols`.

use std::fmt;

/// A protocol that an entry of the list may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TLS, whatever is in it.
    Tls,
    /// Plain HTTP/1.
    Http,
    /// PostgreSQL's frontend protocol.
    Postgres,
    /// MySQL's client protocol.
    Mysql,
    /// RESP.
    Redis,
    /// Anything but mail, file transfer and peer-to-peer.
    Tcp,
    /// SSH, which also moves files.
    Ssh,
    /// FTP.
    Ftp,
    /// FTP in TLS.
    Ftps,
    /// SMB.
    Smb,
    /// The daemon's protocol of rsync.
    Rsync,
    /// SMTP and submission.
    Smtp,
    /// SMTP in TLS.
    Smtps,
    /// IMAP.
    Imap,
    /// IMAP in TLS.
    Imaps,
    /// POP3.
    Pop3,
    /// POP3 in TLS.
    Pop3s,
    /// BitTorrent's peer protocol.
    Bittorrent,
}

/// What a protocol is for, as far as that decides whether it must be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Anything else.
    General,
    /// Mail.
    Mail,
    /// Moving files.
    Files,
    /// Exchange between peers.
    Peers,
}

impl fmt::Display for Purpose {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::General => "general use",
            Self::Mail => "mail",
            Self::Files => "file transfer",
            Self::Peers => "peer-to-peer exchange",
        })
    }
}

/// Who speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The client, so that nothing needs to be sent out before its first bytes are known.
    Client,
    /// The server greets, or either may begin.
    Either,
}

/// What a client may begin with that must be named, and can be told however little of it is there.
const NAMED: [Protocol; 7] =
    [Protocol::Bittorrent, Protocol::Ssh, Protocol::Rsync, Protocol::Smb, Protocol::Smtp, Protocol::Ftp, Protocol::Pop3];
/// What a server may greet with that must be named.
const GREETERS: [Protocol; 5] = [Protocol::Ssh, Protocol::Rsync, Protocol::Pop3, Protocol::Imap, Protocol::Smtp];
/// Commands with which IMAP begins (RFC 9051 §6.1, §6.2; RFC 2971).
const IMAP: [&str; 7] = ["CAPABILITY", "STARTTLS", "AUTHENTICATE", "LOGIN", "ID", "NOOP", "LOGOUT"];

/// What the first bytes of one side say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// They are of the protocol.
    Fits,
    /// They may become it.
    More,
    /// They are not.
    Differs,
}

impl Protocol {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::Tls,
        Self::Http,
        Self::Postgres,
        Self::Mysql,
        Self::Redis,
        Self::Tcp,
        Self::Ssh,
        Self::Ftp,
        Self::Ftps,
        Self::Smb,
        Self::Rsync,
        Self::Smtp,
        Self::Smtps,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Bittorrent,
    ];

    /// The word in an entry, before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
            Self::Tcp => "tcp",
            Self::Ssh => "ssh",
            Self::Ftp => "ftp",
            Self::Ftps => "ftps",
            Self::Smb => "smb",
            Self::Rsync => "rsync",
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Bittorrent => "bittorrent",
        }
    }

    /// What a client that begins with `bytes` speaks; none where that cannot be told, or not yet.
    pub fn recognised(bytes: &[u8]) -> Option<Self> {
        recognise(bytes)
    }

    /// The entry of `host` at `port` for a client that speaks `spoken`: with its word where the port alone would mean another protocol. What only an
    /// operator may name (mail, file transfer, peer-to-peer exchange) is left out, as if it had not been seen.
    pub fn entry(host: &str, port: u16, spoken: Option<Self>) -> String {
        match spoken {
            Some(spoken) if spoken.purpose() == Purpose::General && Self::of_port(port).is_ok_and(|usual| usual != spoken) => {
                format!("{spoken}://{host}:{port}")
            }
            Some(_) | None => format!("{host}:{port}"),
        }
    }

    /// The one that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// What it is for.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Tls | Self::Http | Self::Postgres | Self::Mysql | Self::Redis | Self::Tcp => Purpose::General,
            Self::Ssh | Self::Ftp | Self::Ftps | Self::Smb | Self::Rsync => Purpose::Files,
            Self::Smtp | Self::Smtps | Self::Imap | Self::Imaps | Self::Pop3 | Self::Pop3s => Purpose::Mail,
            Self::Bittorrent => Purpose::Peers,
        }
    }

    /// Whether connections are TLS from their first byte, with a name to compare.
    pub(crate) const fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Ftps | Self::Smtps | Self::Imaps | Self::Pop3s)
    }

    pub(crate) const fn turn(self) -> Turn {
        match self {
            Self::Tls
            | Self::Ftps
            | Self::Smtps
            | Self::Imaps
            | Self::Pop3s
            | Self::Http
            | Self::Postgres
            | Self::Redis
            | Self::Smb
            | Self::Bittorrent => Turn::Client,
            Self::Mysql | Self::Tcp | Self::Ssh | Self::Ftp | Self::Rsync | Self::Smtp | Self::Imap | Self::Pop3 => Turn::Either,
        }
    }

    /// The protocol of an entry that names none: by its port, TLS where the port says nothing.
    ///
    /// # Errors
    /// The port is for something that must be named.
    pub(crate) const fn of_port(port: u16) -> Result<Self, Purpose> {
        match purpose_of_port(port) {
            Purpose::General => Ok(match port {
                80 => Self::Http,
                3306 => Self::Mysql,
                5432 => Self::Postgres,
                6379 => Self::Redis,
                _ => Self::Tls,
            }),
            other => Err(other),
        }
    }

    /// Whether the client's first bytes are of this protocol. For TLS and HTTP this is only the look before the strict parse.
    pub(crate) fn begins(self, bytes: &[u8]) -> Start {
        match self {
            Self::Tls | Self::Ftps | Self::Smtps | Self::Imaps | Self::Pop3s => starts(bytes, &[&[22, 3]]),
            Self::Http => line(bytes, |line| line.first().is_some_and(u8::is_ascii_uppercase) && is_http(line)),
            Self::Postgres => match postgres(bytes) {
                Start::Fits => Start::Fits,
                other => other,
            },
            Self::Redis => starts(bytes, &[b"*"]),
            Self::Mysql => match bytes {
                [_, _, _, 1, ..] => Start::Fits,
                [_, _, _, _, ..] => Start::Differs,
                _ => Start::More,
            },
            Self::Smb => match bytes {
                [0, 0 | 1, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Start::Fits,
                [_, _, _, _, _, _, _, _, ..] => Start::Differs,
                [0, ..] | [] => Start::More,
                _ => Start::Differs,
            },
            Self::Bittorrent => starts(bytes, &[b"\x13BitTorrent protocol"]),
            Self::Ssh => starts(bytes, &[b"SSH-2.0-"]),
            Self::Rsync => starts(bytes, &[b"@RSYNCD:"]),
            Self::Smtp => words(bytes, &["EHLO", "HELO", "QUIT", "NOOP"]),
            Self::Ftp => words(bytes, &["USER", "AUTH", "FEAT", "HOST", "OPTS", "SYST", "QUIT", "NOOP"]),
            Self::Pop3 => words(bytes, &["USER", "AUTH", "CAPA", "APOP", "STLS", "QUIT", "NOOP"]),
            Self::Imap => line(bytes, |line| {
                let mut parts = line.split(|byte| *byte == b' ');
                let tag = parts.next().is_some_and(|tag| !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric));
                let known = |word: &[u8]| IMAP.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(word.trim_ascii_end()));
                tag && parts.next().is_some_and(known)
            }),
            Self::Tcp => {
                let all = NAMED.map(|one| one.begins(bytes));
                if all.contains(&Start::Fits) || Self::Imap.begins(bytes) == Start::Fits {
                    Start::Differs
                } else if bytes.is_empty() || all.contains(&Start::More) {
                    Start::More
                } else {
                    Start::Fits
                }
            }
        }
    }

    /// Whether the server's first bytes are of this protocol, where it greets.
    pub(crate) fn greets(self, bytes: &[u8]) -> Start {
        match self {
            Self::Smtp | Self::Ftp => starts(bytes, &[b"220", b"421", b"554"]),
            Self::Imap => starts(bytes, &[b"* OK", b"* PREAUTH", b"* BYE"]),
            Self::Pop3 => starts(bytes, &[b"+OK", b"-ERR"]),
            Self::Ssh => starts(bytes, &[b"SSH-2.0-", b"SSH-1.99-"]),
            Self::Rsync => starts(bytes, &[b"@RSYNCD:"]),
            Self::Mysql => match bytes {
                [_, _, _, 0, 10 | 0xff, ..] => Start::Fits,
                [_, _, _, _, _, ..] => Start::Differs,
                _ => Start::More,
            },
            Self::Tcp => {
                let all = GREETERS.map(|one| one.greets(bytes));
                if all.contains(&Start::Fits) {
                    Start::Differs
                } else if all.contains(&Start::More) {
                    Start::More
                } else {
                    Start::Fits
                }
            }
            Self::Tls
            | Self::Ftps
            | Self::Smtps
            | Self::Imaps
            | Self::Pop3s
            | Self::Http
            | Self::Postgres
            | Self::Redis
            | Self::Smb
            | Self::Bittorrent => Start::Differs,
        }
    }

    /// What an ALPN id says is spoken inside TLS, where it must be named (IANA, TLS ALPN Protocol IDs).
    pub(crate) fn of_alpn(id: &[u8]) -> Option<Self> {
        match id {
            b"ftp" => Some(Self::Ftps),
            b"imap" => Some(Self::Imaps),
            b"pop3" => Some(Self::Pop3s),
            b"smtp" => Some(Self::Smtps),
            b"smb" => Some(Self::Smb),
            b"webrtc" | b"c-webrtc" | b"stun.turn" | b"stun.nat-discovery" => Some(Self::Bittorrent),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What a port is commonly for (IANA service names, and what is in use).
pub(crate) const fn purpose_of_port(port: u16) -> Purpose {
    match port {
        25 | 109 | 110 | 143 | 465 | 587 | 993 | 995 | 2525 => Purpose::Mail,
        20..=22 | 69 | 115 | 137..=139 | 445 | 548 | 873 | 989 | 990 | 2049 => Purpose::Files,
        411 | 412 | 1214 | 4662 | 4672 | 6346 | 6347 | 6881..=6999 | 51413 => Purpose::Peers,
        _ => Purpose::General,
    }
}

/// What a client's first bytes look like, for the record and for [`Protocol::Tcp`].
pub(crate) fn recognise(bytes: &[u8]) -> Option<Protocol> {
    use Protocol as P;
    [P::Tls, P::Bittorrent, P::Ssh, P::Rsync, P::Smb, P::Http, P::Postgres, P::Smtp, P::Ftp, P::Redis, P::Pop3, P::Imap]
        .into_iter()
        .find(|one| one.begins(bytes) == Start::Fits)
}

/// What a server's greeting looks like, where it must be named.
pub(crate) fn recognise_greeting(bytes: &[u8]) -> Option<Protocol> {
    GREETERS.into_iter().find(|one| one.greets(bytes) == Start::Fits)
}

fn starts(bytes: &[u8], all: &[&[u8]]) -> Start {
    if all.iter().any(|one| bytes.starts_with(one)) {
        Start::Fits
    } else if all.iter().any(|one| one.starts_with(bytes)) {
        Start::More
    } else {
        Start::Differs
    }
}

/// A line that begins with one of these words, in any case, and a space or the end of the line behind it.
fn words(bytes: &[u8], all: &[&str]) -> Start {
    let word: Vec<u8> = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).map(u8::to_ascii_uppercase).take(8).collect();
    match bytes.get(word.len()) {
        Some(b' ' | b'\r' | b'\n') if all.iter().any(|one| one.as_bytes() == word) => Start::Fits,
        None if all.iter().any(|one| one.as_bytes().starts_with(&word)) => Start::More,
        Some(_) | None => Start::Differs,
    }
}

/// Judges the first line, as soon as it is there.
fn line(bytes: &[u8], good: impl Fn(&[u8]) -> bool) -> Start {
    const MOST: usize = 8 * 1024;
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if good(bytes.get(..end).unwrap_or_default()) => Start::Fits,
        Some(_) => Start::Differs,
        None if bytes.len() < MOST && bytes.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\r' | b'\t')) => Start::More,
        None => Start::Differs,
    }
}

fn is_http(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

/// SSLRequest, GSSENCRequest, CancelRequest, StartupMessage of version 3 (PostgreSQL, Frontend/Backend Protocol, "Message Formats").
fn postgres(bytes: &[u8]) -> Start {
    let Some((head, _)) = bytes.split_first_chunk::<8>() else {
        return match bytes.first_chunk::<2>() {
            None | Some([0, 0]) if bytes.first().is_none_or(|first| *first == 0) => Start::More,
            None | Some(_) => Start::Differs,
        };
    };
    let [l0, l1, l2, l3, code @ ..] = *head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    let code = u32::from_be_bytes(code);
    match (length, code) {
        (8, 80_877_103 | 80_877_104) | (16..=272, 80_877_102) => Start::Fits,
        (9..=10_000, _) if code >> 16 == 3 => Start::Fits,
        _ => Start::Differs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENTS: &[(Protocol, &[u8])] = &[
        (Protocol::Tls, b"\x16\x03\x01\x02\x00\x01"),
        (Protocol::Http, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Protocol::Postgres, b"\0\0\0\x08\x04\xd2\x16\x2f"),
        (Protocol::Postgres, b"\0\0\0\x29\0\x03\0\0user\0a\0"),
        (Protocol::Redis, b"*1\r\n$4\r\nPING\r\n"),
        (Protocol::Ssh, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (Protocol::Ftp, b"USER anonymous\r\n"),
        (Protocol::Smtp, b"EHLO evil\r\n"),
        (Protocol::Smb, b"\0\0\0\x45\xffSMBr\0\0\0"),
        (Protocol::Rsync, b"@RSYNCD: 31.0\n"),
        (Protocol::Imap, b"a1 LOGIN u p\r\n"),
        (Protocol::Pop3, b"CAPA\r\n"),
        (Protocol::Bittorrent, b"\x13BitTorrent protocol\0\0"),
    ];

    #[test]
    fn first_bytes_tell_the_protocol_however_they_are_cut() {
        for (protocol, bytes) in CLIENTS {
            assert_eq!(protocol.begins(bytes), Start::Fits, "{protocol}");
            assert_eq!(recognise(bytes), Some(*protocol));
            for cut in 0..bytes.len() {
                assert_ne!(protocol.begins(&bytes[..cut]), Start::Differs, "{protocol} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_must_be_named_is_not_let_through_as_anything() {
        for (protocol, bytes) in CLIENTS {
            let expected = if protocol.purpose() == Purpose::General { Start::Fits } else { Start::Differs };
            assert_eq!(Protocol::Tcp.begins(bytes), expected, "{protocol}");
        }
        for (protocol, bytes) in CLIENTS.iter().filter(|(protocol, _)| NAMED.contains(protocol)) {
            let first = (0..bytes.len()).find(|cut| Protocol::Tcp.begins(&bytes[..*cut]) != Start::More).unwrap();
            assert_eq!(Protocol::Tcp.begins(&bytes[..first]), Start::Differs, "{protocol} in pieces");
        }
        for free in [&b"SUB subject 1\r\n"[..], b"CONNECT {}\r\n", b"set a 0 0 1\r\n", b"{\"a\":1}", b"\0\0\0\x10whatever"] {
            assert_eq!(Protocol::Tcp.begins(free), Start::Fits, "{free:?}");
        }
        for greeting in [&b"220 mail.example ESMTP"[..], b"SSH-2.0-x", b"* OK IMAP4", b"+OK ready", b"@RSYNCD: 31"] {
            assert_eq!(Protocol::Tcp.greets(greeting), Start::Differs);
            assert_eq!(Protocol::Tcp.greets(&greeting[..1]), Start::More);
        }
        assert_eq!(Protocol::Tcp.greets(b"J\0\0\0\x0a8.0.36"), Start::Fits);
    }

    #[test]
    fn only_its_own_first_bytes_fit() {
        for expected in [Protocol::Tls, Protocol::Http, Protocol::Postgres, Protocol::Ssh, Protocol::Bittorrent] {
            for (protocol, bytes) in CLIENTS.iter().filter(|(protocol, _)| *protocol != expected) {
                assert_ne!(expected.begins(bytes), Start::Fits, "{protocol} as {expected}");
            }
        }
    }

    #[test]
    fn ports_of_mail_files_and_peers_need_a_word() {
        assert_eq!(Protocol::of_port(443), Ok(Protocol::Tls));
        assert_eq!(Protocol::of_port(80), Ok(Protocol::Http));
        assert_eq!(Protocol::of_port(5432), Ok(Protocol::Postgres));
        for (port, purpose) in
            [(25, Purpose::Mail), (993, Purpose::Mail), (21, Purpose::Files), (22, Purpose::Files), (6881, Purpose::Peers)]
        {
            assert_eq!(Protocol::of_port(port), Err(purpose));
        }
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_word(protocol.as_str()), Some(protocol));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for protocol in Protocol::ALL {
                let _ = (protocol.begins(&bytes), protocol.greets(&bytes));
            }
            let _ = (recognise(&bytes), recognise_greeting(&bytes), Protocol::of_alpn(&bytes));
        }
    }
}
