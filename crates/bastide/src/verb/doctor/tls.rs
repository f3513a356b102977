//! What TLS is made of, in files and the vault: of the listeners, of remote servers, and of who is told of calls.

use super::Finding;
use crate::host::SystemClock;
use crate::screen::ago;
use crate::secured::{bounded, issuer};
use crate::verb::proposal::many;
use crate::wire::Configured;
use config::{KeySource, ListenTls, Profile, TlsFiles};
use identity::authority::{lists_validity, public_of, validity};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::path::Path;
use terms::{Clock as _, Secret, Utc};
use transport::tls::{Asked, Clients, Inside, Material, Standard, Tls, Unfit};

/// What a certificate is called, and what lists of revocations are.
const CERTIFICATE: &str = "the certificate";
const LISTS: &str = "the list of revocations";
/// What is done about what ends; it is looked at every second.
const RENEW: &str = "replace the file; a gateway that runs takes it without a restart";
/// What ends is worth knowing when less than one part in so many of its life is left.
const LAST: u64 = 5;

/// Looks at what the configuration names; at nothing, where it names nothing.
pub(super) fn look(configured: &Configured, found: &mut Vec<Finding>) {
    let (file, now) = (&configured.loaded.file, SystemClock::new().utc());
    for (name, entry) in [("data", &file.listen.data.tls), ("admin", &file.listen.admin.tls)] {
        let Some(files) = entry.as_ref().and_then(ListenTls::files) else { continue };
        match listener(&format!("listen.{name}.tls"), files, file.profile, now) {
            Ok(held) => found.extend(held),
            Err(fault) => found.push(fault),
        }
    }
    let mut judged = Vec::new();
    for (name, server) in &file.servers {
        let of = |key: &str| format!("servers.{name}.{key}");
        let (ca, crl) = server.tls.as_ref().map(|tls| (tls.ca.as_deref(), tls.crl.as_deref())).unwrap_or_default();
        judged.extend(ca.map(|path| authorities(&of("tls.ca"), path)));
        judged.extend(crl.map(|path| lists(&of("tls.crl"), path, now)));
        let ours = server.auth.as_ref().and_then(|auth| auth.certificate.as_ref());
        judged.extend(ours.map(|ours| shown(&of("auth.certificate.chain"), &ours.chain, now)));
    }
    let told = file.telemetry.as_ref().and_then(|telemetry| telemetry.tls.as_ref());
    judged.extend(told.map(|tls| authorities("telemetry.tls.ca", &tls.ca)));
    found.extend(judged.into_iter().map(|judged| judged.unwrap_or_else(|fault| fault)));
}

/// What a listener is to hold, judged as the start judges it; how long each part of it lasts.
///
/// # Errors
/// The finding of what the start would not take.
fn listener(at: &str, files: &TlsFiles, profile: Profile, now: Utc) -> Result<Vec<Finding>, Finding> {
    let of = |part: &str| format!("{at}.{part}");
    let chain = read(&of("certificate"), &files.certificate)?;
    let authorities = files.client_ca.as_deref().map(|path| read(&of("client_ca"), path)).transpose()?;
    let revoked = files.crl.as_deref().map(|path| read(&of("crl"), path)).transpose()?;
    let key = key(&of("key"), &files.key)?;
    let material = Material {
        chain: &chain,
        key: key.open(),
        clients: authorities.as_deref().map(|authorities| Clients {
            authorities,
            revoked: revoked.as_deref(),
            names: &[],
            asked: Asked::Client,
        }),
    };
    match (Tls::new(&material, Standard { inside: &[Inside::Http1], issuer: issuer(profile) }), &files.key) {
        // A key in the vault is not read here: another one stands for it, which is judged last and never fits.
        (Ok(_), _) | (Err(Unfit::Key), KeySource::Vault(_)) => {
            let revoked = revoked.map(|lists| lasting(&of("crl"), LISTS, lists_validity(&lists), now));
            Ok([lasting(&of("certificate"), CERTIFICATE, validity(&String::from_utf8_lossy(&chain)), now)]
                .into_iter()
                .chain(revoked)
                .collect())
        }
        (Err(unfit), _) => {
            let part = part(&unfit);
            let path = match part {
                "client_ca" => files.client_ca.as_deref(),
                "crl" => files.crl.as_deref(),
                "key" => match &files.key {
                    KeySource::File(path) => Some(path.as_path()),
                    KeySource::Vault(_) => None,
                },
                _ => Some(files.certificate.as_path()),
            };
            let what = path.map_or_else(|| of(part), |path| path.display().to_string());
            Err(Finding::problem("tls", format!("{}: {unfit}", of(part))).next(format!("replace {what}")))
        }
    }
}

