//! What a server offers now, set beside what may be used of it. What differs is put aside, or taken at once where that is an accepted risk.

use super::aside::{Told, reason};
use super::turn::Differs;
use super::{Closed, Link, OPENING, Servers, State, fetch};
use crate::event;
use crate::gate::Gate;
use crate::snapshot::{Pinned, Server, Snapshot, Taking};
use detect::{Budget, Channel, Scratch};
use std::collections::BTreeSet;
use std::sync::Arc;
use supply::{Approval, Fetched, Item, Kind, Offered, Status};
use terms::{Action, ServerName};

impl Servers {
    /// Compares what the server offers now with the pins in force; what differs is put aside or taken, and reported.
    pub(super) async fn compare(&self, gate: &Arc<Gate>, link: &Arc<Link>, server: &ServerName, state: &Arc<State>) -> Result<(), Closed> {
        let content = match gate.snapshot().servers.get(server).map(|server| &server.pinned) {
            Some(Ok(pinned)) => pinned.pin.content.clone(),
            Some(Err(_)) | None => return Ok(()),
        };
        let mut offered = fetch::offered(link, content).await?;
        let told = {
            // INVARIANT: pins do not change between the look at them and what follows from it.
            let _turn = self.turning.lock();
            let snapshot = gate.snapshot();
            let Some((server, pinned)) = in_force(&snapshot, server) else { return Ok(()) };
            offered.content = pinned.pin.content.clone();
            let judgement = supply::judge(&pinned.pin, &offered);
            match server.taking(gate.clock.utc()) {
                Some(taking) if judgement.aside().any(|(_, status)| is_taken(status, link.told())) => {
                    take(gate, &snapshot, server, pinned, taking, &offered, link.told(), state)
                }
                Some(_) | None => {
                    let set = state.aside.set(&judgement, link.told());
                    Found { reported: set.fresh, differs: set.differs }
                }
            }
        };
        if !told.reported.is_empty() {
            event::changed(gate, link, server, &told.reported);
        }
        if let Some(server) = gate.snapshot().servers.get(server).filter(|_| !told.differs.is_empty()) {
            self.tell_soon(gate, server, state, told.differs);
        }
        Ok(())
    }

    /// Compares anew after the server said that something changed. A link of which that cannot be done ends.
    ///
    /// Where changes are taken at once clients are told whatever is found: what the server changed and changed back may have been seen.
    pub(crate) async fn compare_again(&self, gate: &Arc<Gate>, link: &Arc<Link>, server: &Arc<Server>, kind: Kind) {
        let state = self.state(server);
        if server.taking(gate.clock.utc()).is_some() {
            self.tell_soon(gate, server, &state, [Differs::Any(kind)]);
        }
        while link.is_open() && !link.is_retired() && link.changes().begin() {
            let compared = tokio::time::timeout(OPENING, self.compare(gate, link, &server.name, &state)).await;
            if let Err(cause) = compared.unwrap_or(Err(Closed::Broken(super::Broken::Slow))) {
                tracing::warn!(server = %server.name, %cause, "a changed server could not be compared with its pins");
                link.end();
            }
        }
    }
}

/// What came of a comparison.
struct Found {
    /// `kind/name` and the reason, for the record.
    reported: Vec<(String, String)>,
    /// What differs in the lists.
    differs: BTreeSet<Differs>,
}

/// The server as it is in force, with its pins; while a taken risk has run out, as it was approved.
fn in_force<'a>(snapshot: &'a Snapshot, name: &ServerName) -> Option<(&'a Arc<Server>, &'a Pinned)> {
    let server = snapshot.servers.get(name)?;
    server.pinned.as_ref().ok().map(|pinned| (server, pinned))
}

/// A server that was told of fewer abilities may offer less: what it then leaves out stays as it was.
fn is_taken(status: Status, told: Told) -> bool {
    match status {
        Status::New | Status::Changed => true,
        Status::Removed => told == Told::All,
        Status::Approved | Status::Collision => false,
    }
}

