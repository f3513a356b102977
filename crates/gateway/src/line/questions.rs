//! Questions of servers on their way to a client: asked only where policy lets the server and the client said that it can be asked.

use super::decide;
use super::forward::{Forwarded, Gathering, Way};
use crate::doors::era;
use crate::gate::Gate;
use crate::halt::{Halt, Shape};
use crate::rounds::{self, Open, State, Suspended, Upstream};
use crate::session::{Abilities, Ability, Asker, Question};
use crate::snapshot::Server;
use crate::trail::Trail;
use bytes::Bytes;
use mcp::{Id, Method, Node, Request};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use terms::{Code, Hole};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// For how long questions are gathered that go to a client in one result.
const WINDOW: Duration = Duration::from_millis(50);
/// What we call the first question of a call that waits.
const FIRST: usize = 1;
/// Why a question goes nowhere whose id another one has.
const DOUBLED: &str = "a question came under an id that is in use";

/// What becomes of a question.
pub(super) enum Asked {
    /// It goes to the client on the stream of the call, printed under our id.
    Client(Bytes),
    /// The call waits for the client to come back: the result that says so, and what waits.
    Wait(Vec<u8>, Box<Suspended>),
    /// It was answered for the client.
    Declined,
    /// The server asks without end.
    Endless,
}

/// Takes a question that a server puts on the way.
pub(super) async fn ask(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded, request: &Request) -> Asked {
    let Way::Server(flight, server) = forwarded.way() else { return Asked::Declined };
    if forwarded.session().questions.has(flight.link(), &request.id) {
        // Whatever is replied under this id would answer the first one.
        trail.cause = Some(DOUBLED.to_owned());
        return Asked::Declined;
    }
    let params = if may(forwarded, server, request.method, request.params()) {
        super::screen::params(gate, trail, forwarded, request.params(), request.method)
    } else {
        None
    };
    let Some(params) = params else {
        trail.cause = Some(format!("the question `{}` was declined", request.method.as_str()));
        let _ = flight.link().decline(&request.id, request.method).await;
        return Asked::Declined;
    };
    if forwarded.rounds() >= rounds::MOST {
        return Asked::Endless;
    }
    let session = Arc::clone(forwarded.session());
    if !session.revision.is_legacy() {
        let first = Open { key: FIRST.to_string(), id: request.id.clone(), method: request.method, params: params.into() };
        let questions = together(gate, trail, forwarded, first).await;
        return suspend(gate, trail, forwarded, questions);
    }
    let question = Question {
        method: request.method,
        server: server.name.clone(),
        asker: Asker::Server(Arc::clone(flight.link()), request.id.clone()),
        call: Some(trail.id),
    };
    let Some(id) = session.questions.ask(question) else {
        let _ = flight.link().decline(&request.id, request.method).await;
        return Asked::Declined;
    };
    away(forwarded);
    forwarded.asked();
    trail.notes = trail.notes.saturating_add(1);
    Asked::Client(printed(&id, request.method, &params))
}

/// It is the client now that the call waits for, perhaps for as long as a person thinks: others have its place at the server.
fn away(forwarded: &Forwarded) {
    if let Some(seat) = forwarded.recorded().authorized().decided().inspected().resolved().seat() {
        seat.leave();
    }
}

/// The `first` question, and those that come right behind it. What may not be asked is declined.
async fn together(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded, first: Open) -> Vec<Open> {
    let mut questions = vec![first];
    // INVARIANT: neither what is asked nor how often moves the end, or a server that never stops asking would hold its call for ever.
    let end = Instant::now() + WINDOW;
    while questions.len() < mcp::Bounds::QUESTIONS && Instant::now() < end {
        let Way::Server(flight, _) = forwarded.way_mut() else { break };
        let Some(request) = flight.question(end).await else { break };
        if questions.iter().any(|question| question.id == request.id) {
            trail.cause = Some(DOUBLED.to_owned());
            continue;
        }
        let Way::Server(flight, server) = forwarded.way() else { break };
        let params = if may(forwarded, server, request.method, request.params()) {
            super::screen::params(gate, trail, forwarded, request.params(), request.method)
        } else {
            None
        };
        match params {
            Some(params) => {
                let key = (FIRST + questions.len()).to_string();
                questions.push(Open { key, id: request.id.clone(), method: request.method, params: params.into() });
            }
            None => {
                trail.cause = Some(format!("the question `{}` was declined", request.method.as_str()));
                let _ = flight.link().decline(&request.id, request.method).await;
            }
        }
    }
    questions
}

