//! A certificate of a gateway's authority, on the side of who holds it: enrolled by a code, renewed before it ends.
//!
//! A folder holds it: `key.pem`, `chain.pem` (leaf first), `authority.pem` (the roots) and `enrol.url`. Key and chain are put in place one after the other, each
//! whole; who reads between the two finds a key that is not the chain's, and reads again. What was cut off between them is finished by whoever keeps or uses the
//! folder next, before anything else.

use crate::outcome::Failure;
use bytes::Bytes;
use egress::{ClientIdentity, Egress, ServerTarget};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use identity::authority::{Code, fingerprint, public_of, renewal, validity};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _, SanType};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use terms::{Clock as _, Secret, Utc};
use tokio_util::sync::CancellationToken;
use transport::tls::Certificate;
use url::Url;

/// The leaf's key.
pub const KEY: &str = "key.pem";
/// The chain, leaf first.
pub const CHAIN: &str = "chain.pem";
/// The roots.
pub const AUTHORITY: &str = "authority.pem";
/// Where it is renewed.
pub const URL: &str = "enrol.url";
/// Whom the certificate of the enrolment listener names; others of the same authority are servers like any.
const LISTENER: &str = "/server/gateway-enrol";
/// The largest file of a folder.
const LARGEST: u64 = 1 << 20;
/// The largest answer.
const ANSWER: usize = 256 * 1024;
/// The most roots in one.
const ROOTS: usize = 16;
/// How many characters of a refusal are shown.
const SAID: usize = 200;
/// How long it is waited for.
const WITHIN: Duration = Duration::from_secs(20);
/// The longest that is slept before the clock is looked at again.
const NAP: Duration = Duration::from_secs(60);
/// The first and the longest pause after a renewal that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// A key that was drawn here, and the request for its certificate.
pub struct Drawn {
    key: KeyPair,
    /// The request, PEM.
    pub request: String,
}

/// When a certificate that is held ends, and when it is due.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// When it ends.
    pub ends: Utc,
    /// When it is to be renewed.
    pub due: Utc,
}

impl Drawn {
    /// Draws a key, and asks for a certificate of it that names whom the authority says.
    ///
    /// # Errors
    /// [`Failure`] of the library.
    pub fn new() -> Result<Self, Failure> {
        Self::of(None)
    }

    /// Draws a key, and asks for a certificate of it that names `holder`, where there is one, and nobody else.
    fn of(holder: Option<&str>) -> Result<Self, Failure> {
        let key = KeyPair::generate().map_err(|cause| Failure::caused(&cause))?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        let named = holder.map(|holder| holder.try_into().map(SanType::URI)).transpose();
        parameters.subject_alt_names.extend(named.map_err(|cause: rcgen::Error| Failure::caused(&cause))?);
        let request = parameters.serialize_request(&key).and_then(|request| request.pem()).map_err(|cause| Failure::caused(&cause))?;
        Ok(Self { key, request })
    }

    /// Puts it into `folder` with its chain and the roots. The certificate must be of this key.
    ///
    /// # Errors
    /// [`Failure`]: another's certificate, or the folder cannot be written.
    pub fn keep(&self, folder: &Path, chain: &str, authority: &str) -> Result<Held, Failure> {
        let own: [u8; 32] = Sha256::digest(self.key.subject_public_key_info()).into();
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).map_err(|_| Failure::system("the answer holds no certificate"))?;
        if public_of(&leaf) != Some(own) || fingerprint(authority).is_none() {
            return Err(Failure::system("the answer holds a certificate of another key, or no authority"));
        }
        let key = Secret::new(self.key.serialize_pem());
        for step in placing(folder, key.open().as_bytes(), chain.as_bytes(), authority.as_bytes()) {
            step()?;
        }
        File::open(folder)?.sync_all()?;
        held(chain)
    }
}

type Step<'a> = Box<dyn Fn() -> io::Result<()> + 'a>;

