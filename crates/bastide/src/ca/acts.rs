//! What operators do to the authority.

use super::{AUTHORITY, LISTS, OWN, PrivateCa, ROOT, address, broken, due, kept, unfit};
use admin::{
    Adoption, Authorities, CertificateWish, Certified, Founded, Founding, Invited, KeyPlace, Pending, Renewal, Renewed, TakenBack, Unissued,
};
use audit::record::Severity;
use identity::authority::{
    self, Authority, CertificateRecord, Certificates, Code, Invitation, IssuerRecord, Origin, Request, Role, Signer, Subject, fingerprint,
};
use serde_json::{Value, json};
use std::time::Duration;
use terms::{Name, Secret, Utc};

/// The longest that a code is good.
const LONGEST_CODE: Duration = Duration::from_secs(24 * 3600);
/// Who was named by a certificate that has ended so long ago is meant, too, when a name is taken back: our clock may be ahead.
const CLOCK: Duration = Duration::from_secs(24 * 3600);
/// How many bytes of the digest of an issuer's certificate it is called by.
const ID: usize = 8;

impl PrivateCa {
    fn record(&self, chain: String, root: String, origin: Origin) -> Result<IssuerRecord, Unissued> {
        let damaged = || Unissued::Unfit("the issuer's certificate cannot be read".to_owned());
        let digest = fingerprint(&chain).ok_or_else(damaged)?;
        let id = digest.iter().take(ID).map(|byte| format!("{byte:02x}")).collect();
        let (_, ends) = authority::validity(&chain).ok_or_else(damaged)?;
        Ok(IssuerRecord { id, chain, root, origin, since: self.clock.utc(), ends })
    }

    fn founded(&self, domain: &authority::Domain, issuer: &IssuerRecord) -> Founded {
        let root = fingerprint(&issuer.root).unwrap_or_default();
        Founded {
            domain: domain.to_string(),
            root: root.iter().map(|byte| format!("{byte:02x}")).collect(),
            issuer: issuer.id.clone(),
            ends: issuer.ends,
            authority: self.folder.join(AUTHORITY).display().to_string(),
            crl: self.folder.join(LISTS).display().to_string(),
        }
    }

    async fn do_found(&self, founding: Founding) -> Result<Founded, Unissued> {
        let _turn = self.turn.lock().await;
        if let Some(domain) = self.store.domain().await.map_err(kept)? {
            return Err(Unissued::Founded(domain));
        }
        if let Some(settings) = self.settings.as_ref().filter(|settings| settings.domain != founding.domain) {
            return Err(Unissued::Unfit(format!("ca.domain of the configuration is {}", settings.domain)));
        }
        let signer = Signer::of_pem(founding.issuer_key.open()).map_err(unfit)?;
        let (chain, root) = authority::judge(&founding.issuer, Some(&founding.root), &signer, self.clock.utc()).map_err(unfit)?;
        if let Some(key) = &founding.root_key {
            Authority::open(&root, Signer::of_pem(key.open()).map_err(unfit)?).map_err(unfit)?;
        }
        let issuer = self.record(chain, root, Origin::Own)?;
        if let Some(key) = &founding.root_key {
            self.put(ROOT, key).await?;
        }
        self.put(&format!("issuer-{}", issuer.id), &founding.issuer_key).await?;
        if !self.store.found(founding.domain.clone(), issuer.clone()).await.map_err(kept)? {
            return Err(Unissued::Founded(founding.domain));
        }
        self.refresh().await?;
        Ok(self.founded(&founding.domain, &issuer))
    }

    fn wished(&self, wish: &CertificateWish, domain: authority::Domain) -> Result<(Subject, Duration), Unissued> {
        let life = wish.life_seconds.map_or(self.life(), Duration::from_secs);
        if !authority::LIFE.contains(&life) {
            return Err(unfit(authority::Error::Life));
        }
        if wish.role == Role::Server && wish.name.as_str().starts_with(OWN) {
            return Err(Unissued::Unfit(format!(
                "server/{} is kept for the gateway itself: so are all names that begin with `{OWN}`",
                wish.name
            )));
        }
        let subject = Subject::new(domain, wish.role, wish.name.clone(), wish.hosts.clone());
        Ok((subject.map_err(|cause| Unissued::Unfit(cause.to_string()))?, life))
    }

