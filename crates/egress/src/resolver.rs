//! Names into addresses, and what is remembered of them.
//!
//! Control: `network.dns`.

use crate::hostname::HostName;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;
use terms::{Reach, reach};
use tokio::time::Instant;

/// Most addresses of one name that are looked at.
pub(crate) const ADDRESSES: usize = 16;
/// Most names that are remembered.
const NAMES: usize = 256;
/// More addresses of one name within [`SPAN`] are fast flux. Content networks have a few dozen.
const FLUX: usize = 64;
/// The span in which addresses of a name are gathered.
const SPAN: Duration = Duration::from_secs(3600);

/// The addresses of a name, once they are known.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of names: a port.
pub trait Resolver: Send + Sync {
    /// The addresses of `name`. Each connection asks once.
    fn resolve<'a>(&'a self, name: &'a HostName) -> Resolving<'a>;
}

/// The resolver of the system that the gateway runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolver for System {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Resolving<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.take(ADDRESSES).map(|address| address.ip()).collect())
        })
    }
}

/// What a name led to before.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<HostName, Past>>);

struct Past {
    since: Instant,
    addresses: BTreeSet<IpAddr>,
}

/// What is noticed about a name's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    Nothing,
    /// So many different ones within an hour.
    Flux(usize),
}

impl Memory {
    /// Whether `name` led to public addresses before.
    pub(crate) fn was_public(&self, name: &HostName) -> bool {
        self.0.lock().get(name).is_some_and(|past| past.addresses.iter().any(|address| reach(*address) == Reach::Public))
    }

    /// Remembers where `name` leads. Says once an hour that it leads to too many.
    pub(crate) fn leads(&self, name: &HostName, addresses: &[IpAddr]) -> Noticed {
        let mut all = self.0.lock();
        if all.len() >= NAMES && !all.contains_key(name) {
            let oldest = all.iter().min_by_key(|(_, past)| past.since).map(|(name, _)| name.clone());
            oldest.map(|oldest| all.remove(&oldest));
        }
        let fresh = || Past { since: Instant::now(), addresses: BTreeSet::new() };
        let past = all.entry(name.clone()).or_insert_with(fresh);
        if past.since.elapsed() >= SPAN {
            *past = fresh();
        }
        let before = past.addresses.len();
        past.addresses.extend(addresses.iter().take(ADDRESSES));
        let now = past.addresses.len();
        while past.addresses.len() > FLUX + ADDRESSES {
            past.addresses.pop_last();
        }
        if before <= FLUX && now > FLUX { Noticed::Flux(now) } else { Noticed::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test(start_paused = true)]
    async fn ever_other_addresses_are_noticed_once_an_hour() {
        let memory = Memory::default();
        let name = HostName::parse("a.example").unwrap();
        let at = |n: u8| [IpAddr::V4(Ipv4Addr::new(8, 8, 8, n))];
        let flux = |from: u8| (from..from + 100).filter(|n| matches!(memory.leads(&name, &at(*n)), Noticed::Flux(_))).count();
        assert!(!memory.was_public(&name));
        assert_eq!(flux(0), 1);
        assert!(memory.was_public(&name));
        tokio::time::advance(SPAN).await;
        assert_eq!(flux(100), 1);
        assert_eq!((0..1_000).filter(|_| memory.leads(&name, &at(1)) != Noticed::Nothing).count(), 0);
    }

    #[tokio::test]
    async fn the_system_knows_this_host() {
        let addresses = System.resolve(&HostName::parse("localhost").unwrap()).await.unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
    }
}
