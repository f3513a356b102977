//! Stage 7: one verdict. The only place of the line where policy is asked, for calls and for listings alike.

use super::admit::Admitted;
use super::inspect::{Guarded, Inspected};
use super::resolve::{Fit, Reference, Resolved, Target, Watched};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::moment::Moment;
use crate::names;
use crate::session::{Abilities, Ability, Session, Wants};
use crate::snapshot::{Item, Server, Snapshot, Unpinned};
use crate::trail::{Stage, Trail};
use guards::Mismatch;
use identity::token::Scope;
use mcp::Method;
use policy::{Action, Arguments, Discovery, Facts, Obligation, Question, Subject, Verdict};
use std::sync::Arc;
use terms::{Argument, Class, Code, Hole, Label, Operation, Principal};

/// What arrived, allowed.
pub struct Decided {
    inspected: Inspected,
    passing: Passing,
    honoured: Wants,
}

/// What of an answer may go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    /// The highest label.
    pub(super) clearance: Label,
    /// What is found in it.
    pub(super) found: Found,
}

/// What becomes of what is found in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// As the configuration has it.
    Handled,
    /// It is taken out, whatever the configuration says.
    Redacted,
}

impl Passing {
    /// What is ours, or nobody's.
    const ALL: Self = Self { clearance: Label::Restricted, found: Found::Handled };

    fn of(verdict: &Verdict) -> Self {
        let redacted = verdict.obligations().contains(&Obligation::Redact);
        Self { clearance: verdict.clearance(), found: if redacted { Found::Redacted } else { Found::Handled } }
    }
}

impl Decided {
    pub(super) fn inspected(&self) -> &Inspected {
        &self.inspected
    }

    /// What may go back.
    pub(super) fn passing(&self) -> Passing {
        self.passing
    }