    /// Signs for `request` and gives what the holder needs.
    pub(super) async fn certified(&self, subject: &Subject, request: &Request, life: Duration) -> Result<Certified, Unissued> {
        let (_, issuers) = self.place().await?;
        let (_, issued) = self.sign(&issuers, subject, Some(request), life).await?;
        Ok(Certified {
            serial: issued.serial,
            id: subject.id(),
            chain: issued.chain,
            authority: Self::roots(&issuers),
            ends: issued.ends,
            renews: due(issued.begins, issued.ends),
        })
    }

    async fn do_issue(&self, wish: CertificateWish, request: String) -> Result<Certified, Unissued> {
        let _turn = self.turn.lock().await;
        let (domain, _) = self.place().await?;
        let (subject, life) = self.wished(&wish, domain)?;
        let request = Request::read(request.as_bytes()).map_err(unfit)?;
        self.certified(&subject, &request, life).await
    }

    async fn do_invite(&self, wish: CertificateWish, within: Duration) -> Result<Invited, Unissued> {
        let _turn = self.turn.lock().await;
        if within.is_zero() || within > LONGEST_CODE {
            return Err(Unissued::Unfit("a code is good for a second to 24 hours".to_owned()));
        }
        let (domain, issuers) = self.place().await?;
        let (subject, life) = self.wished(&wish, domain)?;
        let issuer = issuers.first().ok_or_else(|| Unissued::Broken("the issuer has ended".to_owned()))?;
        // A code that nothing could be signed by would be used up for nothing.
        self.open(issuer)?;
        let root = fingerprint(&issuer.root).ok_or_else(|| Unissued::Broken("the root cannot be read".to_owned()))?;
        let (code, ends) = (Code::draw(root, &*self.entropy), self.clock.utc().after(within));
        let CertificateWish { role, name, hosts, .. } = wish;
        let invitation = Invitation { id: code.id(), digest: code.digest(), role, name, hosts, life, ends, spent: None };
        self.store.invite(invitation).await.map_err(kept)?;
        Ok(Invited { code: code.print(), id: subject.id(), ends })
    }

    /// The certificates that `which` means, and the name that its codes are of.
    async fn meant(&self, which: &str) -> Result<(Vec<CertificateRecord>, Option<(Name, Option<Role>)>), Unissued> {
        if let Some(record) = self.store.find(which.to_ascii_lowercase()).await.map_err(kept)? {
            return Ok((vec![record], None));
        }
        let (role, name) = match which.split_once('/') {
            Some((role, name)) => match Role::named(role) {
                Ok(role) => (Some(role), name),
                Err(_) => (None, which),
            },
            None => (None, which),
        };
        let name = Name::new(name).map_err(|_| Unissued::Nobody(which.to_owned()))?;
        let since = Utc::from_nanos(self.clock.utc().nanos().saturating_sub(u64::try_from(CLOCK.as_nanos()).unwrap_or(u64::MAX)));
        let found = self.store.named(name.clone(), role, since).await.map_err(kept)?;
        Ok((found, Some((name, role))))
    }

    async fn do_revoke(&self, which: &str, reason: &str) -> Result<TakenBack, Unissued> {
        let _turn = self.turn.lock().await;
        self.store.domain().await.map_err(kept)?.ok_or(Unissued::Unfounded)?;
        // Whoever asked may be gone before the lists are written: then they are by who tends them.
        *self.written.lock() = None;
        let now = self.clock.utc();
        let (found, named) = self.meant(which).await?;
        let codes = match named {
            Some((name, role)) => self.store.withdraw(name, role, now).await.map_err(kept)?,
            None => 0,
        };
        if found.is_empty() && codes == 0 {
            return Err(Unissued::Nobody(which.to_owned()));
        }
        let serials: Vec<String> = found.into_iter().map(|record| record.serial).collect();
        self.store.revoke(serials.clone(), now, reason.to_owned()).await.map_err(kept)?;
        if let Err(cause) = self.refresh().await {
            // A list that says too little lets in who was taken back; where there is none, nothing starts that asks for it.
            let _ = std::fs::remove_file(self.folder.join(LISTS));
            return Err(Unissued::Unlisted(cause.to_string()));
        }
        Ok(TakenBack { serials, codes, at: now })
    }

