//! How a remote server is known by its certificate, and what of ours it is shown.
//!
//! Both stand in files that are replaced while the gateway runs: they are looked at regularly, and what is new and can be used is in force for every further
//! connection. What cannot be used leaves the last good in force, on record. An answer or a stream that is under way is not cut.
//!
//! Controls: `transport.tls`, `identity.mtls`.

use super::{Closed, Servers, State, credential};
use crate::event;
use crate::gate::Gate;
use crate::snapshot::{Carrier, Remote, Server};
use audit::record::Severity;
use egress::{Departure, SpkiPin};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use terms::{Code, ServerName, Utc};
use tokio::io::AsyncReadExt as _;

/// The largest file that is read.
const MOST_BYTES: u64 = 16 << 20;
/// After how many looks in a row that could not read them it is on record: a file that is being replaced is not there for a moment.
const UNREAD: u32 = 5;

/// What files say of how a remote server is known and what it is shown.
#[derive(PartialEq, Eq)]
pub(super) struct Papers {
    authorities: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
    chain: Option<Vec<u8>>,
}

/// The way to a remote server, and by what it is known.
pub(super) struct Known {
    /// Of the entry that it was made for.
    digest: String,
    /// Those that are in force.
    papers: Papers,
    /// Others that could not be used, once that is on record; they are tried again at each look, as the vault may lack their key.
    unfit: Option<Papers>,
    /// How many looks in a row could not read them.
    unread: u32,
    client: egress::Client,
}

impl Papers {
    async fn read(remote: &Remote) -> Result<Self, Closed> {
        let read = async |path: Option<&PathBuf>| match path {
            None => Ok(None),
            Some(path) => {
                let bytes = bounded(path).await;
                bytes.map(Some).map_err(|cause| Closed::Entry(format!("{} cannot be read: {cause}", path.display())))
            }
        };
        Ok(Self {
            authorities: read(remote.authorities.as_ref()).await?,
            revoked: read(remote.revoked.as_ref()).await?,
            chain: read(remote.certificate.as_ref().map(|ours| &ours.chain)).await?,
        })
    }
}

async fn bounded(path: &PathBuf) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(MOST_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Puts on record that a server has shown a key that is none of its pins.
struct Sighting {
    gate: Weak<Gate>,
    server: ServerName,
}

impl egress::Witness for Sighting {
    fn other_key(&self, seen: SpkiPin, departure: Departure) {
        let Some(gate) = self.gate.upgrade() else { return };
        let name = match departure {
            Departure::Refused => "transport.key-refused",
            Departure::Taken => "transport.key-reported",
        };
        event::known(&gate, &self.server, name, Severity::High, &[("key", &seen.to_string())]);
    }
}

pub(super) fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Closed> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(Closed::Entry(format!("{key} is not PEM with a certificate in it"))) } else { Ok(found) }
}

/// The lists in `pem`, none of which has ended at `now`.
fn lists(pem: &[u8], now: Utc) -> Result<Vec<CertificateRevocationListDer<'static>>, Closed> {
    if identity::authority::lists_validity(pem).is_some_and(|(_, ends)| ends <= now) {
        return Err(Closed::Entry("tls.crl: the list of revocations has ended".to_owned()));
    }
    let found = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(Closed::Entry("tls.crl is not PEM with a list of revocations in it".to_owned())) } else { Ok(found) }
}

impl Servers {
    /// The way to a remote server, as its entry and its papers are now; as the papers were last, where they cannot be read or used now.
    pub(super) async fn client(&self, gate: &Arc<Gate>, server: &Server, remote: &Remote, state: &State) -> Result<egress::Client, Closed> {
        let papers = Papers::read(remote).await;
        let mut clients = state.clients.lock();
        if let Some(known) = clients.as_mut().filter(|known| known.digest == server.digest) {
            if let Ok(papers) = papers {
                self.renew(gate, server, remote, known, papers);
            }
            return Ok(known.client.clone());
        }
        let papers = papers?;
        let target = self.target(gate, server, remote, &papers)?;
        let client = self.egress.client(target).map_err(|cause| Closed::Entry(cause.to_string()))?;
        *clients = Some(Known { digest: server.digest.clone(), papers, unfit: None, unread: 0, client: client.clone() });
        Ok(client)
    }

