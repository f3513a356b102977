//! What must fit together in who is told of calls.

use super::{Checks, server};
use crate::unit::Span;

/// How often metrics are sent at most.
const LEAST: Span = Span::seconds(1);
/// Fields of a request's head that are not the operator's to write.
const OURS: [&str; 6] = ["connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"];
/// Fields that are sent beside ours.
const MOST: usize = 8;

pub(super) fn check(checks: &mut Checks<'_>) {
    let Some(telemetry) = &checks.file.telemetry else { return };
    let url = &telemetry.otlp;
    if server::holds_user(url) {
        checks.exposed(
            &["telemetry", "otlp"],
            "a credential does not belong in a URL; use `headers: { authorization: vault:telemetry/NAME }`",
        );
    } else if url.query().is_some() {
        checks.exposed(&["telemetry", "otlp"], "a query does not belong here, where credentials often stand; use `headers`");
    } else if let Err(cause) = egress::ServerTarget::new(url.clone()) {
        checks.misfit(&["telemetry", "otlp"], format!("telemetry.otlp is an https: address, or an http: one of loopback: {cause}"));
    }
    if telemetry.tls.is_some() && url.scheme() == "http" {
        checks.misfit(&["telemetry", "tls"], "there is no certificate to know with http:");
    }
    if telemetry.tls.as_ref().is_some_and(|tls| !server::is_plain(&tls.ca)) {
        checks.misfit(&["telemetry", "tls", "ca"], "ca is an absolute path without \"..\"");
    }
    for name in telemetry.headers.keys() {
        let token = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        if name.is_empty() || name.len() > 64 || !token || OURS.contains(&name.as_str()) {
            let message = "a header is a name in small letters, digits, - and _, and none that the gateway writes itself";
            checks.misfit(&["telemetry", "headers", name], message);
        }
    }
    if telemetry.headers.len() > MOST {
        checks.misfit(&["telemetry", "headers"], format!("at most {MOST} headers are sent"));
    }
    if telemetry.every < LEAST {
        checks.misfit(&["telemetry", "every"], format!("every is at least {LEAST}"));
    }
}
