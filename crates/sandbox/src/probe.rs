//! What this machine can confine, learnt once by trying it in the helper.

use crate::group;
use crate::helper::{ARGUMENT, ATTEMPT};
use crate::layer::Layer;
use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What came of trying every layer.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    missing: BTreeMap<Layer, String>,
}

impl Attempts {
    /// Why a layer cannot be had; none when it can.
    pub(crate) fn reason(&self, layer: Layer) -> Option<&str> {
        self.missing.get(&layer).map(String::as_str)
    }
}

static TRIED: OnceLock<Result<Attempts, String>> = OnceLock::new();

/// As [`attempts_now`], without keeping others from running meanwhile.
pub(crate) async fn attempts() -> io::Result<&'static Attempts> {
    if TRIED.get().is_none() {
        tokio::task::spawn_blocking(|| drop(attempts_now())).await.map_err(io::Error::other)?;
    }
    attempts_now()
}

/// Tries every layer, the first time that it is asked.
///
/// # Errors
/// When the helper cannot be executed: then nothing can be confined.
pub(crate) fn attempts_now() -> io::Result<&'static Attempts> {
    TRIED.get_or_init(|| run().map_err(|cause| cause.to_string())).as_ref().map_err(|cause| io::Error::other(cause.clone()))
}

fn run() -> io::Result<Attempts> {
    let output = Command::new("/proc/self/exe")
        .args([ARGUMENT, ATTEMPT])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let mut attempts = read(&String::from_utf8_lossy(&output.stdout));
    if let Some(reason) = group::missing() {
        attempts.missing.insert(Layer::Group, reason);
    }
    Ok(attempts)
}

/// A layer of which nothing was said is missing too.
fn read(said: &str) -> Attempts {
    let said: BTreeMap<&str, &str> = said.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
    let missing = Layer::ALL.into_iter().filter(|layer| *layer != Layer::Group).filter_map(|layer| match said.get(layer.name()) {
        Some(&"") => None,
        Some(reason) => Some((layer, (*reason).to_owned())),
        None => Some((layer, "it could not be tried".to_owned())),
    });
    Attempts { missing: missing.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_to_hold_does_not() {
        let attempts = read("account\nproc /proc: Operation not permitted\nhostile\n");
        assert_eq!(attempts.reason(Layer::Account), None);
        assert_eq!(attempts.reason(Layer::Proc), Some("/proc: Operation not permitted"));
        assert_eq!(attempts.reason(Layer::Calls), Some("it could not be tried"));
    }
}
