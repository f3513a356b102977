//! The table of `compliance.yaml`: method, mappings and advice for each control.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use terms::Control;

const TEXT: &str = include_str!("../../../compliance.yaml");

/// A way to come by evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Drove the running gateway through its own front door.
    Probe,
    /// Read the running state.
    Read,
    /// Took a named person's signed statement.
    Attest,
}

impl How {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Read => "read",
            Self::Attest => "attest",
        }
    }
}

/// How a control is assessed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// In which ways.
    pub how: Vec<How>,
    /// What is done.
    pub does: String,
    /// When the control holds.
    pub passes: String,
    /// What is kept as evidence.
    pub pack: String,
    /// How long the evidence counts, as `90d` or `24h`; absent: made anew in every assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<String>,
}

/// Which parts of other catalogues a control supports, by their ids.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Mapping {
    /// AICPA Trust Services Criteria.
    pub soc2: Vec<String>,
    /// ISO/IEC 27001:2022, Annex A.
    pub iso27001: Vec<String>,
    /// NIST SP 800-53 revision 5.
    pub nist80053: Vec<String>,
    /// OWASP MCP Top 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owasp_mcp: Vec<String>,
    /// OWASP Top 10 for LLM Applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owasp_llm: Vec<String>,
    /// OWASP Top 10 for Agentic Applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owasp_agentic: Vec<String>,
    /// MITRE ATT&CK and ATLAS techniques that it stands against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mitre: Vec<String>,
}

impl Mapping {
    /// The ids by framework, in the order and under the names of [`Catalogue::frameworks`].
    pub fn by_framework(&self) -> [(&'static str, &[String]); 7] {
        [
            ("soc2", &self.soc2),
            ("iso27001", &self.iso27001),
            ("nist80053", &self.nist80053),
            ("owasp_mcp", &self.owasp_mcp),
            ("owasp_llm", &self.owasp_llm),
            ("owasp_agentic", &self.owasp_agentic),
            ("mitre", &self.mitre),
        ]
    }
}

/// What the catalogue says about one control.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it maps to.
    pub mapping: Mapping,
    /// How it is assessed.
    pub method: Method,
    /// What to do when it does not hold.
    pub off_means: String,
}

/// Another catalogue that ours is mapped to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Its name.
    pub title: String,
    /// Which edition.
    pub edition: String,
    /// What each id that is used means.
    pub labels: BTreeMap<String, String>,
}

/// The whole table.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The other catalogues, by the names that mappings use.
    pub frameworks: BTreeMap<String, Framework>,
    /// Ids of MITRE techniques and the older ids that they replaced.
    pub mitre_aliases: BTreeMap<String, Vec<String>>,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u32,
    frameworks: BTreeMap<String, Framework>,
    mitre_aliases: BTreeMap<String, Vec<String>>,
    controls: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    soc2: Vec<String>,
    iso27001: Vec<String>,
    nist80053: Vec<String>,
    #[serde(default)]
    owasp_mcp: Vec<String>,
    #[serde(default)]
    owasp_llm: Vec<String>,
    #[serde(default)]
    owasp_agentic: Vec<String>,
    #[serde(default)]
    mitre: Vec<String>,
    evidence: Method,
    off_means: String,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let Row { soc2, iso27001, nist80053, owasp_mcp, owasp_llm, owasp_agentic, mitre, evidence, off_means } = row;
        Self { mapping: Mapping { soc2, iso27001, nist80053, owasp_mcp, owasp_llm, owasp_agentic, mitre }, method: evidence, off_means }
    }
}

impl Catalogue {
    fn read(text: &str) -> Result<Self, Error> {
        let mut file: File = serde_saphyr::from_str(text).map_err(|fault| Error::Syntax(fault.to_string()))?;
        if let Some(unknown) = file.controls.keys().find(|id| Control::from_id(id).is_none()) {
            return Err(Error::Unknown(unknown.clone()));
        }
        let rows = Control::ALL.into_iter().map(|control| file.controls.remove(control.id()).ok_or(Error::Missing(control.id())));
        let entries = rows.map(|row| row.map(Entry::from)).collect::<Result<_, _>>()?;
        Ok(Self { frameworks: file.frameworks, mitre_aliases: file.mitre_aliases, entries })
    }

    /// What it says about `control`.
    pub fn of(&self, control: Control) -> Option<&Entry> {
        let at = Control::ALL.iter().position(|other| *other == control)?;
        self.entries.get(at)
    }
}

/// The table that the binary was built with, read at the first use.
///
/// # Errors
/// [`Error`] when it does not fit the controls of this build.
pub fn catalogue() -> Result<&'static Catalogue, &'static Error> {
    static READ: OnceLock<Result<Catalogue, Error>> = OnceLock::new();
    READ.get_or_init(|| Catalogue::read(TEXT)).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_has_a_method_mappings_and_advice() {
        let catalogue = catalogue().unwrap();
        for control in Control::ALL {
            let entry = catalogue.of(control).unwrap();
            let id = control.id();
            assert!(!entry.method.how.is_empty(), "{id}");
            for prose in [&entry.method.does, &entry.method.passes, &entry.method.pack, &entry.off_means] {
                assert!(prose.len() > 10 && prose.ends_with('.'), "{id}: {prose}");
            }
            for needed in [&entry.mapping.soc2, &entry.mapping.iso27001, &entry.mapping.nist80053, &entry.mapping.mitre] {
                assert!(!needed.is_empty(), "{id}");
            }
        }
    }

    #[test]
    fn every_mapped_id_has_a_label_and_every_label_a_use() {
        let catalogue = catalogue().unwrap();
        for (name, framework) in &catalogue.frameworks {
            let used: std::collections::BTreeSet<&String> = Control::ALL
                .into_iter()
                .filter_map(|control| catalogue.of(control))
                .flat_map(|entry| entry.mapping.by_framework().into_iter().filter(|(of, _)| of == name).flat_map(|(_, ids)| ids))
                .collect();
            let labels: std::collections::BTreeSet<&String> = framework.labels.keys().collect();
            assert_eq!(used, labels, "{name}");
        }
    }

    #[test]
    fn advice_names_only_verbs_of_this_release() {
        const VERBS: [&str; 18] = [
            "try", "init", "doctor", "schema", "serve", "connect", "lock", "token", "secret", "session", "kill", "release", "server",
            "policy", "explain", "audit", "inspect", "assess",
        ];
        for control in Control::ALL {
            let advice = &catalogue().unwrap().of(control).unwrap().off_means;
            for part in advice.split('`').skip(1).step_by(2).filter_map(|part| part.strip_prefix("bastide ")) {
                let verb = part.split(' ').next().unwrap_or_default();
                assert!(VERBS.contains(&verb), "{}: {part}", control.id());
            }
        }
    }

    #[test]
    fn a_table_that_leaves_out_or_invents_is_refused() {
        let without = TEXT.replacen("\n  audit.calls:", "\n  audit.other:", 1);
        assert!(matches!(Catalogue::read(&without), Err(Error::Unknown(id)) if id == "audit.other"));
        assert!(matches!(
            Catalogue::read("version: 1\nframeworks: {}\nmitre_aliases: {}\ncontrols: {}\n"),
            Err(Error::Missing("identity.mtls"))
        ));
        assert!(matches!(Catalogue::read("version: 1\nmore: 2\n"), Err(Error::Syntax(_))));
    }
}
