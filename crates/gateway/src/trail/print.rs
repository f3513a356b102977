//! A trail as the record of the log.

use super::{Occasion, Stage, Trail, Verdict, Wrapping};
use crate::gate::Gate;
use crate::line::CALL;
use audit::Record;
use audit::record::{self, Decision, Kind, Object, Obligation, Outcome, Session, Severity, Status, Trace};
use mcp::json;
use std::time::Duration;
use telemetry::{SpanId, Tracestate};
use terms::{Action, Code, Operation, RecordId};

/// Bytes of arguments that the record of a refusal holds; of larger ones it has the digest and the size. A refusal always fits the log: else whoever
/// asks for enough of it leaves no trace. What is let through has its arguments on record whole, or does not run.
const REFUSED_ARGUMENTS: usize = 1 << 20;

impl Trail {
    /// The record that says what is about to be sent.
    pub(crate) fn intent(&self, gate: &Gate) -> Vec<u8> {
        self.record(gate, Kind::Intent)
    }

    /// The record that says how it ended.
    pub(crate) fn outcome(&self, gate: &Gate) -> Vec<u8> {
        self.record(gate, Kind::Outcome)
    }

    /// The one record of what never left.
    pub(crate) fn decision(&self, gate: &Gate) -> Vec<u8> {
        self.record(gate, Kind::Decision)
    }

    /// What the session is bound to: the token and the certificate that this message came with.
    fn binding(&self) -> Option<String> {
        let token = self.principal.as_ref().and_then(|principal| principal.authenticated.token()).map(|id| id.to_string());
        let certificate = self.certificate.as_ref().map(|certificate| format!("sha256:{}", hex::encode(certificate.fingerprint())));
        match (token, certificate) {
            (Some(token), Some(certificate)) => Some(format!("{token} {certificate}")),
            (token, certificate) => token.or(certificate),
        }
    }

    fn record(&self, gate: &Gate, kind: Kind) -> Vec<u8> {
        let mut entry = Record::new(RecordId::new(&*gate.entropy), kind, gate.clock.utc(), gate.clock.instant());
        entry.request = Some(self.id);
        let own = self.context.as_ref().map(|context| (context.trace.to_string(), SpanId::of_call(self.id).to_string()));
        let own = own.as_ref().map(|(trace, span)| (trace.as_str(), span.as_str()));
        let parent = self.trace.map(|parent| parent.to_string());
        let state = self.state.as_ref().map(Tracestate::as_str);
        entry.trace = (own.is_some() || parent.is_some()).then_some(Trace { parent: parent.as_deref(), state, own });
        let binding = self.binding();
        entry.principal = self.principal.as_deref();
        entry.session = self.session.map(|id| Session { id, binding: binding.as_deref() });
        let client = self.peer.map(|peer| peer.to_string());
        entry.client = client.as_deref();
        entry.server = self.server.as_ref().map(terms::ServerName::as_str);
        entry.method = self.method;
        entry.tool = self.subject.as_deref();
        entry.operation = self.operation;
        entry.effect = self.server.is_some().then_some(match self.operation {
            Some(Operation::Read) => record::Effect::Read,
            Some(Operation::Delete) => record::Effect::Destructive,
            Some(Operation::Write) | None => record::Effect::Write,
        });
        let whole = matches!(kind, Kind::Intent | Kind::Decision) || self.intended == super::Intended::No;
        let arguments = self.arguments.as_deref().filter(|_| whole);
        let (kept, left_out) = match arguments {
            Some(arguments) if kind != Kind::Intent && arguments.len() > REFUSED_ARGUMENTS => (None, Some(arguments.len())),
            arguments => (arguments, None),
        };
        entry.arguments = kept.and_then(|arguments| Object::new(arguments).ok());
        entry.digest = self.canonical.as_ref();
        let facts = self.facts();
        entry.facts = if whole { Object::new(&facts).ok() } else { None };
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        entry.decision = Some(Decision {
            verdict: match self.verdict() {
                Verdict::Allowed => record::Verdict::Allowed,
                Verdict::Changed => record::Verdict::Changed,
                Verdict::Refused => record::Verdict::Refused,
            },
            policies: &rules,
            control: self.code.map(Code::control),
            code: self.code,
        });
        let obligations: Vec<Obligation<'_>> = self
            .tally
            .iter()
            .map(|tally| Obligation { action: tally.action, class: tally.class, kind: &tally.kind, count: tally.count })
            .collect();
        entry.obligations = &obligations;
        let latency: Vec<(&str, Duration)> = Stage::ALL
            .iter()
            .zip(self.stages)
            .filter(|(_, spent)| *spent >= 1_000)
            .map(|(stage, spent)| (stage.as_str(), Duration::from_nanos(spent)))
            .collect();
        let mut trouble = None;
        if kind != Kind::Intent {
            entry.latency = &latency;
            entry.result = Some(self.ended());
            trouble = self.trouble();
        }
        if let Some((event, severity, _)) = &trouble {
            entry.event = Some(event);
            entry.severity = Some(*severity);
        }
        if let Some((_, _, mitre)) = &trouble {
            entry.mitre = mitre;
        }
        let answers = self.answers.as_deref().filter(|answers| whole && (kind == Kind::Intent || answers.len() <= REFUSED_ARGUMENTS));
        let detail = self.detail(left_out, answers);
        entry.detail = detail.as_deref().and_then(|detail| Object::new(detail).ok());
        match self.occasion {
            Occasion::Work => entry.encode(),
            Occasion::Probe => entry.of_probe().encode(),
        }
    }

