//! Counters that `/metrics` shows. Labels come from closed sets, so their number is bounded.

use crate::trail::{Failed, Stage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use terms::{ServerName, Utc};
use transport::http::Full;

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
struct TurnedAway {
    /// data, local, admin or enrol: where it came.
    listener: &'static str,
    /// total or source: which bound it was over.
    bound: &'static str,
}

/// A handshake that failed, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Unshaken {
    /// data, admin or enrolment: where it came.
    pub listener: &'static str,
    /// Why, in a word.
    pub fault: &'static str,
}

/// A certificate that the gateway shows or signs with, or a list of those that were taken back, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shown {
    /// data, admin or enrol, the listener that shows it; the same with `-crl`, its list; or issuer.
    certificate: String,
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

/// An operation of a client, as labels (OpenTelemetry semantic conventions for MCP). A name that a client sends is none of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    /// A method that the protocol has.
    mcp_method_name: &'static str,
    /// A server that the configuration has; empty for none.
    server: String,
    /// tool_error, error, timeout or refused; empty where it did not fail.
    error_type: &'static str,
}

/// Seconds that the buckets of a duration end at, as the conventions give them.
const SECONDS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// What was not told a collector, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Untold {
    /// spans or metrics.
    pub signal: &'static str,
    /// full, unsent or rejected.
    pub reason: &'static str,
}

/// What was told a collector, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Signal {
    /// spans or metrics.
    pub signal: &'static str,
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

    /// Shows a server that has sent nothing yet: the first attempt is seen as one more, and not as the first.
    fn shows(&self, server: &str) {
        drop(self.opened.get_or_create(&Of { server: server.to_owned() }));
        for direction in ["out", "back"] {
            drop(self.moved.get_or_create(&Way { server: server.to_owned(), direction }));
        }
        drop(self.stopped.get_or_create(&Stopped { server: server.to_owned(), reason: "name" }));
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
    turned_away: Family<TurnedAway, Counter>,
    /// Handshakes that failed.
    pub handshakes: Family<Unshaken, Counter>,
    /// When certificates begin and end, in seconds since 1970.
    begins: Family<Shown, Gauge>,
    ends: Family<Shown, Gauge>,
    /// Nanoseconds spent in each stage, waiting included, in the order of [`Stage::ALL`].
    stages: [Counter; Stage::ALL.len()],
    /// How long operations took.
    operations: Family<Operation, Histogram, fn() -> Histogram>,
    /// Whether a server was put aside.
    aside: Family<Of, Gauge>,
    /// Whether records can be kept.
    writable: Gauge,
    /// What was told a collector.
    pub(crate) told: Family<Signal, Counter>,
    /// What was not.
    pub(crate) untold: Family<Untold, Counter>,
    /// Sessions open now.
    pub sessions: Gauge,
    /// What local servers sent and got.
    pub(crate) outward: Outward,
    /// What probes made the canary send and get, which `outward` does not hold.
    pub(crate) outward_of_probes: Outward,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut whole = Registry::default();
        let operations = Family::<Operation, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        whole.register("mcp_server_operation_duration_seconds", "How long requests and notifications of clients took", operations.clone());
        let registry = whole.sub_registry_with_prefix("bastide");
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
        drop(turned_away.get_or_create(&TurnedAway { listener: "local", bound: "total" }));
        for listener in ["data", "admin", "enrolment"] {
            for bound in ["total", "source"] {
                drop(turned_away.get_or_create(&TurnedAway { listener, bound }));
            }
        }
        let handshakes = Family::<Unshaken, Counter>::default();
        for fault in ["stranger", "expired", "revoked"] {
            drop(handshakes.get_or_create(&Unshaken { listener: "data", fault }));
        }
        registry.register("handshakes_failed", "TLS handshakes that failed, by listener and fault", handshakes.clone());
        let (begins, ends) = (Family::<Shown, Gauge>::default(), Family::<Shown, Gauge>::default());
        registry.register(
            "certificate_begins_timestamp_seconds",
            "When a certificate or a list of revocations that is in force begins",
            begins.clone(),
        );
        registry.register(
            "certificate_ends_timestamp_seconds",
            "When a certificate or a list of revocations that is in force ends",
            ends.clone(),
        );
        let spent = Family::<Passed, Counter>::default();
        registry.register(
            "stage_nanoseconds",
            "Time that settled messages spent in each stage of the line, waiting included",
            spent.clone(),
        );
        let stages = Stage::ALL.map(|stage| spent.get_or_create(&Passed { stage: stage.as_str() }).clone());
        let (outward, outward_of_probes) = (Outward::default(), Outward::default());
        outward.register(registry, "egress", "local servers");
        outward_of_probes.register(registry, "probe_egress", "the canary for probes");
        let (aside, writable) = (Family::<Of, Gauge>::default(), Gauge::default());
        let (told, untold) = (Family::<Signal, Counter>::default(), Family::<Untold, Counter>::default());
        for signal in ["spans", "metrics"] {
            drop(told.get_or_create(&Signal { signal }));
            for reason in ["full", "unsent", "rejected"] {
                drop(untold.get_or_create(&Untold { signal, reason }));
            }
        }
        registry.register("server_aside", "Whether a server died too often and was put aside", aside.clone());
        registry.register("audit_writable", "Whether records can be kept now", writable.clone());
        registry.register("telemetry_told", "Spans and points of metrics that a collector took", told.clone());
        registry.register("telemetry_dropped", "Spans and points of metrics that no collector took, by reason", untold.clone());
        let allowed = settled.get_or_create(&Outcome { verdict: "allowed", control: "-" }).clone();
        Self {
            registry: whole,
            settled,
            allowed,
            probes,
            strays,
            turned_away,
            handshakes,
            begins,
            ends,
            stages,
            operations,
            aside,
            writable,
            told,
            untold,
            sessions,
            outward,
            outward_of_probes,
        }
    }
}

