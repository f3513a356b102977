//! Who is told how calls went.

use super::server::Reference;
use crate::decode::section;
use crate::unit::{Share, Span};
use std::collections::BTreeMap;
use std::path::PathBuf;

section! {
    /// Who is told how calls went, by OpenTelemetry over HTTP.
    Telemetry {
        /// The collector's address; `/v1/traces` and `/v1/metrics` come behind it.
        otlp, "otlp": url::Url;
        /// What it wants to see in the head of a request, from the vault.
        headers, "headers": BTreeMap<String, Reference> = BTreeMap::new();
        /// How we know it.
        tls, "tls": Option<Authorities> = None;
        /// Of how many calls spans are sent.
        sample, "sample": Share = Share::ALL;
        /// How often metrics are sent; at least a second.
        every, "every": Span = Span::seconds(30);
    }
}

section! {
    /// How we know who is told.
    Authorities {
        /// The file of the authorities that its certificate may come from, beside those of the system.
        ca, "ca": PathBuf;
    }
}