    fn ended(&self) -> Outcome<'_> {
        match &self.returned {
            Some(returned) => {
                let status = match (returned.status, self.code) {
                    (_, Some(Code::CallTimeout)) => Status::Timeout,
                    ("withheld", _) | (_, Some(_)) => Status::Withheld,
                    ("error", None) => Status::Error,
                    _ => Status::Ok,
                };
                let size = u64::try_from(returned.size).unwrap_or(u64::MAX);
                Outcome { status, size: Some(size), digest: Some(&returned.digest), label: self.sensitivity() }
            }
            None => {
                let sent = self.intended == super::Intended::Yes;
                let status = match self.code {
                    Some(Code::CallTimeout) => Status::Timeout,
                    Some(_) if sent && self.reached > Stage::Record as usize => Status::Unclear,
                    Some(_) => Status::Refused,
                    None if sent => Status::Cancelled,
                    None => Status::Ok,
                };
                Outcome { status, size: None, digest: None, label: self.label }
            }
        }
    }

    /// What the decision read, without values.
    fn facts(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut object = json::Object::open(&mut out);
        if let Some(endpoint) = &self.endpoint {
            object.text("endpoint", &endpoint.path());
        }
        if let Some(inner) = &self.inner {
            object.text("inner", inner);
        }
        match self.wrapping {
            Wrapping::Bare => {}
            Wrapping::Wrapped => drop(object.text("through", CALL)),
        }
        if let Some(operation) = self.operation {
            object.text("operation", operation.as_str());
        }
        if let Some(label) = self.label {
            object.text("label", label.as_str());
        }
        if let Some(moment) = &self.moment {
            if let Some(client) = &moment.client {
                object.text("client", client);
            }
            if let Some(transport) = moment.transport {
                object.text("transport", transport.as_str());
            }
            object.int("depth", i64::try_from(moment.depth).unwrap_or(i64::MAX));
        }
        if let Some(late) = &self.late {
            object.text("late", late.as_str());
        }
        if let Some(reason) = &self.reason {
            object.text("reason", reason);
        }
        if let Some(open) = &self.open {
            object.text("open_text", open);
        }
        if let Some(restored) = &self.restored {
            for (name, tokens) in [("restored", &restored.restored), ("tokens_kept", &restored.kept)] {
                if !tokens.is_empty() {
                    object.raw(name, serde_json::Value::from(tokens.clone()).to_string().as_bytes());
                }
            }
        }
        if !self.guarded.is_empty() {
            let mut list = Vec::with_capacity(128);
            for fact in &self.guarded {
                list.push(if list.is_empty() { b'[' } else { b',' });
                let mut entry = json::Object::open(&mut list);
                entry.text("argument", &fact.argument).text("guard", fact.guard);
                if let Some(operation) = fact.operation {
                    entry.text("operation", operation.as_str());
                }
                if let Some(normal) = &fact.normal {
                    entry.raw("normal", normal);
                }
                if let Some(reason) = fact.reason {
                    entry.text("refused", reason);
                }
                entry.close();
            }
            list.push(b']');
            object.raw("guards", &list);
        }
        object.close();
        out
    }

    fn detail(&self, left_out: Option<usize>, answers: Option<&[u8]>) -> Option<Vec<u8>> {
        let plain = self.cause.is_none() && self.notes == 0 && self.unheard == 0 && self.shown.is_none() && self.template.is_none();
        if plain && left_out.is_none() && answers.is_none() {
            return None;
        }
        let mut out = Vec::with_capacity(128);
        let mut object = json::Object::open(&mut out);
        if let Some(answers) = answers {
            object.raw("answers", answers);
        }
        if let Some(cause) = &self.cause {
            object.text("cause", cause);
        }
        if let Some(bytes) = left_out {
            object.int("arguments_bytes", i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        if self.notes > 0 {
            object.int("notes", i64::from(self.notes));
        }
        if self.unheard > 0 {
            object.int("notes_dropped", i64::from(self.unheard));
        }
        if let Some((version, digest)) = self.template.as_deref() {
            let mut template = Vec::with_capacity(128);
            let mut entry = json::Object::open(&mut template);
            entry.text("digest", digest).text("version", version);
            entry.close();
            object.raw("template", &template);
        }
        if let Some(shown) = &self.shown {
            for (name, count) in [("shown_from", shown.from), ("shown_to", shown.to), ("shown_of", shown.whole)] {
                object.int(name, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        object.close();
        Some(out)
    }

    /// What of this security should know of.
    fn trouble(&self) -> Option<Trouble> {
        if let Some(code) = self.code {
            return trouble_of(code);
        }
        let secret = self.tally.iter().any(|tally| tally.class == terms::Class::Secret && tally.action != Action::Flag);
        let echo = self.tally.iter().any(|tally| tally.class == terms::Class::Echo);
        if echo {
            Some(("secrets.echo", Severity::High, &["T1552"]))
        } else if secret {
            Some(("data.secret", Severity::High, &["T1552"]))
        } else if self.late.is_some() {
            Some(("access.outside-hours", Severity::Medium, &["T1078"]))
        } else {
            None
        }
    }
}

/// An event, how bad it is, and the techniques that it points to (MITRE ATT&CK 18.1, ATLAS 5.6).
pub(crate) type Trouble = (&'static str, Severity, &'static [&'static str]);

/// What of a refusal security should know of.
pub(crate) fn trouble_of(code: Code) -> Option<Trouble> {
    match code {
        Code::UrlToken => Some(("secrets.url", Severity::High, &["T1552"])),
        Code::TokenInvalid => Some(("identity.token-refused", Severity::Medium, &["T1550.001", "T1528"])),
        Code::TokenMissing => Some(("identity.token-missing", Severity::Low, &["T1078"])),
        Code::EnrolmentRefused => Some(("identity.enrolment-refused", Severity::Medium, &["T1078"])),
        Code::SessionUnknown => Some(("identity.session-refused", Severity::Medium, &["T1563"])),
        Code::MessageMalformed => Some(("transport.malformed", Severity::Medium, &["T1190"])),
        Code::ServerMalformed => Some(("transport.server-malformed", Severity::High, &["T1190"])),
        Code::PinChanged => Some(("supply.changed", Severity::High, &["T1195.002", "AML.T0010"])),
        Code::NotApproved | Code::LockUnverified => Some(("supply.unapproved", Severity::High, &["T1195"])),
        Code::Killed => Some(("response.stopped", Severity::Medium, &["T1489"])),
        Code::Denied | Code::Arguments | Code::TokenScope => Some(("access.denied", Severity::Low, &["T1068"])),
        Code::Hours => Some(("access.outside-hours", Severity::Medium, &["T1078"])),
        Code::IsolationEcho | Code::IsolationArgument | Code::SecretBlocked => Some(("data.secret", Severity::High, &["T1552"])),
        Code::Smuggled => Some(("intent.smuggling", Severity::High, &["T1562.001", "AML.T0051"])),
        Code::ProcessProgram | Code::ProcessShell | Code::ProcessOption | Code::ProcessPath => {
            Some(("tools.process-refused", Severity::High, &["T1059", "AML.T0053"]))
        }
        Code::FilesOutside | Code::FilesForm => Some(("tools.files-refused", Severity::Medium, &["T1083", "T1005"])),
        Code::HttpScheme | Code::HttpHost | Code::HttpForm => Some(("tools.http-refused", Severity::Medium, &["T1071.001"])),
        Code::HttpAddress => Some(("tools.http-refused", Severity::High, &["T1552.005", "T1046"])),
        Code::DatabaseStatement | Code::DatabaseTable | Code::DatabaseFunction | Code::DatabaseForm => {
            Some(("tools.database-refused", Severity::Medium, &["T1213.006", "T1190"]))
        }
        Code::Overload => Some(("transport.overload", Severity::Medium, &["T1499"])),
        Code::BudgetLoop => Some(("access.loop", Severity::Medium, &["T1499.003", "AML.T0034"])),
        Code::BudgetMutations | Code::BudgetBytes | Code::BudgetCost | Code::BudgetDepth => {
            Some(("access.budget", Severity::Low, &["AML.T0034"]))
        }
        Code::RecordUnavailable => Some(("audit.unavailable", Severity::Critical, &["T1562.008", "T1685"])),
        _ => None,
    }
}
