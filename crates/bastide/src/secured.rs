//! The TLS of the listeners: read from files and the vault at the start, read again when they change, kept where what is new cannot be used.

mod lobby;

pub use lobby::Lobby;

use crate::outcome::Failure;
use crate::wire::Wired;
use audit::record::{Kind, Object, Severity};
use audit::{Journal as _, Record};
use config::{KeySource, ListenTls, Profile, TlsFiles};
use identity::authority::{lists_validity, validity};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::read_private;
use terms::{RecordId, Secret};
use transport::tls::{Asked, Clients, Inside, Issuer, Material, Standard, Tls};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The largest file that is read.
const MOST_BYTES: u64 = 16 << 20;
/// After how many looks in a row that could read nothing it is on record: a file that is being replaced is not there for a moment.
const UNREAD: u32 = 5;

/// The TLS of one listener, and where it comes from.
pub struct Secured {
    /// What the listener holds.
    pub tls: Arc<Tls>,
    listener: &'static str,
    asked: Asked,
    entry: ListenTls,
    lobby: Option<Arc<Lobby>>,
    seen: Mutex<Seen>,
    /// The chain that is in force, as PEM.
    shown: Mutex<Vec<u8>>,
}

/// What the listeners are secured with.
pub struct Doors {
    /// The data listener's TLS.
    pub data: Option<Arc<Secured>>,
    /// The admin listener's TLS.
    pub admin: Option<Arc<Secured>>,
    /// What the probes' certificates come from, where they need any.
    pub lobby: Option<Arc<Lobby>>,
}

/// The listener at which certificates are asked for and given.
pub const ENROL: &str = "enrol";

/// Whom a listener lets in.
struct LetIn {
    authorities: Vec<u8>,
    revoked: Option<Vec<u8>>,
    names: Vec<String>,
}

/// What was last read, and what became of it.
struct Seen {
    read: Read,
    /// Why it cannot be used, as it stands on record; none: it is in force.
    unfit: Option<String>,
    /// How many looks in a row could read nothing.
    unread: u32,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// It is in force.
    Held,
    /// It cannot be used; what was there before is in force.
    Kept,
}

/// What the files held.
struct Read {
    chain: Vec<u8>,
    key: Secret<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
    /// What the names of clients begin with; any, where there are none.
    names: Vec<String>,
}

impl Secured {
    /// Reads what `entry` names for `listener`, where whoever comes from `lobby` is let in too.
    ///
    /// # Errors
    /// [`Failure`]: a file that cannot be read or used; the listener does not open.
    pub fn open(
        listener: &'static str,
        entry: &ListenTls,
        profile: Profile,
        inside: &'static [Inside],
        lobby: Option<Arc<Lobby>>,
        wired: &Wired,
    ) -> Result<Self, Failure> {
        let read =
            Read::of(listener, entry, wired).map_err(|(key, cause)| Failure::usage(format!("listen.{listener}.tls.{key}: {cause}")))?;
        let asked = if listener == ENROL { Asked::Holder } else { Asked::Client };
        let let_in = read.clients(lobby.as_deref());
        let tls = Tls::new(&read.material(let_in.as_ref(), asked), Standard { inside, issuer: issuer(profile) }).map_err(|cause| {
            Failure::usage(format!("listen.{listener}.tls: {cause}")).next("bastide doctor, after the file is replaced")
        })?;
        tell(wired, listener, &read);
        Ok(Self {
            tls: Arc::new(tls),
            listener,
            asked,
            entry: entry.clone(),
            lobby,
            shown: Mutex::new(read.chain.clone()),
            seen: Mutex::new(Seen { read, unfit: None, unread: 0 }),
        })
    }

    /// Reads again, and puts in force what is new and can be used; what cannot be leaves the last good one in force, on record, and is tried again at the
    /// next look: it may not have begun yet.
    fn look(&self, wired: &Wired) -> Looked {
        let read = Read::of(self.listener, &self.entry, wired);
        let mut seen = self.seen.lock();
        let read = match read {
            Ok(read) => read,
            Err((key, cause)) => {
                seen.unread = seen.unread.saturating_add(1);
                if seen.unread == UNREAD {
                    self.keep(&format!("listen.{}.tls.{key}: {cause}", self.listener), wired);
                }
                return Looked::Kept;
            }
        };
        seen.unread = 0;
        let is_new = read != seen.read;
        if !is_new && seen.unfit.is_none() {
            return Looked::Held;
        }
        let let_in = read.clients(self.lobby.as_deref());
        match self.tls.replace(&read.material(let_in.as_ref(), self.asked)) {
            Ok(()) => {
                self.shown.lock().clone_from(&read.chain);
                tell(wired, self.listener, &read);
                *seen = Seen { read, unfit: None, unread: 0 };
                note(wired, self.listener, "transport.tls-replaced", Severity::Info, None);
                Looked::Held
            }
            Err(cause) => {
                let cause = cause.to_string();
                if is_new || seen.unfit.as_ref() != Some(&cause) {
                    self.keep(&cause, wired);
                }
                *seen = Seen { read, unfit: Some(cause), unread: 0 };
                Looked::Kept
            }
        }
    }

    /// Puts on record that what there is now cannot be used.
    fn keep(&self, cause: &str, wired: &Wired) {
        tracing::warn!(listener = self.listener, cause, "what TLS is to hold cannot be used; the last good one stays in force");
        note(wired, self.listener, "transport.tls-kept", Severity::High, Some(cause));
    }

