// Generated from `controls.yaml` by `cargo xtask codegen`. Do not edit.

/// How much a control weighs in an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Advises, never blocks a level.
    Medium,
    /// Four fifths of these must hold for the highest level.
    High,
    /// All of these must hold for the highest level.
    Critical,
}

/// One control of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// Every connection that leaves a host is mutually authenticated with certificates, agent to gateway and gateway to server; a plain or one-sided listener on a non-loopback address is refused at start.
    IdentityMtls,
    /// A certificate authority used for nothing else issues short-lived certificates to agents, servers, operators and replicas, renews them without a restart, and revokes them at once.
    IdentityPrivateCa,
    /// Agents hold short-lived signed tokens that name the audience, the servers, the tools and the expiry; long-lived keys are not accepted; an outside OAuth 2.1 or OIDC issuer can be used instead of the built-in one.
    IdentityTokens,
    /// Signing keys, certificates and stored credentials rotate by themselves, within 24 hours where they are powerful and 7 days where they only read; one command invalidates every live token within seconds; an anomaly revokes and re-issues.
    IdentityRotation,
    /// A session belongs to one principal. A token of another principal is refused on it, a reconnect authenticates again, and the binding is on record.
    IdentitySessionBinding,
    /// Administrative acts (tool registrations, configuration, policy, audit access, release of a kill switch) need a second factor, and the gravest need a second person.
    IdentityAdminMfa,
    /// Server credentials live in an encrypted store unlocked by the OS keychain, a KMS or an outside vault; the agent holds a scoped proxy token and never the credential.
    SecretsVault,
    /// A credential is put in at the last hop only, and any echo of one in a result, an error, a log, a recording or the audit trail is redacted, in any common encoding.
    SecretsIsolation,
    /// Every MCP client configuration on a machine can be searched for plaintext secrets, and moved behind the gateway with its secrets in the vault, by one command that can be undone.
    SecretsConfigScan,
    /// No tool argument or token travels in a URL; one that does is refused and reported.
    SecretsNoUrls,
    /// Remote traffic is TLS 1.3 only, with HSTS, a verified chain, no self-signed certificates in production, pinned keys where configured, and no way down to plain HTTP.
    TransportTls,
    /// The protocol revisions in use are pinned; a peer that speaks an unknown one is refused.
    TransportProtocolPin,
    /// Every message is checked against the schema of its revision in both directions; unknown fields, wrong types, duplicate keys and batches where none are allowed close the exchange.
    TransportStrictMessages,
    /// Sizes of messages, chunks and nesting, read timeouts, in-flight requests, streams and connections are bounded; floods of HTTP/2 frames, slow clients and decompression bombs are survived.
    TransportBounds,
    /// A role may call only the tools, resources, prompts and methods that a policy lists for it.
    AccessDenyByDefault,
    /// Listing calls show a principal only what it may use.
    AccessFilteredDiscovery,
    /// Arguments are validated against the tool's JSON Schema, tightened by the operator's own constraints on type, range, enumeration, length and pattern, before any handler sees them; open-ended free text is flagged.
    AccessArgumentSchemas,
    /// Paths, URLs and other values that a model supplies are normalised and compared with allowlists and patterns.
    AccessArgumentPolicies,
    /// Every tool is known as read, write or delete; the kinds are separately granted; a tool that mixes them is split by its arguments or refused.
    AccessOperations,
    /// A sensitive tool is closed until someone grants it, to one principal, for one reason and a limited time; the grant expires by itself.
    AccessJustInTime,
    /// Destructive and sensitive writes wait for a named human who sees exactly what will run; the approval is bound to those bytes by a signature, used once, and expires.
    AccessApprovals,
    /// A mutating call can be planned, shown as a difference, approved and then applied, and what is applied is what was shown.
    AccessPlanApply,
    /// Calls are limited per session, principal, tool and server, and towards the downstream interfaces that servers use; limits hold across replicas.
    AccessRateLimits,
    /// Chain depth, mutations, bytes and cost are budgeted per session and principal.
    AccessBudgets,
    /// Every call is classed read, write, destructive or exfiltrative before it runs, from the tool, its arguments and the session so far; destructive and exfiltrative are blocked unless a policy or a person says otherwise.
    IntentClassification,
    /// Arguments that carry injection markers, role or system-prompt overrides, or encoded and hidden instructions are refused.
    IntentInputScreening,
    /// An argument cannot switch off a safety flag or change a policy; attempts are refused and reported.
    IntentSmuggling,
    /// Results, resources, prompts, tool descriptions and server-initiated requests are screened for instructions to the model; what is found is flagged, fenced, stripped or blocked.
    IntentOutputScreening,
    /// A credential or labelled datum that came from one tool cannot be used with another against policy; the attempt is blocked and the session flagged.
    IntentFlow,
    /// Arguments that reach shells or processes cannot inject, so argument vectors only, no interpolation, bounded time, CPU and memory.
    ToolsProcess,
    /// File arguments stay under declared roots after canonicalisation; parent segments, symlinks and device files are refused, in the argument and in the sandbox.
    ToolsFiles,
    /// URL arguments and server egress reach only listed schemes and hosts; link-local, metadata, private and rebinding addresses are refused at connect time.
    ToolsHttp,
    /// SQL arguments are parsed; only the statement kinds and tables that the role may use get through, stacked statements and hidden writes do not; read-only roles are the default.
    ToolsDatabase,
    /// Names, addresses, e-mails, phones, birth dates, national and social security numbers and the operator's own patterns are found and redacted in everything that flows to an agent.
    DataPii,
    /// Card numbers are masked to the last four at most, account numbers and transaction data are redacted.
    DataFinancial,
    /// Keys, tokens, passwords and connection strings in results are redacted and the security team is told.
    DataSecrets,
    /// Results and resources carry a label (public, internal, confidential, restricted); clearance decides what an agent receives, whole, redacted or not at all.
    DataLabels,
    /// Resource reads are bounded in size and lines, paged, and redacted, previews included.
    DataResources,
    /// Prompt templates hold no credentials and come from a trusted, versioned store.
    DataPrompts,
    /// Errors and results give away no absolute path, internal address or stack trace.
    DataErrors,
    /// A local server runs without privileges in its own namespaces, with a system-call filter, a read-only root, a private scratch space and only the folders it was given.
    RuntimeSandbox,
    /// A local server starts with a minimal PATH and only the environment variables that it was given.
    RuntimeEnvironment,
    /// Memory, CPU, processes, files and I/O of a server are capped, and calls that run too long are ended with their children.
    RuntimeLimits,
    /// A server that dies is restarted with a growing delay and put aside when it keeps dying; nothing it left behind survives the restart.
    RuntimeRestart,
    /// Each server has its own account and credentials in each environment; one server cannot reach another's.
    RuntimeIdentities,
    /// Each server sits in its own network segment with explicit ways in and out, on one host and in a cluster.
    NetworkSegments,
    /// A server reaches only the hosts and ports on its list; everything else is refused and recorded.
    NetworkEgress,
    /// Mail, file transfer and peer-to-peer traffic from servers is blocked unless listed; attempts are recorded.
    NetworkProtocols,
    /// Names are resolved by the gateway, over an encrypted resolver where configured, cached and pinned for the connection; fast-flux and rebinding are noticed.
    NetworkDns,
    /// Traffic of each server is tagged and counted; departures from its baseline raise an alert.
    NetworkTelemetry,
    /// Only servers that were approved, by name and exact content, can be started or reached.
    SupplyAllowlist,
    /// The signature or digest, and where there is one the provenance, of a server's executable and of the configuration is verified before it is used.
    SupplyProvenance,
    /// Versions and tool definitions are pinned; a changed description, schema or annotation puts the tool aside until someone has seen the difference.
    SupplyPinning,
    /// A server's source and vendor are assessed before approval, with a scanner's findings, a recorded reviewer and an expiry.
    SupplyReview,
    /// A bill of materials exists for every server and for the gateway, and is matched against known vulnerabilities before deployment and on a schedule.
    SupplyVulnerabilities,
    /// Servers come from a managed registry, the official one or a private one, that records what was vetted.
    SupplyRegistry,
    /// Before each deployment the registered tools, their permissions and last use are listed, and what nobody uses is offered for removal.
    SupplyInventory,
    /// The gateway's own build is pinned, gated by static analysis, licence and advisory checks, reproducible, signed, and carries provenance.
    SupplyOwnBuild,
    /// Message handlers and parameter parsers are fuzzed from a corpus that recorded traffic can extend.
    SupplyFuzzing,
    /// Every call is recorded with time, user, agent, session, server, tool, redacted arguments and their digest, result status, size and digest, classification, decision and latency; a call that cannot be recorded does not run.
    AuditCalls,
    /// Records are chained by hash and sealed by signed checkpoints, so that a change, a removal, a reordering or a truncation is found by anyone with the public key.
    AuditChain,
    /// Records and events reach the SIEM in real time, in the formats that SIEMs read, at least once, across outages.
    AuditSiem,
    /// Who approved what, with the inputs and the difference that they saw, is on record.
    AuditApprovals,
    /// A whole session, its calls, arguments and results, can be replayed in order and proved complete.
    AuditSessions,
    /// Security events carry a severity and the MITRE technique that they point to.
    AuditEvents,
    /// One identifier follows a call from client through gateway to server and downstream.
    AuditCorrelation,
    /// Normal use is learnt per role, and each session gets an anomaly score with its reasons.
    MonitoringBaselines,
    /// Alerts fire in real time on unusual volume, first access to a sensitive server, off-hours use, known attack sequences, large results, and every blocked destructive or exfiltrative call.
    MonitoringAlerts,
    /// One act, by any of at least three authorised people, on the command line, in the console or through the interface, stops one session, principal, server or everything, on every replica, in under a second; it is tested on a schedule.
    ResponseKillSwitch,
    /// Playbooks for compromised sessions, exposed credentials, unauthorised access, unauthorised mutation and supply-chain compromise can be run step by step, with containment, evidence preservation, communication and escalation.
    ResponsePlaybooks,
    /// Exercises play real attack scenarios against the deployment, measure the time to detect and to contain, and fall due every quarter.
    ResponseExercises,
    /// The state of every control is assessed live with evidence, scored to a maturity level, and mapped to SOC 2, ISO 27001 and NIST 800-53, in a report an auditor accepts.
    ResponseCompliance,
}

