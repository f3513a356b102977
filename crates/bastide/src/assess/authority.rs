//! The probe of the certificate authority of our own: a certificate's whole life, at the gateway that runs.

use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::enrolled::{self, Drawn};
use config::{Ca, ListenTls};
use egress::ClientIdentity;
use identity::authority::LIFE as LIVES;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use terms::Utc;
use tokio::time::Instant;

/// Whom the probe's certificate names.
const PROBE: &str = "probe";
/// How long it lives, in seconds.
const LIFE: u64 = 60;
/// How soon what was taken back must be refused.
const SOON: Duration = Duration::from_secs(2);

/// The life of a certificate: issued, used, renewed, taken back, refused.
pub async fn life(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let listen = &ground.file().listen;
    let Some(ca) = &ground.file().ca else {
        let local = listen.data.address.ip().is_loopback() && listen.admin.address.ip().is_loopback();
        let missing = "none: add `ca: { domain: DOMAIN }` and `tls: { authority: own }` at the listeners, then `bastide ca init`";
        steps.note("looked for a certificate authority of this gateway", "one, where a listener is on the network", missing, local);
        return Ok(if local { Finding::NotApplicable } else { Finding::Judged });
    };
    let standing = ground.view("looked at the authority", "/api/v1/ca").await?;
    looked(&standing, ca.life.duration(), ground.now(), steps);
    let own = |tls: &Option<ListenTls>| tls.as_ref().is_some_and(|tls| tls.files().is_none());
    let at_data = own(&listen.data.tls);
    let url = enrolment(ca);
    if !at_data && url.is_none() {
        steps.note(
            "looked for what asks for its certificates",
            "the data listener, or the one for enrolment",
            "none: add `tls: { authority: own }` at listen.data, or `enrol: ADDRESS` at ca",
            false,
        );
        return Ok(Finding::Judged);
    }
    let folder = tempfile::tempdir().map_err(|fault| Trouble::new("made a folder for the probe's certificate", fault))?;
    let folder = folder.path().join(PROBE);
    match &url {
        Some(url) => enrol(ground, url, &folder, steps).await?,
        None => issue(ground, &folder).await?,
    }
    if at_data {
        let reached = ground.door()?.reached(Some(identity(&folder)?)).await;
        steps.note("connected to the data listener with the probe's certificate", "let in", said(reached), reached);
    }
    ground
        .operate(
            "took the probe's certificate back",
            "/api/v1/ca/revoke",
            &json!({ "which": format!("agent/{PROBE}"), "reason": "bastide assess" }),
        )
        .await?;
    let until = Instant::now() + SOON;
    if at_data {
        let mut reached = true;
        while reached && Instant::now() < until {
            reached = ground.door()?.reached(Some(identity(&folder)?)).await;
        }
        steps.note("connected to the data listener with it again, within two seconds", "refused", said(reached), !reached);
    }
    if url.is_some() {
        let renewed = enrolled::renew(&folder).await.is_ok();
        steps.note("asked for its renewal", "refused", if renewed { "renewed" } else { "refused" }, !renewed);
    }
    Ok(Finding::Judged)
}

const fn said(reached: bool) -> &'static str {
    if reached { "let in" } else { "refused" }
}

/// Judges how the authority stands, whose certificates are to live for `life`.
fn looked(standing: &Value, life: Duration, now: Utc, steps: &mut Steps) {
    let time = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).and_then(Utc::parse);
    let issuer = standing.pointer("/issuers/0").unwrap_or(&Value::Null);
    let due = time(issuer, "renews").is_none_or(|due| due <= now);
    let ends = issuer.get("ends").and_then(Value::as_str).unwrap_or("there is none");
    steps.note(
        "looked when the issuer is to be renewed",
        "later",
        if due { format!("it is due, and ends {ends}") } else { "later".to_owned() },
        !due,
    );
    let certificates = standing.get("certificates").and_then(Value::as_array).into_iter().flatten();
    let good = certificates.filter(|one| one.get("revoked").is_none_or(Value::is_null) && time(one, "ends").is_none_or(|ends| ends > now));
    // One whose times cannot be read lives for ever.
    let lived = |one: &Value| Some(time(one, "ends")?.nanos().saturating_sub(time(one, "begins")?.nanos()));
    let longest = good.map(|one| (lived(one).map_or(Duration::MAX, Duration::from_nanos), one)).max_by_key(|(lived, _)| *lived);
    let (longest, whose) = longest.map_or((Duration::ZERO, String::new()), |(longest, one)| {
        let word = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        (longest, format!(", {}/{} {}", word("role"), word("name"), word("serial")))
    });
    let most = life.min(*LIVES.end());
    let hours = longest.as_secs().div_ceil(3600);
    steps.note(
        "looked for the longest life of a certificate that is good",
        format!("at most {} h, as ca.life says", most.as_secs().div_ceil(3600)),
        format!("{hours} h{whose}"),
        longest <= most,
    );
}

/// Where the probe enrols, if it can reach that from here.
fn enrolment(ca: &Ca) -> Option<url::Url> {
    let address = ca.enrol?;
    let host = if address.ip().is_unspecified() { format!("{}:{}", ca.hosts.first()?, address.port()) } else { address.to_string() };
    format!("https://{host}").parse().ok()
}

fn wish() -> Value {
    json!({ "role": "agent", "name": PROBE, "life_seconds": LIFE })
}

/// Enrols by a code, tries the code again, and renews.
async fn enrol(ground: &Ground, url: &url::Url, folder: &Path, steps: &mut Steps) -> Result<(), Trouble> {
    let body = json!({ "wish": wish(), "within_seconds": LIFE });
    let invited = ground.operate("asked for a code", "/api/v1/ca/codes", &body).await?;
    let code = invited.get("code").and_then(Value::as_str).unwrap_or_default();
    enrolled::enrol(url, code, folder).await.map_err(|fault| Trouble::new("enrolled the probe", fault))?;
    let again = enrolled::enrol(url, code, &folder.with_extension("again")).await.is_ok();
    steps.note("enrolled with the same code again", "refused", if again { "enrolled" } else { "refused" }, !again);
    let renewed = enrolled::renew(folder).await;
    let found = renewed.as_ref().map_or_else(ToString::to_string, |_| "renewed".to_owned());
    steps.note("renewed the probe's certificate with itself", "renewed", found, renewed.is_ok());
    Ok(())
}

/// Has a certificate signed by the act.
async fn issue(ground: &Ground, folder: &Path) -> Result<(), Trouble> {
    const DID: &str = "had a certificate signed for the probe";
    let drawn = Drawn::new().map_err(|fault| Trouble::new(DID, fault))?;
    let body = json!({ "wish": wish(), "request": drawn.request });
    let answer = ground.operate(DID, "/api/v1/ca/certificates", &body).await?;
    let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    drawn.keep(folder, word("chain"), word("authority")).map(drop).map_err(|fault| Trouble::new(DID, fault))
}

fn identity(folder: &Path) -> Result<ClientIdentity, Trouble> {
    const DID: &str = "read the probe's certificate";
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|fault| Trouble::new(DID, fault));
    let chain =
        CertificateDer::pem_slice_iter(&read(enrolled::CHAIN)?).collect::<Result<Vec<_>, _>>().map_err(|fault| Trouble::new(DID, fault))?;
    let key = PrivateKeyDer::from_pem_slice(&read(enrolled::KEY)?).map_err(|fault| Trouble::new(DID, fault))?;
    Ok(ClientIdentity { chain, key })
}
