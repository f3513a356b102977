//! An operator's own patterns.

use crate::detector::{Detector, Sheet};
use crate::error::Error;
use crate::keyword::compile;
use crate::rule::{REACH, Rules};
use crate::view::View;
use regex_automata::meta::Regex;
use std::borrow::Cow;
use terms::{Class, Span};

/// Searches for each pattern in turn.
pub(crate) struct Customs(Vec<(Class, Cow<'static, str>, Regex)>);

impl Customs {
    pub fn new(rules: &Rules) -> Result<Self, Error> {
        let compiled = rules.custom.iter().map(|one| Ok((one.class, Cow::Owned(one.kind.clone()), compile(&one.kind, &one.pattern)?)));
        Ok(Self(compiled.collect::<Result<_, Error>>()?))
    }
}

impl Detector for Customs {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        for (class, kind, regex) in &self.0 {
            for found in regex.find_iter(view.bytes).filter(|found| !found.is_empty()) {
                if found.len() > REACH {
                    sheet.allowance.miss("steps", view.trace(Span::new(found.start(), found.end())));
                }
                sheet.add(view, *class, kind.clone(), Span::new(found.start(), found.end()), 0.9);
            }
        }
    }
}