/// What puts a key and its chain in place, in order. Wherever that is cut off, [`heal`] finds a key and a chain that fit.
fn placing<'a>(folder: &'a Path, key: &'a [u8], chain: &'a [u8], authority: &'a [u8]) -> [Step<'a>; 5] {
    [
        Box::new(move || write(&next(folder, KEY), key, 0o600)),
        Box::new(move || write(&next(folder, CHAIN), chain, 0o644)),
        Box::new(move || replace(&folder.join(AUTHORITY), authority, 0o644)),
        Box::new(move || std::fs::rename(next(folder, KEY), folder.join(KEY))),
        Box::new(move || std::fs::rename(next(folder, CHAIN), folder.join(CHAIN))),
    ]
}

/// What is to come in the place of the file `name`.
fn next(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.next"))
}

/// Keeps other processes from renewing the same folder, until it is dropped.
fn alone(folder: &Path) -> Result<File, Failure> {
    let open = File::open(folder)?;
    let taken = |_| Failure::system(format!("{} is just being written by another process", folder.display()));
    rustix::fs::flock(&open, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(taken)?;
    Ok(open)
}

/// A folder for a certificate, this process's alone until it is dropped. A key that no chain came for goes then, and the folder too where it was made for it.
pub struct Folder<'a> {
    path: &'a Path,
    is_new: bool,
    has_draft: bool,
    _alone: File,
}

impl<'a> Folder<'a> {
    /// Takes it, made where it is not there, and finishes what was cut off in it.
    ///
    /// # Errors
    /// [`Failure`]: it cannot be made or read, or another process has it.
    pub fn take(path: &'a Path) -> Result<Self, Failure> {
        let unmade = |cause: io::Error| Failure::system(format!("{} cannot be made", path.display())).because(&cause);
        let is_new = !path.exists();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unmade)?;
        let alone = alone(path)?;
        heal(path)?;
        Ok(Self { path, is_new, has_draft: false, _alone: alone })
    }

    /// Whom the certificate in it names; none, where it holds none.
    ///
    /// # Errors
    /// [`Failure`]: it cannot be read, or names nobody.
    fn holder(&self) -> Result<Option<Arc<str>>, Failure> {
        let Some(chain) = there(&self.path.join(CHAIN))? else { return Ok(None) };
        match leaf(&chain) {
            Some(leaf) => Ok(Some(Arc::clone(leaf.identity()))),
            None => Err(self.taken("a chain.pem that is no certificate of an authority of ours")),
        }
    }

    /// Refuses a certificate of `whom`, an identity or its end from a slash on, where it holds somebody else's: nothing of anybody else is written over.
    ///
    /// # Errors
    /// [`Failure`]: it holds another's certificate, or what cannot be read.
    pub fn free(&self, whom: &str) -> Result<(), Failure> {
        match self.holder()? {
            Some(holder) if !holder.ends_with(whom) => Err(self.taken(&format!("the certificate of {holder}"))),
            Some(_) | None => Ok(()),
        }
    }

    /// Puts the key that was `drawn` beside what it holds, before anybody signs for it: then it can be written.
    ///
    /// # Errors
    /// [`Failure`]: it cannot be written, or holds a key that is no certificate's there and would be lost.
    pub fn draft(&mut self, drawn: &Drawn) -> Result<(), Failure> {
        let (key, draft) = (self.path.join(KEY), next(self.path, KEY));
        if key.try_exists()? && !fits(&key, &self.path.join(CHAIN))? {
            return Err(self.taken("a key without its certificate"));
        }
        let unwritten = |cause: io::Error| Failure::system(format!("{} cannot be written", draft.display())).because(&cause);
        self.has_draft = true;
        write(&draft, Secret::new(drawn.key.serialize_pem()).open().as_bytes(), 0o600).map_err(unwritten)
    }

    fn taken(&self, what: &str) -> Failure {
        Failure::usage(format!("`{}` holds {what}; nothing was changed", self.path.display())).next("--out FOLDER")
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        // Where the chain is there too, both are put in place by who uses the folder next.
        if self.has_draft && !next(self.path, CHAIN).exists() {
            let _ = remove(&next(self.path, KEY));
        }
        if self.is_new {
            // One that holds something stays.
            let _ = std::fs::remove_dir(self.path);
        }
    }
}

