//! Judges tokens.

use super::claims::Payload;
use super::{LONGEST, LONGEST_LIFE, PublicKey, Purpose, Scope};
use crate::{Revocations, Standing};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{Authenticated, Code, Principal, TokenId, Utc, Workload};

const LEEWAY: Duration = Duration::from_secs(5);
const CACHED: u64 = 10_000;
const SIGNATURE: usize = 64;

/// What is wrong with a token: for the record. The peer learns [`TokenFault::code`] and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// The peer's: longer than 8 KiB.
    #[error("the token is too long")]
    TooLong,
    /// The peer's: not three segments in canonical base64url.
    #[error("the token is not three segments of canonical base64url")]
    Shape,
    /// The peer's: its header is none that this issuer writes, so its type, algorithm or key is foreign.
    #[error("the token's header is none of this issuer's")]
    Header,
    /// The peer's: the key named did not sign this.
    #[error("the token's signature does not hold")]
    Signature,
    /// The signed payload is not what this issuer writes.
    #[error("the token's claims are not as they must be")]
    Claims,
    /// Signed for another issuer's name.
    #[error("the token is of another issuer")]
    Issuer,
    /// The peer's: made for another endpoint.
    #[error("the token is not for this endpoint")]
    Audience,
    /// The peer's: it has ended.
    #[error("the token has expired")]
    Expired,
    /// It begins in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// The peer's: it was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// Ours: whether it was taken back cannot be told.
    #[error("whether the token was revoked cannot be told")]
    StandingUnknown,
}

impl TokenFault {
    /// What the peer learns.
    pub const fn code(self) -> Code {
        match self {
            Self::TooLong
            | Self::Shape
            | Self::Header
            | Self::Signature
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::Expired
            | Self::NotYet
            | Self::Revoked => Code::TokenInvalid,
            Self::StandingUnknown => Code::IdentityFault,
        }
    }

    /// Whether it is one of a token whose signature and form hold.
    const fn is_of_ours(self) -> bool {
        match self {
            Self::Audience | Self::Expired | Self::NotYet | Self::Revoked | Self::StandingUnknown => true,
            Self::TooLong | Self::Shape | Self::Header | Self::Signature | Self::Claims | Self::Issuer => false,
        }
    }
}

/// What a good token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who holds it.
    pub principal: Arc<Principal>,
    /// Its id.
    pub token: TokenId,
    /// What it narrows its holder to.
    pub scope: Scope,
    /// Whose certificate it must be shown with, where that is so.
    pub workload: Option<Arc<str>>,
    /// When it ends.
    pub expires: Utc,
}

/// A token whose signature and form held once; time, endpoint and revocation are judged at each use.
struct Known {
    verified: Arc<Verified>,
    audiences: Vec<String>,
    begins: Utc,
}

/// Judges the tokens of one issuer.
///
/// What was found by signature is remembered by the SHA-256 of the token, for at most 10,000 tokens; a refusal is never remembered.
/// The clock may only rise in its eyes: when it is set back, a token does not live longer.
pub struct Verifier {
    issuer: String,
    keys: Vec<PublicKey>,
    revocations: Arc<dyn Revocations>,
    known: Cache<[u8; 32], Arc<Known>>,
    latest: AtomicU64,
}

impl Verifier {
    /// One for the tokens of `issuer` signed with any of `keys`.
    pub fn new(issuer: impl Into<String>, keys: Vec<PublicKey>, revocations: Arc<dyn Revocations>) -> Self {
        Self { issuer: issuer.into(), keys, revocations, known: Cache::new(CACHED), latest: AtomicU64::new(0) }
    }

