//! A [`Spec`] on its way to the helper: a sealed file in memory.

use crate::layer::Layers;
use crate::spec::{Folder, Limits, Network, Spec, Watched};
use crate::{Error, Image};
use rustix::fs::{MemfdFlags, SealFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

const MOST_BYTES: u64 = 1024 * 1024;
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

impl Spec {
    /// A sealed file in memory that holds it.
    ///
    /// # Errors
    /// [`Error::ProgramForm`], [`Error::Directory`], [`Error::Command`], or [`Error::Launcher`].
    pub(crate) fn seal(&self, limits: Limits, layers: Layers) -> Result<OwnedFd, Error> {
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or(Error::Command);
        if !self.program.is_absolute() {
            return Err(Error::ProgramForm(self.program.display().to_string()));
        }
        if !self.cwd.is_absolute() {
            return Err(Error::Directory);
        }
        let order = OrderOut {
            program: &text(&self.program)?,
            image: self.image,
            args: &self.args,
            env: self.env.opened(),
            cwd: &text(&self.cwd)?,
            limits,
            folders: &self.folders,
            needs: &self.needs,
            lent: &self.lent,
            private: &self.private,
            network: &self.network,
            watched: self.watched,
            account: self.account,
            layers,
        };
        if self.args.iter().any(|arg| arg.contains('\0')) || order.program.contains('\0') || order.cwd.contains('\0') {
            return Err(Error::Command);
        }
        // Room from the start, so that growing leaves no copy of a credential behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        serde_json::to_writer(&mut *bytes, &order).map_err(|_| Error::Command)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Error::Command);
        }
        write(&bytes).map_err(Error::Launcher)
    }
}

fn write(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    rustix::fs::fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

#[derive(Serialize)]
struct OrderOut<'a> {
    program: &'a str,
    image: Option<Image>,
    args: &'a [String],
    env: BTreeMap<&'a str, &'a str>,
    cwd: &'a str,
    limits: Limits,
    folders: &'a [Folder],
    needs: &'a [PathBuf],
    lent: &'a [PathBuf],
    private: &'a [PathBuf],
    network: &'a Network,
    watched: Watched,
    account: u32,
    layers: Layers,
}

/// A [`Spec`] as the helper reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) program: PathBuf,
    pub(crate) image: Option<Image>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cwd: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) folders: Vec<Folder>,
    pub(crate) needs: Vec<PathBuf>,
    pub(crate) lent: Vec<PathBuf>,
    pub(crate) private: Vec<PathBuf>,
    pub(crate) network: Network,
    pub(crate) watched: Watched,
    pub(crate) account: u32,
    pub(crate) layers: Layers,
}

impl Order {
    /// Reads what [`Spec::seal`] wrote; a file that is not sealed is refused.
    pub(crate) fn read(fd: OwnedFd) -> io::Result<Self> {
        if !rustix::fs::fcntl_get_seals(&fd)?.contains(SEALS) {
            return Err(io::Error::other("the order is not sealed"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        File::from(fd).take(MOST_BYTES).read_to_end(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }
}

impl Order {
    /// An order of nothing, to try layers with.
    pub(crate) fn trial(layers: Layers, account: u32) -> Self {
        Self {
            program: PathBuf::from("/"),
            image: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: PathBuf::from("/"),
            limits: Limits::default(),
            folders: Vec::new(),
            needs: Vec::new(),
            lent: Vec::new(),
            private: Vec::new(),
            network: Network::Closed,
            watched: Watched::No,
            account,
            layers,
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.env.values_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_what_is_read() {
        let mut spec = Spec::new("/bin/x".into());
        spec.args = vec!["a b".into(), "$(c)".into(), String::new()];
        spec.env.set("A", "1\n\"".into()).unwrap();
        let order = Order::read(spec.seal(spec.limits, spec.layers).unwrap()).unwrap();
        assert_eq!((order.program.to_str(), &order.args), (Some("/bin/x"), &spec.args));
        assert_eq!(order.env["A"], "1\n\"");
        assert_eq!(order.limits, spec.limits);
    }

    #[test]
    fn an_order_cannot_be_changed_and_an_unsealed_one_is_refused() {
        let spec = Spec::new("/bin/x".into());
        let fd = spec.seal(spec.limits, spec.layers).unwrap();
        assert!(File::from(fd).write_all(b"x").is_err());
        let open = rustix::fs::memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(Order::read(open).is_err());
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        let spec = |change: fn(&mut Spec)| {
            let mut spec = Spec::new("/bin/x".into());
            change(&mut spec);
            spec.seal(spec.limits, spec.layers)
        };
        assert!(matches!(spec(|spec| spec.program = "x".into()), Err(Error::ProgramForm(_))));
        assert!(matches!(spec(|spec| spec.cwd = ".".into()), Err(Error::Directory)));
        assert!(matches!(spec(|spec| spec.args.push("a\0".into())), Err(Error::Command)));
        assert!(matches!(spec(|spec| spec.args.push("a".repeat(2_000_000))), Err(Error::Command)));
    }
}
