//! What a person types and nobody sees: the vault's passphrase.

use crate::outcome::{self, Failure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;
use terms::Secret;

/// The longest passphrase, in bytes.
const LONGEST: u64 = 1024;
/// The file of a service manager's credentials folder that holds it.
const CREDENTIAL: &str = "bastide.passphrase";

/// The passphrase: from the service manager's credentials (`$CREDENTIALS_DIRECTORY/bastide.passphrase`), else from a prompt on the terminal.
///
/// # Errors
/// [`Failure`] when there is neither.
pub fn ask() -> Result<Secret<String>, Failure> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL));
    let mut text = String::new();
    match credential.filter(|path| path.is_file()) {
        Some(path) => drop(std::fs::File::open(path)?.take(LONGEST).read_to_string(&mut text)?),
        None if std::io::stdin().is_terminal() => {
            let _quiet = Quiet::new()?;
            outcome::ask("Passphrase of the vault: ");
            std::io::stdin().lock().take(LONGEST).read_line(&mut text)?;
            outcome::tell("");
        }
        None => {
            return Err(Failure::system("the vault's passphrase cannot be asked for: there is no terminal")
                .next(format!("give it as the service credential `{CREDENTIAL}`, or set `vault: {{ unlock: keyfile }}`")));
        }
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(Secret::new(text))
}

/// A terminal that does not show what is typed, until this is dropped.
pub struct Quiet(Termios);

impl Quiet {
    /// Stops showing.
    ///
    /// # Errors
    /// [`Failure`] when standard input is no terminal.
    pub fn new() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(|cause| Failure::caused(&cause))?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).map_err(|cause| Failure::caused(&cause))?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