    /// What of a subscription may be heard.
    pub(super) fn honoured(&self) -> &Wants {
        &self.honoured
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, inspected: Inspected) -> Result<Decided, Halt> {
    let passing = judge(gate, trail, &inspected)?;
    answers(trail, inspected.resolved())?;
    if let Some(class) = inspected.blocked() {
        let code = if class == Class::Echo { Code::IsolationArgument } else { blocked(class) };
        return Err(trail.refuse(code));
    }
    let honoured = honoured(inspected.resolved());
    trail.passed(gate, Stage::Decide);
    Ok(Decided { inspected, passing, honoured })
}

/// What of a subscription may be heard: of lists what there is, of resources those that this principal may subscribe to. The rest is left out without
/// a word, as the specification has it.
fn honoured(resolved: &Resolved) -> Wants {
    let Target::Listen(lists, watched) = resolved.target() else { return Wants::default() };
    let snapshot = resolved.snapshot();
    let session = resolved.admitted().session();
    let scope = resolved.admitted().parsed().identified().scope();
    let may = |watched: &Watched| {
        let (name, uri) = watched.own.clone()?;
        let server = snapshot.servers.get(&name)?;
        let subject = Subject::Resource(&uri);
        let facts =
            Facts::new(&session.principal, &name, subject).doing(Action::Subscribe).situation(resolved.admitted().moment().situation());
        let allowed = named(scope, server, subject) && snapshot.policy.decide(&facts).allows();
        allowed.then(|| ((name, uri), watched.shown.clone()))
    };
    Wants { lists: lists.clone(), resources: watched.iter().filter_map(may).collect() }
}

/// What a client answers may still be asked of it.
fn answers(trail: &mut Trail, resolved: &Resolved) -> Result<(), Halt> {
    let (Some(round), Some(server)) = (resolved.round(), super::resolve::server(resolved.target())) else { return Ok(()) };
    let may = |asked: &crate::rounds::Asked| asked.method().and_then(question).is_some_and(|one| may_ask_of(resolved, server, one));
    if round.state.asked.iter().all(may) { Ok(()) } else { Err(trail.refuse(Code::QuestionRefused)) }
}

/// What the server of a message may ask its sender now.
pub(super) fn may_be_asked(resolved: &Resolved) -> Abilities {
    let Some(server) = super::resolve::server(resolved.target()) else { return Abilities::default() };
    let may = |question| if may_ask_of(resolved, server, question) { Ability::Declared } else { Ability::Absent };
    let elicitation = may(Question::Elicitation);
    Abilities {
        sampling: may(Question::Sampling),
        form: elicitation,
        url: elicitation,
        roots: may(Question::Roots),
        labels: Ability::Absent,
    }
}

/// The code under which content of a class is withheld.
pub(super) fn blocked(class: Class) -> Code {
    match class {
        Class::Secret => Code::SecretBlocked,
        Class::Echo => Code::IsolationEcho,
        Class::Financial => Code::FinancialBlocked,
        Class::Pii => Code::PiiBlocked,
        Class::Leak => Code::ErrorsBlocked,
        Class::Injection => Code::OutputWithheld,
        Class::Unseen => Code::InspectFault,
    }
}

fn judge(gate: &Gate, trail: &mut Trail, inspected: &Inspected) -> Result<Passing, Halt> {
    let resolved = inspected.resolved();
    // Arguments that do not fit are refused below, by who may use the tool at all.
    let arguments = inspected.arguments().map_or(Arguments::Any, Arguments::Are);
    let ask = |trail: &mut Trail, server: &Arc<Server>, subject: Subject<'_>, action: Option<Action>| {
        let session = resolved.admitted().session();
        let mut facts = Facts::new(&session.principal, &server.name, subject);
        if let Some(action) = action {
            facts = facts.doing(action);
        }
        facts.label = trail.label;
        facts.arguments = arguments;
        facts.situation = resolved.admitted().moment().situation();
        let reach = resolved.admitted().parsed().identified().scope();
        weigh(trail, &resolved.snapshot().policy.decide(&facts), named(reach, server, subject))
    };
    match resolved.target() {
        Target::Initialize
        | Target::Discover
        | Target::Listen(..)
        | Target::Ping
        | Target::List(..)
        | Target::Level(_)
        | Target::NoResources
        | Target::Cancel(_)
        | Target::Noted(_)
        | Target::Dropped
        | Target::Stream(_)
        | Target::End => Ok(Passing::ALL),
        Target::Search(_) => guarded(trail, inspected.guarded()).map(|()| Passing::ALL),
        Target::Misused(mismatch) => Err(unfit(trail, Code::ArgumentMismatch, mismatch)),
        Target::Absent => {
            trail.reason = Some("unknown".to_owned());
            Err(trail.refuse(Code::Unknown))
        }
        Target::Closed(server, why) => Err(closed(trail, resolved, server, *why)),
        Target::Tool(server, item, fit) => {
            let passing = called(trail, inspected, server, item, fit)?;
            if gate.servers.sets_aside(&server.name, resolved.target()) {
                return Err(trail.refuse(Code::PinChanged));
            }
            fits(trail, fit)?;
            guarded(trail, inspected.guarded())?;
            Ok(passing)
        }
        Target::Prompt(server, item) => {
            let passing = ask(trail, server, Subject::Prompt(&item.name), None)?;
            if gate.servers.sets_aside(&server.name, resolved.target()) {
                return Err(trail.refuse(Code::PinChanged));
            }
            Ok(passing)
        }
        Target::Resource(server, uri) => ask(trail, server, Subject::Resource(uri), None),
        Target::Resources(server, _) => ask(trail, server, Subject::Method(policy::Method::ResourcesList), None),
        Target::Completion(server, reference) => {
            let subject = match reference {
                Reference::Prompt(name) => Subject::Prompt(name),
                Reference::Template(uri) => Subject::Resource(uri),
            };
            let passing = ask(trail, server, subject, Some(Action::Complete))?;
            if gate.servers.sets_aside(&server.name, resolved.target()) {
                return Err(trail.refuse(Code::PinChanged));
            }
            Ok(passing)
        }
        Target::Subscription(server, uri, _) => ask(trail, server, Subject::Resource(uri), Some(Action::Subscribe)),
        Target::Reply(server, method, _) => match question(*method) {
            Some(question) => ask(trail, server, Subject::Question(question), None),
            None => Err(trail.refuse(Code::Denied)),
        },
    }
}

/// Asks about a call of a tool, as the kind of operation that it is. What is listed for the sake of another kind is no secret: it is refused as that.
fn called(trail: &mut Trail, inspected: &Inspected, server: &Server, item: &Item, fit: &Fit) -> Result<Passing, Halt> {
    let resolved = inspected.resolved();
    let session = resolved.admitted().session();
    let policy = &resolved.snapshot().policy;
    let reach = resolved.admitted().parsed().identified().scope();
    let subject = Subject::Tool(&item.name);
    // Arguments that do not fit are refused below, by who may use the tool at all.
    let arguments = inspected.arguments().map_or(Arguments::Any, Arguments::Are);
    let facts =
        Facts::new(&session.principal, &server.name, subject).arguments(arguments).situation(resolved.admitted().moment().situation());
    let label = trail.label;
    let decide = |operation| policy.decide(&Facts { operation, label, ..facts });
    let possible = item.kinds.possible();
    let told = matches!(fit, Fit::Fits(_)) && matches!(inspected.guarded(), Guarded::Fit);
    // Of what is refused for its arguments the kind may not be known: whether it is told so is decided as in a list.
    let operation = match possible {
        [_] => trail.operation,
        _ if told => trail.operation,
        _ => possible.iter().copied().find(|kind| decide(*kind).shows()).flatten(),
    };
    let weighed = weigh(trail, &decide(operation), named(reach, server, subject));
    match weighed {
        Err(_) if told && trail.code == Some(Code::Denied) && named(reach, server, subject) => {
            let listed = possible.iter().any(|kind| decide(*kind).shows());
            weighed.map_err(|halt| if listed { trail.refuse(Code::OperationDenied) } else { halt })
        }
        weighed => weighed,
    }
}

