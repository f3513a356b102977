//! Which control is assessed by what, and one run over all of them.

use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use super::{access, canaries, identity, log, runtime, secrets, stop, supply};
use assess::{Evidence, How, Outcome};
use std::time::Duration;
use terms::Control;

/// Of one probe.
const EACH: Duration = Duration::from_secs(15);
/// Of all of them.
const WHOLE: Duration = Duration::from_secs(55);

/// The controls that have a probe or a reading in this build, and how their evidence is come by.
fn how(control: Control) -> Option<How> {
    match control {
        Control::IdentityTokens
        | Control::IdentitySessionBinding
        | Control::SecretsIsolation
        | Control::SecretsNoUrls
        | Control::AccessDenyByDefault
        | Control::AccessFilteredDiscovery
        | Control::AccessArgumentSchemas
        | Control::DataSecrets
        | Control::RuntimeRestart
        | Control::SupplyAllowlist
        | Control::SupplyPinning
        | Control::AuditCalls
        | Control::AuditChain
        | Control::AuditEvents
        | Control::AuditCorrelation
        | Control::ResponseKillSwitch
        | Control::ResponseCompliance => Some(How::Probe),
        Control::SecretsVault | Control::RuntimeEnvironment => Some(How::Read),
        _ => None,
    }
}

/// Assesses every control. `show` is told which one is next.
pub async fn all(ground: &Ground, show: &mut impl FnMut(Control)) -> Vec<Evidence> {
    let until = tokio::time::Instant::now() + WHOLE;
    let mut evidence = Vec::with_capacity(Control::ALL.len());
    for control in Control::ALL.into_iter().filter(|control| *control != Control::ResponseCompliance) {
        let Some(how) = how(control) else {
            evidence.push(Evidence::absent(control, "not in this build", ground.now()));
            continue;
        };
        show(control);
        let left = until.saturating_duration_since(tokio::time::Instant::now()).min(EACH);
        evidence.push(one(ground, control, how, left).await);
    }
    ground.clean().await;
    evidence.push(collated(ground, &evidence));
    evidence
}

async fn one(ground: &Ground, control: Control, how: How, within: Duration) -> Evidence {
    let mut steps = Steps::default();
    let probed = match tokio::time::timeout(within, probe(ground, control, &mut steps)).await {
        Ok(probed) => probed,
        Err(_) => Err(Trouble::new("waited for the probe", format!("it was not done within {} s", within.as_secs()))),
    };
    let (steps, at) = (steps.take(), ground.now());
    match probed {
        Ok(finding) => {
            let mut evidence = Evidence::of(control, how, steps, at);
            match finding {
                Finding::Judged => {}
                Finding::NotApplicable => evidence.outcome = Outcome::NotApplicable,
                Finding::Accepted if evidence.outcome.holds() => {}
                Finding::Accepted => evidence.outcome = Outcome::Accepted,
            }
            evidence
        }
        Err(Trouble { did, why }) => Evidence::error(control, how, steps, &did, &why, at),
    }
}

async fn probe(ground: &Ground, control: Control, steps: &mut Steps) -> Probed {
    match control {
        Control::IdentityTokens => identity::tokens(ground, steps).await,
        Control::IdentitySessionBinding => identity::session_binding(ground, steps).await,
        Control::SecretsVault => secrets::vault(ground, steps).await,
        Control::SecretsIsolation => canaries::isolation(ground, steps).await,
        Control::SecretsNoUrls => secrets::no_urls(ground, steps).await,
        Control::AccessDenyByDefault => access::deny_by_default(ground, steps).await,
        Control::AccessFilteredDiscovery => access::filtered_discovery(ground, steps).await,
        Control::AccessArgumentSchemas => canaries::argument_schemas(ground, steps).await,
        Control::DataSecrets => canaries::secrets_in_results(ground, steps).await,
        Control::RuntimeEnvironment => runtime::environment(ground, steps).await,
        Control::RuntimeRestart => runtime::restart(ground, steps).await,
        Control::SupplyAllowlist => supply::allowlist(ground, steps).await,
        Control::SupplyPinning => supply::pinning(ground, steps).await,
        Control::AuditCalls => log::calls(ground, steps).await,
        Control::AuditChain => log::chain(ground, steps).await,
        Control::AuditEvents => log::events(ground, steps).await,
        Control::AuditCorrelation => log::correlation(ground, steps).await,
        Control::ResponseKillSwitch => stop::kill_switch(ground, steps).await,
        _ => Err(Trouble::new("looked for a probe", "none in this build")),
    }
}

/// This run itself: every control has an outcome, and none is missing from the catalogue.
fn collated(ground: &Ground, evidence: &[Evidence]) -> Evidence {
    let mut steps = Steps::default();
    let covered = Control::ALL.into_iter().filter(|control| evidence.iter().any(|entry| entry.control == *control)).count() + 1;
    steps.equal("collated an outcome for each control of the catalogue", Control::ALL.len(), covered);
    let table = assess::catalogue().map(|table| Control::ALL.into_iter().filter(|control| table.of(*control).is_some()).count());
    steps.equal("looked for method, mapping and advice of each", Control::ALL.len(), table.unwrap_or(0));
    let failed: Vec<String> =
        evidence.iter().filter(|entry| entry.outcome == Outcome::Error).map(|entry| entry.control.id().to_owned()).collect();
    steps.none("looked for probes that could not run", &failed);
    steps.note(
        "looked for a signed evidence pack and the form OSCAL",
        "both",
        "not in this build; `bastide assess --json` holds the evidence unsigned",
        false,
    );
    Evidence::of(Control::ResponseCompliance, How::Probe, steps.take(), ground.now())
}
