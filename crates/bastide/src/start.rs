//! Starts the gateway in the background, for a client that found none.

use crate::outcome::Failure;
use crate::wire::Configured;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Where a gateway that nobody watches says what it has to say, in the state folder.
const LOG: &str = "serve.log";
/// A log above this size is begun anew, in bytes.
const MOST_LOG: u64 = 1 << 20;
/// The longest time until a gateway listens.
const START: Duration = Duration::from_secs(30);
/// How long another one that is starting too may still take after ours gave way to it.
const OTHER: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(25);
/// The variables of whoever starts it that the gateway needs. Nothing else of a client's environment, such as its keys, goes along.
const KEPT: [&str; 8] = ["HOME", "PATH", "USER", "LOGNAME", "LANG", "TZ", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];

/// Starts a gateway on `configured` and connects to its socket at `path`.
///
/// Of several that are started at once one gets the state; all are connected to that one.
///
/// # Errors
/// [`Failure`] with what the gateway said, when none listens in the end.
pub async fn connected(configured: &Configured, path: &Path) -> Result<UnixStream, Failure> {
    let state = store::Folder::prepare(&configured.loaded.file.state)?.join(LOG);
    let (log, begun) = log(&state)?;
    let mut gateway = spawn(configured, log)?;
    let mut until = Instant::now() + START;
    let mut ended = false;
    loop {
        if let Ok(stream) = UnixStream::connect(path).await {
            return Ok(stream);
        }
        if !ended && gateway.try_wait()?.is_some() {
            ended = true;
            until = until.min(Instant::now() + OTHER);
        }
        if Instant::now() > until {
            let failure = Failure::system("no gateway runs, and none could be started").next(command(configured));
            return Err(failure.because(&std::io::Error::other(said(&state, begun))));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The command that runs the gateway in the foreground.
pub fn command(configured: &Configured) -> String {
    format!("bastide serve --config '{}'", configured.path.display())
}

fn spawn(configured: &Configured, log: File) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg("--background").arg("--config").arg(&configured.path).current_dir("/").env_clear();
    command.envs(KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    spawned.map_err(|cause| Failure::system("the gateway could not be started").because(&cause))
}

/// The log, open at its end, and where that is.
fn log(path: &Path) -> Result<(File, u64), Failure> {
    let open = |options: &mut OpenOptions| options.create(true).mode(0o600).custom_flags(NO_LINK).open(path);
    let mut file = open(OpenOptions::new().append(true))?;
    if file.metadata()?.len() > MOST_LOG {
        file.set_len(0)?;
    }
    let end = file.seek(SeekFrom::End(0))?;
    Ok((file, end))
}

/// `O_NOFOLLOW` (open(2)).
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// The last lines that the gateway said since `begun`.
fn said(path: &Path, begun: u64) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(begun))?;
        file.take(MOST_LOG).read_to_string(&mut text)
    });
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('!')).collect();
    match read {
        Ok(_) if !lines.is_empty() => lines.iter().skip(lines.len().saturating_sub(6)).copied().collect::<Vec<_>>().join("\n"),
        Ok(_) | Err(_) => format!("see {}", path.display()),
    }
}
