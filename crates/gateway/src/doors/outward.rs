//! The way out of local servers: one for each server, which its sandboxes share, another for what probes make the canary do, and its record.
//!
//! Controls: `network.egress`, `network.telemetry`.

use super::{Servers, State};
use crate::event;
use crate::gate::Gate;
use crate::snapshot::{Run, Server};
use crate::trail::Occasion;
use audit::Record;
use audit::record::{Decision, Kind, Object, Severity, Verdict};
use egress::{Attempt, Attempts, Doors, End, Entry, Exit, Kept, Reason, Stop, Terms, Unrecorded};
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use terms::{Control, RecordId, ServerName};
use tokio_util::sync::CancellationToken;

/// What every mark of an outgoing socket begins with; the rest is the server's.
const MARK: u32 = 0xba00_0000;

/// The way out of `server` for one occasion, which is the same until its entry changes.
pub(super) fn exit(gate: &Arc<Gate>, server: &Server, run: &Run, state: &State, occasion: Occasion) -> Arc<Exit> {
    let mut exits = state.exits.lock();
    if let Some((_, exit)) = exits.get(&occasion).filter(|(digest, _)| *digest == server.digest) {
        return Arc::clone(exit);
    }
    let terms = Terms {
        rules: run.egress.clone(),
        limits: run.traffic,
        range: egress::RANGE,
        mark: Some(mark(&server.name)),
        proxy: gate.servers.outside.proxy.clone(),
    };
    let log = Log { gate: Arc::downgrade(gate), server: server.name.clone(), occasion };
    let exit = Exit::new(terms, Arc::clone(&gate.servers.outside.resolver), Arc::new(log));
    exits.insert(occasion, (server.digest.clone(), Arc::clone(&exit)));
    exit
}

/// Serves the doors of one sandbox until `end`: then nothing of it reaches anything any more. Away from the lanes, which are for calls.
pub(super) fn serve(
    servers: &Servers,
    gate: &Arc<Gate>,
    server: &ServerName,
    exit: Arc<Exit>,
    doors: sandbox::Doors,
    end: CancellationToken,
) {
    let sandbox::Doors { proxy, ports, names } = doors;
    let (ending, server) = (gate.ending.clone(), server.clone());
    let serving = async move {
        tokio::select! {
            biased;
            () = end.cancelled() => {}
            () = ending.cancelled() => {}
            cause = exit.serve(Doors { proxy, ports, names }) => tracing::error!(%server, %cause, "a local server lost its way out"),
        }
    };
    match &servers.background {
        Some(runtime) => drop(runtime.spawn(serving)),
        None => drop(tokio::spawn(serving)),
    }
}

/// The mark of a server's outgoing sockets: of its name alone, so that rules of a firewall outlive restarts (FNV-1a, 24 bits).
pub(super) fn mark(server: &ServerName) -> u32 {
    let hash = server.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    MARK | ((hash >> 24) ^ (hash & 0x00ff_ffff))
}

/// Puts the attempts of one server on record.
struct Log {
    gate: Weak<Gate>,
    server: ServerName,
    occasion: Occasion,
}

impl Attempts for Log {
    fn record(&self, entry: Entry<'_>) -> Kept {
        let Some(gate) = self.gate.upgrade() else { return Box::pin(std::future::ready(Err(Unrecorded))) };
        count(&gate, self.occasion, self.server.as_str(), &entry);
        let record = print(&gate, &self.server, self.occasion, &entry);
        match entry {
            Entry::Opened(_) => {
                let ticket = gate.journal.append(record);
                Box::pin(async move { gate.durable(ticket).await.map_err(|_| Unrecorded) })
            }
            Entry::Stopped { .. } | Entry::Counted { .. } | Entry::Closed { .. } | Entry::Flux { .. } => {
                drop(gate.journal.append_soon(record));
                Box::pin(std::future::ready(Ok(())))
            }
        }
    }
}

