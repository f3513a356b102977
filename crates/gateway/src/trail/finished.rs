//! A trail at its end, as a collector is told of it: what it was, how long it took, how it ended, and nothing of what was in it.

use super::{Asked, Named, Occasion, Stage, Trail, Verdict};
use crate::gate::Gate;
use crate::line::error_code;
use mcp::{Id, Method, Revision};
use telemetry::{Context, Event, Kind, Sampled, Span, SpanId, Value};
use terms::{CallId, Code, ServerName, SessionId};

/// Longest text of a request id that is told; ids are the client's, who may write into them what it likes.
const ID: usize = 64;
/// What is said in place of a name that nobody offers.
const INVENTED: &str = "_other";

/// How an operation failed, as few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Failed {
    /// A tool says so of itself.
    Tool,
    /// The server answered with an error.
    Error,
    /// There was no answer in time.
    Timeout,
    /// The gateway refused it.
    Refused,
}

impl Failed {
    /// The word in labels.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool_error",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
        }
    }
}

/// What is left of a trail.
pub(crate) struct Finished {
    id: CallId,
    context: Context,
    /// When it began, in nanoseconds since 1970.
    began: u64,
    stages: [u64; Stage::ALL.len()],
    reached: usize,
    method: &'static str,
    /// The tool or prompt that is offered under this name, or [`INVENTED`].
    name: Option<String>,
    server: Option<ServerName>,
    session: Option<SessionId>,
    revision: Revision,
    client_id: Option<Id>,
    /// Whether it came over HTTP, or over the local socket.
    transport: policy::Transport,
    asked: Option<Asked>,
    verdict: Verdict,
    code: Option<Code>,
    failed: Option<Failed>,
    fault: Option<i64>,
}

impl Trail {
    /// How it failed, if it did.
    pub(crate) fn failed(&self) -> Option<Failed> {
        match (self.code, self.fault, &self.returned) {
            (Some(Code::CallTimeout), ..) => Some(Failed::Timeout),
            (Some(Code::ServerUnavailable | Code::ServerMalformed | Code::ServerRevision | Code::ServerAside), ..) => Some(Failed::Error),
            (Some(_), ..) => Some(Failed::Refused),
            (None, Some(_), _) => Some(Failed::Error),
            (None, None, Some(returned)) if returned.status == "error" => Some(Failed::Tool),
            (None, None, _) => None,
        }
    }

    /// The client has its answer: whoever is told of calls is told of this one. What probes do is told to nobody.
    pub(crate) fn over(&mut self, gate: &Gate) {
        if let (Some(report), Some(method), Occasion::Work) = (&gate.report, self.asks(), self.occasion)
            && let Some(context) = self.context.take_if(|context| context.sampled == Sampled::Yes)
        {
            let finished = self.finished(gate, context, method);
            report.take(gate, finished);
        }
    }

    fn finished(&mut self, gate: &Gate, context: Context, method: &'static str) -> Finished {
        let since = gate.clock.instant().since(self.began()).as_nanos();
        let began = gate.clock.utc().nanos().saturating_sub(u64::try_from(since).unwrap_or(u64::MAX));
        let named = [Method::CallTool.as_str(), Method::GetPrompt.as_str()].contains(&method);
        let name = named.then(|| match (self.named, self.subject.take()) {
            (Named::Offered, Some(name)) => name,
            (Named::Offered, None) | (Named::Invented, _) => INVENTED.to_owned(),
        });
        Finished {
            id: self.id,
            context,
            began,
            stages: self.stages,
            reached: self.reached,
            method,
            name,
            server: self.server.take(),
            session: self.session,
            revision: self.revision,
            client_id: self.client_id.take(),
            transport: if self.peer.is_some() { policy::Transport::Http } else { policy::Transport::Local },
            asked: self.asked,
            verdict: self.verdict(),
            code: self.code,
            failed: self.failed(),
            fault: self.fault,
        }
    }
}

impl Finished {
    /// When what is after `stage` began.
    fn after(&self, stage: Stage) -> u64 {
        let spent: u64 = self.stages.iter().take(stage as usize + 1).sum();
        self.began.saturating_add(spent)
    }

    /// Appends the span of our answering, and that of our asking a server where one was asked.
    pub(crate) fn spans(self, out: &mut Vec<Span>) {
        let asking = self.asked.map(|over| self.asking(over));
        out.push(self.answering());
        out.extend(asking);
    }

    fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| self.method.to_owned(), |name| format!("{} {name}", self.method))
    }

    /// What both spans say.
    fn common(&self) -> Vec<(&'static str, Value)> {
        let mut said = Vec::with_capacity(20);
        said.push(("mcp.method.name", Value::Word(self.method)));
        said.push(("bastide.request", Value::Text(self.id.to_string())));
        if let Some(server) = &self.server {
            said.push(("bastide.server", Value::Text(server.to_string())));
        }
        if let Some(name) = &self.name {
            if self.method == Method::CallTool.as_str() {
                said.push(("gen_ai.tool.name", Value::Text(name.clone())));
                said.push(("gen_ai.operation.name", Value::Word("execute_tool")));
            } else {
                said.push(("gen_ai.prompt.name", Value::Text(name.clone())));
            }
        }
        said
    }

    fn answering(&self) -> Span {
        let mut said = self.common();
        said.push(("mcp.protocol.version", Value::Word(self.revision.as_str())));
        if let Some(session) = self.session {
            said.push(("mcp.session.id", Value::Text(session.to_string())));
        }
        match &self.client_id {
            Some(Id::Number(number)) => said.push(("jsonrpc.request.id", Value::Text(number.to_string()))),
            Some(Id::Text(text)) if is_plain(text) => said.push(("jsonrpc.request.id", Value::Text(text.to_string()))),
            Some(Id::Text(_)) => said.push(("jsonrpc.request.id", Value::Word(INVENTED))),
            None => {}
        }
        match self.transport {
            policy::Transport::Http => {
                said.push(("network.transport", Value::Word("tcp")));
                said.push(("network.protocol.name", Value::Word("http")));
            }
            policy::Transport::Local => said.push(("network.transport", Value::Word("unix"))),
        }
        said.push(("bastide.verdict", Value::Word(self.verdict.as_str())));
        if let Some(code) = self.code {
            said.push(("bastide.control", Value::Word(code.control().id())));
            said.push(("error.type", Value::Text(code.to_string())));
            if self.method != Method::CallTool.as_str() {
                said.push(("rpc.response.status_code", Value::Text(error_code(code).to_string())));
            }
        }
        self.server_failed(&mut said);
        let passed = Stage::ALL.iter().zip(self.stages).filter(|(_, spent)| *spent > 0);
        let events = passed.map(|(stage, _)| Event { name: stage.as_str(), at: self.after(*stage) }).collect();
        Span {
            trace: self.context.trace,
            id: SpanId::of_call(self.id),
            parent: self.context.parent,
            kind: Kind::Server,
            name: self.called(),
            from: self.began,
            to: self.after(Stage::Settle),
            attributes: said,
            events,
        }
    }

    fn asking(&self, over: Asked) -> Span {
        let mut said = self.common();
        match over {
            Asked::Pipe => said.push(("network.transport", Value::Word("pipe"))),
            Asked::Tcp => {
                said.push(("network.transport", Value::Word("tcp")));
                said.push(("network.protocol.name", Value::Word("http")));
            }
        }
        // A refusal of what came back is no fault of the asking.
        if self.reached <= Stage::Pair as usize
            && let Some(code) = self.code
        {
            said.push(("error.type", Value::Text(code.to_string())));
        }
        self.server_failed(&mut said);
        Span {
            trace: self.context.trace,
            id: SpanId::of_asking(self.id),
            parent: Some(SpanId::of_call(self.id)),
            kind: Kind::Client,
            name: self.called(),
            from: self.after(Stage::Record),
            to: self.after(Stage::Pair),
            attributes: said,
            events: Vec::new(),
        }
    }

    fn server_failed(&self, said: &mut Vec<(&'static str, Value)>) {
        match (self.code, self.fault, self.failed) {
            (None, Some(code), _) => {
                said.push(("error.type", Value::Text(code.to_string())));
                said.push(("rpc.response.status_code", Value::Text(code.to_string())));
            }
            (None, None, Some(failed)) => said.push(("error.type", Value::Word(failed.as_str()))),
            (Some(_), ..) | (None, None, None) => {}
        }
    }
}

/// Whether an id is one as programs make them, and no text.
fn is_plain(id: &str) -> bool {
    id.len() <= ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte))
}
