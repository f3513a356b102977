//! Accepted risks: which of them count.

use crate::file::{AcceptedRisk, File, Scope, Weakness};
use crate::problem::{Fault, Problem, nearest};
use crate::tree::Node;
use terms::{Control, ServerName, Utc};

/// An accepted risk that counts, in the form of the control that understands it.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// As it was written.
    pub entry: AcceptedRisk,
    /// The server whose new and changed definitions are taken at once (`supply.pinning`), or that starts in spite of a weakness of its
    /// sandbox (`runtime.sandbox`).
    pub server: ServerName,
    /// From this moment on it does not count any more; to be looked at for each call, not only at load.
    pub ends: Utc,
}

/// Sorts the accepted risks: the ones that count are returned, ended ones are warned of, others are problems.
pub(crate) fn check(file: &File, root: &Node, now: Utc, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Risk> {
    let mut risks = Vec::new();
    for (at, entry) in file.accept_risk.iter().enumerate() {
        let number = at.to_string();
        let note = |key: &str, fault, message: String, nearest| Problem {
            place: root.place_of(&["accept_risk", &number, key]),
            key: format!("accept_risk[{at}].{key}"),
            fault,
            message,
            nearest,
        };
        let before = problems.len();
        if entry.reason.trim().is_empty() {
            problems.push(note("reason", Fault::Value, "an accepted risk needs a reason".into(), None));
        }
        match (entry.control, entry.weakness) {
            (Control::RuntimeSandbox, None) => {
                let names: Vec<&str> = Weakness::ALL.iter().map(|one| one.as_str()).collect();
                let message = format!("the risk of runtime.sandbox is accepted by `weakness`: {}", names.join(", "));
                problems.push(note("weakness", Fault::Misfit, message, None));
            }
            (Control::RuntimeSandbox, Some(_)) | (_, None) => {}
            (control, Some(_)) => {
                let message = format!("`weakness` is for runtime.sandbox, and not for {}", control.id());
                problems.push(note("weakness", Fault::Misfit, message, None));
            }
        }
        let server = match (entry.control, &entry.scope) {
            (Control::SupplyPinning | Control::RuntimeSandbox, Scope::Server(name)) if file.servers.contains_key(name) => {
                Some(name.clone())
            }
            (Control::SupplyPinning | Control::RuntimeSandbox, Scope::Server(name)) => {
                let near = nearest(name.as_str(), file.servers.keys().map(ServerName::as_str)).map(|near| format!("server/{near}"));
                problems.push(note("where", Fault::Misfit, format!("there is no server {:?}", name.as_str()), near));
                None
            }
            (Control::SupplyPinning | Control::RuntimeSandbox, scope @ (Scope::Role(_) | Scope::Listener(_))) => {
                let message = format!("the risk of {} is accepted for one server (server/NAME), not for {scope}", entry.control.id());
                problems.push(note("where", Fault::Misfit, message, None));
                None
            }
            (control, _) => {
                let message = format!("accepting the risk of {} is known but not built in this release; remove the entry", control.id());
                problems.push(note("control", Fault::NotBuilt, message, None));
                None
            }
        };
        let Some(ends) = end_of(entry.until) else {
            problems.push(note("until", Fault::Value, "the date is outside what can be counted".into(), None));
            continue;
        };
        if problems.len() > before {
            continue;
        }
        if now >= ends {
            let message =
                format!("the accepted risk of {} at {} ended on {}; it does not count", entry.control.id(), entry.scope, entry.until);
            warnings.push(note("until", Fault::Warning, message, None));
        } else if let Some(server) = server {
            risks.push(Risk { entry: entry.clone(), server, ends });
        }
    }
    risks
}

/// The first moment after `day`, in UTC.
pub(crate) fn end_of(day: jiff::civil::Date) -> Option<Utc> {
    Utc::parse(&format!("{}T00:00:00Z", day.tomorrow().ok()?))
}
