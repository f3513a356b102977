//! Events that no message carries: servers that changed or died.

use crate::doors::Link;
use crate::gate::Gate;
use crate::session::Session;
use crate::trail::Occasion;
use audit::Record;
use audit::record::{Decision, Kind, Object, Severity, Verdict};
use detect::{Budget, Channel, Scratch};
use mcp::{Method, Revision};
use sandbox::{Aim, Call, Kept, Next};
use std::path::Path;
use terms::{CallId, Class, Control, RecordId, ServerName};

/// An event's name, how bad it is, the techniques that it points to, and what refused where something did.
struct Happened<'a> {
    event: &'a str,
    severity: Severity,
    mitre: &'a [&'a str],
    refused: Option<Control>,
}

/// A server offers other definitions than were approved.
pub(crate) fn changed(gate: &Gate, link: &Link, server: &ServerName, items: &[(String, String)]) {
    let mut detail = Vec::with_capacity(64 * items.len() + 32);
    let mut object = mcp::json::Object::open(&mut detail);
    for (name, why) in items.iter().take(100) {
        object.text(name, why);
    }
    object.close();
    let mitre = &["T1195.002", "AML.T0010"];
    tell(gate, link, server, &Happened { event: "supply.changed", severity: Severity::High, mitre, refused: None }, &detail);
}

/// A local server ended by itself, or was ended for `why`.
pub(crate) fn died(gate: &Gate, link: &Link, server: &ServerName, why: Option<&str>, said: &[Box<str>], next: &Next) {
    let (event, severity) = match next {
        Next::Aside => ("runtime.server-aside", Severity::High),
        Next::Start | Next::Wait(_) => ("runtime.server-died", Severity::Low),
    };
    let mut detail = Vec::with_capacity(512);
    let mut object = mcp::json::Object::open(&mut detail);
    if let Some(why) = why {
        object.text("cause", why);
    }
    object.text("stderr", &last_words(gate, said));
    object.close();
    tell(gate, link, server, &Happened { event, severity, mitre: &["T1499.004"], refused: None }, &detail);
}

/// A server said something that belongs to nothing, which was dropped: `row` is that of the table of strict parsing.
pub(crate) fn stray(gate: &Gate, link: &Link, server: &ServerName, row: u8) {
    let mut detail = Vec::with_capacity(32);
    let mut object = mcp::json::Object::open(&mut detail);
    object.int("row", i64::from(row));
    object.close();
    let happened = Happened { event: "transport.server-stray", severity: Severity::Low, mitre: &[], refused: None };
    tell(gate, link, server, &happened, &detail);
}

/// A server put a question that belongs to no call, or to one of several, and that was answered for everybody.
pub(crate) fn unowned(gate: &Gate, link: &Link, server: &ServerName, method: Method) {
    let mut detail = Vec::with_capacity(64);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("method", method.as_str());
    object.close();
    let happened = Happened { event: "transport.server-question", severity: Severity::Low, mitre: &[], refused: None };
    tell(gate, link, server, &happened, &detail);
}

/// A call at a server waited for a client that did not come back with the answers, and was taken back.
pub(crate) fn abandoned(gate: &Gate, link: &Link, server: &ServerName, call: CallId) {
    let mut detail = Vec::with_capacity(64);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("request", &call.to_string());
    object.close();
    tell(gate, link, server, &Happened { event: "call.abandoned", severity: Severity::Info, mitre: &[], refused: None }, &detail);
}

/// A server does not speak the revision that was approved: it was exchanged, or somebody between makes it look older.
pub(crate) fn downgraded(gate: &Gate, link: &Link, server: &ServerName, approved: Revision) {
    let mut detail = Vec::with_capacity(64);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("approved", approved.as_str());
    object.close();
    let refused = Some(Control::TransportProtocolPin);
    let happened = Happened { event: "protocol.revision", severity: Severity::High, mitre: &["T1562.010"], refused };
    tell(gate, link, server, &happened, &detail);
}

/// A session makes the same call over and over.
pub(crate) fn repeated(gate: &Gate, session: &Session, server: &ServerName, subject: &str, call: CallId) {
    let mut detail = Vec::with_capacity(96);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("request", &call.to_string()).text("cause", "the same call, over and over");
    object.close();
    let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Event, gate.clock.utc(), gate.clock.instant());
    record.principal = Some(&session.principal);
    record.session = Some(audit::record::Session { id: session.id, binding: None });
    record.server = Some(server.as_str());
    record.tool = Some(subject);
    record.event = Some("access.loop");
    record.severity = Some(Severity::Low);
    record.mitre = &["AML.T0034"];
    record.detail = Object::new(&detail).ok();
    tracing::warn!(%server, session = %session.id, "a session makes the same call over and over");
    drop(gate.journal.append(record.encode()));
}