/// What a token must name beside what the roles allow.
fn named(scope: Option<&Scope>, server: &Server, subject: Subject<'_>) -> bool {
    match (scope, subject) {
        (None, _) => true,
        (Some(scope), Subject::Tool(name)) => scope.names(&server.name, name),
        (Some(scope), Subject::Prompt(_) | Subject::Resource(_) | Subject::Method(_) | Subject::Question(_)) => scope.reaches(&server.name),
    }
}

/// Makes of the policy's word what the line does. What may not be seen is refused as what is not there.
fn weigh(trail: &mut Trail, verdict: &Verdict, named: bool) -> Result<Passing, Halt> {
    trail.rules = verdict.rules.iter().map(|rule| rule.id.to_string()).collect();
    trail.reason = Some(format!("{:?}", verdict.reason));
    trail.late.clone_from(&verdict.late);
    match verdict.code() {
        None if named => Ok(Passing::of(verdict)),
        None => {
            trail.reason = Some("the token does not name it".to_owned());
            Err(hide(trail, Code::TokenScope))
        }
        Some(code) if !named => Err(hide(trail, code)),
        Some(code @ (Code::Clearance | Code::Hours | Code::Arguments | Code::DecideFault)) => Err(trail.refuse(code)),
        Some(code) if verdict.shows() => Err(trail.refuse(code)),
        Some(code) => Err(hide(trail, code)),
    }
}

/// Refuses as if it were not there, while the record says why.
fn hide(trail: &mut Trail, code: Code) -> Halt {
    let halt = trail.refuse(Code::Unknown);
    trail.code = Some(code);
    halt
}

/// Says that a server cannot be used to who may use it; to others it is not there.
fn closed(trail: &mut Trail, resolved: &Resolved, server: &Server, why: Unpinned) -> Halt {
    let session = resolved.admitted().session();
    let code = match why {
        Unpinned::Unapproved => Code::NotApproved,
        Unpinned::Unverified => Code::LockUnverified,
        Unpinned::Changed => Code::PinChanged,
    };
    let named = resolved.admitted().parsed().identified().scope().is_none_or(|scope| scope.reaches(&server.name));
    let reached = resolved.snapshot().policy.servers_in(&session.principal, &resolved.admitted().moment().situation());
    if named && reached.contains(&server.name) { trail.refuse(code) } else { hide(trail, code) }
}

fn fits(trail: &mut Trail, fit: &Fit) -> Result<(), Halt> {
    let (code, mismatch) = match fit {
        Fit::Fits(_) => return Ok(()),
        Fit::Unchecked => return Err(trail.refuse(Code::SchemaFault)),
        Fit::Schema(mismatch) => (Code::ArgumentMismatch, mismatch),
        Fit::Constraint(mismatch) => (Code::ArgumentConstraint, mismatch),
    };
    Err(unfit(trail, code, mismatch))
}

fn unfit(trail: &mut Trail, code: Code, mismatch: &Mismatch) -> Halt {
    trail.cause(&format!("`{}` at {}", mismatch.keyword, mismatch.pointer));
    trail.refuse_with(code, Hole::Argument(mismatch.argument()))
}

/// Makes of what the guards found what the line does.
fn guarded(trail: &mut Trail, guarded: &Guarded) -> Result<(), Halt> {
    match guarded {
        Guarded::Fit => Ok(()),
        Guarded::Refused(found) => {
            let (argument, refused) = found.as_ref();
            trail.cause(&format!("{refused} in `{argument}`"));
            Err(trail.refuse_with(refused.reason.code(), Hole::Argument(Argument::new(&format!("/{argument}")))))
        }
        Guarded::Open(argument) => {
            let place = if argument == "?" { String::new() } else { format!("/{argument}") };
            Err(trail.refuse_with(Code::OpenText, Hole::Argument(Argument::new(&place))))
        }
        Guarded::Mistold(why) => Err(trail.refuse(crate::snapshot::mistold(*why))),
        Guarded::Smuggled(smuggled) => {
            trail.cause(&format!("{}: {} at {}", smuggled.reason.as_str(), smuggled.reason.sentence(), smuggled.pointer));
            Err(trail.refuse_with(smuggled.reason.code(), Hole::Argument(smuggled.argument())))
        }
    }
}

