//! Watches the processes of a local server that its clients use. They run as they always do, and what is called passes the line: only notes are made.

use super::observe::{LOOK, Observed};
use super::{Closed, State};
use crate::gate::Gate;
use crate::snapshot::{Carrier, Server};
use parking_lot::Mutex;
use sandbox::{Meter, Observer, Running, Spec, Usage, Watched, Wish};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Processes that are watched at once, at most; further ones count as missed.
const MOST: usize = 64;

/// The processes that were started while somebody watches; none while nobody does.
#[derive(Default)]
pub(super) struct Overheard(Mutex<Option<Notes>>);

#[derive(Default)]
struct Notes {
    started: Vec<(Observer, Meter)>,
    needs: Vec<PathBuf>,
    private: Vec<PathBuf>,
    missed: u64,
}

impl Overheard {
    /// Has what is about to be started noted, where somebody watches.
    pub(super) fn prepare(&self, spec: &mut Spec) {
        if let Some(notes) = &mut *self.0.lock() {
            if notes.started.len() >= MOST {
                notes.missed = notes.missed.saturating_add(1);
                return;
            }
            spec.watched = Watched::Calls;
            notes.needs = [spec.needs.as_slice(), spec.lent.as_slice()].concat();
            notes.private.clone_from(&spec.private);
        }
    }

    /// Takes the notes of what was started.
    pub(super) fn enter(&self, running: &mut Running) {
        let observer = running.observer.take();
        if let (Some(observer), Some(notes)) = (observer, &mut *self.0.lock()) {
            notes.started.push((observer, running.process.meter()));
        }
    }

    fn usage(&self) -> Usage {
        let meters: Vec<Meter> = self.0.lock().iter().flat_map(|notes| &notes.started).map(|(_, meter)| *meter).collect();
        meters.into_iter().map(Meter::usage).fold(Usage::default(), Usage::max)
    }
}

/// Has the processes of `server` that its clients use watched for `lasting`: those that run take no further call, so that the next one starts another,
/// and so again afterwards. Nothing is given to them beyond their entry. What they connect to is not told: that is on record.
///
/// # Errors
/// [`Closed`] when it is no local server, or watched already.
pub async fn overhear(gate: &Arc<Gate>, server: &Arc<Server>, lasting: Duration) -> Result<Observed, Closed> {
    let Carrier::Run(run) = &server.carrier else { return Err(Closed::Entry("it does not run on this machine".to_owned())) };
    if run.image.is_some() {
        return Err(Closed::Entry("it is started from an image, whose system calls are not noted".to_owned()));
    }
    let state = gate.servers.state(server);
    {
        let mut notes = state.overheard.0.lock();
        if notes.is_some() {
            return Err(Closed::Entry("it is being watched already".to_owned()));
        }
        *notes = Some(Notes::default());
    }
    let watching = Watching(state);
    watching.0.retire();
    let (until, mut peak) = (Instant::now() + lasting, Usage::default());
    while Instant::now() < until && !gate.ending.is_cancelled() {
        peak = peak.max(watching.0.overheard.usage());
        tokio::time::sleep(LOOK).await;
    }
    let notes = watching.0.overheard.0.lock().take().unwrap_or_default();
    let mut observed = Observed { peak, needs: notes.needs, private: notes.private, missed: notes.missed, ..Observed::default() };
    if notes.started.is_empty() {
        observed.fault = Some("none of its clients called it while it was watched".to_owned());
    }
    for (observer, _) in notes.started {
        let seen = observer.seen();
        for (path, wish) in seen.files {
            let known = observed.files.entry(path).or_insert(Wish::Look);
            *known = wish.max(*known);
        }
        observed.missed = observed.missed.saturating_add(seen.missed);
    }
    Ok(observed)
}

/// Somebody watches, until this is dropped: then nobody does, and what was watched ends after the calls under way.
struct Watching(Arc<State>);

impl Drop for Watching {
    fn drop(&mut self) {
        *self.0.overheard.0.lock() = None;
        self.0.retire();
    }
}