    /// Our own root, PEM: that of the newest issuer of our own, ended or not.
    async fn own_root(&self) -> Result<Option<String>, Unissued> {
        let issuers = self.store.issuers(Utc::default()).await.map_err(kept)?;
        Ok(issuers.into_iter().find(|issuer| issuer.origin == Origin::Own).map(|own| own.root))
    }

    /// A new issuer below the root whose key we keep.
    pub(super) async fn succeed(&self) -> Result<IssuerRecord, Unissued> {
        let (domain, _) = self.place().await?;
        let own = self.own_root().await?;
        let root = own.ok_or_else(|| Unissued::Unfit("the issuer is renewed where it was made: bastide ca import".to_owned()))?;
        let signer = self.signer(ROOT).map_err(|cause| match cause {
            Unissued::Locked => Unissued::Locked,
            _ => Unissued::Unfit("the root's key is not kept here: bastide ca renew issuer --root FILE, or pkcs11:…".to_owned()),
        })?;
        let above = Authority::open(&root, signer).map_err(broken)?;
        let below = above.below(&domain, self.clock.utc(), &*self.entropy).map_err(broken)?;
        self.seat(below.certificate, root, Origin::Own, &below.key).await
    }

    /// Puts an issuer in place, and has our listeners show certificates of it: who enrols knows its root alone.
    async fn seat(&self, chain: String, root: String, origin: Origin, key: &Secret<String>) -> Result<IssuerRecord, Unissued> {
        let issuer = self.record(chain, root, origin)?;
        self.put(&format!("issuer-{}", issuer.id), key).await?;
        self.store.succeed(issuer.clone()).await.map_err(kept)?;
        self.refresh().await?;
        let listeners: Vec<&'static str> = self.listeners.lock().keys().copied().collect();
        for listener in listeners {
            if let Err(cause) = self.recertify(listener).await {
                // It is looked at again soon; the issuer is in place all the same.
                tracing::warn!(listener, %cause, "a listener's certificate could not be issued anew");
            }
        }
        Ok(issuer)
    }

    async fn do_renew(&self, what: Renewal) -> Result<Renewed, Unissued> {
        let _turn = self.turn.lock().await;
        match what {
            Renewal::Issuer => {
                let issuer = self.succeed().await?;
                Ok(Renewed { what: "issuer".to_owned(), ends: issuer.ends })
            }
            Renewal::Listener(name) => {
                let ends = self.recertify(&name).await?;
                Ok(Renewed { what: name, ends })
            }
        }
    }

    /// Issues the certificate of a listener that has one anew.
    pub(super) async fn recertify(&self, name: &str) -> Result<Utc, Unissued> {
        let found = {
            let listeners = self.listeners.lock();
            listeners.get_key_value(name).map(|(name, own)| (*name, own.hosts.clone(), own.names.clone()))
        };
        let (name, hosts, names) =
            found.ok_or_else(|| Unissued::Unfit(format!("no running listener `{name}` has a certificate of this authority")))?;
        self.certify(name, hosts, names).await
    }

    async fn do_adopt(&self, adoption: Adoption) -> Result<Founded, Unissued> {
        let _turn = self.turn.lock().await;
        let (domain, _) = self.place().await?;
        let issuers = self.store.issuers(Utc::default()).await.map_err(kept)?;
        let key = match adoption.key {
            KeyPlace::Here(key) => key,
            KeyPlace::Vault(address) => {
                let name = format!("{}/{}", address.server, address.name);
                let bytes = self.gate.servers.listener_key(&name).map_err(Unissued::Unfit)?;
                Secret::new(String::from_utf8(bytes.open().clone()).map_err(|_| Unissued::Unfit(format!("{address} is no key")))?)
            }
        };
        let signer = Signer::of_pem(key.open()).map_err(unfit)?;
        let (chain, root) = authority::judge(&adoption.chain, adoption.root.as_deref(), &signer, self.clock.utc()).map_err(unfit)?;
        let ours = issuers.iter().any(|issuer| issuer.origin == Origin::Own && fingerprint(&issuer.root) == fingerprint(&root));
        let origin = if ours { Origin::Own } else { Origin::Outside };
        let issuer = self.seat(chain, root, origin, &key).await?;
        Ok(self.founded(&domain, &issuer))
    }