/// One row of the catalogue.
struct Row {
    id: &'static str,
    wants: &'static str,
    items: &'static [&'static str],
    priority: Priority,
}

impl Control {
    /// Every control, in the order of the catalogue.
    pub const ALL: [Self; 72] = [
        Self::IdentityMtls,
        Self::IdentityPrivateCa,
        Self::IdentityTokens,
        Self::IdentityRotation,
        Self::IdentitySessionBinding,
        Self::IdentityAdminMfa,
        Self::SecretsVault,
        Self::SecretsIsolation,
        Self::SecretsConfigScan,
        Self::SecretsNoUrls,
        Self::TransportTls,
        Self::TransportProtocolPin,
        Self::TransportStrictMessages,
        Self::TransportBounds,
        Self::AccessDenyByDefault,
        Self::AccessFilteredDiscovery,
        Self::AccessArgumentSchemas,
        Self::AccessArgumentPolicies,
        Self::AccessOperations,
        Self::AccessJustInTime,
        Self::AccessApprovals,
        Self::AccessPlanApply,
        Self::AccessRateLimits,
        Self::AccessBudgets,
        Self::IntentClassification,
        Self::IntentInputScreening,
        Self::IntentSmuggling,
        Self::IntentOutputScreening,
        Self::IntentFlow,
        Self::ToolsProcess,
        Self::ToolsFiles,
        Self::ToolsHttp,
        Self::ToolsDatabase,
        Self::DataPii,
        Self::DataFinancial,
        Self::DataSecrets,
        Self::DataLabels,
        Self::DataResources,
        Self::DataPrompts,
        Self::DataErrors,
        Self::RuntimeSandbox,
        Self::RuntimeEnvironment,
        Self::RuntimeLimits,
        Self::RuntimeRestart,
        Self::RuntimeIdentities,
        Self::NetworkSegments,
        Self::NetworkEgress,
        Self::NetworkProtocols,
        Self::NetworkDns,
        Self::NetworkTelemetry,
        Self::SupplyAllowlist,
        Self::SupplyProvenance,
        Self::SupplyPinning,
        Self::SupplyReview,
        Self::SupplyVulnerabilities,
        Self::SupplyRegistry,
        Self::SupplyInventory,
        Self::SupplyOwnBuild,
        Self::SupplyFuzzing,
        Self::AuditCalls,
        Self::AuditChain,
        Self::AuditSiem,
        Self::AuditApprovals,
        Self::AuditSessions,
        Self::AuditEvents,
        Self::AuditCorrelation,
        Self::MonitoringBaselines,
        Self::MonitoringAlerts,
        Self::ResponseKillSwitch,
        Self::ResponsePlaybooks,
        Self::ResponseExercises,
        Self::ResponseCompliance,
    ];