/// A local server, or a process that came from it, asked for a system call that only attacks need, and all of it was ended for that.
pub(crate) fn breached(gate: &Gate, link: &Link, server: &ServerName, call: Option<Call>) {
    let mitre: &[&str] = match call.map(Call::aim) {
        None | Some(Aim::Host) => &["T1611"],
        Some(Aim::Others) => &["T1055.008", "T1611"],
        Some(Aim::Kernel) => &["T1068", "T1611"],
        Some(Aim::Modules) => &["T1547.006", "T1611"],
        Some(Aim::Keys) => &["T1555", "T1611"],
        Some(Aim::Machine) => &["T1499", "T1611"],
    };
    let mut detail = Vec::with_capacity(128);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("cause", "a forbidden system call");
    if let Some(call) = call {
        object.text("call", call.name());
    }
    object.close();
    let happened = Happened { event: "sandbox.breach", severity: Severity::High, mitre, refused: Some(Control::RuntimeSandbox) };
    tell(gate, link, server, &happened, &detail);
}

/// A local server, or a part of it, was ended because it took more memory than it may.
pub(crate) fn starved(gate: &Gate, link: &Link, server: &ServerName) {
    let refused = Some(Control::RuntimeLimits);
    let happened = Happened { event: "sandbox.limit", severity: Severity::Medium, mitre: &["T1499.004"], refused };
    tell(gate, link, server, &happened, br#"{"limit":"memory"}"#);
}

/// What a killed server left behind was kept, or could not be.
pub(crate) fn kept(gate: &Gate, link: &Link, server: &ServerName, place: &Path, kept: Result<Kept, String>) {
    let mut detail = Vec::with_capacity(256);
    let mut object = mcp::json::Object::open(&mut detail);
    object.text("folder", &place.display().to_string());
    let (event, severity) = match kept {
        Ok(Kept { files, bytes, cut, left_out }) => {
            for (name, count) in [("files", files), ("bytes", bytes), ("cut", cut), ("left_out", left_out)] {
                object.int(name, i64::try_from(count).unwrap_or(i64::MAX));
            }
            ("forensics.kept", Severity::Info)
        }
        Err(cause) => {
            object.text("cause", &cause);
            ("forensics.failed", Severity::Medium)
        }
    };
    object.close();
    tell(gate, link, server, &Happened { event, severity, mitre: &[], refused: None }, &detail);
}

/// The last lines of a server's standard error; none of them where they hold a credential, or where that cannot be told.
fn last_words(gate: &Gate, said: &[Box<str>]) -> String {
    let last: Vec<&str> = said.iter().rev().take(5).rev().map(AsRef::as_ref).collect();
    quoted(gate, &last)
}

/// Lines of a server that go on record; none of them where they hold a credential, or where that cannot be told.
pub(crate) fn quoted(gate: &Gate, lines: &[&str]) -> String {
    let text = lines.join("\n");
    let (snapshot, echo) = (gate.snapshot(), gate.servers.echo());
    let reports = snapshot.inspect.engine.inspect_parts(&[&text], Channel::Result, &Budget::default(), &mut Scratch::default());
    let secret = |class| matches!(class, Class::Secret | Class::Echo | Class::Unseen);
    let held = reports.iter().flat_map(|report| &report.findings).any(|finding| secret(finding.class));
    if held || echo.as_deref().is_some_and(|echo| echo.find_joined(lines).iter().any(|found| !found.is_empty())) {
        return "(withheld: it holds a credential)".to_owned();
    }
    text.chars().take(1024).collect()
}

/// Something about how a remote server is known, with what there is to say of it.
pub(crate) fn known(gate: &Gate, server: &ServerName, event: &str, severity: Severity, said: &[(&str, &str)]) {
    let mut detail = Vec::with_capacity(128);
    let mut object = mcp::json::Object::open(&mut detail);
    for (name, text) in said {
        object.text(name, text);
    }
    object.close();
    let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Event, gate.clock.utc(), gate.clock.instant());
    record.server = Some(server.as_str());
    record.event = Some(event);
    record.severity = Some(severity);
    record.detail = Object::new(&detail).ok();
    match severity {
        Severity::Info => tracing::info!(%server, event, "how a server is known has changed"),
        Severity::Low | Severity::Medium | Severity::High | Severity::Critical => tracing::warn!(%server, event, "a security event"),
    }
    drop(gate.journal.append(record.encode()));
}

fn tell(gate: &Gate, link: &Link, server: &ServerName, happened: &Happened<'_>, detail: &[u8]) {
    let Happened { event, severity, mitre, refused } = *happened;
    let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Event, gate.clock.utc(), gate.clock.instant());
    record.server = Some(server.as_str());
    record.event = Some(event);
    record.severity = Some(severity);
    record.mitre = mitre;
    let decision = |control| Decision { verdict: Verdict::Refused, policies: &[], control: Some(control), code: None };
    record.decision = refused.map(decision);
    record.detail = Object::new(detail).ok();
    match link.occasion {
        Occasion::Work => tracing::warn!(%server, event, "a security event"),
        Occasion::Probe => {
            record = record.of_probe();
            tracing::info!(%server, event, "a probe made the canary do this");
        }
    }
    drop(gate.journal.append(record.encode()));
}
