//! Idle connections to one server.

use crate::Error;
use crate::connection::{Connection, Route};
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{self, Handle};
use tokio::sync::Semaphore;
use tokio::time::Instant;

struct Idle {
    connection: Connection,
    /// Whose poller it is known to: used from elsewhere, each of its bytes would wake two threads.
    home: runtime::Id,
    since: Instant,
}

/// Few idle connections, last used first; old ones are closed by a task that lives only while there are any.
pub(crate) struct Pool {
    route: Route,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    sweeping: AtomicBool,
}

impl Pool {
    pub(crate) fn new(route: Route) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(route.bounds().connections));
        Arc::new(Self { route, places, idle: Mutex::new(Vec::new()), sweeping: AtomicBool::new(false) })
    }

    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// New connections are made with `settings`; no other is used again.
    pub(crate) fn renew(&self, settings: Arc<ClientConfig>) {
        self.route.renew(settings);
        self.idle.lock().clear();
    }

    /// A connection that was idle on this runtime and is still open.
    pub(crate) async fn take_idle(&self) -> Option<Connection> {
        let (most, here) = (self.route.bounds().idle, Handle::current().id());
        loop {
            let mut idle = {
                let mut all = self.idle.lock();
                let last = all.iter().rposition(|one| one.home == here)?;
                all.remove(last)
            };
            if idle.since.elapsed() <= most && idle.connection.reusable().await {
                return Some(idle.connection);
            }
        }
    }

    /// A new connection, within the bound on their number.
    pub(crate) async fn open(&self) -> Result<Connection, Error> {
        let most = self.route.bounds().connections;
        let place = self.places.clone().try_acquire_owned().or_else(|_| {
            // An idle one that was put back meanwhile makes room.
            drop(self.idle.lock().pop());
            self.places.clone().try_acquire_owned().map_err(|_| Error::Exhausted(most))
        })?;
        self.route.connect(place).await
    }

    /// Keeps `connection` for the next request, if there is room.
    pub(crate) fn put(self: &Arc<Self>, connection: Connection) {
        let bounds = self.route.bounds();
        {
            let mut idle = self.idle.lock();
            // INVARIANT: under the lock, so that none is put after [`Pool::renew`] has cleared them.
            if !self.route.is_current(&connection) || idle.len() >= bounds.idle_connections {
                return;
            }
            idle.push(Idle { connection, home: Handle::current().id(), since: Instant::now() });
        }
        if !self.sweeping.swap(true, Ordering::AcqRel) {
            let pool = Arc::downgrade(self);
            let pause = bounds.idle.max(Duration::from_millis(50));
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(pause).await;
                    let Some(pool) = pool.upgrade() else { return };
                    let mut idle = pool.idle.lock();
                    idle.retain(|one| one.since.elapsed() < pause);
                    if idle.is_empty() {
                        // INVARIANT: under the lock, so that no connection is put between the look and the mark.
                        pool.sweeping.store(false, Ordering::Release);
                        return;
                    }
                }
            });
        }
    }

    #[cfg(test)]
    pub(crate) fn idle_count(&self) -> usize {
        self.idle.lock().len()
    }
}