/// The policy's name for a question of a server's.
pub(super) fn question(method: Method) -> Option<Question> {
    match method {
        Method::CreateMessage => Some(Question::Sampling),
        Method::Elicit => Some(Question::Elicitation),
        Method::ListRoots => Some(Question::Roots),
        _ => None,
    }
}

/// Whether a server may put a question to who sent this.
pub(super) fn may_ask_of(resolved: &Resolved, server: &Server, question: Question) -> bool {
    let admitted = resolved.admitted();
    may_ask(resolved.snapshot(), &admitted.session().principal, admitted.moment(), server, question)
}

/// Whether a server may put a question to this principal, as it came in.
pub(crate) fn may_ask(snapshot: &Snapshot, principal: &Principal, moment: &Moment, server: &Server, question: Question) -> bool {
    snapshot.policy.decide(&Facts::new(principal, &server.name, Subject::Question(question)).situation(moment.situation())).allows()
}

/// To whom something is listed, and as what it came in.
#[derive(Clone, Copy)]
pub(super) struct Viewer<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) session: &'a Session,
    pub(super) moment: &'a Moment,
    /// What its token names, where there is one.
    pub(super) scope: Option<&'a Scope>,
}

impl<'a> Viewer<'a> {
    /// Who sent this.
    pub(super) fn of(admitted: &'a Admitted) -> Self {
        let identified = admitted.parsed().identified();
        let snapshot = identified.framed().snapshot();
        Self { snapshot, session: admitted.session(), moment: admitted.moment(), scope: identified.scope() }
    }

    /// Whether it searches for tools, instead of being shown all of them. Probes of the assessor compare lists, and are shown them.
    pub(super) fn searches(&self) -> bool {
        if self.session.principal.is_probe() {
            return false;
        }
        match self.snapshot.policy.discovery_in(&self.session.principal, &self.moment.situation()) {
            Discovery::List => false,
            Discovery::Search => true,
        }
    }

    /// Whether it is shown something in a list: the decision that a call would meet, with some arguments and as one of the kinds that it may be.
    pub(super) fn sees(&self, server: &Server, subject: Subject<'_>, item: Option<&Item>) -> bool {
        let mut facts =
            Facts::new(&self.session.principal, &server.name, subject).situation(self.moment.situation()).arguments(Arguments::Any);
        let mut kinds: &[Option<Operation>] = &[None];
        if let (Some(item), Subject::Tool(_)) = (item, subject) {
            kinds = item.kinds.possible();
            facts.label = Some(item.label);
        }
        let shown = |operation: &Option<Operation>| self.snapshot.policy.decide(&Facts { operation: *operation, ..facts }).shows();
        named(self.scope, server, subject) && kinds.iter().any(shown)
    }
}

/// Whether the principal of a session is shown the definition `name` in a list.
pub(crate) fn lists_to(snapshot: &Snapshot, session: &Session, server: &Server, kind: supply::Kind, name: &str) -> bool {
    let subject = match kind {
        supply::Kind::Tool => Subject::Tool(name),
        supply::Kind::Prompt => Subject::Prompt(name),
        supply::Kind::Template => Subject::Resource(name),
    };
    let pins = server.pinned.as_ref().ok();
    let moment = session.moment.get();
    let viewer = Viewer { snapshot, session, moment: &moment, scope: None };
    let tools = pins.filter(|_| kind == supply::Kind::Tool).map(|pinned| &pinned.tools);
    let mut known = tools.into_iter().flat_map(|tools| tools.iter()).filter(|item| item.upstream() == name).peekable();
    if known.peek().is_none() {
        return viewer.sees(server, subject, None);
    }
    known.any(|item| viewer.sees(server, Subject::Tool(&item.name), Some(item)))
}

/// The servers of the session's endpoint whose resources its principal may list.
pub(super) fn resource_servers<'a>(viewer: Viewer<'a>) -> impl Iterator<Item = &'a Arc<Server>> {
    let Viewer { snapshot, session, moment, scope } = viewer;
    names::servers(snapshot, session).filter(move |server| {
        let offers = server.pinned.as_ref().is_ok_and(|pinned| pinned.capabilities.contains_key("resources"));
        let subject = Subject::Method(policy::Method::ResourcesList);
        offers && named(scope, server, subject) && {
            let facts = Facts::new(&session.principal, &server.name, subject).situation(moment.situation());
            snapshot.policy.decide(&facts).allows()
        }
    })
}

/// What a recorded or imagined call would be decided: for `explain`.
pub fn explain(
    snapshot: &Snapshot,
    principal: &Principal,
    server: &terms::ServerName,
    subject: Subject<'_>,
    operation: Option<Operation>,
    label: Option<Label>,
) -> policy::Explanation {
    let mut facts = Facts::new(principal, server, subject);
    facts.operation = operation;
    facts.label = label;
    snapshot.policy.explain(&facts)
}
