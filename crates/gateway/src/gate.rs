//! What every stage may reach: the parts of the gateway behind one handle.

use crate::calls::Calls;
use crate::cursor::Cursors;
use crate::doors::Servers;
use crate::forensics::Forensics;
use crate::metrics::Metrics;
use crate::report::{Collector, Report};
use crate::rounds::Rounds;
use crate::session::Sessions;
use crate::snapshot::Snapshot;
use crate::strangers::Strangers;
use crate::withheld::Withheld;
use arc_swap::ArcSwap;
use audit::{Journal, Ticket, Unavailable};
use identity::token::Verifier;
use policy::Meters;
use response::Epochs;
use std::sync::Arc;
use terms::{Clock, Entropy, ServerName};
use tokio_util::sync::CancellationToken;

/// The gateway's parts. Made once by the binary's wiring.
pub struct Gate {
    snapshot: ArcSwap<Snapshot>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where records become durable.
    pub journal: Arc<dyn Journal>,
    /// What was stopped.
    pub epochs: Arc<Epochs>,
    /// Who holds which token.
    pub tokens: Arc<Verifier>,
    /// What was used up.
    pub meters: Arc<dyn Meters>,
    /// The clients' sessions.
    pub sessions: Sessions,
    /// The calls under way.
    pub calls: Arc<Calls>,
    /// The servers, behind their doors.
    pub servers: Servers,
    /// Where what killed servers leave behind is kept.
    pub forensics: Forensics,
    /// Where what was taken out of answers is kept.
    pub withheld: Arc<Withheld>,
    /// Positions in lists.
    pub(crate) cursors: Cursors,
    /// Questions that clients answer by asking anew.
    pub(crate) rounds: Rounds,
    /// Counters.
    pub metrics: Metrics,
    /// Who is told of calls, if anybody is.
    pub(crate) report: Option<Report>,
    /// What was refused to those whom nobody knows.
    pub(crate) strangers: Strangers,
    /// Ends when the gateway does.
    pub ending: CancellationToken,
}

/// The parts that the wiring hands in.
pub struct Parts {
    /// The configuration of the start.
    pub snapshot: Arc<Snapshot>,
    /// See [`Gate::clock`].
    pub clock: Arc<dyn Clock>,
    /// See [`Gate::entropy`].
    pub entropy: Arc<dyn Entropy>,
    /// See [`Gate::journal`].
    pub journal: Arc<dyn Journal>,
    /// See [`Gate::epochs`].
    pub epochs: Arc<Epochs>,
    /// See [`Gate::tokens`].
    pub tokens: Arc<Verifier>,
    /// See [`Gate::meters`].
    pub meters: Arc<dyn Meters>,
    /// The opened vault, or why it is not.
    pub vault: crate::doors::Credentials,
    /// What local servers execute.
    pub contents: Arc<dyn crate::doors::Contents>,
    /// See [`Gate::forensics`].
    pub forensics: Forensics,
    /// See [`Gate::withheld`].
    pub withheld: Withheld,
    /// Who knows names, and what is gone through.
    pub outside: egress::Outside,
    /// Who is told of calls, if anybody is.
    pub collector: Option<Collector>,
}

impl Gate {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let cursors = Cursors::new(&*parts.entropy);
        let rounds = Rounds::new(&*parts.entropy);
        Arc::new(Self {
            snapshot: ArcSwap::new(parts.snapshot),
            clock: parts.clock,
            entropy: parts.entropy,
            journal: parts.journal,
            epochs: parts.epochs,
            tokens: parts.tokens,
            meters: parts.meters,
            sessions: Sessions::default(),
            calls: Arc::new(Calls::default()),
            servers: Servers::new(parts.vault, parts.contents, parts.outside),
            forensics: parts.forensics,
            withheld: Arc::new(parts.withheld),
            cursors,
            rounds,
            metrics: Metrics::default(),
            report: parts.collector.map(Report::new),
            strangers: Strangers::default(),
            ending: CancellationToken::new(),
        })
    }

    /// The configuration of this moment. A call takes it once.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What `/metrics` shows (OpenMetrics 1.0).
    pub fn exposition(&self) -> String {
        let aside = |server: &ServerName| i64::from(self.servers.is_given_up(server));
        self.metrics.standing(self.snapshot().servers.keys().map(|server| (server, aside(server))), self.journal.state().writable());
        self.metrics.text()
    }

    /// Makes a record durable, or says that it is not: a log that takes too long counts as one that failed.
    pub(crate) async fn keep(&self, record: Vec<u8>) -> Result<(), Unavailable> {
        self.durable(self.journal.append(record)).await
    }

    /// Waits until a record that was handed over is durable, no longer than the log may take.
    pub(crate) async fn durable(&self, record: Ticket) -> Result<(), Unavailable> {
        match tokio::time::timeout(self.journal.limit(), record).await {
            Ok(kept) => kept.map(|_| ()),
            Err(_) => Err(Unavailable::Slow),
        }
    }

    /// Exchanges the snapshot for `next`; gives the one before.
    pub(crate) fn swap(&self, next: Arc<Snapshot>) -> Arc<Snapshot> {
        self.snapshot.swap(next)
    }

    /// Whether the configuration in force names `server`.
    pub(crate) fn knows(&self, server: &ServerName) -> bool {
        self.snapshot.load().servers.contains_key(server)
    }
}
