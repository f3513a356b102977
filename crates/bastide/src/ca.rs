//! The certificate authority of our own: its keys in the vault, what it issued in the database, what others read of it in two files.
//!
//! `STATE/ca/authority.pem` holds the issuers that have not ended and their roots, `STATE/ca/crl.pem` what each issuer has taken back. Both are written whole, and
//! anew when somebody else has changed them. The keys of our listeners' certificates are in memory alone and drawn anew at each start.
//!
//! Control: `identity.private-ca`.

mod acts;
pub mod enrol;
mod renewal;
mod tend;

pub use renewal::Refused;
pub use tend::tend;

use crate::enrolled::replace;
use crate::outcome::Failure;
use admin::Unissued;
use audit::record::{Kind, Object, Severity};
use audit::{Journal, Record};
use config::ListenTls;
use gateway::gate::Gate;
use identity::authority::{
    Authority, CertificateRecord, Certificates, Domain, Issued, IssuerRecord, Request, Role, Signer, Subject, fingerprint, renewal as due,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use terms::{Clock, Entropy, Name, RecordId, Secret, Utc};
use tokio::sync::watch;
use vault::{Address, Vault};

/// Whose keys these are in the vault.
const OWNER: &str = "ca";
/// What the root's key is called there.
const ROOT: &str = "root";
/// The folder in the state.
pub const FOLDER: &str = "ca";
/// How the names of the gateway's own listeners begin.
const OWN: &str = "gateway-";
/// The file of issuers and roots.
pub const AUTHORITY: &str = "authority.pem";
/// The file of what was taken back.
pub const LISTS: &str = "crl.pem";
/// The longest file of lists that listeners read.
const MOST_LISTS: usize = 16 << 20;
/// How long listeners may take to hold what is new.
const SOON: Duration = Duration::from_secs(10);
/// How long certificates live where the configuration has no `ca`.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The authority.
pub struct PrivateCa {
    store: Arc<Store>,
    gate: Arc<Gate>,
    vault: Option<Arc<Vault>>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    folder: PathBuf,
    settings: Option<config::Ca>,
    /// What acts do to it is done one after the other.
    turn: tokio::sync::Mutex<()>,
    listeners: Mutex<BTreeMap<&'static str, Own>>,
    /// What we last wrote; none, where it must be written anew.
    written: Mutex<Option<(Arc<Written>, Utc)>>,
    /// What our listeners let in by: never one file of before and one of after.
    public: Mutex<Option<Arc<Written>>>,
    /// Counts what changes of what listeners hold.
    changes: watch::Sender<u64>,
    /// The last change that they have looked at; none, where there are none that look.
    taken_up: watch::Sender<Option<u64>>,
}

/// The two files.
struct Written {
    authorities: Vec<u8>,
    lists: Vec<u8>,
}

/// The certificate of a listener of ours.
struct Own {
    hosts: Vec<String>,
    serial: String,
    chain: String,
    key: Secret<Vec<u8>>,
    begins: Utc,
    ends: Utc,
    names: Vec<String>,
}

/// What a listener of ours holds.
pub struct Shown {
    /// Its chain, PEM.
    pub chain: Vec<u8>,
    /// Its key, PEM.
    pub key: Secret<Vec<u8>>,
    /// The authorities of its clients, PEM.
    pub authorities: Vec<u8>,
    /// What these have taken back, PEM.
    pub revoked: Vec<u8>,
    /// What the names of its clients begin with.
    pub names: Vec<String>,
}

/// An issuer and its key.
struct Issuing {
    id: String,
    root: String,
    authority: Authority,
}

impl PrivateCa {
    /// The authority on this state.
    ///
    /// # Errors
    /// [`Failure`] when its folder cannot be made.
    pub fn new(
        (store, gate, vault): (Arc<Store>, Arc<Gate>, Option<Arc<Vault>>),
        settings: Option<config::Ca>,
        journal: Arc<dyn Journal>,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Result<Self, Failure> {
        let folder = store.folder().sub(FOLDER)?;
        Ok(Self {
            store,
            gate,
            vault,
            journal,
            clock,
            entropy,
            folder,
            settings,
            turn: tokio::sync::Mutex::default(),
            listeners: Mutex::default(),
            written: Mutex::default(),
            public: Mutex::default(),
            changes: watch::Sender::new(0),
            taken_up: watch::Sender::new(None),
        })
    }

    /// What changes of what listeners hold, counted.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes note that the listeners hold what there was at this change.
    pub fn taken_up(&self, change: u64) {
        self.taken_up.send_replace(Some(change));
    }

    fn change(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ready when the listeners hold what there is now.
    ///
    /// # Errors
    /// [`Unissued::Broken`] when they do not within [`SOON`].
    async fn in_force(&self) -> Result<(), Unissued> {
        let (change, mut taken_up) = (*self.changes.borrow(), self.taken_up.subscribe());
        let held = taken_up.wait_for(|last| last.is_none_or(|last| last >= change));
        match tokio::time::timeout(SOON, held).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Unissued::Broken("it is done, and the listeners have not taken it up yet".to_owned())),
        }
    }

    /// How long certificates live that say nothing else.
    fn life(&self) -> Duration {
        self.settings.as_ref().map_or(LIFE, |ca| ca.life.duration())
    }

    /// What `listener` holds.
    ///
    /// # Errors
    /// Why it holds nothing, in a sentence.
    pub fn shown(&self, listener: &str) -> Result<Shown, String> {
        let listeners = self.listeners.lock();
        let own = listeners.get(listener).ok_or("it has no certificate yet")?;
        let public = self.public.lock().clone().ok_or("it has no authority yet")?;
        Ok(Shown {
            chain: own.chain.clone().into_bytes(),
            key: Secret::new(own.key.open().clone()),
            authorities: public.authorities.clone(),
            revoked: public.lists.clone(),
            names: own.names.clone(),
        })
    }

    /// Issues the certificates of the listeners that are ours, and writes the files anew, before anything listens.
    ///
    /// # Errors
    /// [`Failure`]: the configuration wants an authority, and there is none of that domain, or its keys cannot be had.
    pub async fn prepare(&self, listen: &config::Listen) -> Result<(), Failure> {
        let domain = self.store.domain().await.map_err(|cause| Failure::caused(&cause))?;
        let (settings, domain) = match (&self.settings, domain) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                // Its files may be in use all the same: a list that is too old lets nobody in.
                if let Err(cause) = self.refresh().await {
                    self.lag(&cause).await;
                }
                return Ok(());
            }
            (Some(_), None) => return Err(Failure::usage("ca: there is no authority yet").next("bastide ca init")),
            (Some(settings), Some(domain)) => (settings, domain),
        };
        if settings.domain != domain {
            return Err(Failure::usage(format!("ca.domain is {}, and the authority of this state is of {domain}", settings.domain))
                .next("write the domain that it was made for"));
        }
        if let Err(cause) = self.look_deep(self.clock.utc()).await {
            self.lag(&cause).await;
        }
        self.refresh().await.map_err(unready)?;
        let spiffe = |role: Role| format!("spiffe://{domain}/{}/", role.as_str());
        let own = |tls: &Option<ListenTls>| tls.as_ref().is_some_and(|tls| tls.files().is_none());
        if own(&listen.data.tls) {
            let names = vec![spiffe(Role::Agent), spiffe(Role::Replica)];
            self.certify("data", hosts(listen.data.address, &listen.data.hosts), names).await.map_err(unready)?;
        }
        if own(&listen.admin.tls) {
            let hosts = hosts(listen.admin.address, &listen.admin.hosts);
            self.certify("admin", hosts, vec![spiffe(Role::Operator)]).await.map_err(unready)?;
        }
        if let Some(address) = settings.enrol {
            let names = Role::ALL.map(spiffe).to_vec();
            self.certify(crate::secured::ENROL, hosts(address, &settings.hosts), names).await.map_err(unready)?;
        }
        Ok(())
    }

    /// Issues a listener's certificate and puts it in place.
    async fn certify(&self, listener: &'static str, hosts: Vec<String>, names: Vec<String>) -> Result<Utc, Unissued> {
        let (domain, issuers) = self.place().await?;
        let name = Name::new(&format!("{OWN}{listener}")).map_err(|cause| Unissued::Broken(cause.to_string()))?;
        let subject = Subject::new(domain, Role::Server, name, hosts.clone()).map_err(|cause| Unissued::Unfit(cause.to_string()))?;
        let (issuing, issued) = self.sign(&issuers, &subject, None, self.life()).await?;
        let key = issued.key.as_ref().map(|key| Secret::new(key.open().clone().into_bytes()));
        let key = key.ok_or_else(|| Unissued::Broken("no key was drawn".to_owned()))?;
        // Who enrols knows the root by its digest alone, so this listener shows it.
        let chain = if listener == crate::secured::ENROL { format!("{}{}", issued.chain, issuing.root) } else { issued.chain };
        let own = Own { hosts, serial: issued.serial, chain, key, begins: issued.begins, ends: issued.ends, names };
        self.listeners.lock().insert(listener, own);
        self.change();
        Ok(issued.ends)
    }

    /// The domain and the issuers that have not ended, the one in place first.
    async fn place(&self) -> Result<(Domain, Vec<IssuerRecord>), Unissued> {
        let domain = self.store.domain().await.map_err(kept)?.ok_or(Unissued::Unfounded)?;
        let issuers = self.store.issuers(self.clock.utc()).await.map_err(kept)?;
        Ok((domain, issuers))
    }

    /// Opens an issuer with its key from the vault.
    fn open(&self, record: &IssuerRecord) -> Result<Issuing, Unissued> {
        let authority = Authority::open(&record.chain, self.signer(&format!("issuer-{}", record.id))?).map_err(broken)?;
        Ok(Issuing { id: record.id.clone(), root: record.root.clone(), authority })
    }

    fn signer(&self, name: &str) -> Result<Signer, Unissued> {
        if self.vault.is_none() {
            return Err(Unissued::Locked);
        }
        let key = self.gate.servers.listener_key(&format!("{OWNER}/{name}")).map_err(Unissued::Broken)?;
        let text = std::str::from_utf8(key.open()).map_err(|_| Unissued::Broken(format!("vault:{OWNER}/{name} is no key")))?;
        Signer::of_pem(text).map_err(broken)
    }

    /// Puts a key into the vault.
    async fn put(&self, name: &str, key: &Secret<String>) -> Result<(), Unissued> {
        let vault = self.vault.as_ref().ok_or(Unissued::Locked)?;
        let value = Secret::new(key.open().clone().into_bytes());
        vault.put(address(name)?, value, &*self.clock, &*self.entropy).await.map_err(|cause| Unissued::Broken(cause.to_string()))?;
        self.gate.servers.learn();
        Ok(())
    }

    /// Signs with the issuer in place, and keeps what was issued.
    async fn sign(
        &self,
        issuers: &[IssuerRecord],
        subject: &Subject,
        request: Option<&Request>,
        life: Duration,
    ) -> Result<(Issuing, Issued), Unissued> {
        let ended = || Unissued::Broken("the issuer has ended: bastide ca renew, or bastide ca import".to_owned());
        let issuing = self.open(issuers.first().ok_or_else(ended)?)?;
        let issued = issuing.authority.issue(subject, request, life, self.clock.utc(), &*self.entropy).map_err(unfit)?;
        let record = CertificateRecord {
            serial: issued.serial.clone(),
            issuer: issuing.id.clone(),
            role: subject.role(),
            name: Name::new(subject.name()).map_err(|cause| Unissued::Broken(cause.to_string()))?,
            hosts: subject.hosts().to_vec(),
            life,
            public: issued.public,
            begins: issued.begins,
            ends: issued.ends,
            revoked: None,
        };
        self.store.keep(record).await.map_err(kept)?;
        Ok((issuing, issued))
    }

    /// The roots of the issuers that have not ended, each once, PEM.
    fn roots(issuers: &[IssuerRecord]) -> String {
        let (mut seen, mut out) = (Vec::new(), String::new());
        for record in issuers {
            let digest = fingerprint(&record.root);
            if !seen.contains(&digest) {
                seen.push(digest);
                out.push_str(&record.root);
            }
        }
        out
    }

    /// Writes both files anew: issuers and roots, and the list of each issuer.
    async fn refresh(&self) -> Result<(), Unissued> {
        let (_, mut issuers) = self.place().await?;
        if issuers.is_empty() {
            // What is written says which root is ours.
            return Err(Unissued::Broken("the issuer has ended: bastide ca renew issuer, or bastide ca import".to_owned()));
        }
        let now = self.clock.utc();
        let mut lists = String::new();
        // Of an earlier issuer whose key is lost nothing can be said: its certificates are of nobody then.
        let mut earlier = issuers.split_off(1);
        earlier.retain(|record| self.open(record).is_ok());
        issuers.append(&mut earlier);
        for record in &issuers {
            let issuing = self.open(record)?;
            let taken_back = self.store.taken_back(record.id.clone()).await.map_err(kept)?;
            let number = self.store.next_number().await.map_err(kept)?;
            lists.push_str(&issuing.authority.list(&taken_back, number, now).map_err(broken)?);
        }
        if lists.len() > MOST_LISTS {
            return Err(Unissued::Broken("there is more to take back than a listener reads".to_owned()));
        }
        let mut authorities = String::new();
        for record in &issuers {
            authorities.push_str(&first(&record.chain));
        }
        authorities.push_str(&Self::roots(&issuers));
        let written = replace(&self.folder.join(AUTHORITY), authorities.as_bytes(), 0o644)
            .and_then(|()| replace(&self.folder.join(LISTS), lists.as_bytes(), 0o644));
        written.map_err(|cause| Unissued::Broken(format!("{} cannot be written: {cause}", self.folder.display())))?;
        let public = Arc::new(Written { authorities: authorities.into_bytes(), lists: lists.into_bytes() });
        *self.written.lock() = Some((Arc::clone(&public), now));
        *self.public.lock() = Some(public);
        self.change();
        Ok(())
    }

    /// Puts on record what became of a certificate; durable when it returns.
    ///
    /// # Errors
    /// [`Unissued::Broken`] when it cannot be recorded.
    async fn note(&self, event: &'static str, severity: Severity, detail: &serde_json::Value) -> Result<(), Unissued> {
        let detail = detail.to_string().replace('\u{7f}', "\\u007f");
        let mut record = Record::new(RecordId::new(&*self.entropy), Kind::Event, self.clock.utc(), self.clock.instant());
        record.event = Some(event);
        record.severity = Some(severity);
        record.detail = Object::new(detail.as_bytes()).ok();
        let ticket = self.journal.append(record.encode());
        let recorded = tokio::time::timeout(self.journal.limit(), ticket).await;
        match recorded {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unissued::Broken("it cannot be recorded, so it was not done".to_owned())),
        }
    }
}

