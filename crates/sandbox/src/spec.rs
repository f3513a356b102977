//! What is to be started, and within which limits; and its way to the helper.

use crate::{Environment, Error, Image};
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

/// Limits of one server with all its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most bytes of memory of their own; looked at once a second, all are ended when there are more.
    pub memory_bytes: Option<u64>,
    /// Most processor cores at once, rounded up to whole ones.
    pub cpu_cores: Option<f64>,
    /// Most processes; looked at once a second, all are ended when there are more.
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
}

impl Spec {
    /// `program` without arguments, in `/`, with the minimal environment and the default limits.
    pub fn new(program: PathBuf) -> Self {
        Self { program, image: None, args: Vec::new(), env: Environment::minimal(), cwd: PathBuf::from("/"), limits: Limits::default() }
    }

    /// A sealed file in memory that holds it.
    ///
    /// # Errors
    /// [`Error::ProgramForm`], [`Error::Directory`], [`Error::Command`], or [`Error::Launcher`].
    pub(crate) fn seal(&self) -> Result<OwnedFd, Error> {
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
            limits: self.limits,
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
        let order = Order::read(spec.seal().unwrap()).unwrap();
        assert_eq!((order.program.to_str(), &order.args), (Some("/bin/x"), &spec.args));
        assert_eq!(order.env["A"], "1\n\"");
        assert_eq!(order.limits, spec.limits);
    }

    #[test]
    fn an_order_cannot_be_changed_and_an_unsealed_one_is_refused() {
        let fd = Spec::new("/bin/x".into()).seal().unwrap();
        assert!(File::from(fd).write_all(b"x").is_err());
        let open = rustix::fs::memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(Order::read(open).is_err());
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        let spec = |change: fn(&mut Spec)| {
            let mut spec = Spec::new("/bin/x".into());
            change(&mut spec);
            spec.seal()
        };
        assert!(matches!(spec(|spec| spec.program = "x".into()), Err(Error::ProgramForm(_))));
        assert!(matches!(spec(|spec| spec.cwd = ".".into()), Err(Error::Directory)));
        assert!(matches!(spec(|spec| spec.args.push("a\0".into())), Err(Error::Command)));
        assert!(matches!(spec(|spec| spec.args.push("a".repeat(2_000_000))), Err(Error::Command)));
    }
}