/// Finishes a renewal of `folder` that was cut off, unless somebody is just renewing it.
///
/// # Errors
/// [`Failure`]: it cannot be read or written, or is just being renewed.
pub fn recover(folder: &Path) -> Result<(), Failure> {
    let _alone = alone(folder)?;
    Ok(heal(folder)?)
}

/// Finishes what was cut off. Of the key and the chain in place and those to come, two that fit come into place; what is left over goes.
fn heal(folder: &Path) -> io::Result<()> {
    let (key, chain) = (folder.join(KEY), folder.join(CHAIN));
    let (next_key, next_chain) = (next(folder, KEY), next(folder, CHAIN));
    if !fits(&key, &chain)? {
        if fits(&key, &next_chain)? {
            std::fs::rename(&next_chain, &chain)?;
        } else if fits(&next_key, &next_chain)? {
            std::fs::rename(&next_key, &key)?;
            std::fs::rename(&next_chain, &chain)?;
        } else if fits(&next_key, &chain)? {
            std::fs::rename(&next_key, &key)?;
        } else {
            // Nothing fits: whatever there is stays, for somebody to look at.
            return Ok(());
        }
        File::open(folder)?.sync_all()?;
    }
    for left in [next_key, next_chain] {
        remove(&left)?;
    }
    Ok(())
}

/// Whether the chain at `chain` is of the key at `key`; what is not there, or half there, does not fit.
///
/// # Errors
/// One of them is there and cannot be read: nothing is known of it.
fn fits(key: &Path, chain: &Path) -> io::Result<bool> {
    let key = there(key)?.map(|bytes| Secret::new(String::from_utf8(bytes).unwrap_or_default()));
    let key = key.and_then(|key| KeyPair::from_pem(key.open()).ok());
    let leaf = there(chain)?.and_then(|chain| CertificateDer::from_pem_slice(&chain).ok());
    let (Some(key), Some(leaf)) = (key, leaf) else { return Ok(false) };
    Ok(public_of(&leaf) == Some(Sha256::digest(key.subject_public_key_info()).into()))
}

