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

/// A stage of the line, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Passed {
    stage: &'static str,
}

/// The gateway's counters.
pub struct Metrics {
    registry: Registry,
    /// Messages settled.
    pub settled: Family<Outcome, Counter>,
    /// Messages that were allowed and left as they were; a counter of its own, since it is on every call's way.
    pub allowed: Counter,
    /// Frames of servers that were dropped.
    pub strays: Counter,
    /// Connections closed unread because there were too many.
    pub turned_away: Family<TurnedAway, Counter>,
    /// Nanoseconds spent in each stage, waiting included, in the order of [`Stage::ALL`].
    stages: [Counter; Stage::ALL.len()],
    /// Sessions open now.
    pub sessions: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bastide");
        let settled = Family::<Outcome, Counter>::default();
        let strays = Counter::default();
        let sessions = Gauge::default();
        registry.register("messages", "Messages that were settled, by verdict and control", settled.clone());
        registry.register("strays", "Frames of servers that belonged to nothing and were dropped", strays.clone());
        registry.register("sessions", "Sessions that are open", sessions.clone());
        let turned_away = Family::<TurnedAway, Counter>::default();
        registry.register("connections_refused", "Connections closed unread because there were too many", turned_away.clone());
        let spent = Family::<Passed, Counter>::default();
        registry.register(
            "stage_nanoseconds",
            "Time that settled messages spent in each stage of the line, waiting included",
            spent.clone(),
        );
        let stages = Stage::ALL.map(|stage| spent.get_or_create(&Passed { stage: stage.as_str() }).clone());
        let allowed = settled.get_or_create(&Outcome { verdict: "allowed", control: "-" }).clone();
        Self { registry, settled, allowed, strays, turned_away, stages, sessions }
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
