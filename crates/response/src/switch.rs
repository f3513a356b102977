//! The kill switch with its memory: in force at once, durable when the answer is there.

use crate::{Epochs, Error, Pending, Scope, Stop};
use std::sync::Arc;
use terms::Utc;

/// What a store remembers of kills.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The highest epoch that was ever kept.
    pub epoch: u64,
    /// The kills in force.
    pub stops: Vec<Stop>,
}

/// Keeps kills beyond the process. The kept epoch only rises.
pub trait EpochStore: Send + Sync {
    /// Keeps `stop`, in force or released, in place of what was kept of its scope with the same or a lower epoch.
    ///
    /// # Errors
    /// [`Error::Port`].
    fn keep(&self, stop: Stop) -> Pending<'_, ()>;

    /// What is kept.
    ///
    /// # Errors
    /// [`Error::Port`]; then nothing may be admitted.
    fn kept(&self) -> Pending<'_, Kept>;
}

/// What became of a kill.
#[derive(Debug)]
pub struct Thrown {
    /// The kill, which is in force.
    pub stop: Stop,
    /// Whether it will outlive the process.
    pub durable: Result<(), Error>,
}

/// The epochs and their store together.
pub struct Switch {
    epochs: Arc<Epochs>,
    store: Arc<dyn EpochStore>,
}

impl Switch {
    /// The switch as `store` remembers it.
    ///
    /// # Errors
    /// [`Error::Port`] when the store cannot tell; then nothing may be admitted.
    pub async fn open(store: Arc<dyn EpochStore>) -> Result<Self, Error> {
        let kept = store.kept().await?;
        Ok(Self { epochs: Arc::new(Epochs::restore(kept.epoch, kept.stops)), store })
    }

    /// The epochs, for those who read them.
    pub fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    /// Stops `scope`: in force before anything is waited for, and even when the store is away.
    pub async fn kill(&self, scope: Scope, reason: &str, by: &str, at: Utc) -> Thrown {
        let stop = self.epochs.kill(scope, reason, by, at);
        let durable = self.store.keep(stop.clone()).await;
        Thrown { stop, durable }
    }

    /// Releases `scope`: in force only once it is durable, so that a crash cannot stop anew what runs, nor free what is stopped.
    ///
    /// # Errors
    /// [`Error::NotStopped`]; [`Error::Port`], after which it stays stopped.
    pub async fn release(&self, scope: &Scope, at: Utc) -> Result<Stop, Error> {
        let stops = self.epochs.stops();
        let mut stop = stops.into_iter().find(|stop| stop.scope == *scope).ok_or_else(|| Error::NotStopped(scope.clone()))?;
        stop.released = Some(at);
        self.store.keep(stop.clone()).await?;
        self.epochs.release(&stop)?;
        Ok(stop)
    }
}
