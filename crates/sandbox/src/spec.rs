//! What is to be started, and within which limits.

use crate::layer::{Layer, Layers};
use crate::podman::Engine;
use crate::{Environment, Image};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Limits of one server with all its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most bytes of memory: by a control group, else what is their own is looked at once a second, and all are ended when there is more.
    pub memory_bytes: Option<u64>,
    /// Most processor cores at once: by a control group, else rounded up to whole ones.
    pub cpu_cores: Option<f64>,
    /// Most processes and threads; no more can be made.
    pub processes: u32,
    /// Most open files of each process.
    pub files: u64,
    /// Most bytes of a file that one writes.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: Some(512 * 1024 * 1024), cpu_cores: Some(1.0), processes: 64, files: 256, file_bytes: 1024 * 1024 * 1024 }
    }
}

/// What a server may do with a folder or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read and execute.
    Read,
    /// Read, execute and write.
    Write,
}

/// A folder or a file of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Where, absolute. Links on the way are followed once and made again for the server.
    pub path: PathBuf,
    /// What it may do there.
    pub access: Access,
}

/// What a server has of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing, not even loopback.
    #[default]
    Closed,
    /// Listeners that the gateway answers at, see [`crate::Doors`]; nothing beyond them.
    Doors {
        /// The ports that it may connect to.
        ports: Vec<u16>,
    },
}

/// Whether what a server asks for is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watched {
    /// Nothing is.
    #[default]
    No,
    /// Every file and address that it names, see [`crate::Observer`]. It may do no more than otherwise, and does it more slowly.
    Calls,
}

/// A server to be started.
#[derive(Debug)]
pub struct Spec {
    /// The program: an absolute path, as [`crate::program_lookup`] gives it.
    pub program: PathBuf,
    /// The file that it must be; without one, whatever has its name then.
    pub image: Option<Image>,
    /// Its arguments, without the program's name. They are passed on as they are; no shell reads them.
    pub args: Vec<String>,
    /// All of its environment.
    pub env: Environment,
    /// Its working directory, absolute.
    pub cwd: PathBuf,
    /// Its limits.
    pub limits: Limits,
    /// The folders that it was given.
    pub folders: Vec<Folder>,
    /// What its program needs beside the system's own folders: to be read, with the rights of others.
    pub needs: Vec<PathBuf>,
    /// Folders that its program is run from, which may lie in what is private: to be read, with the rights of others.
    pub lent: Vec<PathBuf>,
    /// What no folder of it may hold or lie in.
    pub private: Vec<PathBuf>,
    /// What it has of the network.
    pub network: Network,
    /// Whether what it asks for is noted.
    pub watched: Watched,
    /// The account that it gets where the gateway runs as root, see [`crate::account`].
    pub account: u32,
    /// What it is confined by. Less than [`Layers::FULL`] is for accepted weaknesses alone.
    pub layers: Layers,
    /// Those of them that it does without where this machine does not have them: accepted weaknesses.
    pub spare: Layers,
    /// The container that the program makes, and what removes it with the server's end.
    pub container: Option<(Arc<Engine>, String)>,
}

impl Spec {
    /// `program` without arguments, in `/`, with the minimal environment and the default limits, no folder and no network.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            image: None,
            args: Vec::new(),
            env: Environment::minimal(),
            cwd: PathBuf::from("/"),
            limits: Limits::default(),
            folders: Vec::new(),
            needs: Vec::new(),
            lent: Vec::new(),
            private: Vec::new(),
            network: Network::Closed,
            watched: Watched::No,
            account: crate::account("", ""),
            layers: Layers::FULL,
            spare: Layers::NONE.with(Layer::Group),
            container: None,
        }
    }
}
