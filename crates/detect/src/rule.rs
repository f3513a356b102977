//! Rules: what is known of each kind, as data.

use crate::check::Check;
use crate::error::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use terms::Class;

/// The longest match that a rule may have, in bytes; what a stream holds back.
pub const REACH: usize = 16 << 10;

const FILES: &[(&str, &str)] = &[
    ("anthropic", include_str!("../rules/anthropic.yaml")),
    ("aws", include_str!("../rules/aws.yaml")),
    ("github", include_str!("../rules/github.yaml")),
    ("google", include_str!("../rules/google.yaml")),
    ("jwt", include_str!("../rules/jwt.yaml")),
    ("openai", include_str!("../rules/openai.yaml")),
    ("pem", include_str!("../rules/pem.yaml")),
    ("slack", include_str!("../rules/slack.yaml")),
    ("stripe", include_str!("../rules/stripe.yaml")),
];

/// One file: the kinds of one provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the format is described in public.
    #[expect(dead_code, reason = "read by people; demanded of every file")]
    source: String,
    rules: Vec<Rule>,
}

/// One kind: what announces it, what it looks like, what has to hold for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name of the kind, such as `github-pat`.
    pub kind: String,
    /// Its class.
    #[serde(default = "secret")]
    pub class: Class,
    /// Literals of at least three bytes, one of which starts every match; compared without regard to case.
    pub keywords: Vec<String>,
    /// A pattern anchored at the keyword; the group `value`, where there is one, is what is marked.
    pub pattern: String,
    /// The longest match in bytes, at most [`REACH`].
    #[serde(default = "reach")]
    pub reach: usize,
    /// What the value has to hold beyond the pattern.
    #[serde(default)]
    pub check: Check,
    /// Bits a character that the value has at least (Shannon).
    #[serde(default)]
    pub entropy: f32,
    /// A literal up to which the match goes on, within `reach`.
    #[serde(default)]
    pub through: Option<String>,
    /// From 0 to 1.
    #[serde(default = "confidence")]
    pub confidence: f32,
    /// Values that have to be found, each in fragments so that no scanner takes this file for a leak.
    #[serde(default)]
    pub hit: Vec<Vec<String>>,
    /// Look-alikes that have to pass.
    #[serde(default)]
    pub pass: Vec<Vec<String>>,
}

fn secret() -> Class {
    Class::Secret
}

fn reach() -> usize {
    512
}

fn confidence() -> f32 {
    0.95
}

/// A pattern of the operator's own, searched for without a keyword.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub kind: String,
    pub class: Class,
    pub pattern: String,
}

/// All rules that an engine is made from.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) custom: Vec<Custom>,
}

impl Rules {
    /// The rules of the product.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Bounds`] as in [`Rules::with_file`].
    pub fn built_in() -> Result<Self, Error> {
        FILES.iter().try_fold(Self::default(), |rules, (name, text)| rules.with_file(name, text))
    }

    /// These and the rules of one more file (YAML; `name` is for messages).
    ///
    /// # Errors
    /// [`Error::File`] when it is not of the form; [`Error::Bounds`] for a rule without bounds.
    pub fn with_file(mut self, name: &str, text: &str) -> Result<Self, Error> {
        let file: File = serde_saphyr::from_str(text).map_err(|cause| Error::File { file: name.to_owned(), cause: cause.to_string() })?;
        for rule in &file.rules {
            let short = rule.keywords.is_empty() || rule.keywords.iter().any(|word| word.len() < 3);
            if short || rule.reach > REACH {
                return Err(Error::Bounds { kind: rule.kind.clone() });
            }
        }
        self.rules.extend(file.rules);
        Ok(self)
    }

    /// These and an operator's own pattern, searched for everywhere. A match may be [`REACH`] long at most.
    #[must_use]
    pub fn with_custom(mut self, class: Class, kind: &str, pattern: &str) -> Self {
        self.custom.push(Custom { kind: kind.to_owned(), class, pattern: pattern.to_owned() });
        self
    }

    /// Every rule, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Keywords and the rules that each announces.
    pub(crate) fn words(&self) -> BTreeMap<String, Vec<usize>> {
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, rule) in self.rules.iter().enumerate() {
            for word in &rule.keywords {
                words.entry(word.to_ascii_lowercase()).or_default().push(index);
            }
        }
        words
    }
}