/// When the issuer that the file in this state names first began and ends, for who only looks; none, where there is none.
pub fn validity_in(state: &Path) -> Option<(Utc, Utc)> {
    let text = std::fs::read_to_string(state.join(FOLDER).join(AUTHORITY)).ok()?;
    identity::authority::validity(&text)
}

/// The first certificate of `pem`.
fn first(pem: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    pem.find(END).map(|at| format!("{}\n", pem.get(..at + END.len()).unwrap_or_default().trim_start())).unwrap_or_default()
}

fn address(name: &str) -> Result<Address, Unissued> {
    format!("vault:{OWNER}/{name}").parse().map_err(|cause: vault::Error| Unissued::Broken(cause.to_string()))
}

/// What a listener's certificate is good for: its address, and the names that it is called by.
fn hosts(address: SocketAddr, named: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let bare = |host: &String| match url::Host::parse(host) {
        Ok(_) => host.clone(),
        Err(_) => host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned(),
    };
    hosts.extend(named.iter().map(bare).map(|host| host.trim_matches(['[', ']']).to_owned()));
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    if address.ip().is_loopback() {
        hosts.push("localhost".to_owned());
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

fn kept(cause: identity::Error) -> Unissued {
    Unissued::Broken(match std::error::Error::source(&cause) {
        Some(source) => format!("{cause}: {source}"),
        None => cause.to_string(),
    })
}

fn broken(cause: identity::authority::Error) -> Unissued {
    Unissued::Broken(cause.to_string())
}

/// What the operator may have asked for wrongly.
fn unfit(cause: identity::authority::Error) -> Unissued {
    use identity::authority::Error;
    match cause {
        Error::Life | Error::Request | Error::Named | Error::Outside(_) => Unissued::Unfit(cause.to_string()),
        _ => broken(cause),
    }
}

fn unready(cause: Unissued) -> Failure {
    Failure::system(format!("ca: {cause}")).next("bastide ca list")
}
