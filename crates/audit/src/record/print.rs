//! Prints a record: field by field, in the order of the contract.

use super::{Act, Decision, Obligation, Outcome, Record, Session, Trace};
use std::io::Write;

pub(super) fn record(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"v\":1,\"id\":");
    shown(out, record.id);
    field(out, "kind");
    plain(out, record.kind.as_str());
    plain_field(out, "phase", record.phase.map(super::Kind::as_str));
    field(out, "time");
    shown(out, record.time);
    field(out, "monotonic");
    number(out, record.monotonic.nanos());
    if let Some(request) = record.request {
        field(out, "request");
        shown(out, request);
    }
    if let Some(trace) = &record.trace {
        traced(out, trace);
    }
    if let Some(principal) = record.principal {
        field(out, "principal");
        serde(out, principal);
    }
    if let Some(Session { id, binding }) = record.session {
        field(out, "session");
        out.extend_from_slice(b"{\"id\":");
        shown(out, id);
        text_field(out, "binding", binding);
        out.push(b'}');
    }
    text_field(out, "client", record.client);
    text_field(out, "server", record.server);
    text_field(out, "method", record.method);
    text_field(out, "tool", record.tool);
    plain_field(out, "operation", record.operation.map(terms::Operation::as_str));
    plain_field(out, "class", record.effect.map(super::Effect::as_str));
    object_field(out, "arguments", record.arguments);
    digest_field(out, "digest", record.digest);
    object_field(out, "facts", record.facts);
    if let Some(decision) = &record.decision {
        decided(out, decision);
    }
    text_field(out, "grant", record.grant);
    text_field(out, "approval", record.approval);
    if !record.obligations.is_empty() {
        obliged(out, record.obligations);
    }
    if let Some(result) = &record.result {
        ended(out, result);
    }
    if !record.latency.is_empty() {
        field(out, "latency");
        out.push(b'{');
        for (at, (stage, span)) in record.latency.iter().enumerate() {
            comma(out, at);
            text(out, stage);
            out.push(b':');
            number(out, u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
        }
        out.push(b'}');
    }
    text_field(out, "event", record.event);
    plain_field(out, "severity", record.severity.map(super::Severity::as_str));
    if !record.mitre.is_empty() {
        field(out, "mitre");
        texts(out, record.mitre);
    }
    if let Some(act) = &record.act {
        done(out, act);
    }
    object_field(out, "detail", record.detail);
    out.push(b'}');
}

fn traced(out: &mut Vec<u8>, trace: &Trace<'_>) {
    field(out, "trace");
    let (id, span) = trace.own.unzip();
    let members = [("id", id), ("parent", trace.parent), ("span", span), ("state", trace.state)];
    out.push(b'{');
    for (at, (name, value)) in members.into_iter().filter_map(|(name, value)| Some((name, value?))).enumerate() {
        comma(out, at);
        text(out, name);
        out.push(b':');
        text(out, value);
    }
    out.push(b'}');
}

fn decided(out: &mut Vec<u8>, decision: &Decision<'_>) {
    field(out, "decision");
    out.extend_from_slice(b"{\"verdict\":");
    plain(out, decision.verdict.as_str());
    field(out, "policies");
    texts(out, decision.policies);
    plain_field(out, "control", decision.control.map(terms::Control::id));
    if let Some(code) = decision.code {
        field(out, "code");
        shown(out, code);
    }
    out.push(b'}');
}

