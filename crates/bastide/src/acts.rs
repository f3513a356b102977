//! The acts of operators on a running gateway: the admin socket, the admin listener, and what the log needs to know of the start.

use crate::outcome::Failure;
use crate::secured::{Doors, Lobby, Secured};
use crate::serve;
use crate::wire::{Configured, Wired, user_name};
use admin::{Act, Admin, Authorities, Key, Opened, Operator, Pass, Pending, Reload, Reloaded, Reviews, Side, Way, perform};
use audit::record::{Kind, Object, Severity};
use audit::{Journal, Record};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{read_private, write_private};
use terms::{Entropy, Name, RecordId};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use transport::local::Listener;

/// The admin socket, in the state folder.
pub const SOCKET: &str = "admin.sock";
/// The key of the admin listener, in the state folder.
const KEY: &str = "admin.key";
/// How long open requests may finish.
const GRACE: Duration = Duration::from_secs(3);

/// The two ways in, open.
pub struct Open {
    address: SocketAddr,
    stop: CancellationToken,
    socket: JoinHandle<()>,
    listener: JoinHandle<std::io::Result<()>>,
}

impl Open {
    /// Where the admin listener is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets open requests finish, then closes both.
    pub async fn close(self) {
        self.stop.cancel();
        let ended = async {
            let _ = self.socket.await;
            let _ = self.listener.await;
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("an act was still under way at the end");
        }
    }
}

/// What reads the configuration anew for [`admin::Act::Reload`].
struct Again {
    path: PathBuf,
    wired: Arc<Wired>,
}

impl Reload for Again {
    fn reload(&self) -> Pending<'_, Result<Reloaded, String>> {
        Box::pin(async {
            serve::reload(&self.path, &self.wired).await.map_err(|failure| failure.to_string())?;
            Ok(Reloaded { digest: self.wired.gate.snapshot().digest.clone(), warnings: Vec::new() })
        })
    }
}

/// Gives probes what the data listener lets them in with.
struct Waiting {
    data: Arc<Secured>,
    lobby: Arc<Lobby>,
}

impl admin::Lobby for Waiting {
    fn pass(&self) -> Result<Pass, String> {
        let (chain, key) = self.lobby.issue().map_err(|failure| failure.to_string())?;
        Ok(Pass { chain, key, shown: String::from_utf8_lossy(&self.data.shown()).into_owned() })
    }
}

/// What acts work on, with `side` for what lies beyond the state.
pub fn admin(wired: &Wired, side: Side) -> Admin {
    Admin {
        clock: Arc::clone(&wired.clock),
        entropy: Arc::clone(&wired.entropy),
        journal: Arc::clone(&wired.journal) as Arc<dyn Journal>,
        switch: Arc::clone(&wired.switch),
        tokens: wired.tokens(),
        revocations: Arc::clone(&wired.revocations),
        issuer: Arc::clone(&wired.issuer),
        vault: wired.vault.clone(),
        reviews: Arc::clone(&wired.reviews) as Arc<dyn Reviews>,
        authority: Arc::clone(&wired.authority) as Arc<dyn Authorities>,
        side,
    }
}

/// Opens both ways in.
///
/// # Errors
/// [`Failure`] when one of them cannot be had.
pub async fn open(configured: &Configured, wired: &Arc<Wired>, doors: Doors) -> Result<Open, Failure> {
    let folder = wired.store.folder().path();
    let key = Arc::new(key(&folder.join(KEY), &*wired.entropy)?);
    let socket = Listener::bind(&folder.join(SOCKET), &[]).await.map_err(|cause| Failure::caused(&cause))?;
    let address = configured.loaded.file.listen.admin.address;
    let listener = TcpListener::bind(address).await.map_err(|cause| {
        Failure::system(format!("listen.admin.address: {address} cannot be listened on"))
            .because(&cause)
            .next("end what listens there, or choose another port")
    })?;
    let address = listener.local_addr()?;
    let again = Again { path: configured.path.clone(), wired: Arc::clone(wired) };
    let lobby = doors.data.zip(doors.lobby).map(|(data, lobby)| Arc::new(Waiting { data, lobby }) as Arc<dyn admin::Lobby>);
    let admin = Arc::new(admin(wired, Side::Running { gate: Arc::clone(&wired.gate), reload: Arc::new(again), lobby }));
    let (owner, stop) = (account()?, CancellationToken::new());
    let tls = doors.admin.map(|secured| Arc::clone(&secured.tls));
    let hosts = configured.loaded.file.listen.admin.hosts.clone();
    let socket = tokio::spawn(admin::serve_local(Arc::clone(&admin), socket, owner.clone(), stop.clone()));
    let listener = tokio::spawn(admin::serve_tcp(admin, Opened { listener, tls, hosts }, key, owner, stop.clone()));
    Ok(Open { address, stop, socket, listener })
}

/// Reads the configuration anew because a signal asked for it; an act like every other, and on record like them.
///
/// # Errors
/// What is wrong, in sentences; the last good configuration then stays.
pub async fn reload(path: PathBuf, wired: &Arc<Wired>) -> Result<(), String> {
    let again = Again { path, wired: Arc::clone(wired) };
    let admin = admin(wired, Side::Running { gate: Arc::clone(&wired.gate), reload: Arc::new(again), lobby: None });
    let operator = Operator { name: account().map_err(|cause| cause.to_string())?, way: Way::Signal };
    perform(&admin, &operator, Act::Reload).await.map(drop).map_err(|cause| cause.sentence())
}

/// The name of the account that this process runs under.
///
/// # Errors
/// [`Failure`] when not even its number makes a name.
pub fn account() -> Result<Name, Failure> {
    let uid = rustix::process::geteuid().as_raw();
    match user_name(uid) {
        Some(name) => Ok(name),
        None => Name::new(&format!("uid-{uid}")).map_err(|cause| Failure::caused(&cause)),
    }
}

/// The key in the file at `path`, made on first use.
fn key(path: &std::path::Path, entropy: &dyn Entropy) -> Result<Key, Failure> {
    match read_private(path)? {
        Some(file) => Key::read(&file)
            .ok_or_else(|| Failure::system(format!("`{}` holds no key", path.display())).next("remove it: the next start makes a new one")),
        None => {
            let (key, file) = Key::draw(entropy);
            write_private(path, &file, entropy)?;
            Ok(key)
        }
    }
}

/// Puts on record that the log was not closed by its last writer, and what was found.
pub fn recovered(wired: &Wired) {
    let found = &wired.recovery;
    let detail = format!(r#"{{"records":{},"torn_bytes":{},"tiles":{}}}"#, found.records, found.torn_bytes, found.tiles);
    let mut record = Record::new(RecordId::new(&*wired.entropy), Kind::Event, wired.clock.utc(), wired.clock.instant());
    record.event = Some("audit.recovered");
    record.severity = Some(Severity::Medium);
    record.detail = Object::new(detail.as_bytes()).ok();
    drop(wired.journal.append(record.encode()));
}
