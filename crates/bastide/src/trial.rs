//! `try`: the whole story in one command, on built-in parts.
//!
//! The gateway runs as a process of its own and is spoken to over its real listener; what is shown is what came back. Everything stays where it
//! was made, so that every reference can be looked up afterwards.

mod client;
mod stage;

use crate::outcome::{Common, Failure, NO};
use client::{Client, Said};
use serde::Serialize;
use serde_json::{Value, json};
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where it plays.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Keep everything in this folder; a `bastide.yaml` that stands there is used as it is [default: a new folder among the temporary ones]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// One thing that was shown.
#[derive(Debug, Serialize)]
struct Step {
    name: &'static str,
    expected: String,
    got: String,
    ok: bool,
    reference: Option<String>,
}

#[derive(Debug, Serialize)]
struct Audit {
    records: u64,
    verified: bool,
}

#[derive(Debug, Serialize)]
struct Story {
    ok: bool,
    steps: Vec<Step>,
    audit: Audit,
    state: PathBuf,
    console: Option<String>,
}

/// Plays the story and says whether every step went as it must.
///
/// # Errors
/// [`Failure`] when the stage cannot be set.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let mut shown = Shown { quiet: common.json, steps: Vec::new() };
    shown.say("Bastide: a gateway, a sample server behind it, and an agent, all on this machine.\n")?;
    let mut stage = Stage::set(args.folder.as_deref()).await?;
    shown.say(&format!("  state    {}\n", stage.state().display()))?;
    let gaps = sandbox::capabilities().gaps().count();
    let layers = sandbox::Layer::ALL.len().saturating_sub(gaps);
    shown.say(&format!("  sandbox  {layers} of {} layers hold here; `bastide doctor` names them\n", sandbox::Layer::ALL.len()))?;
    let missing: Vec<&str> = stage::missing().iter().map(|weakness| weakness.name()).collect();
    if !missing.is_empty() {
        shown.say(&format!(
            "           the sample server, a part of bastide, starts in spite of {}; others would not\n",
            missing.join(", ")
        ))?;
    }
    shown.say("\n")?;
    let played = play(&mut stage, &mut shown).await;
    stage.end_gateway().await;
    played?;
    let audit = proof(&stage, &mut shown).await?;
    let ok = shown.steps.iter().all(|step| step.ok);
    let story = Story { ok, steps: shown.steps, audit, state: stage.state().to_owned(), console: None };
    common.answer(&story, |story| {
        let last = if story.ok { "Every step went as it must." } else { "Not every step went as it must." };
        let config = stage.config();
        format!(
            "\n{last}  {} records in the log.\n  look     bastide audit show --config {}\n  next     bastide init\n",
            story.audit.records,
            config.display()
        )
    })?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

struct Shown {
    quiet: bool,
    steps: Vec<Step>,
}

impl Shown {
    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { crate::outcome::say(text) }
    }

    fn step(&mut self, step: Step) -> Result<(), Failure> {
        let sign = if step.ok { "✓" } else { "✗" };
        let reference = step.reference.as_deref().unwrap_or("");
        self.say(&format!("  {sign} {:<28} {}   {reference}\n", step.name, step.got))?;
        self.steps.push(step);
        Ok(())
    }
}

