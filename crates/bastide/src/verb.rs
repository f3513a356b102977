//! The verbs that look, issue, stop and explain; those that carry traffic are beside this module.

pub mod audit;
pub mod ca;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod inspect;
mod judge;
pub mod kill;
pub mod policy;
mod proposal;
mod recorded;
mod screens;
pub mod secret;
pub mod server;
pub mod session;
pub mod shell;
pub mod status;
pub mod token;
pub mod watch;

use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::wire::Configured;
use serde_json::Value;

/// Reads the configuration that `common` names.
///
/// # Errors
/// [`Failure`]: all problems at once, or that there is none yet.
pub fn configured(common: &Common) -> Result<Configured, Failure> {
    Configured::read(common.config.as_deref(), &SystemClock::new())
}

/// The text member `name`, or nothing.
fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of the list `name`, joined.
fn joined(value: &Value, name: &str) -> String {
    let items = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// The one of `items` whose `name` begins with `start`, five characters at least.
fn unique<'a>(items: &'a [Value], name: &str, start: &str) -> Result<&'a Value, Failure> {
    let wanted = start.trim().to_ascii_uppercase();
    if wanted.len() < 5 {
        return Err(Failure::usage(format!("`{start}` is too short: five characters of an id at least")));
    }
    let mut found = items.iter().filter(|item| member(item, name).starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::usage(format!("nothing begins with `{start}`"))),
        (Some(_), Some(_)) => Err(Failure::usage(format!("more than one begins with `{start}`")).next("write more of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_start_of_an_id_finds_it_when_it_is_the_only_one() {
        let items = [json!({"id": "T-AAAAAAAAAAAA"}), json!({"id": "T-AAAB00000000"}), json!({"id": "T-CCCCCCCCCCCC"})];
        assert_eq!(unique(&items, "id", "t-ccc").unwrap()["id"], "T-CCCCCCCCCCCC");
        for bad in ["T-C", "T-AAA", "T-DDDD"] {
            assert!(unique(&items, "id", bad).is_err(), "{bad}");
        }
    }
}