    /// The chain that the listener shows, leaf first, as PEM.
    pub fn shown(&self) -> Vec<u8> {
        self.shown.lock().clone()
    }
}

/// Looks after the listeners' TLS until the gateway ends.
pub async fn watch(secured: Vec<Arc<Secured>>, wired: Arc<Wired>) {
    if secured.is_empty() {
        return;
    }
    let mut changes = wired.authority.changes();
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = wired.gate.ending.cancelled() => return wired.authority.taken_up(u64::MAX),
            _ = changes.changed() => {}
            _ = tick.tick() => {}
        }
        let change = *changes.borrow_and_update();
        let behind: Vec<_> = secured.iter().filter(|one| one.look(&wired) == Looked::Kept).collect();
        if behind.iter().all(|one| one.entry.files().is_some()) {
            wired.authority.taken_up(change);
        }
    }
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        let files = |read: &Self| (read.chain.clone(), read.authorities.clone(), read.revoked.clone(), read.names.clone());
        self.key.open() == other.key.open() && files(self) == files(other)
    }
}

impl Read {
    /// Reads everything that `entry` names.
    fn of(listener: &str, entry: &ListenTls, wired: &Wired) -> Result<Self, (&'static str, String)> {
        match entry {
            ListenTls::Files(files) => Self::of_files(files, wired),
            ListenTls::Own(_) => {
                let own = wired.authority.shown(listener).map_err(|cause| ("authority", cause))?;
                Ok(Self {
                    chain: own.chain,
                    key: own.key,
                    authorities: Some(own.authorities),
                    revoked: Some(own.revoked),
                    names: own.names,
                })
            }
        }
    }

    fn of_files(entry: &TlsFiles, wired: &Wired) -> Result<Self, (&'static str, String)> {
        let file =
            |key: &'static str, path: &Path| bounded(path).map_err(|cause| (key, format!("{} cannot be read: {cause}", path.display())));
        let maybe = |key: &'static str, path: Option<&Path>| path.map(|path| file(key, path)).transpose();
        Ok(Self {
            chain: file("certificate", &entry.certificate)?,
            key: key(&entry.key, wired).map_err(|cause| ("key", cause))?,
            authorities: maybe("client_ca", entry.client_ca.as_deref())?,
            revoked: maybe("crl", entry.crl.as_deref())?,
            names: Vec::new(),
        })
    }

    /// Whom the listener lets in: clients of the authorities, and of the lobby.
    fn clients(&self, lobby: Option<&Lobby>) -> Option<LetIn> {
        let (mut authorities, mut revoked, mut names) = (self.authorities.clone()?, self.revoked.clone(), self.names.clone());
        if let Some(lobby) = lobby {
            if !names.is_empty() {
                names.push(lobby::PROBE.to_owned());
            }
            authorities.push(b'\n');
            authorities.extend_from_slice(lobby.authority().as_bytes());
            if let Some(revoked) = &mut revoked {
                revoked.push(b'\n');
                revoked.extend_from_slice(lobby.revoked().as_bytes());
            }
        }
        Some(LetIn { authorities, revoked, names })
    }

    fn material<'a>(&'a self, clients: Option<&'a LetIn>, asked: Asked) -> Material<'a> {
        Material {
            chain: &self.chain,
            key: self.key.open(),
            clients: clients.map(|let_in| Clients {
                authorities: &let_in.authorities,
                revoked: let_in.revoked.as_deref(),
                names: &let_in.names,
                asked,
            }),
        }
    }
}

/// The private key, as PEM.
fn key(source: &KeySource, wired: &Wired) -> Result<Secret<Vec<u8>>, String> {
    match source {
        KeySource::File(path) => match read_private(path) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(format!("{} is not there", path.display())),
            Err(cause) => Err(cause.to_string()),
        },
        KeySource::Vault(reference) => {
            let key = wired.gate.servers.listener_key(&reference.to_string());
            key.map_err(|cause| format!("{cause}; put it there: bastide secret put {reference} < key.pem"))
        }
    }
}

/// Whose certificates a listener may show.
pub const fn issuer(profile: Profile) -> Issuer {
    match profile {
        Profile::Production => Issuer::Authority,
        Profile::Local => Issuer::Any,
    }
}

/// What the file holds, or as much of it as is read.
///
/// # Errors
/// It cannot be read.
pub fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells `/metrics` how long what is in force lasts: the certificate, and the list of what was taken back.
fn tell(wired: &Wired, listener: &str, read: &Read) {
    if let Some((begins, ends)) = std::str::from_utf8(&read.chain).ok().and_then(validity) {
        wired.gate.metrics.certificate(listener, begins, ends);
    }
    if let Some((begins, ends)) = read.revoked.as_deref().and_then(lists_validity) {
        wired.gate.metrics.certificate(&format!("{listener}-crl"), begins, ends);
    }
}

fn note(wired: &Wired, listener: &str, event: &'static str, severity: Severity, cause: Option<&str>) {
    let detail = serde_json::json!({ "listener": listener, "cause": cause }).to_string();
    let mut record = Record::new(RecordId::new(&*wired.entropy), Kind::Event, wired.clock.utc(), wired.clock.instant());
    record.event = Some(event);
    record.severity = Some(severity);
    record.detail = Object::new(detail.as_bytes()).ok();
    drop(wired.journal.append(record.encode()));
}