    /// Judges `token` as shown at the endpoint with the exact URL `audience`, at `now`.
    ///
    /// # Errors
    /// [`TokenFault`], the first that was met.
    pub fn verify(&self, token: &str, audience: &str, now: Utc) -> Result<Arc<Verified>, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::TooLong);
        }
        let now = Utc::from_nanos(self.latest.fetch_max(now.nanos(), Ordering::AcqRel).max(now.nanos()));
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known.get(&digest) {
            let judged = self.judge(&known, audience, now);
            if judged == Err(TokenFault::Expired) {
                self.known.invalidate(&digest);
            }
            return judged;
        }
        let known = Arc::new(self.read(token)?);
        let judged = self.judge(&known, audience, now);
        if judged.is_ok() {
            self.known.insert(digest, known);
        }
        judged
    }

    /// Whose token was refused for `fault`, where this issuer made it. For the record: it lets nobody in.
    pub fn holder(&self, token: &str, fault: TokenFault) -> Option<Arc<Verified>> {
        if fault.is_of_ours() { self.read(token).ok().map(|known| known.verified) } else { None }
    }

    /// What changes between two uses of one token.
    fn judge(&self, known: &Known, audience: &str, now: Utc) -> Result<Arc<Verified>, TokenFault> {
        if now >= known.verified.expires {
            return Err(TokenFault::Expired);
        }
        if known.begins > now.after(LEEWAY) {
            return Err(TokenFault::NotYet);
        }
        if !known.audiences.iter().any(|one| one == audience) {
            return Err(TokenFault::Audience);
        }
        match self.revocations.standing(known.verified.token) {
            Standing::Good => Ok(Arc::clone(&known.verified)),
            Standing::Revoked => Err(TokenFault::Revoked),
            Standing::Unknown => Err(TokenFault::StandingUnknown),
        }
    }

    /// What never changes: form, header, signature, claims.
    fn read(&self, token: &str) -> Result<Known, TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        if payload.contains('.') {
            return Err(TokenFault::Shape);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault::Shape)?;
        let signature: [u8; SIGNATURE] = signature.try_into().map_err(|_| TokenFault::Shape)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenFault::Shape)?;
        let key = self.keys.iter().find(|key| key.header() == header).ok_or(TokenFault::Header)?;
        if !key.holds(signed.as_bytes(), &signature) {
            return Err(TokenFault::Signature);
        }
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| TokenFault::Claims)?;
        self.accept(payload)
    }

    fn accept(&self, payload: Payload) -> Result<Known, TokenFault> {
        if payload.iss != self.issuer {
            return Err(TokenFault::Issuer);
        }
        let life = payload.exp.checked_sub(payload.iat).ok_or(TokenFault::Claims)?;
        if life == 0 || life > LONGEST_LIFE.as_secs() {
            return Err(TokenFault::Claims);
        }
        let scope = Scope::new(payload.servers, payload.tools).map_err(|_| TokenFault::Claims)?;
        let principal = Arc::new(Principal {
            agent: payload.sub,
            user: payload.user,
            workload: Workload::Remote,
            authenticated: match payload.purpose {
                Purpose::Work => Authenticated::Token { id: payload.jti },
                Purpose::Probe => Authenticated::Probe { id: payload.jti },
            },
        });
        let verified =
            Verified { principal, token: payload.jti, scope, workload: payload.workload, expires: Utc::from_seconds(payload.exp) };
        Ok(Known { verified: Arc::new(verified), audiences: payload.aud, begins: Utc::from_seconds(payload.nbf.max(payload.iat)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use crate::token::{Claims, Issuer, SigningKey};
    use terms::{Clock, Entropy, Instant, Name, Secret, ServerName};

    const HERE: &str = "http://127.0.0.1:8420/mcp";
    const NOW: u64 = 1_800_000_000;

    struct World(u64);
    impl Clock for World {
        fn utc(&self) -> Utc {
            Utc::from_seconds(self.0)
        }
        fn instant(&self) -> Instant {
            Instant::from_nanos(0)
        }
    }
    impl Entropy for World {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([seed; 32]))
    }

    fn verifier() -> (Verifier, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        (Verifier::new("https://issuer", vec![key(1).public().clone()], Arc::clone(&memory) as Arc<dyn Revocations>), memory)
    }

    fn token() -> String {
        let claims = Claims {
            agent: Name::new("claude-code").unwrap(),
            user: Some(Name::new("ana").unwrap()),
            audiences: vec![HERE.into(), format!("{HERE}/files")],
            scope: Scope::new(vec![ServerName::new("files").unwrap()], vec!["read_*".into()]).unwrap(),
            life: Duration::from_secs(3600),
            workload: None,
            purpose: Purpose::Work,
        };
        let issued = Issuer::new("https://issuer", key(1)).issue(claims, &World(NOW), &World(NOW)).unwrap();
        issued.token.open().clone()
    }

    fn good() -> serde_json::Value {
        serde_json::json!({"iss": "https://issuer", "sub": "a", "aud": [HERE], "servers": [], "tools": [], "iat": NOW, "nbf": NOW,
            "exp": NOW + 60, "jti": "T-000000000001"})
    }

    fn forge(header: &str, payload: &str, key: &SigningKey) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn own_header(key: &SigningKey) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(key.public().header()).unwrap()).unwrap()
    }

    fn fault(token: &str) -> TokenFault {
        let (verifier, _) = verifier();
        let first = verifier.verify(token, HERE, Utc::from_seconds(NOW)).unwrap_err();
        assert_eq!(verifier.verify(token, HERE, Utc::from_seconds(NOW)).unwrap_err(), first, "a second look differs");
        first
    }

    #[test]
    fn a_good_token_says_who_holds_it() {
        let (verifier, _) = verifier();
        for _ in 0..2 {
            let verified = verifier.verify(&token(), HERE, Utc::from_seconds(NOW)).unwrap();
            assert!(verified.principal.is("agent:claude-code") && verified.principal.is("user:ana"));
            assert_eq!(verified.expires, Utc::from_seconds(NOW + 3600));
            assert_eq!(verified.scope.tools(), ["read_*"]);
        }
    }

    #[test]
    fn a_refused_token_has_a_holder_only_where_its_signature_holds() {
        let (verifier, _) = verifier();
        let holder = |token: &str, audience: &str, now| {
            let fault = verifier.verify(token, audience, Utc::from_seconds(now)).unwrap_err();
            verifier.holder(token, fault).map(|holder| holder.principal.agent.to_string())
        };
        let token = token();
        assert_eq!(holder(&token, "http://elsewhere/mcp", NOW).as_deref(), Some("claude-code"));
        assert_eq!(holder(&token, HERE, NOW + 3600).as_deref(), Some("claude-code"));
        assert_eq!(holder(&forge(&own_header(&key(1)), &good().to_string(), &key(2)), HERE, NOW), None);
        assert_eq!(holder("nonsense", HERE, NOW), None);
    }

    #[test]
    fn only_a_signed_purpose_makes_a_probe() {
        let (verifier, _) = verifier();
        let judge = |payload: &serde_json::Value| {
            let token = forge(&own_header(&key(1)), &payload.to_string(), &key(1));
            verifier.verify(&token, HERE, Utc::from_seconds(NOW)).map(|verified| verified.principal.is_probe())
        };
        let mut claims = good();
        claims["sub"] = "probe/a".into();
        assert_eq!(judge(&claims), Ok(false), "a name alone says nothing");
        claims["purpose"] = "probe".into();
        assert_eq!(judge(&claims), Ok(true));
        claims["purpose"] = "Probe".into();
        assert_eq!(judge(&claims), Err(TokenFault::Claims));
    }

    #[test]
    fn foreign_headers_are_refused() {
        let payload = good().to_string();
        let id = key(1).public().id().to_owned();
        for header in [
            r#"{"typ":"at+jwt","alg":"none"}"#.to_owned(),
            format!(r#"{{"typ":"at+jwt","alg":"none","kid":"{id}"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{id}"}}"#),
            format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{id}"}}"#),
            r#"{"typ":"at+jwt","alg":"EdDSA","kid":"other"}"#.to_owned(),
            r#"{"typ":"at+jwt","alg":"EdDSA"}"#.to_owned(),
            format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{id}","crit":["exp"]}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{id}","jku":"https://x"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{id}","jwk":{{}}}}"#),
            format!(r#"{{ "typ":"at+jwt","alg":"EdDSA","kid":"{id}"}}"#),
            own_header(&key(2)),
        ] {
            assert_eq!(fault(&forge(&header, &payload, &key(1))), TokenFault::Header, "{header}");
        }
    }

    #[test]
    fn a_mac_with_the_public_key_is_no_signature() {
        let signed = format!("{}.{}", key(1).public().header(), URL_SAFE_NO_PAD.encode(good().to_string()));
        let mac = Sha256::digest([key(1).public().as_bytes().as_slice(), signed.as_bytes()].concat());
        assert_eq!(fault(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))), TokenFault::Shape);
        assert_eq!(fault(&format!("{signed}.")), TokenFault::Shape);
        assert_eq!(fault(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64]))), TokenFault::Signature);
    }

    #[test]
    fn another_key_and_another_payload_are_refused() {
        assert_eq!(fault(&forge(&own_header(&key(1)), &good().to_string(), &key(2))), TokenFault::Signature);
        let token = token();
        let parts: Vec<_> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(good().to_string());
        assert_eq!(fault(&format!("{}.{other}.{}", parts[0], parts[2])), TokenFault::Signature);
    }

    #[test]
    fn the_spelling_of_a_token_is_one() {
        let token = token();
        let padded = format!("{token}==");
        let mut trailing = token.clone();
        trailing.pop();
        // The last character of 64 bytes carries four bits that must be zero.
        trailing.push('_');
        for bad in [
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("{token}."),
            format!("{token}.x"),
            format!(".{token}"),
            padded,
            trailing,
            token.replacen('.', "", 1),
            String::new(),
            "..".into(),
        ] {
            assert!(matches!(fault(&bad), TokenFault::Shape | TokenFault::Header), "{bad}");
        }
        assert_eq!(fault(&"a".repeat(LONGEST + 1)), TokenFault::TooLong);
    }

    #[test]
    fn claims_are_exact() {
        let header = own_header(&key(1));
        let judge = |payload: &str| fault(&forge(&header, payload, &key(1)));
        for name in ["iss", "sub", "aud", "servers", "tools", "iat", "nbf", "exp", "jti"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(judge(&claims.to_string()), TokenFault::Claims, "{name} missing");
            let doubled = good().to_string().replacen('{', &format!(r#"{{"{name}":{},"#, good()[name]), 1);
            assert_eq!(judge(&doubled), TokenFault::Claims, "{name} twice");
        }
        for (name, value) in [
            ("cnf", serde_json::json!({})),
            ("aud", HERE.into()),
            ("exp", (NOW as f64 + 60.0).into()),
            ("exp", (NOW + 86_401).into()),
            ("exp", NOW.into()),
            ("iat", (-1).into()),
            ("sub", "".into()),
            ("servers", serde_json::json!(["A_B"])),
            ("tools", serde_json::json!(["a b"])),
        ] {
            let mut claims = good();
            claims[name] = value;
            assert_eq!(judge(&claims.to_string()), TokenFault::Claims, "{name}");
        }
        assert_eq!(judge(&format!("{}x", good())), TokenFault::Claims);
        let mut claims = good();
        claims["iss"] = "https://issuer/".into();
        assert_eq!(judge(&claims.to_string()), TokenFault::Issuer);
        for aud in [serde_json::json!([]), serde_json::json!([format!("{HERE}/files")]), serde_json::json!([format!("{HERE}/")])] {
            let mut claims = good();
            claims["aud"] = aud;
            assert_eq!(judge(&claims.to_string()), TokenFault::Audience);
        }
        for name in ["iat", "nbf"] {
            let mut claims = good();
            claims[name] = (NOW + 6).into();
            assert_eq!(judge(&claims.to_string()), TokenFault::NotYet);
        }
    }

    #[test]
    fn endpoint_and_end_are_judged_at_every_use() {
        let (verifier, _) = verifier();
        let token = token();
        let at = |seconds| Utc::from_seconds(NOW + seconds);
        assert!(verifier.verify(&token, HERE, at(0)).is_ok());
        assert_eq!(verifier.verify(&token, "http://127.0.0.1:8420/mcp/git", at(0)), Err(TokenFault::Audience));
        assert!(verifier.verify(&token, HERE, at(3599)).is_ok());
        assert_eq!(verifier.verify(&token, HERE, at(3600)), Err(TokenFault::Expired));
        assert_eq!(verifier.verify(&token, HERE, at(0)), Err(TokenFault::Expired), "a clock set back gave a token new life");
    }

    #[test]
    fn a_revocation_beats_the_memory_of_good_tokens() {
        let (verifier, memory) = verifier();
        let token = token();
        let id = verifier.verify(&token, HERE, Utc::from_seconds(NOW)).unwrap().token;
        memory.note(id, Utc::from_seconds(NOW));
        assert_eq!(verifier.verify(&token, HERE, Utc::from_seconds(NOW)), Err(TokenFault::Revoked));
    }

    #[test]
    fn a_standing_that_cannot_be_told_refuses() {
        struct Away;
        impl Revocations for Away {
            fn standing(&self, _: TokenId) -> Standing {
                Standing::Unknown
            }
            fn revoke(&self, id: TokenId, at: Utc) -> crate::Pending<'_, crate::Revocation> {
                Box::pin(std::future::ready(Ok(crate::Revocation { id, at })))
            }
            fn revoked(&self) -> crate::Pending<'_, Vec<crate::Revocation>> {
                Box::pin(std::future::ready(Ok(vec![])))
            }
        }
        let verifier = Verifier::new("https://issuer", vec![key(1).public().clone()], Arc::new(Away));
        assert_eq!(verifier.verify(&token(), HERE, Utc::from_seconds(NOW)), Err(TokenFault::StandingUnknown));
    }

    #[test]
    fn what_would_not_be_read_is_not_issued() {
        let issue = |life: u64, audiences: Vec<String>| {
            let scope = Scope::new(vec![], vec![]).unwrap();
            let (life, purpose) = (Duration::from_secs(life), Purpose::Work);
            let claims = Claims { agent: Name::new("a").unwrap(), user: None, audiences, scope, life, workload: None, purpose };
            Issuer::new("https://issuer", key(1)).issue(claims, &World(NOW), &World(NOW)).err()
        };
        assert!(issue(86_400, vec![HERE.into()]).is_none());
        assert!(matches!(issue(86_401, vec![HERE.into()]), Some(crate::Error::Life)));
        assert!(matches!(issue(0, vec![HERE.into()]), Some(crate::Error::Life)));
        assert!(matches!(issue(60, vec![]), Some(crate::Error::Nowhere)));
        assert!(matches!(issue(60, vec!["x".repeat(LONGEST)]), Some(crate::Error::TooLong)));
    }

    /// Prints what a use of a remembered token costs: `cargo test --release -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::disallowed_methods, reason = "what is printed is time")]
    fn cost_of_a_remembered_token() {
        let (verifier, _) = verifier();
        let token = token();
        let started = std::time::Instant::now();
        for _ in 0..100_000 {
            verifier.verify(&token, HERE, Utc::from_seconds(NOW)).unwrap();
        }
        println!("{} bytes: {:?} a use", token.len(), started.elapsed() / 100_000);
    }
}
