//! What a server leaves running beside itself, so that it outlives the server: nothing of it does.

use crate::attempt::{Attempt, Class, Effect, Held, Language, outliving};
use crate::outside::Outside;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exit,
    /// An operator kills it.
    Kill,
    /// Its call takes too long.
    Timeout,
    /// Its session is closed.
    Session,
}

const TWICE: &str = "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: beat()\n    os._exit(0)\nos.wait(); beats()\n";
const RENEWED: &str = "if (!fork()) { setsid(); if (!fork()) beat(); _exit(0); } wait(0); beats();";
const DETACHED: &str = "child.spawn('/bin/sh', ['-c', `trap '' HUP INT TERM; exec 3>${GIVEN}/heart; echo x >&3; touch /tmp/up-${TAG}; while echo x >&3; do sleep 0.01; done`], { detached: true, stdio: 'ignore' }).unref(); while (!fs.existsSync('/tmp/up-' + TAG)) await new Promise(resolve => setTimeout(resolve, 5)); fs.unlinkSync('/tmp/up-' + TAG); say('up')";

pub(crate) const DAEMONS: Class = Class {
    name: "what is left running",
    attempts: &[
        outliving(Language::Python, "forks twice, and ends", End::Exit, TWICE, "os._exit(0)"),
        outliving(Language::Python, "forks twice, and is killed by itself", End::Exit, TWICE, "os.kill(os.getpid(), 9)"),
        outliving(Language::Python, "forks twice, and is killed", End::Kill, TWICE, "say('up')"),
        outliving(Language::Python, "forks twice, and lets its call time out", End::Timeout, TWICE, "time.sleep(60)"),
        outliving(Language::Static, "forks without end under new numbers, and ends", End::Exit, RENEWED, "_exit(0);"),
        outliving(Language::Static, "forks without end under new numbers, and is killed", End::Kill, RENEWED, "say(\"up\");"),
        outliving(Language::Node, "starts a shell of its own, and is killed", End::Kill, DETACHED, ""),
        outliving(Language::Node, "starts a shell of its own, and its session ends", End::Session, DETACHED, ""),
    ],
};

/// A pipe that only what was left running writes to: bytes come as long as it runs, and an end when no process has it open any more.
pub(crate) struct Heart {
    path: PathBuf,
    pipe: File,
    heard: bool,
}

impl Heart {
    pub(crate) fn new(outside: &Outside) -> Self {
        let path = outside.root.join("given/heart");
        let _ = std::fs::remove_file(&path);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let pipe =
            std::fs::OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(&path).unwrap();
        Self { path, pipe, heard: false }
    }

    /// Whether a byte comes that was not there before.
    pub(crate) fn beats(&mut self, within: Duration) -> bool {
        let mut room = [0; 1 << 16];
        let end = Instant::now() + within;
        // What is in the pipe was written before.
        while matches!(self.pipe.read(&mut room), Ok(read) if read == room.len()) {}
        while Instant::now() < end {
            if matches!(self.pipe.read(&mut room), Ok(1..)) {
                self.heard = true;
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Whether some process had it open, and none has any more.
    pub(crate) fn stops(&mut self, within: Duration) -> bool {
        let mut room = [0; 1 << 16];
        let end = Instant::now() + within;
        loop {
            match self.pipe.read(&mut room) {
                Ok(0) => return self.heard,
                Ok(_) => self.heard = true,
                Err(_) if Instant::now() > end => return false,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How the server of `attempt` ends, where something of it is to outlive it.
pub(crate) fn end_of(attempt: &Attempt) -> Option<End> {
    match (attempt.effect, attempt.held) {
        (Effect::Outlives(end), Held::ByLauncher) => Some(end),
        _ => None,
    }
}
