//! One line on a terminal that says what is being looked at.

use crate::outcome::Common;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use terms::Control;

/// The line. It is on standard error, and only where that is a terminal and text was asked for.
pub struct Progress(Option<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    planned: usize,
    done: usize,
    running: Vec<Control>,
}

impl Progress {
    /// The line for an answer in the form that `common` asks for.
    pub fn new(common: &Common) -> Self {
        Self((!common.json && std::io::stderr().is_terminal()).then(Mutex::default))
    }

    /// There are so many to come.
    pub fn begin(&self, planned: usize) {
        self.change(|shown| shown.planned = planned);
    }

    /// One began.
    pub fn started(&self, control: Control) {
        self.change(|shown| shown.running.push(control));
    }

    /// One ended, whether it had begun or not.
    pub fn ended(&self, control: Control) {
        self.change(|shown| {
            shown.running.retain(|other| *other != control);
            shown.done += 1;
        });
    }

    /// Takes the line away.
    pub fn end(&self) {
        self.write("\r\x1b[K");
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let Some(shown) = &self.0 else { return };
        let line = {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut shown);
            line(&shown)
        };
        self.write(&line);
    }

    fn write(&self, text: &str) {
        if self.0.is_some() {
            let mut out = std::io::stderr().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// Short enough for a narrow terminal: a line that wraps could not be taken away.
fn line(shown: &Shown) -> String {
    let now = match shown.running.as_slice() {
        [] if shown.done < shown.planned => "",
        [] => "putting things back",
        [.., last] => last.id(),
    };
    format!("\r\x1b[Kassessing  {} of {}  {now}", shown.done, shown.planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_and_fits() {
        let shown = Shown { planned: 18, done: 3, running: vec![Control::AuditChain, Control::IdentitySessionBinding] };
        assert_eq!(line(&shown), "\r\x1b[Kassessing  3 of 18  identity.session-binding");
        assert!(Control::ALL.into_iter().all(|control| control.id().len() < 40));
    }
}