fn obliged(out: &mut Vec<u8>, obligations: &[Obligation<'_>]) {
    field(out, "obligations");
    out.push(b'[');
    for (at, one) in obligations.iter().enumerate() {
        comma(out, at);
        out.extend_from_slice(b"{\"action\":");
        serde(out, &one.action);
        field(out, "class");
        plain(out, one.class.as_str());
        field(out, "kind");
        text(out, one.kind);
        field(out, "count");
        number(out, u64::from(one.count));
        out.push(b'}');
    }
    out.push(b']');
}

fn ended(out: &mut Vec<u8>, result: &Outcome<'_>) {
    field(out, "result");
    out.extend_from_slice(b"{\"status\":");
    plain(out, result.status.as_str());
    if let Some(size) = result.size {
        field(out, "size");
        number(out, size);
    }
    digest_field(out, "digest", result.digest);
    plain_field(out, "label", result.label.map(terms::Label::as_str));
    out.push(b'}');
}

fn done(out: &mut Vec<u8>, act: &Act<'_>) {
    field(out, "act");
    out.extend_from_slice(b"{\"operator\":");
    text(out, act.operator);
    field(out, "name");
    text(out, act.name);
    object_field(out, "parameters", act.parameters);
    text_field(out, "outcome", act.outcome);
    out.push(b'}');
}

fn comma(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

fn field(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A word of ours, which needs no escape.
fn plain(out: &mut Vec<u8>, word: &str) {
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn plain_field(out: &mut Vec<u8>, name: &str, word: Option<&str>) {
    if let Some(word) = word {
        field(out, name);
        plain(out, word);
    }
}

/// A value of ours whose `Display` needs no escape.
fn shown(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    out.push(b'"');
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{value}");
    out.push(b'"');
}

fn serde(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    let from = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(from);
        out.extend_from_slice(b"null");
    }
}

fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0_u8; 20];
    let mut left = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (left % 10) as u8;
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}

fn text_field(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        field(out, name);
        text(out, value);
    }
}

fn texts(out: &mut Vec<u8>, values: &[&str]) {
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        comma(out, at);
        text(out, value);
    }
    out.push(b']');
}

fn object_field(out: &mut Vec<u8>, name: &str, value: Option<super::Object<'_>>) {
    if let Some(value) = value {
        field(out, name);
        out.extend_from_slice(value.as_str().as_bytes());
    }
}

fn digest_field(out: &mut Vec<u8>, name: &str, digest: Option<&[u8; 32]>) {
    if let Some(digest) = digest {
        let mut digits = [0_u8; 64];
        field(out, name);
        out.push(b'"');
        if hex::encode_to_slice(digest, &mut digits).is_ok() {
            out.extend_from_slice(&digits);
        }
        out.push(b'"');
    }
}