fn count(gate: &Gate, occasion: Occasion, server: &str, entry: &Entry<'_>) {
    let metrics = match occasion {
        Occasion::Work => &gate.metrics.outward,
        Occasion::Probe => &gate.metrics.outward_of_probes,
    };
    match entry {
        Entry::Opened(_) => metrics.opened(server),
        Entry::Stopped { reason, .. } => metrics.stopped(server, reason.as_str(), 1),
        Entry::Counted { reason, count, .. } => metrics.stopped(server, reason.as_str(), *count),
        Entry::Closed { moved, .. } => metrics.moved(server, moved.out, moved.back),
        Entry::Flux { .. } => {}
    }
}

/// An event's name, how bad it is, the techniques that it points to (MITRE ATT&CK 18.1), and what was decided.
struct Judged {
    event: &'static str,
    severity: Severity,
    mitre: &'static [&'static str],
    decision: Option<(Verdict, Control)>,
}

fn judged(entry: &Entry<'_>) -> Judged {
    let plain = |event, decision| Judged { event, severity: Severity::Info, mitre: &[], decision };
    match entry {
        Entry::Opened(_) => plain("network.opened", Some((Verdict::Allowed, Control::NetworkEgress))),
        Entry::Closed { end: End::Done | End::Broken | End::Idle | End::Stopped(_) | End::Cut, .. } => plain("network.closed", None),
        Entry::Flux { .. } => Judged { event: "network.fast-flux", severity: Severity::Medium, mitre: &["T1568.001"], decision: None },
        Entry::Stopped { reason, .. } | Entry::Counted { reason, .. } => {
            let address = match entry {
                Entry::Stopped { attempt, .. } => attempt.address,
                Entry::Opened(_) | Entry::Counted { .. } | Entry::Closed { .. } | Entry::Flux { .. } => None,
            };
            let (control, severity, mitre) = departure(*reason, address);
            match reason.verdict() {
                Stop::Refused => Judged { event: "network.refused", severity, mitre, decision: Some((Verdict::Refused, control)) },
                Stop::Failed => plain("network.failed", None),
            }
        }
    }
}

/// What a departure from the list means.
fn departure(reason: Reason, address: Option<IpAddr>) -> (Control, Severity, &'static [&'static str]) {
    use Control::{AuditCalls, NetworkDns, NetworkEgress, NetworkProtocols, NetworkSegments, ToolsHttp};
    use Severity::{Critical, High, Info, Low, Medium};
    match reason {
        Reason::Name | Reason::Port => (NetworkEgress, Medium, &["T1071"]),
        Reason::Address | Reason::Inner if address.is_some_and(|address| egress::reach(address) == egress::Reach::LinkLocal) => {
            (if reason == Reason::Inner { ToolsHttp } else { NetworkEgress }, High, &["T1552.005"])
        }
        Reason::Address => (NetworkEgress, Medium, &["T1071", "T1046"]),
        Reason::Inner => (ToolsHttp, High, &["T1046", "T1190"]),
        Reason::Rebinding => (NetworkDns, High, &["T1568"]),
        Reason::Stray | Reason::Unnamed => (NetworkSegments, Medium, &["T1046"]),
        Reason::Question | Reason::Names => (NetworkDns, Medium, &["T1071.004", "T1572"]),
        Reason::Questions => (NetworkDns, Medium, &["T1071.004", "T1499"]),
        Reason::Connections | Reason::Opening => (NetworkEgress, Medium, &["T1499"]),
        Reason::Bytes => (NetworkEgress, High, &["T1048"]),
        Reason::Protocol => (NetworkProtocols, Medium, &["T1571"]),
        Reason::Unlisted => (NetworkProtocols, High, &["T1048"]),
        Reason::Malformed => (NetworkProtocols, Medium, &["T1001.003"]),
        Reason::Nameless => (NetworkEgress, Medium, &["T1573"]),
        Reason::Hidden | Reason::ServerName | Reason::Host => (NetworkEgress, High, &["T1090.004"]),
        Reason::Method => (NetworkEgress, Low, &["T1090"]),
        Reason::Silent => (NetworkEgress, Low, &["T1499"]),
        Reason::Unrecorded => (AuditCalls, Critical, &["T1562.008"]),
        Reason::Left | Reason::Unresolved | Reason::Unreachable => (NetworkEgress, Info, &[]),
    }
}