    fn row(self) -> &'static Row {
        match self {
            Self::IdentityMtls => &Row {
                id: "identity.mtls",
                wants: "Every connection that leaves a host is mutually authenticated with certificates, agent to gateway and gateway to server; a plain or one-sided listener on a non-loopback address is refused at start.",
                items: &["D1", "V2.2", "U3", "T1"],
                priority: Priority::Critical,
            },
            Self::IdentityPrivateCa => &Row {
                id: "identity.private-ca",
                wants: "A certificate authority used for nothing else issues short-lived certificates to agents, servers, operators and replicas, renews them without a restart, and revokes them at once.",
                items: &["D4"],
                priority: Priority::High,
            },
            Self::IdentityTokens => &Row {
                id: "identity.tokens",
                wants: "Agents hold short-lived signed tokens that name the audience, the servers, the tools and the expiry; long-lived keys are not accepted; an outside OAuth 2.1 or OIDC issuer can be used instead of the built-in one.",
                items: &["D2", "V1.3", "U3", "U6"],
                priority: Priority::Critical,
            },
            Self::IdentityRotation => &Row {
                id: "identity.rotation",
                wants: "Signing keys, certificates and stored credentials rotate by themselves, within 24 hours where they are powerful and 7 days where they only read; one command invalidates every live token within seconds; an anomaly revokes and re-issues.",
                items: &["D3", "V1.4", "U6", "T8"],
                priority: Priority::High,
            },
            Self::IdentitySessionBinding => &Row {
                id: "identity.session-binding",
                wants: "A session belongs to one principal. A token of another principal is refused on it, a reconnect authenticates again, and the binding is on record.",
                items: &["U8", "U9"],
                priority: Priority::High,
            },
            Self::IdentityAdminMfa => &Row {
                id: "identity.admin-mfa",
                wants: "Administrative acts (tool registrations, configuration, policy, audit access, release of a kill switch) need a second factor, and the gravest need a second person.",
                items: &["D5", "U27"],
                priority: Priority::Critical,
            },
            Self::SecretsVault => &Row {
                id: "secrets.vault",
                wants: "Server credentials live in an encrypted store unlocked by the OS keychain, a KMS or an outside vault; the agent holds a scoped proxy token and never the credential.",
                items: &["V1.2", "U10"],
                priority: Priority::Critical,
            },
            Self::SecretsIsolation => &Row {
                id: "secrets.isolation",
                wants: "A credential is put in at the last hop only, and any echo of one in a result, an error, a log, a recording or the audit trail is redacted, in any common encoding.",
                items: &["V1.5", "V4.3"],
                priority: Priority::Critical,
            },
            Self::SecretsConfigScan => &Row {
                id: "secrets.config-scan",
                wants: "Every MCP client configuration on a machine can be searched for plaintext secrets, and moved behind the gateway with its secrets in the vault, by one command that can be undone.",
                items: &["V1.1", "U10"],
                priority: Priority::Critical,
            },
            Self::SecretsNoUrls => &Row {
                id: "secrets.no-urls",
                wants: "No tool argument or token travels in a URL; one that does is refused and reported.",
                items: &["V2.4"],
                priority: Priority::High,
            },
            Self::TransportTls => &Row {
                id: "transport.tls",
                wants: "Remote traffic is TLS 1.3 only, with HSTS, a verified chain, no self-signed certificates in production, pinned keys where configured, and no way down to plain HTTP.",
                items: &["V2.1", "D13", "U3"],
                priority: Priority::Critical,
            },
            Self::TransportProtocolPin => &Row {
                id: "transport.protocol-pin",
                wants: "The protocol revisions in use are pinned; a peer that speaks an unknown one is refused.",
                items: &["U1"],
                priority: Priority::High,
            },
            Self::TransportStrictMessages => &Row {
                id: "transport.strict-messages",
                wants: "Every message is checked against the schema of its revision in both directions; unknown fields, wrong types, duplicate keys and batches where none are allowed close the exchange.",
                items: &["U2", "U4"],
                priority: Priority::Critical,
            },
            Self::TransportBounds => &Row {
                id: "transport.bounds",
                wants: "Sizes of messages, chunks and nesting, read timeouts, in-flight requests, streams and connections are bounded; floods of HTTP/2 frames, slow clients and decompression bombs are survived.",
                items: &["U5", "U39"],
                priority: Priority::High,
            },
            Self::AccessDenyByDefault => &Row {
                id: "access.deny-by-default",
                wants: "A role may call only the tools, resources, prompts and methods that a policy lists for it.",
                items: &["D6", "U11", "U13", "T2", "V1.3"],
                priority: Priority::Critical,
            },
            Self::AccessFilteredDiscovery => &Row {
                id: "access.filtered-discovery",
                wants: "Listing calls show a principal only what it may use.",
                items: &["U11", "U14"],
                priority: Priority::Critical,
            },
            Self::AccessArgumentSchemas => &Row {
                id: "access.argument-schemas",
                wants: "Arguments are validated against the tool's JSON Schema, tightened by the operator's own constraints on type, range, enumeration, length and pattern, before any handler sees them; open-ended free text is flagged.",
                items: &["D7", "T3", "U16"],
                priority: Priority::Critical,
            },
            Self::AccessArgumentPolicies => &Row {
                id: "access.argument-policies",
                wants: "Paths, URLs and other values that a model supplies are normalised and compared with allowlists and patterns.",
                items: &["U15", "U27"],
                priority: Priority::High,
            },
            Self::AccessOperations => &Row {
                id: "access.operations",
                wants: "Every tool is known as read, write or delete; the kinds are separately granted; a tool that mixes them is split by its arguments or refused.",
                items: &["U12", "T7", "T2"],
                priority: Priority::High,
            },
            Self::AccessJustInTime => &Row {
                id: "access.just-in-time",
                wants: "A sensitive tool is closed until someone grants it, to one principal, for one reason and a limited time; the grant expires by itself.",
                items: &["D8"],
                priority: Priority::High,
            },
            Self::AccessApprovals => &Row {
                id: "access.approvals",
                wants: "Destructive and sensitive writes wait for a named human who sees exactly what will run; the approval is bound to those bytes by a signature, used once, and expires.",
                items: &["D10", "T7", "V3.3", "U12", "U23"],
                priority: Priority::Critical,
            },
            Self::AccessPlanApply => &Row {
                id: "access.plan-apply",
                wants: "A mutating call can be planned, shown as a difference, approved and then applied, and what is applied is what was shown.",
                items: &["U28"],
                priority: Priority::Medium,
            },
            Self::AccessRateLimits => &Row {
                id: "access.rate-limits",
                wants: "Calls are limited per session, principal, tool and server, and towards the downstream interfaces that servers use; limits hold across replicas.",
                items: &["D9", "V3.4", "T5", "U39"],
                priority: Priority::High,
            },
            Self::AccessBudgets => &Row {
                id: "access.budgets",
                wants: "Chain depth, mutations, bytes and cost are budgeted per session and principal.",
                items: &["U30"],
                priority: Priority::Medium,
            },
            Self::IntentClassification => &Row {
                id: "intent.classification",
                wants: "Every call is classed read, write, destructive or exfiltrative before it runs, from the tool, its arguments and the session so far; destructive and exfiltrative are blocked unless a policy or a person says otherwise.",
                items: &["V3.3", "T6", "U26"],
                priority: Priority::Critical,
            },
            Self::IntentInputScreening => &Row {
                id: "intent.input-screening",
                wants: "Arguments that carry injection markers, role or system-prompt overrides, or encoded and hidden instructions are refused.",
                items: &["V3.1", "U26", "T3"],
                priority: Priority::Critical,
            },
            Self::IntentSmuggling => &Row {
                id: "intent.smuggling",
                wants: "An argument cannot switch off a safety flag or change a policy; attempts are refused and reported.",
                items: &["U29"],
                priority: Priority::High,
            },
            Self::IntentOutputScreening => &Row {
                id: "intent.output-screening",
                wants: "Results, resources, prompts, tool descriptions and server-initiated requests are screened for instructions to the model; what is found is flagged, fenced, stripped or blocked.",
                items: &["V3.2"],
                priority: Priority::Critical,
            },
            Self::IntentFlow => &Row {
                id: "intent.flow",
                wants: "A credential or labelled datum that came from one tool cannot be used with another against policy; the attempt is blocked and the session flagged.",
                items: &["V3.5"],
                priority: Priority::High,
            },
            Self::ToolsProcess => &Row {
                id: "tools.process",
                wants: "Arguments that reach shells or processes cannot inject, so argument vectors only, no interpolation, bounded time, CPU and memory.",
                items: &["U17"],
                priority: Priority::High,
            },
            Self::ToolsFiles => &Row {
                id: "tools.files",
                wants: "File arguments stay under declared roots after canonicalisation; parent segments, symlinks and device files are refused, in the argument and in the sandbox.",
                items: &["U18"],
                priority: Priority::High,
            },
            Self::ToolsHttp => &Row {
                id: "tools.http",
                wants: "URL arguments and server egress reach only listed schemes and hosts; link-local, metadata, private and rebinding addresses are refused at connect time.",
                items: &["U19"],
                priority: Priority::Critical,
            },
            Self::ToolsDatabase => &Row {
                id: "tools.database",
                wants: "SQL arguments are parsed; only the statement kinds and tables that the role may use get through, stacked statements and hidden writes do not; read-only roles are the default.",
                items: &["U20"],
                priority: Priority::High,
            },
            Self::DataPii => &Row {
                id: "data.pii",
                wants: "Names, addresses, e-mails, phones, birth dates, national and social security numbers and the operator's own patterns are found and redacted in everything that flows to an agent.",
                items: &["V4.1", "D19"],
                priority: Priority::Critical,
            },
            Self::DataFinancial => &Row {
                id: "data.financial",
                wants: "Card numbers are masked to the last four at most, account numbers and transaction data are redacted.",
                items: &["V4.2", "D19"],
                priority: Priority::Critical,
            },
            Self::DataSecrets => &Row {
                id: "data.secrets",
                wants: "Keys, tokens, passwords and connection strings in results are redacted and the security team is told.",
                items: &["V4.3", "V1.5", "D19"],
                priority: Priority::High,
            },
            Self::DataLabels => &Row {
                id: "data.labels",
                wants: "Results and resources carry a label (public, internal, confidential, restricted); clearance decides what an agent receives, whole, redacted or not at all.",
                items: &["V4.4", "U21"],
                priority: Priority::Medium,
            },
            Self::DataResources => &Row {
                id: "data.resources",
                wants: "Resource reads are bounded in size and lines, paged, and redacted, previews included.",
                items: &["U21", "U22"],
                priority: Priority::High,
            },
            Self::DataPrompts => &Row {
                id: "data.prompts",
                wants: "Prompt templates hold no credentials and come from a trusted, versioned store.",
                items: &["U24"],
                priority: Priority::Medium,
            },
            Self::DataErrors => &Row {
                id: "data.errors",
                wants: "Errors and results give away no absolute path, internal address or stack trace.",
                items: &["U25"],
                priority: Priority::High,
            },
            Self::RuntimeSandbox => &Row {
                id: "runtime.sandbox",
                wants: "A local server runs without privileges in its own namespaces, with a system-call filter, a read-only root, a private scratch space and only the folders it was given.",
                items: &["V2.3", "U31", "D21", "D22", "D24"],
                priority: Priority::High,
            },
            Self::RuntimeEnvironment => &Row {
                id: "runtime.environment",
                wants: "A local server starts with a minimal PATH and only the environment variables that it was given.",
                items: &["U32"],
                priority: Priority::High,
            },
            Self::RuntimeLimits => &Row {
                id: "runtime.limits",
                wants: "Memory, CPU, processes, files and I/O of a server are capped, and calls that run too long are ended with their children.",
                items: &["U34", "U17", "D23"],
                priority: Priority::High,
            },
            Self::RuntimeRestart => &Row {
                id: "runtime.restart",
                wants: "A server that dies is restarted with a growing delay and put aside when it keeps dying; nothing it left behind survives the restart.",
                items: &["D25"],
                priority: Priority::Medium,
            },
            Self::RuntimeIdentities => &Row {
                id: "runtime.identities",
                wants: "Each server has its own account and credentials in each environment; one server cannot reach another's.",
                items: &["U33"],
                priority: Priority::High,
            },
            Self::NetworkSegments => &Row {
                id: "network.segments",
                wants: "Each server sits in its own network segment with explicit ways in and out, on one host and in a cluster.",
                items: &["D11"],
                priority: Priority::High,
            },
            Self::NetworkEgress => &Row {
                id: "network.egress",
                wants: "A server reaches only the hosts and ports on its list; everything else is refused and recorded.",
                items: &["D12", "U36", "V2.3"],
                priority: Priority::Critical,
            },
            Self::NetworkProtocols => &Row {
                id: "network.protocols",
                wants: "Mail, file transfer and peer-to-peer traffic from servers is blocked unless listed; attempts are recorded.",
                items: &["U37"],
                priority: Priority::Medium,
            },
            Self::NetworkDns => &Row {
                id: "network.dns",
                wants: "Names are resolved by the gateway, over an encrypted resolver where configured, cached and pinned for the connection; fast-flux and rebinding are noticed.",
                items: &["U38", "U19"],
                priority: Priority::Medium,
            },
            Self::NetworkTelemetry => &Row {
                id: "network.telemetry",
                wants: "Traffic of each server is tagged and counted; departures from its baseline raise an alert.",
                items: &["D14", "U40"],
                priority: Priority::Medium,
            },
            Self::SupplyAllowlist => &Row {
                id: "supply.allowlist",
                wants: "Only servers that were approved, by name and exact content, can be started or reached.",
                items: &["V5.1", "V5.4"],
                priority: Priority::Critical,
            },
            Self::SupplyProvenance => &Row {
                id: "supply.provenance",
                wants: "The signature or digest, and where there is one the provenance, of a server's executable and of the configuration is verified before it is used.",
                items: &["U7", "U35", "U48", "D27"],
                priority: Priority::High,
            },
            Self::SupplyPinning => &Row {
                id: "supply.pinning",
                wants: "Versions and tool definitions are pinned; a changed description, schema or annotation puts the tool aside until someone has seen the difference.",
                items: &["V5.3", "U35"],
                priority: Priority::High,
            },
            Self::SupplyReview => &Row {
                id: "supply.review",
                wants: "A server's source and vendor are assessed before approval, with a scanner's findings, a recorded reviewer and an expiry.",
                items: &["V5.2", "D28"],
                priority: Priority::High,
            },
            Self::SupplyVulnerabilities => &Row {
                id: "supply.vulnerabilities",
                wants: "A bill of materials exists for every server and for the gateway, and is matched against known vulnerabilities before deployment and on a schedule.",
                items: &["V5.5", "D26", "U50"],
                priority: Priority::High,
            },
            Self::SupplyRegistry => &Row {
                id: "supply.registry",
                wants: "Servers come from a managed registry, the official one or a private one, that records what was vetted.",
                items: &["V5.4"],
                priority: Priority::Medium,
            },
            Self::SupplyInventory => &Row {
                id: "supply.inventory",
                wants: "Before each deployment the registered tools, their permissions and last use are listed, and what nobody uses is offered for removal.",
                items: &["T10"],
                priority: Priority::High,
            },
            Self::SupplyOwnBuild => &Row {
                id: "supply.own-build",
                wants: "The gateway's own build is pinned, gated by static analysis, licence and advisory checks, reproducible, signed, and carries provenance.",
                items: &["U46", "U47", "U48"],
                priority: Priority::High,
            },
            Self::SupplyFuzzing => &Row {
                id: "supply.fuzzing",
                wants: "Message handlers and parameter parsers are fuzzed from a corpus that recorded traffic can extend.",
                items: &["U49"],
                priority: Priority::Medium,
            },
            Self::AuditCalls => &Row {
                id: "audit.calls",
                wants: "Every call is recorded with time, user, agent, session, server, tool, redacted arguments and their digest, result status, size and digest, classification, decision and latency; a call that cannot be recorded does not run.",
                items: &["D16", "V6.2", "U41", "T4"],
                priority: Priority::Critical,
            },
            Self::AuditChain => &Row {
                id: "audit.chain",
                wants: "Records are chained by hash and sealed by signed checkpoints, so that a change, a removal, a reordering or a truncation is found by anyone with the public key.",
                items: &["V6.1", "U43"],
                priority: Priority::Critical,
            },
            Self::AuditSiem => &Row {
                id: "audit.siem",
                wants: "Records and events reach the SIEM in real time, in the formats that SIEMs read, at least once, across outages.",
                items: &["D17", "U41"],
                priority: Priority::High,
            },
            Self::AuditApprovals => &Row {
                id: "audit.approvals",
                wants: "Who approved what, with the inputs and the difference that they saw, is on record.",
                items: &["U42"],
                priority: Priority::High,
            },
            Self::AuditSessions => &Row {
                id: "audit.sessions",
                wants: "A whole session, its calls, arguments and results, can be replayed in order and proved complete.",
                items: &["D20", "U43"],
                priority: Priority::High,
            },
            Self::AuditEvents => &Row {
                id: "audit.events",
                wants: "Security events carry a severity and the MITRE technique that they point to.",
                items: &["U44"],
                priority: Priority::Medium,
            },
            Self::AuditCorrelation => &Row {
                id: "audit.correlation",
                wants: "One identifier follows a call from client through gateway to server and downstream.",
                items: &["U45"],
                priority: Priority::Medium,
            },
            Self::MonitoringBaselines => &Row {
                id: "monitoring.baselines",
                wants: "Normal use is learnt per role, and each session gets an anomaly score with its reasons.",
                items: &["D18", "T9"],
                priority: Priority::High,
            },
            Self::MonitoringAlerts => &Row {
                id: "monitoring.alerts",
                wants: "Alerts fire in real time on unusual volume, first access to a sensitive server, off-hours use, known attack sequences, large results, and every blocked destructive or exfiltrative call.",
                items: &["V6.3", "D17", "T9", "V3.4"],
                priority: Priority::High,
            },
            Self::ResponseKillSwitch => &Row {
                id: "response.kill-switch",
                wants: "One act, by any of at least three authorised people, on the command line, in the console or through the interface, stops one session, principal, server or everything, on every replica, in under a second; it is tested on a schedule.",
                items: &["D15", "V6.4"],
                priority: Priority::Critical,
            },
            Self::ResponsePlaybooks => &Row {
                id: "response.playbooks",
                wants: "Playbooks for compromised sessions, exposed credentials, unauthorised access, unauthorised mutation and supply-chain compromise can be run step by step, with containment, evidence preservation, communication and escalation.",
                items: &["D29", "V6.5"],
                priority: Priority::High,
            },
            Self::ResponseExercises => &Row {
                id: "response.exercises",
                wants: "Exercises play real attack scenarios against the deployment, measure the time to detect and to contain, and fall due every quarter.",
                items: &["D30", "V6.4"],
                priority: Priority::Medium,
            },
            Self::ResponseCompliance => &Row {
                id: "response.compliance",
                wants: "The state of every control is assessed live with evidence, scored to a maturity level, and mapped to SOC 2, ISO 27001 and NIST 800-53, in a report an auditor accepts.",
                items: &["D30", "V6.5"],
                priority: Priority::High,
            },
        }
    }

    /// The id, as the catalogue spells it.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The group: what stands before the dot of the id.
    pub fn group(self) -> &'static str {
        self.id().split('.').next().unwrap_or_default()
    }

    /// What must hold.
    pub fn wants(self) -> &'static str {
        self.row().wants
    }

    /// The checklist items that the control answers.
    pub fn items(self) -> &'static [&'static str] {
        self.row().items
    }

    /// How much the control weighs.
    pub fn priority(self) -> Priority {
        self.row().priority
    }

    /// The control of that id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.id() == id)
    }
}
