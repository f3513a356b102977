//! What a server is confined by, layer upon layer.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One layer of confinement. Each holds by itself what another one might let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// An account of its own, where the gateway may give one.
    Account,
    /// A user namespace in which that account has no rights over anything else.
    User,
    /// A process namespace: it sees, signals and outlives nobody else.
    Processes,
    /// A network namespace without any interface that is up, unless it was given doors.
    Network,
    /// Namespaces of its own for shared memory, message queues, the host's name and control groups.
    Objects,
    /// A root made anew that holds only the folders it was given and what its program needs.
    Files,
    /// Its own `/proc`, which shows its own processes.
    Proc,
    /// No capability in any set, none to be had again, and no privileges by executing.
    Privileges,
    /// Landlock: the same folders once more, by the kernel's own rules; no signals and abstract sockets beyond itself.
    Landlock,
    /// A filter of the system calls that only attacks need: who asks for one is ended, with everyone that belongs to it.
    Hostile,
    /// A filter that knows only the system calls that servers need.
    Calls,
    /// Where the network is the gateway's own: no socket but to programs of this machine.
    Sockets,
    /// Limits of the kernel on files, processes, and what is written.
    Limits,
    /// Limits of a control group on memory, processes and processors of all of it together. Where there is none, memory is looked at once a
    /// second, and processors are limited by affinity.
    Group,
    /// Nothing inherited open.
    Descriptors,
}

impl Layer {
    /// Every layer, in the order in which they are put on.
    pub const ALL: [Self; 15] = [
        Self::Account,
        Self::User,
        Self::Processes,
        Self::Network,
        Self::Objects,
        Self::Files,
        Self::Proc,
        Self::Privileges,
        Self::Landlock,
        Self::Hostile,
        Self::Calls,
        Self::Sockets,
        Self::Limits,
        Self::Group,
        Self::Descriptors,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Its name, in one or a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Processes => "processes",
            Self::Network => "network",
            Self::Objects => "objects",
            Self::Files => "files",
            Self::Proc => "proc",
            Self::Privileges => "privileges",
            Self::Landlock => "landlock",
            Self::Hostile => "hostile",
            Self::Calls => "calls",
            Self::Sockets => "sockets",
            Self::Limits => "limits",
            Self::Group => "group",
            Self::Descriptors => "descriptors",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A set of layers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layers(u16);

impl Layers {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every one: what a server is started with.
    pub const FULL: Self = Self((1 << Layer::ALL.len()) - 1);

    /// Whether `layer` is among them.
    pub const fn has(self, layer: Layer) -> bool {
        self.0 & layer.bit() != 0
    }

    /// These without `layer`.
    #[must_use]
    pub const fn without(self, layer: Layer) -> Self {
        Self(self.0 & !layer.bit())
    }

    /// These and `layer`.
    #[must_use]
    pub const fn with(self, layer: Layer) -> Self {
        Self(self.0 | layer.bit())
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| self.has(*layer))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter()).finish()
    }
}

/// A weakness of a machine that an operator may accept for a server, by name and with an end (`accept_risk`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// `/proc` cannot be mounted anew: the server runs without one.
    NoProc,
    /// The gateway runs as root and can give no account away, as in a container that knows root alone: the server has the gateway's account.
    SharedAccount,
    /// There are no user namespaces: the server shares those of the gateway and is held by Landlock and the filters alone.
    SharedNamespaces,
    /// The kernel has no Landlock: the namespaces alone keep folders apart.
    NoLandlock,
    /// The server needs system calls beyond those that are known: the filter that kills stays, the other one goes.
    Relaxed,
}

impl Weakness {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::NoProc, Self::SharedAccount, Self::SharedNamespaces, Self::NoLandlock, Self::Relaxed];

    /// Its name in `accept_risk`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoProc => "no-proc",
            Self::SharedAccount => "shared-account",
            Self::SharedNamespaces => "shared-namespaces",
            Self::NoLandlock => "no-landlock",
            Self::Relaxed => "relaxed",
        }
    }

    /// The weakness of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The layers that may be missing where it is accepted.
    pub const fn layers(self) -> &'static [Layer] {
        match self {
            Self::NoProc => &[Layer::Proc],
            Self::SharedAccount => &[Layer::Account],
            Self::SharedNamespaces => &[Layer::User, Layer::Processes, Layer::Network, Layer::Objects, Layer::Files, Layer::Proc],
            Self::NoLandlock => &[Layer::Landlock],
            Self::Relaxed => &[Layer::Calls],
        }
    }

    /// The weakness by whose name the absence of `layer` can be accepted; none for what every machine must have,
    /// and for control groups, which others stand in for.
    pub const fn of(layer: Layer) -> Option<Self> {
        match layer {
            Layer::Proc => Some(Self::NoProc),
            Layer::Account => Some(Self::SharedAccount),
            Layer::User | Layer::Processes | Layer::Network | Layer::Objects | Layer::Files => Some(Self::SharedNamespaces),
            Layer::Landlock => Some(Self::NoLandlock),
            Layer::Privileges | Layer::Hostile | Layer::Calls | Layer::Sockets | Layer::Limits | Layer::Group | Layer::Descriptors => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        assert_eq!(Layers::FULL.iter().count(), Layer::ALL.len());
        let less = Layers::FULL.without(Layer::Hostile);
        assert!(!less.has(Layer::Hostile) && less.has(Layer::Calls) && less.with(Layer::Hostile) == Layers::FULL);
        assert_eq!(Layers::NONE.iter().count(), 0);
    }

    #[test]
    fn weaknesses_are_known_by_name_and_none_stands_for_a_filter_that_kills() {
        for one in Weakness::ALL {
            assert_eq!(Weakness::named(one.name()), Some(one));
            assert!(!one.layers().contains(&Layer::Hostile) && !one.layers().contains(&Layer::Privileges));
        }
        assert_eq!(Weakness::named("unsandboxed"), None);
    }
}
