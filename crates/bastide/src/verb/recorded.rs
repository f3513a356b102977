//! Calls as the log has them: what each was about, the facts that were read for its decision, and how it was decided.

use super::audit::{FOLDER, Stretch};
use crate::outcome::Failure;
use crate::wire::Configured;
use audit::read::{self as log, Query, Reach};
use audit::record::Kind;
use mcp::{Bounds, Document, Node};
use policy::{Action, Circumstances, Ending, Spoken, Transport};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::ops::ControlFlow;
use store::journal::LogFolder;
use terms::{Authenticated, Code, Label, Name, Operation, Principal, ServerName, TokenId, Utc, Workload};

/// The arguments of a call that was.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// As they were sent: their digest is the one on record.
    Whole(Map<String, Value>),
    /// They cannot be judged again, for this reason.
    Unkept(&'static str),
}

/// How it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// By rules and arguments.
    Decided(Ending),
    /// It was refused for what no configuration decides: limits, kills, tokens, content, protocol.
    Elsewhere(Code),
}

/// A call that was.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id.
    pub reference: String,
    /// When.
    pub time: Option<Utc>,
    /// Who.
    pub principal: Principal,
    /// At which server, and what it was about. None where the name that was sent led to no server.
    pub target: Option<(ServerName, Spoken)>,
    /// The name as it stands on record.
    pub name: String,
    /// What was done.
    pub action: Action,
    /// What the tool did to the world, as that was known.
    pub operation: Option<Operation>,
    /// The label of what it returns, as that was known.
    pub label: Option<Label>,
    /// Its arguments.
    pub given: Given,
    /// How it was decided.
    pub was: Was,
    client: Option<String>,
    address: Option<IpAddr>,
    transport: Option<Transport>,
    depth: Option<u64>,
}

/// What one record is to a reader of calls.
#[derive(Debug)]
pub enum Read {
    /// Something else: a listing, an outcome, an act, a probe.
    Other,
    /// A call of which something is missing without which nothing can be said.
    Lacking {
        /// Its id, or that of the record.
        reference: String,
        /// What.
        what: &'static str,
    },
    /// A call.
    Call(Box<Recorded>),
}

impl Recorded {
    /// From where, when and after how much, and what of it is not on record.
    pub fn circumstances(&self) -> (Circumstances<'_>, Vec<&'static str>) {
        // Records have these facts together, the client's name where it gave one.
        let missing =
            if self.depth.is_some() { Vec::new() } else { vec!["what its client called itself", "how many calls its session had made"] };
        let circumstances = Circumstances {
            client: self.client.as_deref(),
            address: self.address,
            transport: self.transport,
            at: self.time,
            depth: self.depth,
        };
        (circumstances, missing)
    }

    /// The server's name, or nothing.
    pub fn server(&self) -> &str {
        self.target.as_ref().map_or("", |(server, _)| server.as_str())
    }
}

