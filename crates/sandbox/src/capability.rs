//! What confines a local server here, and, as plainly, what does not.

use std::fs;
use std::path::Path;

/// One measure of confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// No inherited variable.
    Environment,
    /// No inherited descriptor.
    Descriptors,
    /// Neither set-user-id programs nor file capabilities give rights.
    NoNewPrivileges,
    /// Bounds on memory, processors, processes, files.
    Limits,
    /// Nothing that the server started outlives it.
    Descendants,
    /// Only the folders that it was given.
    Files,
    /// Only the addresses that it was given.
    Network,
    /// Only the processes that are its own can be seen and reached.
    Processes,
    /// Only the system calls that servers need.
    SystemCalls,
    /// An account of its own.
    Account,
}

/// How a measure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It confines every server that is started.
    Holds,
    /// It confines within what the detail says.
    Partly,
    /// This build does not have it; the detail says whether this machine could.
    NotBuilt,
    /// This machine does not have what it needs.
    Unavailable,
}

/// One measure and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Which.
    pub measure: Measure,
    /// How it stands.
    pub standing: Standing,
    /// One sentence for a person.
    pub detail: &'static str,
}

/// Every measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// In the order of [`Measure`].
    pub all: Vec<Capability>,
}

impl Capabilities {
    /// Those that do not confine, or not wholly.
    pub fn gaps(&self) -> impl Iterator<Item = &Capability> {
        self.all.iter().filter(|one| match one.standing {
            Standing::Holds => false,
            Standing::Partly | Standing::NotBuilt | Standing::Unavailable => true,
        })
    }
}

/// Looks at this build and this machine.
pub fn capabilities() -> Capabilities {
    let launcher = Path::new("/proc/self/exe").exists();
    let base = if launcher { Standing::Holds } else { Standing::Unavailable };
    let root = rustix::process::geteuid().is_root();
    let row = |measure, standing, detail| Capability { measure, standing, detail };
    let either = |possible: bool, yes, no| if possible { (Standing::NotBuilt, yes) } else { (Standing::Unavailable, no) };
    let namespaces = number("/proc/sys/user/max_user_namespaces").is_some_and(|most| most > 0) && Path::new("/proc/self/ns/user").exists();
    let filter = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok_and(|actions| actions.contains("kill_process"));
    let (files, files_detail) = either(
        namespaces,
        "a server reads and writes whatever the gateway's account may; this machine has the namespaces to confine it",
        "a server reads and writes whatever the gateway's account may, and this machine has no user namespaces",
    );
    let (network, network_detail) = either(
        namespaces,
        "a server reaches every address that this machine reaches; this machine has the namespaces to confine it",
        "a server reaches every address that this machine reaches, and this machine has no user namespaces",
    );
    let (processes, processes_detail) = either(
        namespaces,
        "a server sees other processes and may signal those of its account; this machine has the namespaces to confine it",
        "a server sees other processes and may signal those of its account, and this machine has no user namespaces",
    );
    let (calls, calls_detail) = either(
        filter,
        "every system call is open to a server; this machine could filter them",
        "every system call is open to a server, and this machine cannot filter them",
    );
    let account = if root { "a server runs as root, as the gateway does" } else { "a server runs under the gateway's account" };
    let nobody = "a server has the variables that it was given and a minimal PATH";
    let stray = "ends every descendant, unless a server of the same account kills the launcher and has left its session before";
    let limits = "memory, processes: looked at once a second; processors by affinity; open files, file sizes, core files by the kernel";
    Capabilities {
        all: vec![
            row(Measure::Environment, base, nobody),
            row(Measure::Descriptors, base, "a server has its three standard streams and nothing else open"),
            row(Measure::NoNewPrivileges, base, "programs that would gain rights gain none"),
            row(Measure::Limits, if launcher { Standing::Partly } else { base }, limits),
            row(Measure::Descendants, if launcher { Standing::Partly } else { base }, stray),
            row(Measure::Files, files, files_detail),
            row(Measure::Network, network, network_detail),
            row(Measure::Processes, processes, processes_detail),
            row(Measure::SystemCalls, calls, calls_detail),
            row(Measure::Account, Standing::NotBuilt, account),
        ],
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_confine_yet_is_a_gap() {
        let capabilities = capabilities();
        let gaps: Vec<Measure> = capabilities.gaps().map(|gap| gap.measure).collect();
        for open in [Measure::Files, Measure::Network, Measure::Processes, Measure::SystemCalls, Measure::Account] {
            assert!(gaps.contains(&open), "{open:?}");
        }
        assert!(!gaps.contains(&Measure::Environment));
    }
}
