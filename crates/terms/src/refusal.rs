//! The one thing that a peer learns when it may not.
//!
//! Every refusal comes from the table in [`codes!`]; its holes are typed, so that no text of a peer, no path and no secret can leak through one.

use crate::{CallId, Control};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Whose fault it is, which decides how the transport says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The peer's: a message or a use that does not fit.
    Peer,
    /// Nobody's: policy says no.
    Policy,
    /// A limit was reached: later it may go.
    Limit,
    /// The server's or ours: something is not there.
    Unavailable,
}

/// A place in the arguments, by the names that the pinned schema gives; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(String);

impl Argument {
    /// The place at `pointer` (RFC 6901), kept to 64 characters that cannot do harm where they are printed.
    pub fn new(pointer: &str) -> Self {
        Self(pointer.chars().filter(|letter| letter.is_ascii_alphanumeric() || "/_-.".contains(*letter)).take(64).collect())
    }
}

/// What a refusal may say beyond its fixed sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hole {
    /// Nothing.
    #[default]
    None,
    /// Which argument.
    Argument(Argument),
    /// How much is allowed.
    Most(u64),
}

impl fmt::Display for Hole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("-"),
            Self::Argument(Argument(place)) if place.is_empty() => out.write_str("list"),
            Self::Argument(Argument(place)) => write!(out, "`{place}`"),
            Self::Most(most) => write!(out, "{most}"),
        }
    }
}

macro_rules! codes {
    ($($name:ident: $control:ident / $reason:literal, $side:ident, $message:literal, $next:expr;)*) => {
        /// The stable name of a refusal: `control-id/reason`. Never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The control that refuses.
            pub const fn control(self) -> Control {
                match self { $(Self::$name => Control::$control,)* }
            }

            /// What stands after the slash.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// Whose fault it is.
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)* }
            }

            /// The sentence, `{}` standing for the hole.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// What the person can do next.
            pub const fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

const ASK: &str = "Tell the user the reference; `bastide explain` with it shows the reason.";