    /// Looks at the papers of the remote servers that were spoken to, and puts in force what is new.
    pub async fn look_at_papers(&self, gate: &Arc<Gate>) {
        for server in gate.snapshot().servers.values() {
            let Carrier::Remote(remote) = &server.carrier else { continue };
            if remote.authorities.is_none() && remote.revoked.is_none() && remote.certificate.is_none() {
                continue;
            }
            let Some(state) = self.states.lock().get(&server.name).cloned() else { continue };
            let papers = Papers::read(remote).await;
            let mut clients = state.clients.lock();
            let Some(known) = clients.as_mut().filter(|known| known.digest == server.digest) else { continue };
            match papers {
                Ok(papers) => {
                    known.unread = 0;
                    self.renew(gate, server, remote, known, papers);
                }
                Err(cause) => {
                    known.unread = known.unread.saturating_add(1);
                    if known.unread == UNREAD {
                        event::known(gate, &server.name, "transport.tls-kept", Severity::High, &[("cause", &cause.to_string())]);
                    }
                }
            }
        }
    }

    fn renew(&self, gate: &Arc<Gate>, server: &Server, remote: &Remote, known: &mut Known, papers: Papers) {
        if known.papers == papers {
            return;
        }
        let target = self.target(gate, server, remote, &papers).map_err(|closed| closed.to_string());
        let renewed = target.and_then(|target| self.egress.renew(&known.client, target).map_err(|cause| cause.to_string()));
        match renewed {
            Ok(()) => {
                (known.papers, known.unfit) = (papers, None);
                event::known(gate, &server.name, "transport.tls-replaced", Severity::Info, &[]);
            }
            Err(_) if known.unfit.as_ref() == Some(&papers) => {}
            Err(cause) => {
                event::known(gate, &server.name, "transport.tls-kept", Severity::High, &[("cause", &cause)]);
                known.unfit = Some(papers);
            }
        }
    }

    /// The server, how it is known, and what it is shown.
    fn target(&self, gate: &Arc<Gate>, server: &Server, remote: &Remote, papers: &Papers) -> Result<egress::ServerTarget, Closed> {
        let entry = |cause: egress::Error| Closed::Entry(cause.to_string());
        let pins = remote.pins.iter().map(|pin| pin.parse()).collect::<Result<Vec<_>, _>>().map_err(entry)?;
        let sighting = Arc::new(Sighting { gate: Arc::downgrade(gate), server: server.name.clone() });
        let mut target = egress::ServerTarget::new(remote.url.clone()).map_err(entry)?;
        let bounds = egress::Bounds::default();
        // Who is busy with many calls keeps their connections for the next ones.
        target = target.bounds(egress::Bounds { idle_connections: bounds.connections, ..bounds });
        target = target.pins(pins).witness(sighting).self_signed(remote.self_signed);
        if let Some(until) = remote.tried_until {
            target = target.tried_until(until.seconds());
        }
        if let Some(authorities) = &papers.authorities {
            target = target.roots(certificates("tls.ca", authorities)?);
        }
        if let Some(revoked) = &papers.revoked {
            target = target.revoked(lists(revoked, gate.clock.utc())?);
        }
        if let (Some(ours), Some(chain)) = (&remote.certificate, &papers.chain) {
            let lease = self.lease(&ours.key)?;
            let pem = lease.open().map_err(|cause| credential(&ours.key, cause.to_string(), Code::VaultLocked))?;
            let key = PrivateKeyDer::from_pem_slice(pem);
            let key = key.map_err(|_| credential(&ours.key, "it is no private key in PEM".to_owned(), Code::VaultAbsent))?;
            target = target.identity(egress::ClientIdentity { chain: certificates("auth.certificate.chain", chain)?, key });
        }
        Ok(target)
    }
}