/// A JSON string: `"`, `\` and control characters (DEL included) are escaped, all else stands as it is.
fn text(out: &mut Vec<u8>, value: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = value.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => Some(*byte),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            0..=0x1f | 0x7f => None,
            _ => continue,
        };
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        match short {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None => {
                let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        from = at + 1;
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use crate::record::*;
    use proptest::prelude::*;
    use terms::{Authenticated, Name, Workload};

    fn blank() -> Record<'static> {
        Record::new(RecordId::from_bits(1), Kind::Event, Utc::from_seconds(1_800_000_000), Instant::from_nanos(12))
    }

    #[test]
    fn a_full_record_has_the_fields_of_the_contract() {
        let principal = Principal {
            agent: Name::new("claude-code").unwrap(),
            user: Some(Name::new("ana").unwrap()),
            workload: Workload::Local { uid: 1000, executable: Some("/usr/bin/node".into()) },
            authenticated: Authenticated::Peer,
        };
        let digest = [0xab; 32];
        let obligations = [Obligation { action: Action::Redact, class: Class::Secret, kind: "github", count: 2 }];
        let latency = [("parse", Duration::from_micros(12)), ("decide", Duration::from_nanos(2_900))];
        let mut record = blank();
        record.kind = Kind::Outcome;
        record.request = Some(CallId::from_bits(5));
        record.trace =
            Some(Trace { parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), state: Some("a=1"), own: None });
        record.principal = Some(&principal);
        record.session = Some(Session { id: SessionId::from_bits(9), binding: Some("uid:1000") });
        record.client = Some("unix");
        record.server = Some("files");
        record.method = Some("tools/call");
        record.tool = Some("write_file");
        record.operation = Some(Operation::Write);
        record.effect = Some(Effect::Destructive);
        record.arguments = Some(Object::new(br#"{"path":"/x"}"#).unwrap());
        record.digest = Some(&digest);
        record.facts = Some(Object::EMPTY);
        record.decision = Some(Decision {
            verdict: Verdict::Refused,
            policies: &["role:coder/allow/0"],
            control: Some(Control::AccessDenyByDefault),
            code: Some(Code::Denied),
        });
        record.grant = Some("G-1");
        record.approval = Some("A-1");
        record.obligations = &obligations;
        record.result = Some(Outcome { status: Status::Ok, size: Some(17), digest: Some(&digest), label: Some(Label::Internal) });
        record.latency = &latency;
        record.event = Some("access.denied");
        record.severity = Some(Severity::High);
        record.mitre = &["T1552"];
        record.act = Some(Act { operator: "ana", name: "kill", parameters: Some(Object::EMPTY), outcome: Some("ok") });
        record.detail = Some(Object::EMPTY);
        let hex = "ab".repeat(32);
        let expected = format!(
            concat!(
                r#"{{"v":1,"id":"R-000000000001","kind":"outcome","time":"2027-01-15T08:00:00.000000000Z","monotonic":12,"request":"C-000000000005","#,
                r#""trace":{{"parent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","state":"a=1"}},"#,
                r#""principal":{{"agent":"claude-code","user":"ana","workload":{{"kind":"local","uid":1000,"executable":"/usr/bin/node"}},"authenticated":{{"by":"peer"}}}},"#,
                r#""session":{{"id":"S-000000000009","binding":"uid:1000"}},"client":"unix","server":"files","method":"tools/call","tool":"write_file","#,
                r#""operation":"write","class":"destructive","arguments":{{"path":"/x"}},"digest":"{hex}","facts":{{}},"#,
                r#""decision":{{"verdict":"refused","policies":["role:coder/allow/0"],"control":"access.deny-by-default","code":"access.deny-by-default/denied"}},"#,
                r#""grant":"G-1","approval":"A-1","obligations":[{{"action":"redact","class":"secret","kind":"github","count":2}}],"#,
                r#""result":{{"status":"ok","size":17,"digest":"{hex}","label":"internal"}},"latency":{{"parse":12,"decide":2}},"#,
                r#""event":"access.denied","severity":"high","mitre":["T1552"],"act":{{"operator":"ana","name":"kill","parameters":{{}},"outcome":"ok"}},"detail":{{}}}}"#
            ),
            hex = hex
        );
        assert_eq!(String::from_utf8(record.encode()).unwrap(), expected);
    }

    #[test]
    fn a_record_of_a_probe_keeps_what_it_would_be() {
        let text = String::from_utf8(blank().of_probe().encode()).unwrap();
        assert!(text.starts_with(r#"{"v":1,"id":"R-000000000001","kind":"probe","phase":"event","time":"#), "{text}");
    }

    #[test]
    fn absent_fields_are_left_out() {
        let text = String::from_utf8(blank().encode()).unwrap();
        assert_eq!(text, r#"{"v":1,"id":"R-000000000001","kind":"event","time":"2027-01-15T08:00:00.000000000Z","monotonic":12}"#);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(tool in ".*", client in "\\PC*", number in any::<u64>()) {
            let mut record = blank();
            record.tool = Some(&tool);
            record.client = Some(&client);
            record.monotonic = Instant::from_nanos(number);
            let bytes = record.encode();
            prop_assert!(bytes.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(value["tool"].as_str(), Some(tool.as_str()));
            prop_assert_eq!(value["client"].as_str(), Some(client.as_str()));
            prop_assert_eq!(value["monotonic"].as_u64(), Some(number));
        }
    }
}