/// The bytes of a small regular file. What else stands in its place, such as a pipe, is not waited for.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(NO_WAIT).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.len() > LARGEST {
        return Err(io::Error::other(format!("{} is no regular file of at most {} KiB", path.display(), LARGEST >> 10)));
    }
    // Room for all of it: what grows leaves copies of a key behind.
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    file.take(found.len()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `O_NONBLOCK` (open(2)).
const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The bytes of a file, where it is there.
fn there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match bytes(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, Failure> {
    let unread = || Failure::usage(format!("{} cannot be read", path.display()));
    String::from_utf8(bytes(path).map_err(|cause| unread().because(&cause))?).map_err(|_| unread())
}

/// The leaf of a chain, PEM, where it names somebody.
fn leaf(chain: &[u8]) -> Option<Certificate> {
    Certificate::read(&[CertificateDer::from_pem_slice(chain).ok()?])
}

/// The certificates in `text`, PEM; none, where one of them cannot be read or there is none.
fn certificates(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().ok()?;
    Some(found).filter(|found| !found.is_empty())
}

fn digest(der: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(der).into()
}

fn held(chain: &str) -> Result<Held, Failure> {
    let (begins, ends) = validity(chain).ok_or_else(|| Failure::system("the certificate cannot be read"))?;
    Ok(Held { ends, due: renewal(begins, ends) })
}

/// What `folder` holds since it was enrolled, once what was cut off is finished.
///
/// # Errors
/// [`Failure`]: it cannot be read or written, or is just being renewed.
pub fn again(folder: &Path) -> Result<Held, Failure> {
    recover(folder)?;
    held(&text(&folder.join(CHAIN))?)
}

/// Enrols at `url` by `code`, whose root alone is trusted, and keeps what it gets in `folder`. Whom that root vouches for as the enrolment listener says which
/// roots are in use, that one among them.
///
/// The code is good once, so the folder is looked at before: that it can be written, and that what it holds is of that root. Whose certificate it holds stands in
/// the request, and a code for somebody else is refused before it is used.
///
/// # Errors
/// [`Failure`]: no code, nobody there whose chain leads to its root, refused, or the folder is no place for it.
pub async fn enrol(url: &Url, code: &str, folder: &Path) -> Result<Held, Failure> {
    let read = Code::read(code).ok_or_else(|| Failure::usage("this is no code of `bastide ca issue --code`"))?;
    let target = target(url, "/enrol", vec![*read.root()])?;
    let mut place = Folder::take(folder)?;
    let holder = place.holder()?;
    if let Some(holder) = &holder {
        let roots = there(&folder.join(AUTHORITY))?.and_then(|roots| certificates(&roots)).unwrap_or_default();
        if !roots.iter().any(|root| digest(root) == *read.root()) {
            return Err(place.taken(&format!("the certificate of {holder}, of another authority than the code")));
        }
    }
    let drawn = Drawn::of(holder.as_deref())?;
    place.draft(&drawn)?;
    let body = Secret::new(json!({ "code": code.trim(), "csr": drawn.request }).to_string());
    let answer = ask(target, body.open().clone().into()).await.map_err(|cause| match &holder {
        Some(holder) => cause.next(format!("--out FOLDER, if the code is not for {holder}, whose folder this is")),
        None => cause,
    })?;
    let (chain, authority) = answered(&answer)?;
    let roots = roots(authority)?;
    if !roots.iter().any(|root| digest(root) == *read.root()) {
        return Err(Failure::system("the answer's authority is not the one that the code names"));
    }
    let named = leaf(chain.as_bytes()).ok_or_else(|| Failure::system("the answer holds no certificate that names somebody"))?;
    place.free(named.identity())?;
    let held = drawn.keep(folder, chain, authority)?;
    replace(&folder.join(URL), format!("{url}\n").as_bytes(), 0o644)?;
    Ok(held)
}

/// Renews what `folder` holds, now.
///
/// Roots come and go with a renewal: the listener that one of those so far vouches for says which are in use. One of them must be among these, as what it showed
/// is in use.
///
/// # Errors
/// [`Failure`]: it cannot be read, nobody of its authority is there, or refused; what it holds stays.
pub async fn renew(folder: &Path) -> Result<Held, Failure> {
    let _alone = alone(folder)?;
    heal(folder)?;
    let read = |name: &str| text(&folder.join(name));
    let url: Url = read(URL)?.trim().parse().map_err(|_| Failure::usage(format!("{} holds no address", folder.join(URL).display())))?;
    let unfit = |name: &str| Failure::usage(format!("{} cannot be used", folder.join(name).display()));
    let trusted = certificates(read(AUTHORITY)?.as_bytes()).ok_or_else(|| unfit(AUTHORITY))?;
    let chain = certificates(read(CHAIN)?.as_bytes()).ok_or_else(|| unfit(CHAIN))?;
    let key = Secret::new(read(KEY)?);
    let key = PrivateKeyDer::from_pem_slice(key.open().as_bytes()).map_err(|_| unfit(KEY))?;
    let drawn = Drawn::new()?;
    let target = target(&url, "/renew", trusted.iter().map(digest).collect())?.identity(ClientIdentity { chain, key });
    let answer = ask(target, json!({ "csr": drawn.request }).to_string().into()).await?;
    let (chain, authority) = answered(&answer)?;
    let roots = roots(authority)?;
    if !roots.iter().any(|root| trusted.contains(root)) {
        return Err(Failure::system("the answer's authority has none of the roots that were trusted so far"));
    }
    drawn.keep(folder, chain, authority)
}

/// Renews what `folder` holds whenever it is due, until `ending`. What fails is tried again, ever more slowly; `told` hears of each.
///
/// # Errors
/// [`Failure`] when what the folder holds cannot be read at the start.
pub async fn keep(folder: &Path, ending: &CancellationToken, mut told: impl FnMut(Result<Held, Failure>)) -> Result<(), Failure> {
    let read = || held(&text(&folder.join(CHAIN))?);
    // Who is just renewing it finishes what there is to finish.
    let _ = recover(folder);
    let mut now_held = read()?;
    let (mut pause, clock) = (PAUSES.0, crate::host::SystemClock::new());
    loop {
        let left = Duration::from_nanos(now_held.due.nanos().saturating_sub(clock.utc().nanos()));
        let nap = if left.is_zero() { Duration::ZERO } else { left.min(NAP).max(Duration::from_millis(10)) };
        tokio::select! {
            () = ending.cancelled() => return Ok(()),
            () = tokio::time::sleep(nap) => {}
        }
        // Another process may have renewed it meanwhile.
        now_held = read().unwrap_or(now_held);
        if clock.utc() < now_held.due {
            continue;
        }
        let done = renew(folder).await;
        match &done {
            Ok(held) => (now_held, pause) = (*held, PAUSES.0),
            Err(_) => {
                tokio::select! {
                    () = ending.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = pause.saturating_mul(2).min(PAUSES.1);
            }
        }
        told(done);
    }
}

/// The enrolment listener behind `url`, which shows one of `roots` or is not spoken with. Whoever names it lets it be in a private network.
fn target(url: &Url, path: &str, roots: Vec<[u8; 32]>) -> Result<ServerTarget, Failure> {
    if url.scheme() != "https" || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(Failure::usage("the address is https://HOST:PORT"));
    }
    let mut url = url.clone();
    url.set_path(path);
    let private = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
    let listed = private.iter().filter_map(|net| net.parse().ok()).collect();
    let target = ServerTarget::new(url).map_err(|cause| Failure::usage(cause.to_string()))?;
    Ok(target.rooted(roots, LISTENER).listed(listed))
}

async fn ask(target: ServerTarget, body: Bytes) -> Result<Value, Failure> {
    let client = Egress::new().client(target).map_err(|cause| Failure::caused(&cause))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let unreached = |cause: egress::Error| Failure::system("the gateway's enrolment listener cannot be spoken with").because(&cause);
    let mut response = client.post(headers, body).await.map_err(unreached)?;
    let bytes = response.collect(ANSWER, WITHIN).await.map_err(unreached)?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let said = shown(answer.get("error").and_then(Value::as_str).unwrap_or("it did not say why"));
    match response.status() {
        StatusCode::OK => Ok(answer),
        StatusCode::FORBIDDEN => Err(Failure::no(format!("refused: {said}"))),
        status if status.is_client_error() => Err(Failure::usage(format!("refused: {said}"))),
        status => Err(Failure::system(format!("the gateway answers {status}: {said}"))),
    }
}

/// What the other side said, as a line for a person.
fn shown(said: &str) -> String {
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    supply::visible(&line).chars().take(SAID).collect()
}

/// The roots in an answer.
fn roots(authority: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = certificates(authority.as_bytes()).filter(|found| found.len() <= ROOTS);
    found.ok_or_else(|| Failure::system(format!("the answer's authority is not PEM of at most {ROOTS} certificates")))
}

fn answered(answer: &Value) -> Result<(&str, &str), Failure> {
    let word = |name: &str| answer.get(name).and_then(Value::as_str);
    word("chain").zip(word("authority")).ok_or_else(|| Failure::system("the gateway's answer cannot be read"))
}

/// Writes a file in place of what is there, whole or not at all.
///
/// # Errors
/// Those of the system.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    write(Path::new(&draft), bytes, mode)?;
    std::fs::rename(&draft, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key and a certificate of it.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        (key.serialize_pem(), certificate.pem())
    }

    #[test]
    fn wherever_it_is_cut_off_a_key_and_its_chain_are_in_place_in_the_end() {
        let (old, new) = (pair(), pair());
        let count = placing(Path::new(""), b"", b"", b"").len();
        for done in 0..=count {
            for half in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let folder = folder.path();
                for ((key, chain), steps) in [(&old, count), (&new, done)] {
                    let placing = placing(folder, key.as_bytes(), chain.as_bytes(), b"");
                    placing.iter().take(steps).for_each(|step| step().unwrap());
                }
                // The file that was just being written is there in part.
                if let (true, Some(name)) = (half, [KEY, CHAIN].get(done)) {
                    let text = if *name == KEY { &new.0 } else { &new.1 };
                    write(&next(folder, name), &text.as_bytes()[..40], 0o600).unwrap();
                }
                heal(folder).unwrap();
                assert!(fits(&folder.join(KEY), &folder.join(CHAIN)).unwrap(), "cut off after {done}");
                let chain = std::fs::read_to_string(folder.join(CHAIN)).unwrap();
                let expected = if done < 4 { &old.1 } else { &new.1 };
                assert_eq!(&chain, expected, "cut off after {done}");
                assert!(!next(folder, KEY).exists() && !next(folder, CHAIN).exists(), "cut off after {done}");
            }
        }
    }

    #[test]
    fn a_folder_keeps_what_it_holds_and_leaves_nothing_where_nothing_came() {
        let root = tempfile::tempdir().unwrap();
        let (folder, drawn) = (root.path().join("new"), Drawn::new().unwrap());
        let mut place = Folder::take(&folder).unwrap();
        place.draft(&drawn).unwrap();
        assert!(next(&folder, KEY).exists() && Folder::take(&folder).is_err(), "two have it at once");
        drop(place);
        assert!(!folder.exists());
        std::fs::create_dir(&folder).unwrap();
        drop(Folder::take(&folder).unwrap());
        assert!(folder.exists(), "one that was there goes");
        let ((key, chain), (_, other)) = (pair(), pair());
        std::fs::write(folder.join(KEY), &key).unwrap();
        let draft = || Folder::take(&folder).unwrap().draft(&drawn);
        assert!(draft().is_err(), "a key alone");
        std::fs::write(folder.join(CHAIN), other).unwrap();
        assert!(draft().is_err(), "with another's chain");
        std::fs::write(folder.join(CHAIN), chain).unwrap();
        draft().unwrap();
        assert!(Folder::take(&folder).unwrap().free("/agent/codex").is_err(), "of a certificate that names nobody");
        assert!(!next(&folder, KEY).exists());
        assert_eq!(std::fs::read_to_string(folder.join(KEY)).unwrap(), key);
        // What fits nothing stays for somebody to look at.
        std::fs::write(folder.join(KEY), pair().0).unwrap();
        std::fs::write(next(&folder, KEY), pair().0).unwrap();
        drop(Folder::take(&folder).unwrap());
        assert!(next(&folder, KEY).exists());
    }

    #[test]
    fn small_regular_files_are_read_and_links_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        assert_eq!((bytes(&path("file")).unwrap(), bytes(&path("link")).unwrap()), (b"x".to_vec(), b"x".to_vec()));
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        File::create(path("large")).unwrap().set_len(LARGEST + 1).unwrap();
        for name in ["pipe", "large", "."] {
            assert!(bytes(&path(name)).is_err(), "{name}");
        }
        assert!(bytes(Path::new("/dev/zero")).is_err());
        assert_eq!(there(&path("nothing")).unwrap(), None);
    }

    #[test]
    fn the_roots_of_an_answer_are_few_and_nothing_but_certificates() {
        let (one, two) = (pair().1, pair().1);
        let found = roots(&format!("{one}{two}")).unwrap();
        assert_eq!(found.iter().map(digest).collect::<Vec<_>>(), [&one, &two].map(|pem| fingerprint(pem).unwrap()));
        assert!(roots("").is_err() && roots(&one.repeat(ROOTS + 1)).is_err());
        assert!(roots("-----BEGIN CERTIFICATE-----\nAA").is_err());
    }

    #[test]
    fn what_the_other_side_says_is_a_line_and_hides_nothing() {
        assert_eq!(shown("\u{1b}[2Jno\r\n  next\u{9b}2J"), "<U+001B>[2Jno next<U+009B>2J");
        assert_eq!(shown(&"\u{1b}".repeat(1000)).chars().count(), SAID);
    }

    #[test]
    fn what_reached_the_disk_in_another_order_is_finished_too() {
        let (old, new) = (pair(), pair());
        for files in [
            [(KEY, &old.0), (CHAIN, &new.1), ("key.pem.next", &new.0)],
            [(KEY, &old.0), ("key.pem.next", &new.0), ("chain.pem.next", &new.1)],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
            heal(folder).unwrap();
            assert!(fits(&folder.join(KEY), &folder.join(CHAIN)).unwrap());
            assert_eq!(std::fs::read_to_string(folder.join(CHAIN)).unwrap(), new.1);
        }
    }
}
