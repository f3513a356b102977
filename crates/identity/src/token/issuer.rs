//! Makes tokens.

use super::claims::Payload;
use super::{Claims, LONGEST, LONGEST_LIFE, PublicKey, SigningKey};
use crate::{Error, TokenRecord};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use terms::{Clock, Entropy, Secret, TokenId, Utc};

/// A token that was made: shown once, never kept.
pub struct Issued {
    /// The token.
    pub token: Secret<String>,
    /// Its id.
    pub id: TokenId,
    /// When it ends.
    pub expires_at: Utc,
    /// What is to be kept of it, before it is handed out.
    pub record: TokenRecord,
}

/// Makes tokens in the name of one issuer.
pub struct Issuer {
    name: String,
    key: SigningKey,
}

impl Issuer {
    /// The issuer called `name` (its URL), signing with `key`.
    pub fn new(name: impl Into<String>, key: SigningKey) -> Self {
        Self { name: name.into(), key }
    }

    /// The issuer's name, `iss`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that its tokens are checked with.
    pub fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// Makes a token that states `claims`.
    ///
    /// # Errors
    /// [`Error::Life`], [`Error::Nowhere`] and [`Error::TooLong`] are the operator's.
    pub fn issue(&self, claims: Claims, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Issued, Error> {
        let life = claims.life.as_secs();
        if claims.life < Duration::from_secs(1) || claims.life > LONGEST_LIFE {
            return Err(Error::Life);
        }
        if claims.audiences.is_empty() {
            return Err(Error::Nowhere);
        }
        let id = TokenId::new(entropy);
        let issued = clock.utc().seconds();
        let payload = Payload {
            iss: self.name.clone(),
            sub: claims.agent.clone(),
            user: claims.user.clone(),
            aud: claims.audiences,
            servers: claims.scope.servers().to_vec(),
            tools: claims.scope.tools().to_vec(),
            iat: issued,
            nbf: issued,
            exp: issued.saturating_add(life),
            jti: id,
            workload: claims.workload.clone(),
            purpose: claims.purpose,
        };
        let json = serde_json::to_vec(&payload).map_err(Error::Encode)?;
        let mut token = format!("{}.{}", self.key.public().header(), URL_SAFE_NO_PAD.encode(json));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let token = Secret::new(token);
        if token.open().len() > LONGEST {
            return Err(Error::TooLong);
        }
        let expires_at = Utc::from_seconds(payload.exp);
        let record = TokenRecord {
            id,
            agent: claims.agent,
            user: claims.user,
            servers: payload.servers,
            tools: payload.tools,
            workload: claims.workload,
            issued: Utc::from_seconds(issued),
            expires: expires_at,
            revoked: None,
        };
        Ok(Issued { token, id, expires_at, record })
    }
}
