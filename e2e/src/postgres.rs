//! A PostgreSQL of its own for one test.

use crate::until;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Running, free_port, layers, run};

/// Whom it runs as where the test is root's: it refuses to be root itself.
const NOBODY: u32 = 65_534;

/// A running PostgreSQL, on loopback and on a socket in its folder, that trusts whoever comes. Dropping ends it.
#[derive(Debug)]
pub struct Postgres {
    /// Its port.
    pub port: u16,
    folder: tempfile::TempDir,
    programs: PathBuf,
    _running: Running,
}

impl Postgres {
    /// Starts one; `None`, with a printed reason, where the system has none.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(!layers::is_required(), "PostgreSQL is missing: apt-get install postgresql");
            layers::skip("PostgreSQL is missing: apt-get install postgresql");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("bastide-postgres-").tempdir().expect("a temporary folder");
        let own = rustix::process::getuid().is_root();
        if own {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give a folder away");
        }
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        let made = run(Self::at(&programs, "initdb").args(["-A", "trust", "-U", "bastide", "--no-sync", "-D"]).arg(&data), b"");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        // Whoever may see the folder may come in by its socket.
        let socket = folder.path().join("socket");
        std::fs::create_dir(&socket).expect("a folder of ours");
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o777)).expect("a folder of ours");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("a folder of ours");
        if own {
            chown(&socket, Some(NOBODY), Some(NOBODY)).expect("root may give a folder away");
        }
        let mut server = Self::at(&programs, "postgres");
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"]);
        let running = Running::start(server.arg(&socket), &log);
        let found = Self { port, folder, programs, _running: running };
        until("PostgreSQL answers", || found.ask("postgres", "SELECT 1").is_ok());
        Some(found)
    }

    /// A program of PostgreSQL as the account that it may run as.
    fn at(programs: &Path, name: &str) -> Command {
        let program = programs.join(name);
        if !rustix::process::getuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]).arg(program);
        command
    }

    /// Its folder, with the folder `socket` in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL in `database` as its first user; the rows, one a line.
    ///
    /// # Errors
    /// What `psql` says where a statement fails.
    pub fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "bastide", "-d", database, "-f", "-"]);
        let output = run(psql.args(["-p", &self.port.to_string()]), sql.as_bytes());
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// As [`Postgres::ask`], and panics where it fails.
    pub fn tell(&self, database: &str, sql: &str) -> String {
        self.ask(database, sql).unwrap_or_else(|wrong| panic!("{wrong}"))
    }
}

/// The folder of the newest PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin"));
    versions.filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists()).max()
}