/// A client that cannot be asked on the way is told what is asked, and comes back with the answers.
fn suspend(gate: &Gate, trail: &mut Trail, forwarded: &mut Forwarded, questions: Vec<Open>) -> Asked {
    let session = Arc::clone(forwarded.session());
    let asked =
        |question: &Open| rounds::Asked { key: question.key.clone(), theirs: String::new(), method: question.method.as_str().to_owned() };
    let state = State {
        about: forwarded.recorded().authorized().decided().inspected().resolved().about(),
        round: forwarded.rounds() + 1,
        asked: questions.iter().map(asked).collect(),
        upstream: Upstream::Call(trail.id),
    };
    let Some(sealed) = gate.rounds.states.seal(&*gate.entropy, &state, session.id, gate.clock.utc()) else { return Asked::Declined };
    let Way::Server(flight, server) = forwarded.take_way() else { return Asked::Declined };
    let mut text = Vec::with_capacity(questions.iter().map(|question| question.params.len() + 64).sum::<usize>() + 512);
    let entries = questions.iter().map(|question| (question.key.as_str(), question.method, &*question.params));
    mcp::print::print_input_required(&mut text, entries, Some(&sealed));
    Asked::Wait(text, Box::new(Suspended { flight, server, session, questions }))
}

/// What becomes of the questions in a result.
pub(super) enum Gathered {
    /// The client comes back with the answers: the result that says so.
    Wait(Vec<u8>),
    /// They go to the client one by one.
    Ask(Box<Gathering>),
}

/// Takes the questions that a server puts in a result. What may not be asked, or not of this client, refuses the whole call.
pub(super) fn gather(gate: &Gate, trail: &mut Trail, forwarded: &mut Forwarded, result: Node<'_>) -> Result<Gathered, Halt> {
    let Way::Server(_, server) = forwarded.way() else { return Err(trail.refuse(Code::ServerMalformed)) };
    let server = Arc::clone(server);
    let required = mcp::view::input_required(result);
    if forwarded.rounds() >= rounds::MOST {
        return Err(trail.refuse_with(Code::QuestionRounds, Hole::Most(u64::from(rounds::MOST))));
    }
    let mut questions = Vec::with_capacity(required.questions.len());
    for question in &required.questions {
        if !may(forwarded, &server, question.method, question.params) {
            trail.cause(&format_args!("the question `{}`", question.method.as_str()));
            return Err(undeclared(trail, question.method, question.params));
        }
        if !super::screen::is_clean(gate, trail, forwarded, &question.key) {
            return Err(trail.refuse(Code::QuestionRefused));
        }
        match super::screen::params(gate, trail, forwarded, question.params, question.method) {
            Some(params) => questions.push((question.key.clone().into_owned(), question.method, params)),
            None => return Err(trail.refuse(Code::QuestionRefused)),
        }
    }
    let state = required.state.map(std::borrow::Cow::into_owned);
    let session = Arc::clone(forwarded.session());
    let round = forwarded.rounds() + 1;
    if !session.revision.is_legacy() {
        return wait(gate, trail, forwarded, questions, Upstream::State(state)).map(Gathered::Wait);
    }
    let (sink, replies) = mpsc::channel(questions.len().max(1));
    let mut unasked = VecDeque::with_capacity(questions.len());
    for (key, method, params) in questions {
        let asker = Asker::Round { key, replies: sink.clone() };
        let id = session.questions.ask(Question { method, server: server.name.clone(), asker, call: Some(trail.id) });
        let id = id.ok_or_else(|| trail.refuse(Code::QuestionRefused))?;
        unasked.push_back(printed(&id, method, &params));
    }
    let open = unasked.len();
    away(forwarded);
    Ok(Gathered::Ask(Box::new(Gathering { server, state, unasked, open, replies, given: Vec::new(), round })))
}

