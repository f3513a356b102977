//! Which control is assessed by what, and one run over all of them.
//!
//! Probes run beside each other as far as they do not disturb each other: what they share is the canary, which some of them need for themselves.

use super::ground::Ground;
use super::progress::Progress;
use super::steps::{Finding, Probed, Steps, Trouble};
use super::{
    access, arguments, authority, bounds, canaries, confinement, data, door, fuzzing, guarded, identity, limits, log, network, outward,
    pages, runtime, secrets, stop, supply, transport,
};
use assess::{Evidence, How, Outcome};
use futures_util::future::join_all;
use std::time::Duration;
use terms::Control;
use tokio::sync::{RwLock, Semaphore};
use tokio::time::Instant;

/// Of one probe.
const EACH: Duration = Duration::from_secs(15);
/// Of all of them.
const WHOLE: Duration = Duration::from_secs(45);
/// Probes that run at once.
const AT_ONCE: usize = 4;

/// What a probe needs the canary for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    /// Nothing.
    Unused,
    /// Calls that others may make too.
    Shared,
    /// It gives it another credential, changes it, lets it die, or counts its processes.
    Alone,
}

/// How the evidence of a control that has a probe or a reading in this build is come by, and what it needs.
fn plan(control: Control) -> Option<(How, Canary)> {
    match control {
        Control::IdentityTokens
        | Control::IdentitySessionBinding
        | Control::SecretsNoUrls
        | Control::IdentityMtls
        | Control::IdentityPrivateCa
        | Control::TransportTls
        | Control::TransportProtocolPin
        | Control::TransportBounds
        | Control::AccessDenyByDefault
        | Control::SupplyAllowlist
        | Control::AuditChain
        | Control::AuditEvents
        | Control::ResponseKillSwitch => Some((How::Probe, Canary::Unused)),
        Control::TransportStrictMessages
        | Control::AccessFilteredDiscovery
        | Control::AccessArgumentSchemas
        | Control::AccessRateLimits
        | Control::AccessBudgets
        | Control::AccessArgumentPolicies
        | Control::AccessOperations
        | Control::DataErrors
        | Control::DataSecrets
        | Control::DataPii
        | Control::DataFinancial
        | Control::DataLabels
        | Control::DataPrompts
        | Control::DataResources
        | Control::SupplyFuzzing
        | Control::ToolsFiles
        | Control::ToolsDatabase
        | Control::ToolsProcess
        | Control::IntentSmuggling
        | Control::AuditCalls
        | Control::AuditCorrelation => Some((How::Probe, Canary::Shared)),
        Control::SecretsIsolation
        | Control::RuntimeRestart
        | Control::SupplyPinning
        | Control::NetworkEgress
        | Control::NetworkDns
        | Control::NetworkProtocols
        | Control::NetworkTelemetry
        | Control::ToolsHttp => Some((How::Probe, Canary::Alone)),
        Control::SecretsVault => Some((How::Read, Canary::Shared)),
        Control::RuntimeEnvironment
        | Control::RuntimeSandbox
        | Control::RuntimeLimits
        | Control::RuntimeIdentities
        | Control::NetworkSegments => Some((How::Read, Canary::Alone)),
        _ => None,
    }
}

/// Assesses every control, and undoes what that took.
pub async fn all(ground: &Ground, progress: &Progress) -> Vec<Evidence> {
    let until = Instant::now() + WHOLE;
    let (canary, slots) = (RwLock::new(()), Semaphore::new(AT_ONCE));
    let planned = Control::ALL.into_iter().filter(|control| plan(*control).is_some()).count();
    progress.begin(planned);
    ground.sweep().await;
    let one = async |control: Control| {
        let Some((how, needs)) = plan(control) else { return Evidence::absent(control, "not in this build", ground.now()) };
        let mut steps = Steps::default();
        let turn = async {
            let _shared = if needs == Canary::Shared { Some(canary.read().await) } else { None };
            let _alone = if needs == Canary::Alone { Some(canary.write().await) } else { None };
            let _slot = slots.acquire().await;
            progress.started(control);
            within(EACH, probe(ground, control, &mut steps)).await
        };
        let probed = within(until.saturating_duration_since(Instant::now()), turn).await;
        progress.ended(control);
        judged(control, how, steps, probed, ground)
    };
    let controls = Control::ALL.into_iter().filter(|control| *control != Control::ResponseCompliance);
    let mut evidence = join_all(controls.map(one)).await;
    let left = ground.clean().await;
    evidence.push(collated(ground, &evidence, &left));
    evidence
}

/// What `probe` gives, unless it takes longer than `most`: then nothing is proved.
async fn within(most: Duration, probe: impl Future<Output = Probed>) -> Probed {
    tokio::time::timeout(most, probe).await.unwrap_or_else(|_| {
        let spent = most.as_secs();
        Err(Trouble::new(
            "waited for the probe",
            format!("it was not done within {spent} s, so nothing is proved; `bastide doctor` shows what hangs"),
        ))
    })
}

