//! What can go wrong with a local server's process.

use crate::Layer;
use std::io;
use std::time::Duration;

/// Why a server was not started, or not ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's fault: the program is neither a bare name nor an absolute path.
    #[error("`{0}` is neither a bare name nor an absolute path")]
    ProgramForm(String),
    /// The operator's fault: there is no such program, or it cannot be executed.
    #[error("there is no executable `{0}`")]
    ProgramAbsent(String),
    /// The operator's fault: a name or a value that an environment cannot hold.
    #[error("`{0}` is not the name of an environment variable, or its value cannot be one")]
    Variable(String),
    /// The operator's fault: an argument holds a NUL, or program, arguments and environment together are too long.
    #[error("the command is not one that can be executed")]
    Command,
    /// The operator's fault: an image that is not named by registry and digest.
    #[error("`{0}` is not an image by its registry and digest, such as docker.io/mcp/time@sha256:…")]
    Image(String),
    /// The operator's fault: an image that is not on this machine.
    #[error("the image is not on this machine, or not with this digest: podman pull {0}, as the account of the gateway")]
    ImageAbsent(String),
    /// Podman could not do what it was asked for.
    #[error("podman {verb}: {said}")]
    Podman {
        /// What it was asked for.
        verb: &'static str,
        /// What it said, or what happened to it.
        said: String,
    },
    /// Without root, Podman leaves limits out on a machine whose control groups are not those of version 2.
    #[error("a server from an image cannot be limited here: without root, Podman needs control groups of version 2")]
    ContainerLimits,
    /// The operator's fault: ways out for a server from an image, where the gateway has no right to make a network namespace for it.
    #[error("a server from an image has ways out only where the gateway runs as root; leave `sandbox.egress` out")]
    ContainerDoors,
    /// The operator's fault: a folder that leads nowhere.
    #[error("{}: {cause}", path.display())]
    Folder {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The operator's fault: the working directory is not an absolute path.
    #[error("the working directory is not an absolute path")]
    Directory,
    /// This machine does not have what the layer needs, and nobody accepted that.
    #[error("this machine cannot confine it: {layer}: {reason}")]
    Unavailable {
        /// Which.
        layer: Layer,
        /// What came of trying.
        reason: String,
    },
    /// This machine is not Linux.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The helper could not be started.
    #[error("the launcher could not be started")]
    Launcher(#[source] io::Error),
    /// The helper could not limit itself or start the program.
    #[error("the launcher refused: {0}")]
    Refused(String),
    /// The helper did not answer.
    #[error("the launcher did not answer within {0:?}")]
    Silent(Duration),
    /// How the process ended could not be learnt.
    #[error("the process could not be waited for")]
    Wait(#[source] io::Error),
}
