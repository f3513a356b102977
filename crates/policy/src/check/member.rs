//! Members that say nothing.

use super::{Notice, Why};
use crate::role::Role;
use crate::{Engine, Entry, Member};

impl Engine {
    /// Members that stand twice, that a wider one of their role covers, or that can be nobody.
    pub(super) fn idle_members(&self) -> Vec<Notice> {
        self.roles.iter().flat_map(of).collect()
    }
}

fn of(role: &Role) -> Vec<Notice> {
    let members: Vec<(&Entry, Member)> =
        role.source.members.iter().filter_map(|entry| entry.text.parse().ok().map(|member| (entry, member))).collect();
    let mut notices = Vec::new();
    for (at, (entry, member)) in members.iter().enumerate() {
        let others = || members.iter().enumerate().filter(|(other, _)| *other != at);
        let twice = others()
            .find(|(other, (_, one))| *other < at && one == member)
            .map(|(_, (first, _))| Why::Twice { first: first.place.clone() });
        let covered = || {
            others().find(|(_, (_, one))| one != member && covers(one, member)).map(|(_, (by, _))| Why::Covered { by: by.place.clone() })
        };
        let nobody = || match member {
            Member::Group(_) => Some(Why::Nobody),
            Member::Agent(_)
            | Member::User(_)
            | Member::Certificate(_)
            | Member::Client(_)
            | Member::Network(_)
            | Member::Environment(_) => None,
        };
        if let Some(why) = twice.or_else(covered).or_else(nobody) {
            notices.push(Notice {
                place: entry.place.clone(),
                what: format!("{} of the role {}", entry.text, role.source.name),
                why,
                server: None,
            });
        }
    }
    notices
}

/// Whether everyone whom `narrow` means is meant by `wide`.
fn covers(wide: &Member, narrow: &Member) -> bool {
    match (wide, narrow) {
        (Member::Agent(wide), Member::Agent(narrow))
        | (Member::User(wide), Member::User(narrow))
        | (Member::Certificate(wide), Member::Certificate(narrow))
        | (Member::Client(wide), Member::Client(narrow)) => wide.covers(narrow),
        (
            Member::Agent(_)
            | Member::User(_)
            | Member::Client(_)
            | Member::Group(_)
            | Member::Certificate(_)
            | Member::Network(_)
            | Member::Environment(_),
            _,
        ) => false,
    }
}