/// Gives `take` every call of `stretch` that is on record, archives included, in their order.
///
/// # Errors
/// [`Failure`]: there is no log, or it cannot be read.
pub fn each(configured: &Configured, stretch: &Stretch, mut take: impl FnMut(Read)) -> Result<(), Failure> {
    let folder = configured.loaded.file.state.join(FOLDER);
    if !folder.is_dir() {
        return Err(Failure::no("there is no audit log yet"));
    }
    let kinds = vec![Kind::Intent, Kind::Decision];
    let query = Query { since: stretch.since, until: stretch.until, reference: None, kinds, reach: Reach::Archives };
    log::records(&LogFolder::new(folder), &query, |entry| {
        take(read(&entry.body));
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Reads the record `body`, as it stands in the log.
pub fn read(body: &[u8]) -> Read {
    let bounds = Bounds {
        message: usize::MAX,
        text: usize::MAX,
        nesting: Bounds::DEEPEST,
        members: usize::MAX,
        values: usize::MAX,
        ..Bounds::default()
    };
    let Ok(document) = Document::parse(body.to_vec().into(), &bounds) else { return Read::Other };
    let root = document.root();
    let text = |path: &[&str]| path.iter().try_fold(root, |node, key| node.get(key)).and_then(Node::text).map(std::borrow::Cow::into_owned);
    let kind = text(&["kind"]).unwrap_or_default();
    let Some((kind_of, action)) = text(&["method"]).and_then(|method| about(&method)) else { return Read::Other };
    if !matches!(kind.as_str(), "intent" | "decision") {
        return Read::Other;
    }
    let reference = text(&["request"]).or_else(|| text(&["id"])).unwrap_or_default();
    let lacking = |what| Read::Lacking { reference: reference.clone(), what };
    let Some(principal) = principal(&text) else {
        // Who is not known is refused before anything is decided.
        return if text(&["principal", "agent"]).is_none() { Read::Other } else { lacking("who made it") };
    };
    let Some(name) = text(&["tool"]).or_else(|| (kind_of == About::Server).then(String::new)) else { return lacking("what it was about") };
    if kind_of == About::Tool && text(&["server"]).is_none() && gateway::line::is_own(&name) {
        // No server was asked: a search among tools, or a call through another whose wrapping did not fit.
        return Read::Other;
    }
    let code = text(&["decision", "code"]);
    let known = code.as_ref().map(|code| Code::ALL.iter().copied().find(|one| one.to_string() == *code));
    let was = match known {
        None => Was::Decided(Ending::Allowed),
        Some(None) => return lacking("a reason that is known here"),
        Some(Some(code)) if is_decision(code) => Was::Decided(Ending::Refused(code)),
        Some(Some(code)) => Was::Elsewhere(code),
    };
    let target = target(&text, kind_of, &name);
    let given = given(root, &text, target.as_ref());
    let transport = match &principal.workload {
        Workload::Local { .. } => Some(Transport::Local),
        Workload::Remote | Workload::Certificate { .. } => Some(Transport::Http),
        Workload::Gateway => None,
    };
    let fact = |key: &str| root.get("facts").and_then(|facts| facts.get(key));
    Read::Call(Box::new(Recorded {
        time: text(&["time"]).and_then(|time| Utc::parse(&time)),
        operation: text(&["operation"]).and_then(|word| serde_json::from_value(Value::String(word)).ok()),
        label: text(&["facts", "label"]).and_then(|word| serde_json::from_value(Value::String(word)).ok()),
        client: text(&["facts", "client"]),
        address: text(&["client"]).and_then(|client| client.parse::<std::net::SocketAddr>().ok()).map(|client| client.ip()),
        depth: fact("depth").and_then(Node::integer).and_then(|depth| u64::try_from(depth).ok()),
        reference,
        principal,
        target,
        name,
        action,
        given,
        was,
        transport,
    }))
}

/// What a method is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Tool,
    Prompt,
    Resource,
    Server,
}

fn about(method: &str) -> Option<(About, Action)> {
    Some(match method {
        "tools/call" => (About::Tool, Action::Call),
        "prompts/get" => (About::Prompt, Action::Get),
        "resources/read" => (About::Resource, Action::Read),
        "resources/subscribe" | "resources/unsubscribe" => (About::Resource, Action::Subscribe),
        "resources/list" => (About::Server, Action::List),
        _ => return None,
    })
}

/// The codes that rules and arguments refuse with; any other comes from elsewhere.
const fn is_decision(code: Code) -> bool {
    matches!(
        code,
        Code::Denied
            | Code::Unknown
            | Code::Clearance
            | Code::Hours
            | Code::Arguments
            | Code::OpenText
            | Code::OperationOther
            | Code::OperationUntold
            | Code::OperationDenied
            | Code::NotApproved
            | Code::PinChanged
            | Code::LockUnverified
            | Code::SchemaFault
            | Code::ArgumentMismatch
            | Code::ArgumentConstraint
            | Code::Smuggled
            | Code::ProcessProgram
            | Code::ProcessShell
            | Code::ProcessOption
            | Code::ProcessPath
            | Code::FilesOutside
            | Code::FilesForm
            | Code::HttpScheme
            | Code::HttpHost
            | Code::HttpForm
            | Code::HttpAddress
            | Code::DatabaseStatement
            | Code::DatabaseTable
            | Code::DatabaseFunction
            | Code::DatabaseForm
    )
}

/// The principal; none where the record does not name one wholly.
fn principal(text: &dyn Fn(&[&str]) -> Option<String>) -> Option<Principal> {
    let user = match text(&["principal", "user"]) {
        Some(user) => Some(Name::new(&user).ok()?),
        None => None,
    };
    let workload = match text(&["principal", "workload", "kind"])?.as_str() {
        // The account is a fact that no rule reads.
        "local" => Workload::Local { uid: 0, executable: text(&["principal", "workload", "executable"]) },
        "remote" => Workload::Remote,
        "certificate" => Workload::Certificate { identity: text(&["principal", "workload", "identity"])?.into() },
        _ => return None,
    };
    let authenticated = match workload {
        Workload::Local { .. } => Authenticated::Peer,
        Workload::Remote | Workload::Certificate { .. } | Workload::Gateway => Authenticated::Token { id: TokenId::from_bits(0) },
    };
    Some(Principal { agent: Name::new(&text(&["principal", "agent"])?).ok()?, user, workload, authenticated })
}

fn target(text: &dyn Fn(&[&str]) -> Option<String>, kind: About, name: &str) -> Option<(ServerName, Spoken)> {
    let spoken = |name: &str| match kind {
        About::Tool => Spoken::Tool(name.to_owned()),
        About::Prompt => Spoken::Prompt(name.to_owned()),
        About::Resource => Spoken::Resource(name.to_owned()),
        About::Server => Spoken::Method(policy::Method::ResourcesList),
    };
    if let Some(server) = text(&["server"]) {
        return Some((ServerName::new(&server).ok()?, spoken(name)));
    }
    let endpoint = text(&["facts", "endpoint"]).unwrap_or_default();
    if let Some(server) = endpoint.strip_prefix("/mcp/") {
        return Some((ServerName::new(server).ok()?, spoken(name)));
    }
    match kind {
        About::Tool | About::Prompt => mcp::split_qualified(name).map(|(server, own)| (server, spoken(own))),
        About::Resource => mcp::unwrap_address(name).map(|(server, own)| (server, spoken(&own))),
        About::Server => None,
    }
}

/// The arguments, where the digest on record is theirs.
fn given(root: Node<'_>, text: &dyn Fn(&[&str]) -> Option<String>, target: Option<&(ServerName, Spoken)>) -> Given {
    let (Some((server, spoken)), Some(digest)) = (target, text(&["digest"])) else { return Given::Unkept("the digest of its arguments") };
    let arguments = root.get("arguments");
    let mut canonical = Vec::new();
    mcp::canonical_call(server.as_str(), spoken.subject().name(), arguments, &mut canonical);
    if supply::Digest::of(&canonical).to_string() != format!("sha256:{digest}") {
        return Given::Unkept("its arguments as they were sent: they are kept redacted, or not at all");
    }
    match arguments.map(Node::to_value) {
        None => Given::Whole(Map::new()),
        Some(Ok(Value::Object(members))) => Given::Whole(members),
        Some(Ok(_) | Err(_)) => Given::Unkept("arguments that can be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"v":1,"id":"R-1","kind":"KIND","time":"2026-11-21T10:04:05.123456789Z","monotonic":1,"request":"C-1","principal":{"agent":"coder","user":"ana","workload":{"kind":"remote"},"authenticated":{"by":"token","id":"T-000000000001"}},"client":"10.0.0.7:4000","server":"files","method":"tools/call","tool":"read","operation":"read","arguments":{"b":1.0,"a":"x"},"digest":"DIGEST","facts":{"label":"internal"},"decision":{"verdict":"allowed","policies":[]}}"#;

    fn digest() -> String {
        supply::Digest::of(br#"{"arguments":{"a":"x","b":1.0},"server":"files","tool":"read"}"#).to_string().replace("sha256:", "")
    }

    fn call(text: &str) -> Recorded {
        match read(text.as_bytes()) {
            Read::Call(call) => *call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_is_read_with_its_facts() {
        let found = call(&RECORD.replace("KIND", "intent").replace("DIGEST", &digest()));
        assert_eq!((found.reference.as_str(), found.server(), found.name.as_str(), found.action), ("C-1", "files", "read", Action::Call));
        assert_eq!(
            (found.label, found.operation, found.was),
            (Some(Label::Internal), Some(Operation::Read), Was::Decided(Ending::Allowed))
        );
        assert!(matches!(&found.given, Given::Whole(members) if members["a"] == "x"), "{:?}", found.given);
        let (circumstances, missing) = found.circumstances();
        assert_eq!((circumstances.transport, circumstances.address), (Some(Transport::Http), "10.0.0.7".parse().ok()));
        assert_eq!(missing.len(), 2, "{missing:?}");
    }

    #[test]
    fn arguments_that_are_not_those_that_were_sent_are_not_taken() {
        for (from, to) in [("\"x\"", "\"«redacted: github-pat #1»\""), ("1.0", "1"), ("\"tool\":\"read\"", "\"tool\":\"other\"")] {
            let found = call(&RECORD.replace("KIND", "intent").replace("DIGEST", &digest()).replace(from, to));
            assert!(matches!(found.given, Given::Unkept(_)), "{from}");
        }
    }

    #[test]
    fn a_refusal_is_the_decisions_or_came_from_elsewhere() {
        let with = |code: &str| {
            let refused = format!("{{\"verdict\":\"refused\",\"policies\":[],\"code\":\"{code}\"}}");
            RECORD.replace("KIND", "decision").replace("{\"verdict\":\"allowed\",\"policies\":[]}", &refused)
        };
        assert_eq!(call(&with(&Code::Denied.to_string())).was, Was::Decided(Ending::Refused(Code::Denied)));
        assert_eq!(call(&with(&Code::Killed.to_string())).was, Was::Elsewhere(Code::Killed));
        assert!(matches!(read(with("access.none/such").as_bytes()), Read::Lacking { .. }));
    }

    #[test]
    fn what_is_no_call_is_passed_over_and_what_is_missing_is_named() {
        for (from, to) in [("KIND", "outcome"), ("KIND", "probe"), ("tools/call", "tools/list"), ("tools/call", "initialize")] {
            assert!(matches!(read(RECORD.replace(from, to).replace("KIND", "intent").as_bytes()), Read::Other), "{to}");
        }
        assert!(matches!(read(b"{"), Read::Other));
        for (from, what) in [("\"workload\":{\"kind\":\"remote\"},", "who made it"), ("\"tool\":\"read\",", "what it was about")] {
            let found = read(RECORD.replace("KIND", "intent").replace(from, "").as_bytes());
            assert!(matches!(found, Read::Lacking { what: found, .. } if found == what), "{found:?}");
        }
    }

    #[test]
    fn a_name_that_led_to_no_server_is_taken_apart() {
        let text =
            RECORD.replace("KIND", "decision").replace("\"server\":\"files\",", "").replace("\"tool\":\"read\"", "\"tool\":\"git__log\"");
        assert_eq!(call(&text).server(), "git");
        let text = text.replace("git__log", "log").replace("\"label\":\"internal\"", "\"endpoint\":\"/mcp/git\"");
        assert_eq!(call(&text).target.unwrap().1, Spoken::Tool("log".to_owned()));
    }
}