impl Metrics {
    /// Adds what a settled message spent in each stage, in nanoseconds.
    pub(crate) fn spent(&self, stages: &[u64; Stage::ALL.len()]) {
        for (counter, spent) in self.stages.iter().zip(stages).filter(|(_, spent)| **spent > 0) {
            counter.inc_by(*spent);
        }
    }

    /// Notes which certificate or list is in force at a listener, or signs the others.
    pub fn certificate(&self, certificate: &str, begins: Utc, ends: Utc) {
        for (family, moment) in [(&self.begins, begins), (&self.ends, ends)] {
            family.get_or_create(&Shown { certificate: certificate.to_owned() }).set(i64::try_from(moment.seconds()).unwrap_or(i64::MAX));
        }
    }

    /// Counts a connection to `listener` (data, local, admin or enrol) that was closed unread.
    pub fn turned_away(&self, listener: &'static str, full: Full) {
        let bound = match full {
            Full::Total => "total",
            Full::Source => "source",
        };
        self.turned_away.get_or_create(&TurnedAway { listener, bound }).inc();
    }

    /// Adds how long an operation took, in nanoseconds.
    pub(crate) fn lasted(&self, method: &'static str, server: Option<&ServerName>, failed: Option<Failed>, nanos: u64) {
        let server = server.map_or_else(String::new, ToString::to_string);
        let operation = Operation { mcp_method_name: method, server, error_type: failed.map_or("", Failed::as_str) };
        self.operations.get_or_create(&operation).observe(Duration::from_nanos(nanos).as_secs_f64());
    }

    /// Notes how servers and the log stand.
    pub(crate) fn standing<'a>(&self, servers: impl Iterator<Item = (&'a ServerName, i64)>, writable: bool) {
        // A server that was taken out of the configuration stands in no way any more.
        self.aside.clear();
        for (server, aside) in servers {
            self.aside.get_or_create(&Of { server: server.to_string() }).set(aside);
            self.outward.shows(server.as_str());
        }
        self.writable.set(i64::from(writable));
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