async fn play(stage: &mut Stage, shown: &mut Shown) -> Result<(), Failure> {
    let mut client = Client::open(stage.data(), stage.token()).await?;

    let sum = client.call("sample__add", &json!({"a": 2, "b": 3})).await?;
    let ok = sum.refusal.is_none() && sum.text == "5";
    shown.step(Step { name: "an allowed call", expected: "allowed: 5".into(), got: said(&sum), ok, reference: stage.recorded("add")? })?;

    let hidden = client.call("sample__write_note", &json!({"title": "x", "text": "y"})).await?;
    shown.step(refused("a tool that is not allowed", "access.filtered-discovery/unknown", &hidden))?;

    let wrong = client.call("sample__add", &json!({"a": 2, "b": "three"})).await?;
    shown.step(refused("an argument of a wrong type", "access.argument-schemas/mismatch", &wrong))?;

    let large = client.call("sample__add", &json!({"a": 2, "b": 1_000_000})).await?;
    shown.step(refused("an argument out of bounds", "access.argument-schemas/constraint", &large))?;

    let mail = client.call("sample__read_mail", &json!({})).await?;
    let fakes = crate::canary::fakes();
    let leaked = [&fakes.key, &fakes.card, &fakes.address].iter().any(|fake| mail.text.contains(fake.as_str()));
    let ok = mail.refusal.is_none() && !leaked && mail.text.contains("«redacted");
    let got = if leaked { "a secret came through".to_owned() } else { marks(&mail.text) };
    let expected = "changed: the key, the card and the address are taken out".to_owned();
    shown.step(Step { name: "secrets in a result", expected, got, ok, reference: stage.recorded("read_mail")? })?;

    let echoed = client.call("sample__leak", &json!({})).await?;
    let forms = crate::canary::encodings(stage::CREDENTIAL);
    let leaked = forms.iter().any(|(_, form)| echoed.text.contains(form.as_str()));
    let ok = echoed.refusal.is_none() && !leaked && echoed.text.contains("«redacted");
    let got = if leaked { "the credential came through".to_owned() } else { "changed: taken out in every encoding".to_owned() };
    let expected = "changed: the server's credential is taken out".to_owned();
    shown.step(Step { name: "a credential given away", expected, got, ok, reference: stage.recorded("leak")? })?;

    client.call("sample__change", &json!({})).await?;
    let changed = stage.until_changed(&mut client).await?;
    shown.step(refused("a definition that changed", "supply.pinning/changed", &changed))?;

    let session = stage.session().await?;
    let killed = stage.json(&["kill", "--session", &session, "--reason", "shown by try"]).await?;
    let after = client.call("sample__add", &json!({"a": 1, "b": 1})).await?;
    let ended = killed.get("ended_sessions").and_then(Value::as_u64) == Some(1);
    let ok = ended && after.status == 404;
    let got = if ok { format!("stopped in {} ms, then {}", killed.get("ms").unwrap_or(&Value::Null), after.status) } else { said(&after) };
    shown.step(Step { name: "a killed session", expected: "ended, then 404".into(), got, ok, reference: after.reference })
}

/// The log as it was left, and a copy with one bit turned.
async fn proof(stage: &Stage, shown: &mut Shown) -> Result<Audit, Failure> {
    let report = stage.json(&["audit", "verify"]).await?;
    let verified = report.get("ok") == Some(&Value::Bool(true));
    let records = report.get("records").and_then(Value::as_u64).unwrap_or_default();
    let last = stage.last_reference()?;
    let got = if verified { format!("{records} records, whole and signed") } else { report.to_string() };
    shown.step(Step { name: "the audit log", expected: "verified".into(), got, ok: verified, reference: last.clone() })?;
    let copy = stage.tampered()?;
    let folder = copy.to_string_lossy().into_owned();
    let report = stage.json(&["audit", "verify", &folder]).await?;
    let found = report.get("ok") == Some(&Value::Bool(false));
    let got = if found { "found".to_owned() } else { "not found".to_owned() };
    shown.step(Step { name: "a copy with one bit turned", expected: "found".into(), got, ok: found, reference: last })?;
    Ok(Audit { records, verified })
}

fn refused(name: &'static str, code: &str, said: &Said) -> Step {
    let got = said.refusal.clone().unwrap_or_else(|| format!("allowed: {}", first_line(&said.text)));
    Step { name, expected: code.to_owned(), ok: got == code, got, reference: said.reference.clone() }
}

fn said(said: &Said) -> String {
    match &said.refusal {
        Some(code) => format!("refused: {code}"),
        None if said.status == 200 => format!("allowed: {}", first_line(&said.text)),
        None => format!("status {}", said.status),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

fn marks(text: &str) -> String {
    let count = text.matches("«redacted").count() + text.matches("••••").count();
    format!("changed: {count} taken out")
}
