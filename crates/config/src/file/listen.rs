//! Listeners and their bounds.

use super::server::KeySource;
use crate::decode::{Decode, Reader, choice, section};
use crate::tree::Node;
use crate::unit::{Size, Span};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

section! {
    /// The two listeners.
    defaulted Listen {
        /// For agents.
        data, "data": Data = Data::default();
        /// For operators.
        admin, "admin": Admin = Admin::default();
    }
}

impl Listen {
    /// Where and with what they listen: what cannot change while they do.
    pub fn places(&self) -> (SocketAddr, Option<&ListenTls>, SocketAddr, Option<&ListenTls>) {
        (self.data.address, self.data.tls.as_ref(), self.admin.address, self.admin.tls.as_ref())
    }
}

section! {
    /// The listener for agents.
    defaulted Data {
        /// Where it listens.
        address, "address": SocketAddr = loopback(8420);
        /// Hosts that a request may name beside the listener's own.
        hosts, "hosts": Vec<String> = Vec::new();
        /// Origins that a browser may come from beside the listener's own.
        origins, "origins": Vec<url::Url> = Vec::new();
        /// The revisions of the protocol that are spoken.
        revisions, "revisions": Vec<Revision> = vec![Revision::R20260728, Revision::R20251125];
        /// Whether /sse and /messages are served.
        legacy_sse, "legacy_sse": bool = false;
        /// Certificates, for an address off the machine.
        tls, "tls": Option<ListenTls> = None;
    }
}

section! {
    /// The listener for operators.
    defaulted Admin {
        /// Where it listens.
        address, "address": SocketAddr = loopback(8421);
        /// Hosts that a request may name beside the listener's own.
        hosts, "hosts": Vec<String> = Vec::new();
        /// Certificates, for an address off the machine.
        tls, "tls": Option<ListenTls> = None;
    }
}

/// Where a listener's certificates come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenTls {
    /// From files and the vault.
    Files(TlsFiles),
    /// From the authority of our own, which lets in its own clients alone.
    Own(OwnTls),
}

impl ListenTls {
    /// The files, where it is of files.
    pub const fn files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Files(files) => Some(files),
            Self::Own(_) => None,
        }
    }

    /// Whether clients are asked for certificates.
    pub const fn asks(&self) -> bool {
        match self {
            Self::Files(files) => files.client_ca.is_some(),
            Self::Own(_) => true,
        }
    }
}

impl Decode for ListenTls {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.member("authority").is_some() {
            return OwnTls::decode(node, reader).map(Self::Own);
        }
        TlsFiles::decode(node, reader).map(Self::Files)
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [TlsFiles::schema(), OwnTls::schema()]})
    }
}

section! {
    /// Certificates of a listener, from the authority of our own.
    OwnTls {
        /// Whose they are: own.
        authority, "authority": Issuing;
    }
}

choice! {
    /// Who issues a listener's certificates.
    Issuing {
        /// The authority that `ca` describes.
        Own = "own",
    }
}

section! {
    /// Certificates of a listener, from files and the vault.
    TlsFiles {
        /// The file of its certificate chain.
        certificate, "certificate": PathBuf;
        /// Its key: vault:OWNER/NAME, or a file that only the gateway's account may read.
        key, "key": KeySource;
        /// The file of the authorities that clients' certificates come from.
        client_ca, "client_ca": Option<PathBuf> = None;
        /// The file of what these authorities have taken back, a list of each (PEM).
        crl, "crl": Option<PathBuf> = None;
    }
}

section! {
    /// The certificate authority of our own, that `bastide ca init` makes.
    Ca {
        /// The trust domain that its names are in, such as example.internal.
        domain, "domain": identity::authority::Domain;
        /// How long its certificates live; a minute to 30 days.
        life, "life": Span = Span::seconds(24 * 3600);
        /// Where agents, servers and operators enrol and renew; nowhere, where it is left out.
        enrol, "enrol": Option<SocketAddr> = None;
        /// Names that the enrolling side calls that address by.
        hosts, "hosts": Vec<String> = Vec::new();
    }
}

choice! {
    /// A dated version of the protocol.
    Revision {
        /// With sessions, without elicitation.
        R20250326 = "2025-03-26",
        /// With sessions, without tasks.
        R20250618 = "2025-06-18",
        /// With sessions.
        R20251125 = "2025-11-25",
        /// Without.
        R20260728 = "2026-07-28",
    }
}

section! {
    /// Bounds; what is larger, longer or more is refused.
    defaulted Bounds {
        /// Bytes of one message of a client.
        message, "message": Size = Size::mebibytes(4);
        /// Bytes of one answer of a server.
        result, "result": Size = Size::mebibytes(16);
        /// Depth of JSON.
        nesting, "nesting": u32 = 64;
        /// Open streams of a principal.
        streams, "streams": u32 = 64;
        /// Calls under way of a principal.
        inflight, "inflight": u32 = 32;
        /// Connections of a client's address.
        connections, "connections": u32 = 256;
        /// Time for the head of a request.
        header, "header": Span = Span::seconds(10);
        /// Time for its body.
        body, "body": Span = Span::seconds(30);
        /// Time between requests.
        idle, "idle": Span = Span::seconds(30);
        /// Time for a write.
        write, "write": Span = Span::seconds(30);
        /// How long requests may wait for their turn in the gateway; from then on further ones are refused (503).
        turn, "turn": Span = Span::millis(50);
    }
}