fn print(gate: &Gate, server: &ServerName, occasion: Occasion, entry: &Entry<'_>) -> Vec<u8> {
    let Judged { event, severity, mitre, decision } = judged(entry);
    let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Event, gate.clock.utc(), gate.clock.instant());
    record.server = Some(server.as_str());
    record.event = Some(event);
    record.severity = Some(severity);
    record.mitre = mitre;
    record.decision = decision.map(|(verdict, control)| Decision { verdict, policies: &[], control: Some(control), code: None });
    let detail = detail(gate, entry);
    record.detail = Object::new(&detail).ok();
    match occasion {
        Occasion::Work if severity >= Severity::Medium => tracing::warn!(%server, event, "a security event"),
        Occasion::Work => {}
        Occasion::Probe => {
            record = record.of_probe();
            tracing::debug!(%server, event, "a probe made the canary try this");
        }
    }
    record.encode()
}

fn detail(gate: &Gate, entry: &Entry<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut object = mcp::json::Object::open(&mut out);
    let int = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match entry {
        Entry::Opened(attempt) => attempted(gate, &mut object, attempt),
        Entry::Stopped { attempt, reason, why } => {
            attempted(gate, &mut object, attempt);
            object.text("reason", reason.as_str());
            if let Some(why) = why {
                object.text("why", &event::quoted(gate, &[why]));
            }
        }
        Entry::Counted { reason, count, within } => {
            object.text("reason", reason.as_str());
            object.int("count", int(*count));
            object.int("within_ms", int(u64::try_from(within.as_millis()).unwrap_or(u64::MAX)));
        }
        Entry::Closed { attempt, moved, end } => {
            attempted(gate, &mut object, attempt);
            object.text("end", end.as_str());
            object.int("bytes_out", int(moved.out));
            object.int("bytes_back", int(moved.back));
            object.int("ms", int(u64::try_from(moved.lasted.as_millis()).unwrap_or(u64::MAX)));
        }
        Entry::Flux { name, addresses } => {
            object.text("name", name);
            object.int("addresses", int(*addresses as u64));
        }
    }
    object.close();
    out
}

fn attempted(gate: &Gate, object: &mut mcp::json::Object<'_>, attempt: &Attempt) {
    object.text("door", attempt.door.as_str());
    if let Some(name) = &attempt.name {
        object.text("name", &event::quoted(gate, &[name]));
    }
    if let Some(address) = attempt.address {
        object.text("address", &address.to_string());
    }
    if let Some(port) = attempt.port {
        object.int("port", port.into());
    }
    if let Some(protocol) = attempt.protocol {
        object.text("protocol", protocol.as_str());
    }
    if !attempt.alpn.is_empty() {
        object.text("alpn", &event::quoted(gate, &[&attempt.alpn.join(" ")]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_departure_has_a_severity_and_a_technique() {
        for reason in Reason::ALL {
            let (_, severity, mitre) = departure(*reason, None);
            assert_eq!(severity > Severity::Info, reason.verdict() == Stop::Refused, "{reason:?}");
            assert_eq!(!mitre.is_empty(), reason.verdict() == Stop::Refused, "{reason:?}");
        }
        let metadata = Some("169.254.169.254".parse().unwrap());
        assert_eq!(departure(Reason::Address, metadata).2, ["T1552.005"]);
    }

    #[test]
    fn marks_are_of_the_name_alone() {
        let of = |name| mark(&ServerName::new(name).unwrap());
        assert_eq!((of("files") >> 24, of("files")), (0xba, of("files")));
        assert_ne!(of("files"), of("github"));
    }
}