fn judged(control: Control, how: How, steps: Steps, probed: Probed, ground: &Ground) -> Evidence {
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
        Control::IdentityMtls => door::mutual(ground, steps).await,
        Control::IdentityPrivateCa => authority::life(ground, steps).await,
        Control::TransportTls => door::tls(ground, steps).await,
        Control::TransportProtocolPin => transport::protocol_pin(ground, steps).await,
        Control::TransportBounds => bounds::bounds(ground, steps).await,
        Control::TransportStrictMessages => transport::strict_messages(ground, steps).await,
        Control::SecretsVault => secrets::vault(ground, steps).await,
        Control::SecretsIsolation => canaries::isolation(ground, steps).await,
        Control::SecretsNoUrls => secrets::no_urls(ground, steps).await,
        Control::AccessDenyByDefault => access::deny_by_default(ground, steps).await,
        Control::AccessFilteredDiscovery => access::filtered_discovery(ground, steps).await,
        Control::AccessArgumentSchemas => canaries::argument_schemas(ground, steps).await,
        Control::AccessRateLimits => limits::rate_limits(ground, steps).await,
        Control::AccessBudgets => limits::budgets(ground, steps).await,
        Control::AccessArgumentPolicies => arguments::policies(ground, steps).await,
        Control::AccessOperations => arguments::operations(ground, steps).await,
        Control::DataErrors => arguments::errors(ground, steps).await,
        Control::DataResources => pages::resources(ground, steps).await,
        Control::DataPii => data::pii(ground, steps).await,
        Control::DataFinancial => data::financial(ground, steps).await,
        Control::DataLabels => data::labels(ground, steps).await,
        Control::DataPrompts => data::prompts(ground, steps).await,
        Control::DataSecrets => canaries::secrets_in_results(ground, steps).await,
        Control::RuntimeEnvironment => runtime::environment(ground, steps).await,
        Control::RuntimeRestart => runtime::restart(ground, steps).await,
        Control::RuntimeSandbox => confinement::sandbox(ground, steps).await,
        Control::RuntimeLimits => confinement::limits(ground, steps).await,
        Control::RuntimeIdentities => confinement::identities(ground, steps).await,
        Control::NetworkSegments => network::segments(ground, steps).await,
        Control::NetworkEgress => network::egress(ground, steps).await,
        Control::NetworkDns => outward::names(ground, steps).await,
        Control::NetworkProtocols => outward::protocols(ground, steps).await,
        Control::NetworkTelemetry => outward::telemetry(ground, steps).await,
        Control::ToolsHttp => outward::inner_addresses(ground, steps).await,
        Control::ToolsFiles | Control::ToolsDatabase | Control::ToolsProcess => guarded::guard(ground, control, steps).await,
        Control::IntentSmuggling => guarded::smuggling(ground, steps).await,
        Control::SupplyAllowlist => supply::allowlist(ground, steps).await,
        Control::SupplyPinning => supply::pinning(ground, steps).await,
        Control::SupplyFuzzing => fuzzing::fuzzing(ground, steps).await,
        Control::AuditCalls => log::calls(ground, steps).await,
        Control::AuditChain => log::chain(ground, steps).await,
        Control::AuditEvents => log::events(ground, steps).await,
        Control::AuditCorrelation => log::correlation(ground, steps).await,
        Control::ResponseKillSwitch => stop::kill_switch(ground, steps).await,
        _ => Err(Trouble::new("looked for a probe", "none in this build")),
    }
}

/// This run itself: every control has an outcome, none is missing from the catalogue, and nothing of the run is left at the gateway.
fn collated(ground: &Ground, evidence: &[Evidence], left: &[String]) -> Evidence {
    let mut steps = Steps::default();
    let covered = Control::ALL.into_iter().filter(|control| evidence.iter().any(|entry| entry.control == *control)).count() + 1;
    steps.equal("collated an outcome for each control of the catalogue", Control::ALL.len(), covered);
    let table = assess::catalogue().map(|table| Control::ALL.into_iter().filter(|control| table.of(*control).is_some()).count());
    steps.equal("looked for method, mapping and advice of each", Control::ALL.len(), table.unwrap_or(0));
    let failed: Vec<String> =
        evidence.iter().filter(|entry| entry.outcome == Outcome::Error).map(|entry| entry.control.id().to_owned()).collect();
    steps.none("looked for probes that could not run", &failed);
    let unproved = |entry: &&Evidence| entry.outcome.holds() && (entry.steps.is_empty() || entry.steps.iter().any(|step| !step.ok));
    let unproved: Vec<String> = evidence.iter().filter(unproved).map(|entry| entry.control.id().to_owned()).collect();
    steps.none("looked for controls that hold without a step that shows it", &unproved);
    steps.none("looked for what the probes left behind", left);
    steps.note(
        "looked for a signed evidence pack and the form OSCAL",
        "both",
        "not in this build; `bastide assess --json` holds the evidence unsigned",
        false,
    );
    Evidence::of(Control::ResponseCompliance, How::Probe, steps.take(), ground.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_that_hangs_proves_nothing() {
        let mut steps = Steps::default();
        let hangs = async {
            steps.note("began", "well", "well", true);
            std::future::pending::<Probed>().await
        };
        let Err(trouble) = within(Duration::from_millis(5), hangs).await else { panic!("it passed") };
        let evidence = Evidence::error(Control::AuditCalls, How::Probe, steps.take(), &trouble.did, &trouble.why, terms::Utc::default());
        assert_eq!(evidence.outcome, Outcome::Error);
        assert!(trouble.why.contains("nothing is proved"), "{trouble:?}");
    }

    #[test]
    fn all_but_the_collation_are_planned_and_probed_alike() {
        assert!(plan(Control::ResponseCompliance).is_none());
        assert_eq!(Control::ALL.into_iter().filter(|control| plan(*control).is_some()).count(), 48);
    }
}
