//! The content screens as the configuration sets them, for verbs that look at a text without a call.

use crate::outcome::Failure;
use crate::wire::Configured;
use config::{File, ToolKey};
use detect::{Actions, Budget, Channel, Report, Scratch, is_credit};
use gateway::snapshot::{Inspect, Source};
use terms::{Action, Class, Finding, ServerName, Utc};

/// Where a text is taken to come from: a server, and one of its tools.
pub(super) struct Origin<'a> {
    pub(super) server: &'a ServerName,
    pub(super) tool: Option<&'a str>,
}

/// The screens.
pub(super) struct Screens {
    inspect: Inspect,
    file: File,
    now: Utc,
}

/// What is done with what is found in a text of one origin.
pub(super) struct Handled<'a> {
    actions: Actions,
    quiet: Vec<&'a str>,
    source: Source,
}

impl Screens {
    /// Those of `configured`; without a configuration those of an empty one.
    ///
    /// # Errors
    /// [`Failure`] when the rules cannot be built.
    pub(super) fn new(configured: Option<&Configured>, now: Utc) -> Result<Self, Failure> {
        let (file, suppressed) = match configured {
            Some(configured) => (configured.loaded.file.clone(), configured.loaded.suppressed.as_slice()),
            None => (File::default(), [].as_slice()),
        };
        let inspect = config::screens(&file.inspect, suppressed).map_err(|cause| Failure::caused(&cause))?;
        Ok(Self { inspect, file, now })
    }

    /// The detectors.
    pub(super) fn engine(&self) -> &detect::Engine {
        &self.inspect.engine
    }

    /// The configuration that they are set by.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// What is found in each part of one message, what tells of a server's machine included.
    pub(super) fn find(&self, parts: &[&str]) -> Vec<Report> {
        let mut reports = self.engine().inspect_parts(parts, Channel::Result, &Budget::default(), &mut Scratch::default());
        for (part, report) in parts.iter().zip(&mut reports) {
            report.findings.extend(detect::leaks(part));
            report.findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
        }
        reports
    }

    /// What is done with what comes from `origin`; without one, with what nobody answers for.
    ///
    /// # Errors
    /// [`Failure`] when there is no such server.
    pub(super) fn of(&self, origin: Option<&Origin<'_>>) -> Result<Handled<'_>, Failure> {
        let Some(Origin { server, tool }) = origin else {
            return Ok(Handled { actions: self.inspect.handling.kept(), quiet: Vec::new(), source: Source::UNTOLD });
        };
        let entry = self.file.servers.get(server);
        let entry = entry.ok_or_else(|| Failure::usage(format!("there is no server `{server}`")).next("bastide server list"))?;
        let own = tool.and_then(|tool| {
            let key = ToolKey { server: (*server).clone(), tool: tool.to_owned() };
            self.file.tools.get(&key)?.result.as_ref()?.label
        });
        let source = Source { trust: entry.trust(), label: own.or(entry.label) };
        let covers = |one: &&gateway::snapshot::Suppression| one.covers(server, *tool, self.now);
        let quiet = self.inspect.suppressed.iter().filter(covers).map(|one| one.kind.as_str()).collect();
        Ok(Handled { actions: self.inspect.handling.of(source), quiet, source })
    }
}

impl Handled<'_> {
    /// Where it comes from, as far as that counts.
    pub(super) const fn source(&self) -> Source {
        self.source
    }

    /// Whether an entry of `inspect.suppress` lets findings of `finding`'s kind pass.
    pub(super) fn is_quiet(&self, finding: &Finding) -> bool {
        self.quiet.contains(&finding.kind.as_ref()) && can_be_quiet(finding.class)
    }

    /// What is done with a finding in `text`; `credited` says that it stands under a key that gives credit.
    pub(super) fn action(&self, text: &str, finding: &Finding, credited: Credited) -> Action {
        if self.is_quiet(finding) {
            return Action::Flag;
        }
        self.actions.on(finding, || credited == Credited::ByKey || is_credit(text, finding.span))
    }
}

/// Whether a text stands under a key that gives credit for a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credited {
    ByKey,
    Not,
}

/// Whether findings of a class can be let pass by an entry at all.
pub(super) const fn can_be_quiet(class: Class) -> bool {
    !matches!(class, Class::Echo | Class::Unseen)
}
