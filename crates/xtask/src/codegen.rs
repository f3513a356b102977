//! Generated files: the catalogue of controls, the table of refusals.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether to write what differs, or to complain about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write.
    Write,
    /// Complain.
    Check,
}

/// One control of `controls.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Such as `access.approvals`.
    pub id: String,
    /// What must hold.
    pub wants: String,
    items: Vec<String>,
    priority: Priority,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Priority {
    Critical,
    High,
    Medium,
}

impl Control {
    /// The variant of `terms::Control`.
    pub fn variant(&self) -> String {
        let words = self.id.split(['.', '-']).map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        });
        words.collect()
    }
}

/// The catalogue, in its order.
pub fn catalogue(root: &Path) -> anyhow::Result<Vec<Control>> {
    // Groups keep the order of the file, which a map would lose; each entry's id begins with its group.
    let text = std::fs::read_to_string(root.join("controls.yaml"))?;
    let groups: std::collections::BTreeMap<String, Vec<Control>> = serde_saphyr::from_str(&text).context("controls.yaml")?;
    let mut controls: Vec<Control> = groups.into_values().flatten().collect();
    let place = |control: &Control| text.find(&format!("- id: {}\n", control.id));
    controls.sort_by_key(place);
    let ids: BTreeSet<_> = controls.iter().map(|control| &control.id).collect();
    anyhow::ensure!(ids.len() == controls.len(), "controls.yaml: an id stands twice");
    Ok(controls)
}

/// Writes or checks every generated file.
pub fn all(root: &Path, mode: Mode) -> anyhow::Result<()> {
    let mut files = vec![("crates/terms/src/control.rs", controls(root)?)];
    if let Some(table) = refusals(root)? {
        files.push(("docs/refusals.md", table));
    }
    let mut stale = Vec::new();
    for (path, fresh) in files {
        let at = root.join(path);
        if std::fs::read_to_string(&at).is_ok_and(|found| found == fresh) {
            continue;
        }
        match mode {
            Mode::Check => stale.push(path),
            Mode::Write => {
                at.parent().map(std::fs::create_dir_all).transpose()?;
                std::fs::write(&at, fresh)?;
                println!("wrote {path}");
            }
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask codegen`", stale.join(", "));
    }
    Ok(())
}

/// `crates/terms/src/control.rs`: the part between the markers of the template is made here, the rest is the file's own head and tail.
fn controls(root: &Path) -> anyhow::Result<String> {
    let controls = catalogue(root)?;
    let (mut variants, mut list, mut rows) = (String::new(), String::new(), String::new());
    for control in &controls {
        let variant = control.variant();
        writeln!(variants, "    /// {}\n    {variant},", control.wants)?;
        writeln!(list, "        Self::{variant},")?;
        let items = control.items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        writeln!(
            rows,
            "            Self::{variant} => &Row {{ id: {:?}, wants: {:?}, items: &[{items}], priority: Priority::{:?} }},",
            control.id, control.wants, control.priority
        )?;
    }
    let template = include_str!("control.template");
    let text = template
        .replace("// @variants\n", variants.trim_start())
        .replace("// @list\n", list.trim_start())
        .replace("// @rows\n", rows.trim_start())
        .replace("@count", &controls.len().to_string());
    rustfmt(root, &text)
}

fn rustfmt(root: &Path, text: &str) -> anyhow::Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("rustfmt")?;
    let mut stdin = child.stdin.take().context("a piped input")?;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().ok().context("rustfmt reads its input")??;
    anyhow::ensure!(output.status.success(), "rustfmt refuses the generated text");
    Ok(String::from_utf8(output.stdout)?)
}

/// `docs/refusals.md` from the rows of `codes!`; `None` while that table is not where it is expected.
fn refusals(root: &Path) -> anyhow::Result<Option<String>> {
    let text = std::fs::read_to_string(root.join("crates/terms/src/refusal.rs"))?;
    let Some((_, rest)) = text.split_once("\ncodes! {\n") else { return Ok(None) };
    let table = rest.split_once("\n}\n").map_or(rest, |(table, _)| table);
    let ask = text.lines().find_map(|line| line.strip_prefix("const ASK: &str = \"")).unwrap_or_default().trim_end_matches("\";");
    let ids: Vec<Control> = catalogue(root)?;
    let mut rows = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let row = || format!("refusal.rs: not a row: {line}");
        let (_, rest) = line.split_once(": ").with_context(row)?;
        let (control, rest) = rest.split_once(" / \"").with_context(row)?;
        let (reason, rest) = rest.split_once("\", ").with_context(row)?;
        let (_, rest) = rest.split_once(", \"").with_context(row)?;
        let (message, next) = rest.split_once("\", ").with_context(row)?;
        let next = next.trim_end_matches(';');
        let next = if next == "ASK" { ask } else { next.trim_matches('"') };
        let id = ids.iter().find(|entry| entry.variant() == control).with_context(row)?;
        rows.push(format!("| `{}/{reason}` | {} | {} |\n", id.id, message.replace("{}", "…"), next));
    }
    rows.sort();
    let head = "<!-- Generated from crates/terms/src/refusal.rs by `cargo xtask codegen`. Do not edit. -->\n# Refusals\n\n\
        Every refusal that Bastide can give. A code is stable and never reused; what stands before the slash is the control that refuses.\n\
        `…` stands for the name of an argument or for a number, never for a value.\n\n| code | what it says | what to do next |\n|---|---|---|\n";
    Ok(Some(format!("{head}{}", rows.concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_follow_the_ids() {
        let control = Control { id: "access.deny-by-default".into(), wants: String::new(), items: Vec::new(), priority: Priority::High };
        assert_eq!(control.variant(), "AccessDenyByDefault");
    }
}
