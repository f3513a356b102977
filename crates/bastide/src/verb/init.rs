//! `init`: a first configuration, and a state folder of our own.

use crate::acts::account;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::verb::shell::schema_text;
use crate::wire::{Configured, configuration_folder};
use config::{Profile, init_text};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How much is demanded.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The profile: local is one user on one machine
    #[arg(long, default_value = "local", value_parser = profile)]
    profile: Profile,
}

fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "local" => Ok(Profile::Local),
        "production" => Err("the profile production is not built in this release".to_owned()),
        _ => Err("a profile is local".to_owned()),
    }
}

/// Writes what there is not yet, and never over what there is.
///
/// # Errors
/// [`Failure`] when there is a configuration already, or it cannot be written.
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let environment = std::env::var_os("BASTIDE_CONFIG").map(PathBuf::from);
    let path = config::find(common.config.as_deref(), environment.as_deref(), configuration_folder().as_deref())
        .map_err(|cause| Failure::usage(cause).next("give --config FILE"))?;
    let path = std::path::absolute(&path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    make(folder)?;
    write(&path, &init_text(args.profile, &account()?, &[]))?;
    let schema = folder.join("bastide.schema.json");
    if !schema.exists() {
        write(&schema, &schema_text()?)?;
    }
    let configured = Configured::read(Some(&path), &SystemClock::new())?;
    let state = &configured.loaded.file.state;
    make(state)?;
    let gaps: Vec<String> = sandbox::capabilities().gaps().map(sandbox::Capability::detail).collect();
    let next = ["add a server to `servers:` and its tools to a role", "bastide lock", "bastide serve"];
    let answer = json!({
        "profile": args.profile.as_str(),
        "config": path,
        "schema": schema,
        "state": state,
        "sandbox": gaps,
        "next": next,
    });
    common.answer(&answer, |_| {
        let mut out = String::new();
        let mut line = |name: &str, text: &str| {
            let _ = writeln!(out, "  {name:<10}  {text}");
        };
        line("profile", "local: one user, this machine");
        line("config", &format!("{}   (with comments; safe to read)", path.display()));
        line("state", &format!("{}   (0700)", state.display()));
        line("vault", "sealed by a key file in the state folder, made on first use");
        for (at, gap) in gaps.iter().enumerate() {
            line(if at == 0 { "sandbox" } else { "" }, gap);
        }
        for (at, step) in next.iter().enumerate() {
            line(if at == 0 { "next" } else { "" }, step);
        }
        out
    })?;
    Ok(ExitCode::SUCCESS)
}

fn make(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|cause| Failure::system(format!("`{}` cannot be made", folder.display())).because(&cause))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("`{}` is there already; nothing was written", path.display())).next("bastide doctor")
        }
        _ => Failure::system(format!("`{}` cannot be written", path.display())).because(&cause),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Failure::from)
}
