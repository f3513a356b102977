//! What a decision reads.

use crate::situation::{Arguments, Circumstances, Situation};
use terms::{Label, Operation, Principal, ServerName};

/// What a principal would do. Each is an action of the Cedar schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Call a tool.
    Call,
    /// Get a prompt.
    Get,
    /// Read a resource.
    Read,
    /// List resources or resource templates, as the server has them.
    List,
    /// Have an argument of a prompt or of a resource template completed.
    Complete,
    /// Set the level of the server's log messages.
    Log,
    /// Subscribe to a resource, or end that.
    Subscribe,
    /// Be asked something by the server.
    Question,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::Call, Self::Get, Self::Read, Self::List, Self::Complete, Self::Log, Self::Subscribe, Self::Question];

    /// The id in Cedar, in records and in explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Get => "get",
            Self::Read => "read",
            Self::List => "list",
            Self::Complete => "complete",
            Self::Log => "log",
            Self::Subscribe => "subscribe",
            Self::Question => "question",
        }
    }
}

/// What a server may ask of the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// To run the client's model.
    Sampling,
    /// To put a question to the user.
    Elicitation,
    /// Which folders the client has open.
    Roots,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sampling, Self::Elicitation, Self::Roots];

    /// The name in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Roots => "roots",
        }
    }

    /// The method of MCP that puts it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Sampling => "sampling/createMessage",
            Self::Elicitation => "elicitation/create",
            Self::Roots => "roots/list",
        }
    }
}

/// A method that concerns a server as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `resources/list`.
    ResourcesList,
    /// `resources/templates/list`.
    TemplatesList,
    /// `logging/setLevel`.
    LoggingSetLevel,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ResourcesList, Self::TemplatesList, Self::LoggingSetLevel];

    /// The name in MCP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResourcesList => "resources/list",
            Self::TemplatesList => "resources/templates/list",
            Self::LoggingSetLevel => "logging/setLevel",
        }
    }

    /// What it does.
    pub const fn action(self) -> Action {
        match self {
            Self::ResourcesList | Self::TemplatesList => Action::List,
            Self::LoggingSetLevel => Action::Log,
        }
    }
}

/// What it would be done to. Names are the server's own, without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// A tool.
    Tool(&'a str),
    /// A prompt.
    Prompt(&'a str),
    /// A resource or a resource template, by URI.
    Resource(&'a str),
    /// A method of the server as a whole.
    Method(Method),
    /// A question of the server's.
    Question(Question),
}

impl<'a> Subject<'a> {
    /// Its name.
    pub const fn name(self) -> &'a str {
        match self {
            Self::Tool(name) | Self::Prompt(name) | Self::Resource(name) => name,
            Self::Method(method) => method.as_str(),
            Self::Question(question) => question.as_str(),
        }
    }

    /// The Cedar entity type.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Tool(_) => "Tool",
            Self::Prompt(_) => "Prompt",
            Self::Resource(_) => "Resource",
            Self::Method(_) => "Method",
            Self::Question(_) => "Question",
        }
    }

    /// What is done with it when nothing else is said: tools are called, prompts got, resources read.
    pub const fn action(self) -> Action {
        match self {
            Self::Tool(_) => Action::Call,
            Self::Prompt(_) => Action::Get,
            Self::Resource(_) => Action::Read,
            Self::Method(method) => method.action(),
            Self::Question(_) => Action::Question,
        }
    }

    /// Whether `action` can be done to it.
    pub(crate) const fn takes(self, action: Action) -> bool {
        match self {
            Self::Tool(_) => matches!(action, Action::Call),
            Self::Prompt(_) => matches!(action, Action::Get | Action::Complete),
            Self::Resource(_) => matches!(action, Action::Read | Action::Subscribe | Action::Complete),
            Self::Method(Method::ResourcesList | Method::TemplatesList) => matches!(action, Action::List),
            Self::Method(Method::LoggingSetLevel) => matches!(action, Action::Log),
            Self::Question(_) => matches!(action, Action::Question),
        }
    }
}

/// Everything that a decision may read, and nothing else: the same facts give the same verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// At which server.
    pub server: &'a ServerName,
    /// To what.
    pub subject: Subject<'a>,
    /// What.
    pub action: Action,
    /// What the tool does to the world, where that was reviewed.
    pub operation: Option<Operation>,
    /// How sensitive what comes back is, where that is known before; above the clearance it refuses.
    pub label: Option<Label>,
    /// With which arguments.
    pub arguments: Arguments<'a>,
    /// From where, when, and after how much.
    pub situation: Situation<'a>,
}

impl<'a> Facts<'a> {
    /// The natural use of `subject` ([`Subject::action`]) without arguments, of which nothing else is known: no condition on more than these holds.
    pub const fn new(principal: &'a Principal, server: &'a ServerName, subject: Subject<'a>) -> Self {
        let situation = Situation::Is(Circumstances::UNKNOWN);
        Self { principal, server, subject, action: subject.action(), operation: None, label: None, arguments: Arguments::Absent, situation }
    }

    /// The same with arguments.
    #[must_use]
    pub const fn arguments(mut self, arguments: Arguments<'a>) -> Self {
        self.arguments = arguments;
        self
    }

    /// The same in a situation.
    #[must_use]
    pub const fn situation(mut self, situation: Situation<'a>) -> Self {
        self.situation = situation;
        self
    }

    /// The method of MCP that does it.
    pub const fn method(&self) -> &'static str {
        match (self.subject, self.action) {
            (Subject::Method(method), _) => method.as_str(),
            (Subject::Question(question), _) => question.method(),
            (Subject::Prompt(_) | Subject::Resource(_), Action::Complete) => "completion/complete",
            (Subject::Resource(_), Action::Subscribe) => "resources/subscribe",
            (Subject::Tool(_), _) => "tools/call",
            (Subject::Prompt(_), _) => "prompts/get",
            (Subject::Resource(_), _) => "resources/read",
        }
    }

    /// The same with another action.
    #[must_use]
    pub const fn doing(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// The same with what the tool does to the world.
    #[must_use]
    pub const fn operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// The same with the label of what comes back.
    #[must_use]
    pub const fn label(mut self, label: Label) -> Self {
        self.label = Some(label);
        self
    }
}