/// Refuses a call whose server asks what the client may not be asked, or did not say that it can be: the latter is how that is told where each
/// request says so (MCP 2026-07-28, "Capabilities").
fn undeclared(trail: &mut Trail, method: Method, params: Option<Node<'_>>) -> Halt {
    let mut halt = trail.refuse(Code::QuestionRefused);
    if !trail.revision.is_legacy() {
        let abilities = match method {
            Method::CreateMessage => Abilities { sampling: Ability::Declared, ..Abilities::default() },
            Method::ListRoots => Abilities { roots: Ability::Declared, ..Abilities::default() },
            _ if params.and_then(|params| params.get("mode")).is_some_and(|mode| mode.is_text("url")) => {
                Abilities { url: Ability::Declared, ..Abilities::default() }
            }
            _ => Abilities { form: Ability::Declared, ..Abilities::default() },
        };
        let fault = mcp::Fault::incapable(&era::print_abilities(abilities), trail.client_id.clone());
        halt.shape = Shape::Fault(Box::new(fault));
    }
    halt
}

/// The result that tells a client what is asked.
pub(super) fn wait(
    gate: &Gate,
    trail: &mut Trail,
    forwarded: &Forwarded,
    questions: Vec<(String, Method, Vec<u8>)>,
    upstream: Upstream,
) -> Result<Vec<u8>, Halt> {
    // A server's own names are kept, as some clients know what they mean; what has none gets the next number that is nobody's name.
    let mut numbers = (1_u64..).map(|number| number.to_string()).filter(|number| questions.iter().all(|(theirs, ..)| theirs != number));
    let mut own = |theirs: &String| if theirs.is_empty() { numbers.next() } else { Some(theirs.clone()) };
    let keys: Vec<String> = questions.iter().filter_map(|(theirs, ..)| own(theirs)).collect();
    let asked = questions.iter().zip(&keys).map(|((theirs, method, _), key)| rounds::Asked {
        key: key.clone(),
        theirs: theirs.clone(),
        method: method.as_str().to_owned(),
    });
    let state = State {
        about: forwarded.recorded().authorized().decided().inspected().resolved().about(),
        round: forwarded.rounds() + 1,
        asked: asked.collect(),
        upstream,
    };
    let sealed = gate.rounds.states.seal(&*gate.entropy, &state, forwarded.session().id, gate.clock.utc());
    let sealed = sealed.ok_or_else(|| trail.refuse(Code::ScreenFault))?;
    let mut text = Vec::with_capacity(1024);
    let entries = questions.iter().zip(&keys).map(|((_, method, params), key)| (key.as_str(), *method, params.as_slice()));
    mcp::print::print_input_required(&mut text, entries, Some(&sealed));
    Ok(text)
}

/// Whether a server may ask this, and the client said that it can be asked.
fn may(forwarded: &Forwarded, server: &Server, method: Method, params: Option<Node<'_>>) -> bool {
    let resolved = forwarded.recorded().authorized().decided().inspected().resolved();
    let abilities = resolved.admitted().abilities();
    let declared = match method {
        Method::CreateMessage => abilities.sampling,
        Method::ListRoots => abilities.roots,
        Method::Elicit => match params.and_then(|params| params.get("mode")).and_then(Node::text).as_deref() {
            Some("url") => abilities.url,
            _ => abilities.form,
        },
        _ => Ability::Absent,
    };
    declared == Ability::Declared && decide::question(method).is_some_and(|question| decide::may_ask_of(resolved, server, question))
}

fn printed(id: &Id, method: Method, params: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(params.len() + 96);
    mcp::print_request(&mut text, id, method.as_str(), Some(params));
    text.into()
}
