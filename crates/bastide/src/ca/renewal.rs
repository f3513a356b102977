//! Enrolment by a code, and renewal by a certificate that is still good.

use super::PrivateCa;
use admin::{Certified, Unissued};
use audit::record::Severity;
use gateway::strangers::Noted;
use identity::authority::{Certificates, Code, Request, Subject, public_of};
use serde_json::json;
use std::net::IpAddr;
use terms::Code as Refusal;
use transport::tls::Certificate;

/// Certificates of one holder that are good at once, when another is asked for: who has many is slow to be taken back.
const MOST_GOOD: usize = 64;

/// Why nobody was enrolled or renewed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The peer's: the code is none of ours, used up, withdrawn or ended. The record says which.
    #[error("the code is not good")]
    Code(&'static str),
    /// The peer's: its certificate is none that we have issued, or is taken back or ended.
    #[error("the certificate cannot be renewed")]
    Certificate(&'static str),
    /// The peer's: the request.
    #[error("{0}")]
    Request(String),
    /// Ours.
    #[error("it could not be done")]
    Ours(#[from] Unissued),
}

impl Refused {
    /// What the record says.
    fn cause(&self) -> String {
        match self {
            Self::Code(why) | Self::Certificate(why) => (*why).to_owned(),
            Self::Request(why) => why.clone(),
            Self::Ours(cause) => cause.to_string(),
        }
    }
}

fn request(text: &str) -> Result<Request, Refused> {
    Request::read(text.as_bytes()).map_err(|cause| Refused::Request(cause.to_string()))
}

/// Refuses a request that names somebody else, before anything is used up.
fn fits(request: &Request, subject: &Subject) -> Result<(), Refused> {
    if request.names_only(subject) { Ok(()) } else { Err(Refused::Request("the request names somebody else".to_owned())) }
}

impl PrivateCa {
    /// Enrols whoever has `code` and the key of `csr`.
    ///
    /// # Errors
    /// [`Refused`]; on record.
    pub async fn enrol(&self, code: &str, csr: &str, from: IpAddr) -> Result<Certified, Refused> {
        let done = self.enrolled(code, csr).await;
        self.told(("identity.enrolled", "identity.enrolment-refused"), done, None, from).await
    }

    async fn enrolled(&self, code: &str, csr: &str) -> Result<Certified, Refused> {
        let code = Code::read(code).ok_or(Refused::Code("no code"))?;
        let _turn = self.turn.lock().await;
        let (domain, issuers) = self.place().await?;
        let kept = self.store.invitation(code.id()).await.map_err(super::kept)?;
        let invitation = kept.filter(|kept| code.is(&kept.digest)).ok_or(Refused::Code("unknown code"))?;
        let now = self.clock.utc();
        if invitation.spent.is_some() {
            return Err(Refused::Code("the code was used or withdrawn"));
        }
        if invitation.ends <= now {
            return Err(Refused::Code("the code has ended"));
        }
        let subject = Subject::new(domain, invitation.role, invitation.name, invitation.hosts)
            .map_err(|cause| Refused::Ours(Unissued::Broken(cause.to_string())))?;
        let request = request(csr)?;
        fits(&request, &subject)?;
        // A code that nothing could be signed by would be used up for nothing.
        self.open(issuers.first().ok_or_else(|| Unissued::Broken("the issuer has ended".to_owned()))?)?;
        if !self.store.spend(invitation.id, now).await.map_err(super::kept)? {
            return Err(Refused::Code("the code was used or withdrawn"));
        }
        Ok(self.certified(&subject, &request, invitation.life).await?)
    }

    /// Renews `shown`, which the handshake has verified: the same name, role and hosts for the new key of `csr`.
    ///
    /// # Errors
    /// [`Refused`]; on record.
    pub async fn renewed(&self, shown: Option<&Certificate>, csr: &str, from: IpAddr) -> Result<Certified, Refused> {
        let done = self.again(shown, csr).await;
        self.told(("identity.renewed", "identity.renewal-refused"), done, shown, from).await
    }

    async fn again(&self, shown: Option<&Certificate>, csr: &str) -> Result<Certified, Refused> {
        let shown = shown.ok_or(Refused::Certificate("no certificate was shown"))?;
        let _turn = self.turn.lock().await;
        let (domain, _) = self.place().await?;
        let kept = self.store.find(shown.serial().to_owned()).await.map_err(super::kept)?;
        let record = kept.ok_or(Refused::Certificate("a certificate that was not issued here"))?;
        let subject = record.subject(domain).map_err(|cause| Refused::Ours(Unissued::Broken(cause.to_string())))?;
        // What an outside authority issues besides may have the same number.
        if subject.id() != **shown.identity() || public_of(shown.der()) != Some(record.public) {
            return Err(Refused::Certificate("a certificate that was not issued here"));
        }
        if !record.stands(self.clock.utc()) {
            return Err(Refused::Certificate("a certificate that is taken back or ended"));
        }
        let good = self.store.named(record.name.clone(), Some(record.role), self.clock.utc()).await.map_err(super::kept)?;
        if good.len() >= MOST_GOOD {
            return Err(Refused::Certificate("as many certificates of its holder are good as may be"));
        }
        let request = request(csr)?;
        fits(&request, &subject)?;
        if *request.public() == record.public {
            return Err(Refused::Request("a renewal brings a new key".to_owned()));
        }
        Ok(self.certified(&subject, &request, record.life).await?)
    }

    /// Takes note of a source that tried too often to be listened to.
    pub(super) async fn turned_away(&self, from: IpAddr) {
        if self.gate.stranger(Refusal::EnrolmentRefused, from) == Noted::Alone {
            // It is refused whatever becomes of the record.
            let _ = self.note("identity.enrolment-refused", Severity::Medium, &json!({ "from": from, "cause": "too many attempts" })).await;
        }
    }

    /// Puts on record how it ended. What cannot be recorded is not handed out. Of who showed no certificate the first refusals have a record each, and the
    /// rest is summed up.
    async fn told(
        &self,
        (done, refused): (&'static str, &'static str),
        outcome: Result<Certified, Refused>,
        shown: Option<&Certificate>,
        from: IpAddr,
    ) -> Result<Certified, Refused> {
        match outcome {
            Ok(certified) => {
                let detail = json!({ "from": from, "id": certified.id, "serial": certified.serial, "ends": certified.ends.to_string() });
                self.note(done, Severity::Info, &detail).await?;
                Ok(certified)
            }
            Err(cause) => {
                if shown.is_none() && self.gate.stranger(Refusal::EnrolmentRefused, from) != Noted::Alone {
                    return Err(cause);
                }
                self.note(refused, Severity::Medium, &json!({ "from": from, "cause": cause.cause() })).await?;
                Err(cause)
            }
        }
    }
}
