//! How a verb ends: an answer, or a failure with its exit code.
//!
//! 0 ok, 1 the answer is no, 2 usage or configuration, 3 the system could not do it.

use clap::Args;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What every verb takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// The configuration file [default: $BASTIDE_CONFIG, else bastide/bastide.yaml in the user's configuration folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The exit code of an answer that is no: verification failed, a level is not reached, a call is not allowed.
pub const NO: u8 = 1;

/// Whose a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The answer is no.
    No,
    /// The one who asks: usage or configuration.
    Usage,
    /// The system.
    System,
}

impl Fault {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::No => NO,
            Self::Usage => 2,
            Self::System => 3,
        }
    }
}

/// Why a verb did not do what it was asked: a sentence, what lies behind it, and what to do next.
#[derive(Debug)]
pub struct Failure {
    fault: Fault,
    message: String,
    causes: Vec<String>,
    next: Option<String>,
}

impl Failure {
    fn new(fault: Fault, message: impl fmt::Display) -> Self {
        Self { fault, message: message.to_string(), causes: Vec::new(), next: None }
    }

    /// The answer is no.
    pub fn no(message: impl fmt::Display) -> Self {
        Self::new(Fault::No, message)
    }

    /// The usage or the configuration is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Fault::Usage, message)
    }

    /// The system could not do it.
    pub fn system(message: impl fmt::Display) -> Self {
        Self::new(Fault::System, message)
    }

    /// The system could not do it, for the reason `error` with its sources.
    pub fn caused(error: &dyn Error) -> Self {
        let mut failure = Self::system(error);
        failure.causes = sources(error);
        failure
    }

    /// Adds what lies behind it.
    #[must_use]
    pub fn because(mut self, error: &dyn Error) -> Self {
        self.causes.push(error.to_string());
        self.causes.extend(sources(error));
        self
    }

    /// Adds what the person can do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// What it is about, without what lies behind it.
    pub fn sentence(&self) -> &str {
        &self.message
    }

    /// Says it on standard error, in the form that was asked for, and gives the exit code.
    pub fn report(&self, common: &Common) -> ExitCode {
        let mut err = anstream::stderr().lock();
        let _ = if common.json {
            let error = serde_json::json!({ "fault": self.fault, "message": self.message, "causes": self.causes, "next": self.next });
            writeln!(err, "{}", serde_json::json!({ "error": error }))
        } else {
            writeln!(err, "{self}")
        };
        ExitCode::from(self.fault.code())
    }
}

fn sources(error: &dyn Error) -> Vec<String> {
    std::iter::successors(error.source(), |error: &&dyn Error| (*error).source()).take(16).map(ToString::to_string).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        for cause in &self.causes {
            write!(out, "\n  because  {cause}")?;
        }
        match &self.next {
            Some(next) => write!(out, "\n  next     {next}"),
            None => Ok(()),
        }
    }
}

impl From<config::Problems> for Failure {
    fn from(problems: config::Problems) -> Self {
        Self::usage(problems.carets().trim_end())
    }
}

macro_rules! system {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::caused(&error)
            }
        })*
    };
}
system!(
    audit::Error,
    identity::Error,
    response::Error,
    store::journal::Error,
    supply::Error,
    vault::Error,
    serde_json::Error,
    std::io::Error
);

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let next = match &error {
            store::Error::InUse { .. } => Some("wait for the other process, or stop it; `bastide` alone shows whether a gateway runs"),
            _ => None,
        };
        let failure = Self::caused(&error);
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

impl Common {
    /// Prints `answer` as one line of JSON, or what `text` makes of it. A closed pipe is no failure.
    ///
    /// # Errors
    /// [`Failure`] when `answer` cannot be printed.
    pub fn answer<T: Serialize>(&self, answer: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let line = if self.json { serde_json::to_string(answer)? + "\n" } else { text(answer) };
        say(&line)
    }
}

/// Prints `text` on standard output as it stands. A closed pipe is no failure.
///
/// # Errors
/// [`Failure`] when standard output cannot be written.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says what is worth knowing on standard error, as a line that begins with `!`. Where nobody can read it, it is not said.
pub fn warn(line: &str) {
    tell(&format!("! {line}"));
}

/// Says a line on standard error, if that takes it.
pub fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Puts a question on standard error, the line left open for the answer.
pub fn ask(question: &str) {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question}").and_then(|()| err.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let error = std::io::Error::other("the disk is gone");
        let failure = Failure::system("the file cannot be read").because(&error).next("bastide doctor");
        assert_eq!(failure.to_string(), "the file cannot be read\n  because  the disk is gone\n  next     bastide doctor");
        assert_eq!([failure, Failure::usage("x"), Failure::no("x")].map(|failure| failure.fault.code()), [3, 2, 1]);
    }
}
