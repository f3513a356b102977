//! The filter that lets calls which name files and addresses wait until they were noted (seccomp(2), `SECCOMP_RET_USER_NOTIF`).

use crate::observe;
use crate::sys;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

/// `SECCOMP_RET_TRACE` and `SECCOMP_RET_USER_NOTIF`.
const TRACE: u32 = 0x7ff0_0000;
const NOTIFY: u32 = 0x7fc0_0000;
/// `BPF_RET | BPF_K`
const RETURN: u16 = 6;

/// Puts the filter on this process; gives what its notes come from. The filters that decide are put on after it, and theirs is the last word:
/// of several answers the kernel takes the strictest.
pub(super) fn listen() -> io::Result<OwnedFd> {
    let mut program = program()?;
    for one in program.iter_mut().filter(|one| one.code == RETURN && one.k == TRACE) {
        one.k = NOTIFY;
    }
    sys::listen_to_calls(&program)
}

fn program() -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, present) in observe::calls() {
        let conditions = present.map(|argument| SeccompCondition::new(argument, Length::Qword, Compare::Ne, 0)).transpose();
        let rule = conditions.and_then(|condition| condition.map(|condition| SeccompRule::new(vec![condition])).transpose());
        rules.insert(call, rule.map_err(io::Error::other)?.into_iter().collect());
    }
    // The library knows no action that notifies: one that it knows stands for it, and is exchanged.
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), super::filter::architecture()?);
    filter.and_then(TryInto::try_into).map_err(io::Error::other)
}