codes! {
    TokenMissing: IdentityTokens / "missing", Peer, "This endpoint needs a token.", "Send a bearer token, or launch `bastide connect` instead.";
    TokenInvalid: IdentityTokens / "invalid", Peer, "The token was not accepted.", "Ask for a new one with `bastide token issue`.";
    TokenScope: IdentityTokens / "scope", Policy, "The token does not name this tool.", "Ask for a token that names it with `bastide token issue`.";
    IdentityFault: IdentityTokens / "fault", Unavailable, "The caller could not be identified.", ASK;
    CertificateRefused: IdentityMtls / "refused", Peer, "The client certificate was not accepted.", "Ask the operator for a new one.";
    EnrolmentRefused: IdentityPrivateCa / "refused", Peer, "No certificate was issued.", "Ask the operator for a new code.";
    CertificateOther: IdentityMtls / "other", Peer, "The token is bound to another certificate.", "Use it with the certificate that it was issued for, or ask for a new one.";
    SessionUnknown: IdentitySessionBinding / "unknown", Peer, "There is no such session for this caller.", "Open a new session.";
    SessionMissing: IdentitySessionBinding / "missing", Peer, "The request names no session.", "Open a session with `initialize`.";
    SessionFault: IdentitySessionBinding / "fault", Unavailable, "The session could not be used.", "Open a new session.";
    VaultLocked: SecretsVault / "locked", Unavailable, "The credentials that this server needs cannot be read.", "Tell the user: `bastide doctor` shows how to unlock the vault.";
    VaultAbsent: SecretsVault / "absent", Unavailable, "A credential that this server needs is not in the vault.", "Tell the user: `bastide doctor` names the `bastide secret put` that is missing.";
    IsolationEcho: SecretsIsolation / "echo", Policy, "The answer held a credential that cannot be taken out of it.", ASK;
    IsolationArgument: SecretsIsolation / "argument", Policy, "An argument holds a credential that agents do not hold.", ASK;
    UrlToken: SecretsNoUrls / "token", Peer, "A token does not belong in a URL.", "Send it in the Authorization header, and replace the one that was exposed.";
    TlsRefused: TransportTls / "refused", Peer, "The connection could not be secured.", "Speak TLS 1.3, or ask the operator.";
    MessageMalformed: TransportStrictMessages / "malformed", Peer, "The message does not fit the protocol.", "Update the client, or report the reference.";
    ServerMalformed: TransportStrictMessages / "server", Unavailable, "The server's answer does not fit the protocol.", ASK;
    ParseFault: TransportStrictMessages / "fault", Unavailable, "The message could not be read.", ASK;
    RevisionUnknown: TransportProtocolPin / "unknown", Peer, "This revision of the protocol is not in use here.", "Use one of the revisions that the answer names.";
    ServerRevision: TransportProtocolPin / "server", Unavailable, "The server does not speak the revision that was approved.", "Tell the user: `bastide lock` shows what it speaks now.";
    BoundSize: TransportBounds / "size", Peer, "The message is larger than {} bytes.", "Send less at once.";
    BoundInflight: TransportBounds / "inflight", Limit, "More than {} calls are under way.", "Wait for one to end, then try again.";
    BoundStreams: TransportBounds / "streams", Limit, "More than {} streams are open.", "Close one, then try again.";
    BoundResult: TransportBounds / "result", Unavailable, "The server's answer is larger than {} bytes.", "Ask for less at once.";
    BoundFlood: TransportBounds / "flood", Peer, "The connection sent too many frames that carry nothing.", "Connect again, and send less.";
    Overload: TransportBounds / "overload", Unavailable, "There is more to do than can be done in time.", "Wait a moment, then try again.";
    BoundFault: TransportBounds / "fault", Unavailable, "The message could not be taken in.", ASK;
    Denied: AccessDenyByDefault / "denied", Policy, "This is not allowed for this caller.", "Do not retry unless the user says that it was allowed. Tell the user the reference.";
    Hours: AccessDenyByDefault / "hours", Policy, "This is outside the hours of the role that allows it.", "Try again within the hours, or ask the user.";
    Arguments: AccessDenyByDefault / "arguments", Policy, "These arguments are not allowed for this caller.", "Call it with arguments that are, or tell the user the reference.";
    DecideFault: AccessDenyByDefault / "fault", Unavailable, "No decision could be made.", ASK;
    Unknown: AccessFilteredDiscovery / "unknown", Peer, "There is no such tool, resource or prompt.", "List what there is. Tell the user the reference if it should be there.";
    ArgumentMismatch: AccessArgumentSchemas / "mismatch", Peer, "The argument {} does not fit what the tool accepts.", "Correct it as the tool's schema says.";
    ArgumentConstraint: AccessArgumentSchemas / "constraint", Policy, "The argument {} is outside what is allowed here.", "Do not try other values. Tell the user the reference.";
    SchemaFault: AccessArgumentSchemas / "fault", Unavailable, "The arguments could not be checked.", ASK;
    OpenText: AccessArgumentPolicies / "open-text", Policy, "The argument {} may hold any text, and the tool can change something.", "Leave it out, or tell the user the reference: the argument has to be bounded or marked as free text.";
    GuardUnfit: AccessArgumentPolicies / "unfit", Policy, "The argument {} is not of a kind that its guard can judge.", "Correct it as the tool's schema says.";
    OperationOther: AccessOperations / "other", Policy, "The call would do another kind of operation than this tool is for.", "Use the tool for that kind, if one is listed.";
    OperationUntold: AccessOperations / "untold", Policy, "Which kind of operation the call is cannot be told.", "Give the argument that says it, as the tool's schema has it.";
    OperationDenied: AccessOperations / "denied", Policy, "This kind of operation is not allowed for this caller with this tool.", "Do not retry unless the user says that it was allowed. Tell the user the reference.";
    Smuggled: IntentSmuggling / "flag", Policy, "The argument {} would change how calls are checked or approved.", "Leave it out. Do not try other spellings.";
    ProcessProgram: ToolsProcess / "program", Policy, "The command in {} starts a program that is not open to this tool.", "Use one of the programs that the tool was given.";
    ProcessShell: ToolsProcess / "shell", Policy, "The command in {} holds what a shell would act on.", "Give one plain command, or its words as a list: no operators, variables, patterns or redirections.";
    ProcessOption: ToolsProcess / "option", Policy, "The command in {} has an option or operand that runs code or other programs.", "Leave it out, and tell the user what it was for.";
    ProcessPath: ToolsProcess / "path", Policy, "The command in {} names a path outside the folder of the tool.", "Stay under the tool's folder, with paths relative to it.";
    FilesOutside: ToolsFiles / "outside", Policy, "The path in {} leads outside the folders that are open to this tool.", "Use a path under a folder that the user opened for it.";
    FilesForm: ToolsFiles / "form", Policy, "The path in {} is written in a way that could lead elsewhere.", "Write it plainly: no home, device or drive names, no variables, no addresses.";
    FilesFault: ToolsFiles / "fault", Unavailable, "Where the path in {} leads could not be found out.", ASK;
    HttpScheme: ToolsHttp / "scheme", Policy, "The URL in {} has a scheme that is not open to this tool.", "Use a URL of a scheme that the user allowed.";
    HttpHost: ToolsHttp / "host", Policy, "The URL in {} leads to a host that is not open to this tool.", "Do not try other spellings. Tell the user which host is needed.";
    HttpAddress: ToolsHttp / "address", Policy, "The URL in {} leads to an inner address.", "Do not try other spellings. Tell the user the reference.";
    HttpForm: ToolsHttp / "form", Policy, "The URL in {} is one that programs read differently.", "Write it plainly: scheme, host, path and query, no user, no spaces, no backslashes.";
    DatabaseStatement: ToolsDatabase / "statement", Policy, "The SQL in {} does more than this tool may do.", "Ask for data with one SELECT, unless the user opened more.";
    DatabaseTable: ToolsDatabase / "table", Policy, "The SQL in {} names a table or column that is not open to this tool.", "Use the tables that the user opened for it.";
    DatabaseFunction: ToolsDatabase / "function", Policy, "The SQL in {} calls a function that may do more than compute.", "Leave the call out, or tell the user which one is needed.";
    DatabaseForm: ToolsDatabase / "unreadable", Policy, "The SQL in {} could not be read for certain.", "Write one plain statement without hints, odd comments or deep nesting.";
    RateCalls: AccessRateLimits / "calls", Limit, "The limit of {} calls is reached.", "Wait, then try again.";
    RateRole: AccessRateLimits / "role", Limit, "The limit of {} calls of everyone in this role is reached.", "Wait, then try again.";
    RateServer: AccessRateLimits / "server", Limit, "The limit of {} calls to this server is reached.", "Wait, then try again.";
    RateTool: AccessRateLimits / "tool", Limit, "The limit of {} calls of this tool is reached.", "Wait, then try again.";
    RateInterface: AccessRateLimits / "interface", Limit, "What is behind this server takes no more than {} calls of all callers together.", "Wait, then try again.";
    RateInflight: AccessRateLimits / "inflight", Limit, "More than {} of these calls are under way.", "Wait for one to end, then try again.";
    BudgetMutations: AccessBudgets / "mutations", Limit, "The limit of {} calls that change something is reached.", "Stop changing things. Tell the user what was done and what is left.";
    BudgetBytes: AccessBudgets / "bytes", Limit, "The limit of {} bytes received is reached.", "Ask for less at once, or tell the user what is still missing.";
    BudgetCost: AccessBudgets / "cost", Limit, "The limit of {} units of cost is reached.", "Tell the user what is left to be done.";
    BudgetDepth: AccessBudgets / "depth", Limit, "More than {} calls were made without a person in between.", "Stop. Tell the user what was done, and let the user say how to go on.";
    BudgetLoop: AccessBudgets / "loop", Limit, "More than {} calls that hardly differ were made.", "Do not repeat this call. Look at what it answered, or tell the user.";
    RateFault: AccessRateLimits / "fault", Unavailable, "The limits could not be read.", ASK;
    InspectFault: IntentInputScreening / "fault", Unavailable, "The call could not be inspected.", ASK;
    OutputWithheld: IntentOutputScreening / "withheld", Policy, "The answer was withheld.", ASK;
    OutputUnfit: IntentOutputScreening / "unfit", Policy, "The answer cannot be shown without what had to be taken out of it.", ASK;
    ScreenFault: IntentOutputScreening / "fault", Unavailable, "The answer could not be screened.", ASK;
    SecretBlocked: DataSecrets / "blocked", Policy, "It holds a key, a token or a password.", ASK;
    ResourceLarge: DataResources / "large", Policy, "It is larger than {} bytes, and no part of it can stand for the whole.", "Ask for less at once.";
    ResourceChanged: DataResources / "changed", Unavailable, "The resource changed while it was read.", "Read it from its beginning.";
    FinancialBlocked: DataFinancial / "blocked", Policy, "It holds card or account numbers.", ASK;
    ErrorsBlocked: DataErrors / "blocked", Policy, "It holds what tells of the machine behind the server.", ASK;
    PiiBlocked: DataPii / "blocked", Policy, "It holds personal data.", ASK;
    PromptChanged: DataPrompts / "changed", Policy, "The prompt is not the template that was approved.", ASK;
    PromptCredential: DataPrompts / "credential", Policy, "The prompt holds a key, a token or a password.", ASK;
    Clearance: DataLabels / "clearance", Policy, "The data is above this caller's clearance.", ASK;
    ServerClearance: DataLabels / "server", Policy, "The data is above what this server may be sent.", ASK;
    CallTimeout: RuntimeLimits / "timeout", Unavailable, "The server did not answer in time.", "Ask for less at once, or tell the user.";
    InstanceLimit: RuntimeLimits / "instances", Limit, "More than {} local servers are running.", "Wait for one to end, then try again.";
    ServerUnavailable: RuntimeRestart / "unavailable", Unavailable, "The server is not available.", "Tell the user the reference.";
    ServerAside: RuntimeRestart / "aside", Unavailable, "The server died too often and was put aside.", "Tell the user: `bastide server list` shows why.";
    SandboxUnavailable: RuntimeSandbox / "unavailable", Unavailable, "The server cannot be confined on this machine.", "Tell the user: `bastide doctor` names the reason.";
    NotApproved: SupplyAllowlist / "unapproved", Policy, "The server was not approved.", "Tell the user: `bastide lock` shows what there is to approve.";
    PinChanged: SupplyPinning / "changed", Policy, "The definition changed after it was approved.", "Tell the user: `bastide server approve` shows the difference.";
    LockUnverified: SupplyProvenance / "unverified", Unavailable, "The lock could not be verified.", "Tell the user: `bastide lock --check` names the reason.";
    RecordUnavailable: AuditCalls / "unavailable", Unavailable, "The call cannot be recorded, so it does not run.", "Try again later. Tell the user the reference.";
    ProbeReach: ResponseCompliance / "probe", Policy, "A probe may call the canary and no other server.", "`bastide assess` makes these calls itself; use a token of an agent for work.";
    Killed: ResponseKillSwitch / "stopped", Policy, "An operator has stopped this.", "Do not retry. Tell the user the reference.";
    KillUnknown: ResponseKillSwitch / "unknown", Unavailable, "Whether this was stopped cannot be told.", "Try again later.";
    QuestionUnowned: IntentFlow / "question", Policy, "The server's question belongs to no call.", ASK;
    QuestionRefused: AccessDenyByDefault / "question", Policy, "The server asked something that may not be asked here.", ASK;
    QuestionRounds: TransportBounds / "rounds", Unavailable, "The server asked more than {} times within one call.", ASK;
    Draining: ResponseKillSwitch / "draining", Unavailable, "The gateway is ending.", "Connect again in a moment.";
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.control().id(), self.reason())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// A refusal: what, by which control, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// What the sentence may add.
    pub hole: Hole,
    /// Where the record is found.
    pub reference: CallId,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// The refusal `code`, found under `reference`.
    pub fn new(code: Code, reference: CallId) -> Self {
        Self { code, hole: Hole::None, reference, retry_after: None }
    }

    /// Fills the hole.
    #[must_use]
    pub fn with(mut self, hole: Hole) -> Self {
        self.hole = hole;
        self
    }

    /// Says when it may be tried again.
    #[must_use]
    pub fn after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// The sentence, hole filled.
    pub fn message(&self) -> String {
        self.code.message().replace("{}", &self.hole.to_string())
    }
}

/// `{code, control, message, next, reference, retry_after?}`, seconds rounded up.
impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("code", &self.code)?;
        map.serialize_entry("control", self.code.control().id())?;
        map.serialize_entry("message", &self.message())?;
        map.serialize_entry("next", self.code.next())?;
        map.serialize_entry("reference", &self.reference)?;
        if let Some(span) = self.retry_after {
            map.serialize_entry("retry_after", &span.as_millis().div_ceil(1000))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sentences_end() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.to_string()), "{code} twice");
            assert!(code.message().ends_with('.') && code.next().ends_with('.'), "{code}");
        }
    }
}
