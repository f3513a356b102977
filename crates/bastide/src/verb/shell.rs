//! What shells, editors and manuals want: schema, completions, manual page.

use crate::cli::Cli;
use crate::outcome::{Failure, say};
use clap::CommandFactory as _;
use std::process::ExitCode;

/// For which shell.
#[derive(clap::Args, Debug)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the JSON Schema of the configuration.
///
/// # Errors
/// [`Failure`] when standard output cannot be written.
pub fn schema() -> Result<ExitCode, Failure> {
    say(&schema_text()?)?;
    Ok(ExitCode::SUCCESS)
}

/// The JSON Schema of the configuration.
///
/// # Errors
/// [`Failure`] when it cannot be printed.
pub fn schema_text() -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&config::schema())? + "\n")
}

/// Prints the completions of a shell.
///
/// # Errors
/// [`Failure`] when standard output cannot be written.
pub fn completions(args: &Completions) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bastide", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, every verb with its options.
///
/// # Errors
/// [`Failure`] when standard output cannot be written.
pub fn man() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        section(verb, "bastide", &mut page)?;
    }
    say(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}

/// One verb, and the verbs in it, as sections.
fn section(verb: &clap::Command, path: &str, page: &mut Vec<u8>) -> Result<(), Failure> {
    let path = format!("{path} {}", verb.get_name());
    page.extend_from_slice(format!(".SH \"{}\"\n", path.to_uppercase()).as_bytes());
    let man = clap_mangen::Man::new(verb.clone());
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    page.extend_from_slice(format!("{about}.\n").as_bytes());
    man.render_options_section(page)?;
    for inner in verb.get_subcommands().filter(|inner| inner.get_name() != "help") {
        section(inner, &path, page)?;
    }
    Ok(())
}
