//! Too much of something: frames of HTTP/2 that cost nothing, requests and heads of HTTP/1.1, messages, connections.

mod connections;
mod messages;
mod multiplexed;
mod single;

use crate::case::{Case, Class, Want};
use crate::ring::Ring;
use crate::seen::Seen;

/// How often: more than any allowance.
const MANY: u32 = 4_000;

const FLOOD: &str = "transport.bounds/flood";
const SIZE: &str = "transport.bounds/size";
const MALFORMED: &str = "transport.strict-messages/malformed";
const URL: &str = "secrets.no-urls/token";

const fn case(name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Case {
    Case::new(Class::Flood, name, want, act)
}

pub(crate) fn cases() -> Vec<Case> {
    [multiplexed::cases(), single::cases(), messages::cases(), connections::cases()].concat()
}