/// The entry that is at fault.
fn part(unfit: &Unfit) -> &'static str {
    match unfit {
        Unfit::Pem { what, .. } | Unfit::Large(what) | Unfit::Certificate(what) | Unfit::Weak(what) => what,
        Unfit::Expired | Unfit::NotYet | Unfit::SelfSigned => "certificate",
        Unfit::Key => "key",
        Unfit::Stale | Unfit::Forged => "crl",
        Unfit::Authorities => "client_ca",
    }
}

fn key(of: &str, source: &KeySource) -> Result<Secret<Vec<u8>>, Finding> {
    let path = match source {
        KeySource::File(path) => path,
        KeySource::Vault(_) => {
            let drawn =
                rcgen::KeyPair::generate().map_err(|cause| Finding::problem("tls", format!("{of}: no key can be drawn: {cause}")))?;
            return Ok(Secret::new(drawn.serialize_pem().into_bytes()));
        }
    };
    let shown = path.display();
    match store::read_private(path) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => {
            Err(Finding::problem("tls", format!("{of}: {shown} is not there")).next(format!("put the key there, then chmod 600 {shown}")))
        }
        Err(cause) => Err(Finding::problem("tls", format!("{of}: {cause}"))
            .next(format!("{shown} is a file that belongs to the gateway's account, which alone may read it: chmod 600 {shown}"))),
    }
}

/// The authorities that somebody's certificate may come from.
fn authorities(of: &str, path: &Path) -> Result<Finding, Finding> {
    let count = certificates(of, path, &read(of, path)?)?;
    Ok(Finding::ok("tls", format!("{of} holds {}", many(count, "certificate"))))
}

/// What the authorities of somebody's chain have taken back.
fn lists(of: &str, path: &Path, now: Utc) -> Result<Finding, Finding> {
    let lists = read(of, path)?;
    pem::<CertificateRevocationListDer<'static>>(of, path, &lists, "a list of revocations")?;
    Ok(lasting(of, LISTS, lists_validity(&lists), now))
}

/// The chain that a server is shown.
fn shown(of: &str, path: &Path, now: Utc) -> Result<Finding, Finding> {
    let chain = read(of, path)?;
    certificates(of, path, &chain)?;
    Ok(lasting(of, CERTIFICATE, validity(&String::from_utf8_lossy(&chain)), now))
}

/// How long `what` still lasts that `of` names.
fn lasting(of: &str, what: &str, validity: Option<(Utc, Utc)>, now: Utc) -> Finding {
    let Some((begins, ends)) = validity else { return Finding::ok("tls", format!("{of} can be used")) };
    let (left, life) = (ends.nanos().saturating_sub(now.nanos()), ends.nanos().saturating_sub(begins.nanos()));
    if ends <= now {
        Finding::problem("tls", format!("{of}: {what} ended {}", ago(ends, now))).next(RENEW)
    } else if begins > now {
        Finding::problem("tls", format!("{of}: {what} begins {}", ago(begins, now))).next("look at the clock, or replace the file")
    } else if left < life / LAST {
        Finding::note("tls", format!("{of}: {what} ends {}", ago(ends, now))).next(RENEW)
    } else {
        Finding::ok("tls", format!("{of}: {what} ends {}", ago(ends, now)))
    }
}

/// How many certificates the file holds, each of which can be read.
fn certificates(of: &str, path: &Path, bytes: &[u8]) -> Result<u64, Finding> {
    let found = pem::<CertificateDer<'static>>(of, path, bytes, "a certificate")?;
    if found.iter().any(|der| public_of(der).is_none()) {
        let path = path.display();
        return Err(Finding::problem("tls", format!("{of}: a certificate of {path} cannot be read")).next(format!("replace {path}")));
    }
    Ok(found.len() as u64)
}

/// What is `sought` in the bytes of the file: at least one, and none that is broken.
fn pem<T: PemObject>(of: &str, path: &Path, bytes: &[u8], sought: &str) -> Result<Vec<T>, Finding> {
    let found = T::pem_slice_iter(bytes).collect::<Result<Vec<T>, _>>().unwrap_or_default();
    if found.is_empty() {
        let path = path.display();
        return Err(Finding::problem("tls", format!("{of}: {path} is not PEM with {sought} in it")).next(format!("replace {path}")));
    }
    Ok(found)
}

fn read(of: &str, path: &Path) -> Result<Vec<u8>, Finding> {
    bounded(path).map_err(|cause| {
        let path = path.display();
        Finding::problem("tls", format!("{of}: {path} cannot be read: {cause}"))
            .next(format!("put {path} where the gateway's account can read it"))
    })
}
