//! `secret`: the credentials of servers, in the vault. A value comes from standard input, a file or a prompt, never from the command line.

use super::{configured, member};
use crate::desk::Desk;
use crate::outcome::{self, Common, Failure};
use crate::passphrase::Quiet;
use crate::screen::table;
use admin::Act;
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use terms::Secret;
use vault::Address;

/// The longest value, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What is done with credentials.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Put a value into the vault, from standard input, a file or a prompt; one newline at its end is taken off
    #[command(after_help = "Example:\n  bastide secret put github/token --from-file token.txt")]
    Put(Put),
    /// List what there is, without values
    #[command(after_help = "Example:\n  bastide secret list --json")]
    List,
    /// Take a value out of the vault
    #[command(after_help = "Example:\n  bastide secret remove github/token")]
    Remove(Which),
}

/// What is put.
#[derive(clap::Args, Debug)]
pub struct Put {
    #[command(flatten)]
    which: Which,
    /// Read the value from this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
}

/// One entry.
#[derive(clap::Args, Debug)]
pub struct Which {
    /// SERVER/NAME, as the configuration has it behind vault:
    #[arg(value_parser = address)]
    name: Address,
}

fn address(text: &str) -> Result<Address, String> {
    let bare = text.strip_prefix("vault:").unwrap_or(text);
    format!("vault:{bare}").parse().map_err(|_| "an entry is written SERVER/NAME, such as github/token".to_owned())
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub async fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    match verb {
        Verb::Put(args) => {
            let (address, value) = (args.which.name.clone(), value(args)?);
            let answer = Desk::at(&configured, async |desk| desk.perform(Act::SecretPut { address, value }).await).await?;
            common.answer(&answer, |kept| format!("{} is in the vault (version {}).\n", member(kept, "address"), kept["version"]))?;
        }
        Verb::List => {
            let secrets = Desk::at(&configured, async |desk| desk.secrets().await).await?;
            common.answer(&json!({ "secrets": secrets }), listed)?;
        }
        Verb::Remove(which) => {
            let address = which.name.clone();
            let answer = Desk::at(&configured, async |desk| desk.perform(Act::SecretRemove { address }).await).await?;
            common.answer(&answer, |gone| format!("{} is no longer in the vault.\n", member(gone, "address")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(answer: &Value) -> String {
    let secrets = answer.get("secrets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if secrets.is_empty() {
        return "The vault is empty.  bastide secret put SERVER/NAME\n".to_owned();
    }
    let row = |one: &Value| vec![member(one, "address").to_owned(), one["version"].to_string(), member(one, "updated").to_owned()];
    table(&["entry", "version", "updated"], &secrets.iter().map(row).collect::<Vec<_>>())
}

/// The value, from where it was said to come.
fn value(args: &Put) -> Result<Secret<Vec<u8>>, Failure> {
    let stdin = std::io::stdin();
    let mut bytes = Vec::with_capacity(4096);
    match &args.from_file {
        Some(path) => {
            let unread = |cause: std::io::Error| Failure::usage(format!("`{}` cannot be read", path.display())).because(&cause);
            let file = std::fs::File::open(path).map_err(unread)?;
            file.take(LONGEST + 2).read_to_end(&mut bytes).map_err(unread)?;
        }
        None if stdin.is_terminal() => {
            let _quiet = Quiet::new()?;
            outcome::ask(&format!("Value of {}: ", args.which.name));
            stdin.lock().take(LONGEST + 2).read_until(b'\n', &mut bytes)?;
            outcome::tell("");
        }
        None => drop(stdin.lock().take(LONGEST + 2).read_to_end(&mut bytes)?),
    }
    let end = bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n")).map_or(bytes.len(), <[u8]>::len);
    bytes.truncate(end);
    let value = Secret::new(bytes);
    match value.open().len() {
        0 => Err(Failure::usage("the value is empty")),
        length if u64::try_from(length).unwrap_or(u64::MAX) > LONGEST => {
            Err(Failure::usage(format!("a value has at most {LONGEST} bytes")))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_with_or_without_the_scheme() {
        for text in ["github/token", "vault:github/token"] {
            assert_eq!(address(text).unwrap().to_string(), "vault:github/token");
        }
        for bad in ["github", "", "/token", "vault:vault:a/b", "a/b c"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
