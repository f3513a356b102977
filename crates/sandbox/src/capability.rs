//! What confines a local server here, and, as plainly, what does not.

use crate::layer::{Layer, Weakness};
use crate::probe;

/// What stands in for a control group.
const LOOKED_AT: &str = "memory is looked at once a second, processors are limited by affinity";

/// How a layer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was tried, and holds.
    Holds,
    /// It was tried and could not be had; servers do without, since others stand in for it.
    Weaker(String),
    /// It was tried and could not be had: no server starts, unless the weakness is accepted for it.
    Missing(String),
}

/// One layer and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Which.
    pub layer: Layer,
    /// How it stands.
    pub standing: Standing,
}

impl Capability {
    /// One sentence for a person.
    pub fn detail(&self) -> String {
        let holds = promise(self.layer);
        match &self.standing {
            Standing::Holds => holds.to_owned(),
            Standing::Weaker(reason) => format!("{LOOKED_AT} ({}: {reason})", self.layer),
            Standing::Missing(reason) => match Weakness::of(self.layer) {
                Some(weakness) if cfg!(target_os = "linux") => {
                    format!("no local server starts: {}: {reason}; `accept_risk` can name it `{}`", self.layer, weakness.name())
                }
                Some(_) | None => format!("no local server starts: {}: {reason}", self.layer),
            },
        }
    }
}

/// Every layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// In the order of [`Layer::ALL`].
    pub all: Vec<Capability>,
}

impl Capabilities {
    /// Those that do not hold.
    pub fn gaps(&self) -> impl Iterator<Item = &Capability> {
        self.all.iter().filter(|one| match one.standing {
            Standing::Holds => false,
            Standing::Weaker(_) | Standing::Missing(_) => true,
        })
    }
}

/// Tries every layer on this machine, once in a process's life.
pub fn capabilities() -> Capabilities {
    let attempts = probe::attempts_now();
    let reason = |layer| match &attempts {
        Ok(attempts) => attempts.reason(layer).map(str::to_owned),
        Err(cause) => Some(format!("the launcher cannot be executed: {cause}")),
    };
    let all = Layer::ALL.into_iter().map(|layer| {
        let standing = match (reason(layer), layer) {
            (None, _) => Standing::Holds,
            (Some(reason), Layer::Group) => Standing::Weaker(reason),
            (Some(reason), _) => Standing::Missing(reason),
        };
        Capability { layer, standing }
    });
    Capabilities { all: all.collect() }
}

fn promise(layer: Layer) -> &'static str {
    match layer {
        Layer::Account if rustix::process::geteuid().is_root() => "a server has an account of its own",
        Layer::Account => "a server has the gateway's account, which is not root's",
        Layer::User => "a server's account has rights over nothing outside of its namespaces",
        Layer::Processes => "a server sees and signals its own processes alone, and none of them outlives it",
        Layer::Network => "a server has a network of its own, without a way out",
        Layer::Objects => "a server shares no memory, queue, name of the host or control group with others",
        Layer::Files => "a server sees the folders that it was given, the system's programs, and nothing else",
        Layer::Proc => "a server's `/proc` shows its own processes",
        Layer::Privileges => "a server has no capability and gains none by executing",
        Layer::Landlock => "the same folders are held once more by Landlock",
        Layer::Hostile => "a system call that only attacks need kills the server",
        Layer::Calls => "a system call that servers do not need is not there",
        Layer::Sockets => "where the network is shared, a server has no socket to it",
        Layer::Limits => "open files, processes, core files and what is written are limited by the kernel",
        Layer::Group => "memory, processes and processors of a server are limited by a control group",
        Layer::Descriptors => "a server has its three standard streams and nothing else open",
    }
}