/// Takes what a server offers in place of what was approved, but for what the screens object to or what cannot be told apart: that is put aside.
#[expect(clippy::too_many_arguments, reason = "the parts of one comparison, used once")]
fn take(
    gate: &Arc<Gate>,
    snapshot: &Snapshot,
    server: &Arc<Server>,
    pinned: &Pinned,
    taking: &Taking,
    offered: &Fetched,
    told: Told,
    state: &Arc<State>,
) -> Found {
    let mut taken = offered.clone();
    for kind in Kind::ALL {
        let list = match kind {
            Kind::Tool => &mut taken.tools,
            Kind::Prompt => &mut taken.prompts,
            Kind::Template => &mut taken.templates,
        };
        // What the screens object to stays what it was, and is put aside by the judgement below.
        list.retain(|one| is_clean(gate, snapshot, one));
        let kept = pinned.pin.of(kind).iter().filter(|pin| {
            let objected = offered.of(kind).iter().any(|one| one.name == pin.name);
            (objected || told == Told::Fewer) && !list.iter().any(|one| one.name == pin.name)
        });
        let kept: Vec<Offered> = kept.map(|pin| Offered { name: pin.name.clone(), definition: pin.definition.clone() }).collect();
        list.extend(kept);
    }
    let before = &pinned.pin;
    let approval = Approval { reviewer: before.reviewer.clone(), at: before.approved_at, expires: before.expires };
    let made = supply::approve(&server.name, &taken, &approval).map_err(|cause| cause.to_string());
    let made = made.and_then(|mut pin| {
        // Only definitions are taken: a server that says to be another one stays what was approved.
        (pin.revision, pin.server_info) = (before.revision.clone(), before.server_info.clone());
        (pin.capabilities, pin.instructions) = (before.capabilities.clone(), before.instructions.clone());
        (taking.make)(pin)
    });
    let differing = supply::judge(before, offered);
    let made = match made {
        Ok(made) => made,
        Err(cause) => {
            tracing::warn!(server = %server.name, %cause, "changed definitions could not be taken and are put aside");
            let set = state.aside.set(&differing, told);
            return Found { reported: set.fresh, differs: set.differs };
        }
    };
    let rest = supply::judge(&made.pin, offered);
    let set = state.aside.set(&rest, told);
    let row = |item: &Item| format!("{}/{}", item.kind.as_str(), item.name);
    let is_aside = |item: &Item| rest.aside().any(|(held, _)| held == item);
    let now_taken: Vec<_> = differing.aside().filter(|(item, status)| is_taken(*status, told) && !is_aside(item)).collect();
    let mut reported: Vec<_> = now_taken.iter().map(|(item, status)| (row(item), format!("{}, taken", reason(*status)))).collect();
    let differs = now_taken.iter().map(|(item, _)| Differs::One(item.kind, item.name.clone())).chain(set.differs).collect();
    reported.extend(set.fresh);
    let mut next = snapshot.clone();
    next.servers.insert(server.name.clone(), Arc::new(server.with(made)));
    gate.swap(Arc::new(next));
    Found { reported, differs }
}

/// Whether no screen that does more than flag finds anything in a definition.
fn is_clean(gate: &Gate, snapshot: &Snapshot, one: &Offered) -> bool {
    let (inspect, actions) = (&snapshot.inspect, snapshot.inspect.handling.kept());
    let text = one.definition.as_str();
    let echo = gate.servers.echo();
    let echoed = echo.as_deref().is_some_and(|echo| echo.find_joined(&[text]).iter().any(|found| !found.is_empty()));
    let reports = inspect.engine.inspect_parts(&[text], Channel::Result, &Budget::default(), &mut Scratch::default());
    !echoed && reports.iter().flat_map(|report| &report.findings).all(|finding| actions.of(finding.class) == Action::Flag)
}
