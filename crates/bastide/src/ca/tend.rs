//! What the authority does by itself: it renews its issuer and the listeners' certificates at two thirds of their life, and signs its lists anew long before
//! they end.

use super::{LISTS, PrivateCa, address, due, kept};
use crate::wire::Wired;
use admin::Unissued;
use audit::record::Severity;
use identity::authority::{Certificates, Origin, validity};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use terms::Utc;

/// What `/metrics` calls the certificate that signs the others.
const ISSUER: &str = "issuer";
/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// After how many looks the database is asked, too.
const ROUND: u32 = 30;
/// How old a list may become.
const RELIST: Duration = Duration::from_secs(24 * 3600);
/// How long what has ended is still shown.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// After how many rounds a fault is said again.
const SAID: u32 = 120;

/// Tends the authority until the gateway ends.
pub async fn tend(wired: Arc<Wired>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looks, mut faults) = (0_u32, 0_u32);
    loop {
        tokio::select! {
            () = wired.gate.ending.cancelled() => return,
            _ = tick.tick() => {}
        }
        let authority = &wired.authority;
        let depth = if looks % ROUND == 0 { Depth::Whole } else { Depth::Memory };
        looks = looks.wrapping_add(1);
        if authority.written.lock().is_none()
            && (depth == Depth::Memory || authority.store.domain().await.is_ok_and(|domain| domain.is_none()))
        {
            continue;
        }
        let looked = authority.look(depth).await;
        match looked {
            Ok(()) if depth == Depth::Whole => faults = 0,
            Ok(()) => {}
            Err(cause) => {
                if faults % (SAID * ROUND) == 0 {
                    authority.lag(&cause).await;
                }
                faults = faults.wrapping_add(1);
            }
        }
    }
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// What is in memory, and the file of lists.
    Memory,
    /// The database, too.
    Whole,
}

impl PrivateCa {
    async fn look(&self, depth: Depth) -> Result<(), Unissued> {
        let _turn = self.turn.lock().await;
        let now = self.clock.utc();
        let due_now: Vec<&'static str> = {
            let listeners = self.listeners.lock();
            listeners.iter().filter(|(_, own)| due(own.begins, own.ends) <= now).map(|(name, _)| *name).collect()
        };
        // What one of them cannot do keeps no other from being done: a new issuer may be what the first one lacks.
        let mut looked = Ok(());
        for listener in due_now {
            looked = looked.and(self.recertify(listener).await.map(drop));
        }
        if self.is_stale(now) {
            looked = looked.and(self.refresh().await);
        }
        match depth {
            Depth::Memory => looked,
            Depth::Whole => self.look_deep(now).await.and(looked),
        }
    }

    /// Whether the lists are old, or another has changed them.
    fn is_stale(&self, now: Utc) -> bool {
        let written = self.written.lock();
        let Some((written, at)) = &*written else { return true };
        let old = at.after(RELIST) <= now || *at > now;
        old || std::fs::read(self.folder.join(LISTS)).map_or(true, |found| found != written.lists)
    }

    pub(super) async fn look_deep(&self, now: Utc) -> Result<(), Unissued> {
        let since = Utc::from_nanos(now.nanos().saturating_sub(u64::try_from(REMEMBERED.as_nanos()).unwrap_or(u64::MAX)));
        self.store.forget(since).await.map_err(kept)?;
        let shown: Vec<(&'static str, String)> = self.listeners.lock().iter().map(|(name, own)| (*name, own.serial.clone())).collect();
        for (listener, serial) in shown {
            let record = self.store.find(serial).await.map_err(kept)?;
            if record.is_none_or(|record| !record.stands(now))
                && let Err(cause) = self.recertify(listener).await
            {
                tracing::warn!(listener, %cause, "a listener's certificate could not be issued anew");
            }
        }
        self.bury(now).await?;
        let issuers = self.store.issuers(now).await.map_err(kept)?;
        let first = issuers.first().and_then(|issuer| Some((issuer.origin, validity(&issuer.chain)?)));
        if let Some((_, (begins, ends))) = first {
            self.gate.metrics.certificate(ISSUER, begins, ends);
        }
        match first {
            Some((_, (begins, ends))) if due(begins, ends) > now => Ok(()),
            Some((Origin::Outside, (_, ends))) => {
                Err(Unissued::Broken(format!("the issuer was made outside and ends at {ends}: bastide ca import")))
            }
            Some((Origin::Own, _)) | None => {
                let issuer = self.succeed().await?;
                self.note("identity.issuer-renewed", Severity::Info, &json!({ "issuer": issuer.id, "ends": issuer.ends.to_string() })).await
            }
        }
    }

    /// Takes the keys of issuers that have ended out of the vault.
    async fn bury(&self, now: Utc) -> Result<(), Unissued> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let all = self.store.issuers(Utc::default()).await.map_err(kept)?;
        // The newest that we made stays, ended or not: it says which root is ours.
        let own = all.iter().find(|issuer| issuer.origin == Origin::Own).map(|issuer| issuer.id.clone());
        for issuer in all.into_iter().skip(1).filter(|issuer| issuer.ends <= now && own.as_ref() != Some(&issuer.id)) {
            vault.remove(&address(&format!("issuer-{}", issuer.id))?).await.map_err(|cause| Unissued::Broken(cause.to_string()))?;
            self.store.drop_issuer(issuer.id).await.map_err(kept)?;
        }
        Ok(())
    }
}
