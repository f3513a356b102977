//! Events that no message carries: servers that changed or died.

use crate::gate::Gate;
use audit::Record;
use audit::record::{Kind, Object, Severity};
use sandbox::Next;
use terms::{RecordId, ServerName};

/// A server offers other definitions than were approved.
pub(crate) fn changed(gate: &Gate, server: &ServerName, items: &[(String, String)]) {
    let mut detail = Vec::with_capacity(64 * items.len() + 32);
    let mut object = mcp::json::Object::open(&mut detail);
    for (name, why) in items.iter().take(100) {
        object.text(name, why);
    }
    object.close();
    tell(gate, server, "supply.changed", Severity::High, &["T1195.002", "AML.T0010"], &detail);
}

/// A local server ended by itself.
pub(crate) fn died(gate: &Gate, server: &ServerName, said: &[Box<str>], next: &Next) {
    let (event, severity) = match next {
        Next::Aside => ("runtime.server-aside", Severity::High),
        Next::Start | Next::Wait(_) => ("runtime.server-died", Severity::Low),
    };
    let mut detail = Vec::with_capacity(512);
    let mut object = mcp::json::Object::open(&mut detail);
    let last: Vec<&str> = said.iter().rev().take(5).rev().map(AsRef::as_ref).collect();
    object.text("stderr", &last.join("\n").chars().take(1024).collect::<String>());
    object.close();
    tell(gate, server, event, severity, &["T1499.004"], &detail);
}

fn tell(gate: &Gate, server: &ServerName, event: &str, severity: Severity, mitre: &[&str], detail: &[u8]) {
    let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Event, gate.clock.utc(), gate.clock.instant());
    record.server = Some(server.as_str());
    record.event = Some(event);
    record.severity = Some(severity);
    record.mitre = mitre;
    record.detail = Object::new(detail).ok();
    tracing::warn!(%server, event, "a security event");
    drop(gate.journal.append(record.encode()));
}