    async fn do_stand(&self) -> Result<Value, Unissued> {
        let Some(domain) = self.store.domain().await.map_err(kept)? else { return Ok(json!({ "founded": false, "certificates": [] })) };
        let now = self.clock.utc();
        let issuers = self.store.issuers(now).await.map_err(kept)?;
        let root_kept =
            self.vault.as_ref().map(|vault| address(ROOT).is_ok_and(|root| vault.list().iter().any(|kept| kept.address == root)));
        let shown = |issuer: &IssuerRecord| {
            let begins = authority::validity(&issuer.chain).map_or(issuer.since, |(begins, _)| begins);
            json!({
                "id": issuer.id,
                "origin": match issuer.origin { Origin::Own => "own", Origin::Outside => "outside" },
                "begins": begins.to_string(),
                "ends": issuer.ends.to_string(),
                "renews": due(begins, issuer.ends).to_string(),
                "renews_itself": issuer.origin == Origin::Own && root_kept == Some(true),
                "root": fingerprint(&issuer.root).map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
                "root_ends": authority::validity(&issuer.root).map(|(_, ends)| ends.to_string()),
            })
        };
        let certificate = |record: &CertificateRecord| {
            json!({
                "serial": record.serial,
                "role": record.role,
                "name": record.name,
                "hosts": record.hosts,
                "issuer": record.issuer,
                "begins": record.begins.to_string(),
                "ends": record.ends.to_string(),
                "renews": due(record.begins, record.ends).to_string(),
                "revoked": record.revoked.as_ref().map(|(at, _)| at.to_string()),
                "reason": record.revoked.as_ref().map(|(_, reason)| reason),
            })
        };
        let certificates = self.store.list(Utc::default()).await.map_err(kept)?;
        Ok(json!({
            "founded": true,
            "domain": domain.to_string(),
            "issuers": issuers.iter().map(shown).collect::<Vec<_>>(),
            "own_root": self.own_root().await?,
            "authority": self.folder.join(AUTHORITY).display().to_string(),
            "crl": self.folder.join(LISTS).display().to_string(),
            "certificates": certificates.iter().map(certificate).collect::<Vec<_>>(),
        }))
    }

    /// Says that what is due could not be done.
    pub(super) async fn lag(&self, cause: &Unissued) {
        tracing::warn!(%cause, "the certificate authority could not do what is due");
        let _ = self.note("identity.authority-behind", Severity::High, &json!({ "cause": cause.to_string() })).await;
    }
}

impl Authorities for PrivateCa {
    fn found(&self, founding: Founding) -> Pending<'_, Result<Founded, Unissued>> {
        Box::pin(self.do_found(founding))
    }

    fn issue(&self, wish: CertificateWish, request: String) -> Pending<'_, Result<Certified, Unissued>> {
        Box::pin(self.do_issue(wish, request))
    }

    fn invite(&self, wish: CertificateWish, within: Duration) -> Pending<'_, Result<Invited, Unissued>> {
        Box::pin(self.do_invite(wish, within))
    }

    fn revoke<'a>(&'a self, which: &'a str, reason: &'a str) -> Pending<'a, Result<TakenBack, Unissued>> {
        Box::pin(async move {
            let taken_back = self.do_revoke(which, reason).await?;
            self.in_force().await.map_err(|cause| Unissued::Unlisted(cause.to_string()))?;
            Ok(taken_back)
        })
    }

    fn renew(&self, what: Renewal) -> Pending<'_, Result<Renewed, Unissued>> {
        Box::pin(async move {
            let renewed = self.do_renew(what).await?;
            self.in_force().await?;
            Ok(renewed)
        })
    }

    fn adopt(&self, adoption: Adoption) -> Pending<'_, Result<Founded, Unissued>> {
        Box::pin(async move {
            let adopted = self.do_adopt(adoption).await?;
            self.in_force().await?;
            Ok(adopted)
        })
    }

    fn standing(&self) -> Pending<'_, Result<Value, Unissued>> {
        Box::pin(self.do_stand())
    }
}
