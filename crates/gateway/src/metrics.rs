//! Counters that `/metrics` shows. Labels come from closed sets, so their number is bounded.

use crate::trail::Stage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The outcome of a message, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// allowed, changed or refused.
    pub verdict: &'static str,
    /// The control that refused or changed; `-` otherwise.
    pub control: &'static str,
}

/// A connection that was closed because there were too many, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TurnedAway {
    /// data or local: where it came.
    pub listener: &'static str,
    /// total or source: which bound it was over.
    pub bound: &'static str,
}

/// A handshake that failed, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Unshaken {
    /// data or admin: where it came.
    pub listener: &'static str,
    /// Why, in a word.
    pub fault: &'static str,
}

/// A stage of the line, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Passed {
    stage: &'static str,
}

/// A local server, as a label: there are no more of them than the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    server: String,
}

/// A local server and which way bytes went, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    server: String,
    /// out or back.
    direction: &'static str,
}

/// A local server and why an attempt of it was stopped, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stopped {
    server: String,
    reason: &'static str,
}

/// What local servers sent and got.
#[derive(Default)]
pub(crate) struct Outward {
    opened: Family<Of, Counter>,
    moved: Family<Way, Counter>,
    stopped: Family<Stopped, Counter>,
}

impl Outward {
    /// Registers its counters under `name`; they are of `whom`.
    fn register(&self, registry: &mut Registry, name: &str, whom: &str) {
        registry.register(format!("{name}_connections"), format!("Connections of {whom} that were let through"), self.opened.clone());
        registry.register(
            format!("{name}_bytes"),
            format!("Bytes of connections of {whom} that have ended, by direction"),
            self.moved.clone(),
        );
        registry.register(format!("{name}_stopped"), format!("Attempts of {whom} that came to nothing, by reason"), self.stopped.clone());
    }

    pub(crate) fn opened(&self, server: &str) {
        self.opened.get_or_create(&Of { server: server.to_owned() }).inc();
    }

    pub(crate) fn stopped(&self, server: &str, reason: &'static str, count: u64) {
        self.stopped.get_or_create(&Stopped { server: server.to_owned(), reason }).inc_by(count);
    }

    pub(crate) fn moved(&self, server: &str, out: u64, back: u64) {
        for (direction, bytes) in [("out", out), ("back", back)] {
            self.moved.get_or_create(&Way { server: server.to_owned(), direction }).inc_by(bytes);
        }
    }
}

/// The gateway's counters.
pub struct Metrics {
    registry: Registry,
    /// Messages settled.
    pub settled: Family<Outcome, Counter>,
    /// Messages that were allowed and left as they were; a counter of its own, since it is on every call's way.
    pub allowed: Counter,
    /// Messages of probes, which are counted nowhere else.
    pub probes: Counter,
    /// Frames of servers that were dropped.
    pub strays: Counter,
    /// Connections closed unread because there were too many.
    pub turned_away: Family<TurnedAway, Counter>,
    /// Handshakes that failed.
    pub handshakes: Family<Unshaken, Counter>,
    /// Nanoseconds spent in each stage, waiting included, in the order of [`Stage::ALL`].
    stages: [Counter; Stage::ALL.len()],
    /// Sessions open now.
    pub sessions: Gauge,
    /// What local servers sent and got.
    pub(crate) outward: Outward,
    /// What probes made the canary send and get, which `outward` does not hold.
    pub(crate) outward_of_probes: Outward,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bastide");
        let settled = Family::<Outcome, Counter>::default();
        let probes = Counter::default();
        let strays = Counter::default();
        let sessions = Gauge::default();
        registry.register("messages", "Messages that were settled, by verdict and control", settled.clone());
        registry.register("probes", "Messages of the assessor's probes, which no other counter holds", probes.clone());
        registry.register("strays", "Frames of servers that belonged to nothing and were dropped", strays.clone());
        registry.register("sessions", "Sessions that are open", sessions.clone());
        let turned_away = Family::<TurnedAway, Counter>::default();
        registry.register("connections_refused", "Connections closed unread because there were too many", turned_away.clone());
        let handshakes = Family::<Unshaken, Counter>::default();
        registry.register("handshakes_failed", "TLS handshakes that failed, by listener and fault", handshakes.clone());
        let spent = Family::<Passed, Counter>::default();
        registry.register(
            "stage_nanoseconds",
            "Time that settled messages spent in each stage of the line, waiting included",
            spent.clone(),
        );
        let stages = Stage::ALL.map(|stage| spent.get_or_create(&Passed { stage: stage.as_str() }).clone());
        let (outward, outward_of_probes) = (Outward::default(), Outward::default());
        outward.register(&mut registry, "egress", "local servers");
        outward_of_probes.register(&mut registry, "probe_egress", "the canary for probes");
        let allowed = settled.get_or_create(&Outcome { verdict: "allowed", control: "-" }).clone();
        Self { registry, settled, allowed, probes, strays, turned_away, handshakes, stages, sessions, outward, outward_of_probes }
    }
}

impl Metrics {
    /// Adds what a settled message spent in each stage, in nanoseconds.
    pub(crate) fn spent(&self, stages: &[u64; Stage::ALL.len()]) {
        for (counter, spent) in self.stages.iter().zip(stages).filter(|(_, spent)| **spent > 0) {
            counter.inc_by(*spent);
        }
    }

    /// The exposition text (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
