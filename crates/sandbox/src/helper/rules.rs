//! The plan once more as rules of Landlock: what the mounts would let through, these do not.

use super::plan::{Bind, DEVICES, Plan};
use crate::spec::Access;
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use std::io;
use std::path::{Path, PathBuf};

/// The newest rules that we know; a kernel that knows fewer gets what it knows.
const KNOWN: ABI = ABI::V6;
/// Private places that can be written to in a root of our own.
const PRIVATE: [&str; 2] = ["/tmp", "/dev/shm"];

/// What is allowed where.
#[derive(Debug, Default)]
pub(super) struct Rules {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Rules {
    /// In a root that was made of `plan`: everything there can be read, the folders that were given for writing can be written to.
    pub(super) fn inside(plan: &Plan) -> Self {
        let private = PRIVATE.into_iter().map(PathBuf::from);
        Self { read: vec![PathBuf::from("/")], write: places(plan, Access::Write).chain(private).collect() }
    }

    /// In the gateway's own root: what `plan` names, and nothing of `/proc`.
    pub(super) fn shared(plan: &Plan) -> Self {
        let devices = DEVICES.into_iter().map(PathBuf::from);
        Self { read: places(plan, Access::Read).collect(), write: places(plan, Access::Write).chain(devices).collect() }
    }

    /// Holds this process and all that come from it to them.
    ///
    /// # Errors
    /// Where the kernel has no Landlock, or a place is not there.
    pub(super) fn restrict(&self) -> io::Result<()> {
        let other = |cause: &dyn std::fmt::Display| io::Error::other(cause.to_string());
        let set = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))
            .and_then(|set| set.scope(Scope::from_all(KNOWN)))
            .and_then(|set| set.create())
            .map_err(|cause| other(&cause))?;
        let set = self.read.iter().try_fold(set, |set, path| allow(set, path, AccessFs::from_read(KNOWN)))?;
        let set = self.write.iter().try_fold(set, |set, path| allow(set, path, AccessFs::from_all(KNOWN)))?;
        match set.restrict_self().map_err(|cause| other(&cause))?.ruleset {
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
            RulesetStatus::NotEnforced => Err(io::Error::other("this kernel has no Landlock, or it is switched off")),
        }
    }
}

fn allow(set: RulesetCreated, path: &Path, access: landlock::BitFlags<AccessFs>) -> io::Result<RulesetCreated> {
    let other = |cause: &dyn std::fmt::Display| io::Error::other(format!("{}: {cause}", path.display()));
    let place = PathFd::new(path).map_err(|cause| other(&cause))?;
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    set.add_rule(PathBeneath::new(place, access)).map_err(|cause| other(&cause))
}

fn places(plan: &Plan, access: Access) -> impl Iterator<Item = PathBuf> {
    plan.binds.iter().filter(move |bind| bind.access == access).map(|bind: &Bind| bind.at.clone())
}
