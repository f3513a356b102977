//! The gateway's own keys: files in the state folder, made on first use.
//!
//! They are not sealed by the vault: records must be signed and tokens judged while it is locked. Each is mode 0600 in a folder of mode 0700; the database remembers the public half.

use crate::folder::{read_private, write_private};
use crate::{Error, Folder, Store};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use terms::{Entropy, Secret};
use vault::Chest;
use zeroize::Zeroizing;

const FOLDER: &str = "keys";
const VAULT_KEY: &str = "vault.key";

/// The part of the gateway that signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signer {
    /// The built-in issuer of tokens.
    Issuer,
    /// The audit log's checkpoints.
    Audit,
    /// `bastide.lock`.
    Lock,
}

impl Signer {
    /// The name of its file, without the ending.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Audit => "audit",
            Self::Lock => "lock",
        }
    }
}

/// Whether any key was made in `folder`.
pub(crate) fn any(folder: &Folder) -> Result<bool, Error> {
    let path = folder.sub(FOLDER)?;
    let mut entries = std::fs::read_dir(&path).map_err(Error::file(&path))?;
    Ok(entries.next().is_some())
}

impl Store {
    /// The seed of the Ed25519 key of `signer` (`keys/SIGNER.pem`, PKCS #8), made on first use.
    ///
    /// # Errors
    /// [`Error::KeyGone`] and [`Error::KeyChanged`] when it is not the one that this state began with; [`Error::Open`], [`Error::Foreign`], [`Error::Sort`] when others can
    /// reach it; [`Error::Damaged`], [`Error::File`], [`Error::Database`].
    pub async fn key(&self, signer: Signer, entropy: &dyn Entropy) -> Result<Secret<[u8; 32]>, Error> {
        let path = self.folder().sub(FOLDER)?.join(format!("{}.pem", signer.as_str()));
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT public FROM keys WHERE part = ?").bind(signer.as_str()).fetch_optional(self.writer()).await?;
        let key = match (read_private(&path)?, &known) {
            (Some(file), _) => decode(&file)?,
            (None, Some(_)) => return Err(Error::KeyGone(path)),
            (None, None) => {
                let key = draw(entropy);
                write_private(&path, &encode(&key)?, entropy)?;
                key
            }
        };
        let public = key.verifying_key().to_bytes();
        match known {
            Some(known) if known != public => return Err(Error::KeyChanged(path)),
            Some(_) => {}
            None => {
                sqlx::query("INSERT INTO keys (part, public) VALUES (?, ?)")
                    .bind(signer.as_str())
                    .bind(public.to_vec())
                    .execute(self.writer())
                    .await?;
            }
        }
        Ok(Secret::new(key.to_bytes()))
    }

    /// The bytes of the vault's key file (`vault.key`), made on first use: as long as there is no vault.
    ///
    /// # Errors
    /// [`Error::KeyGone`] when there is a vault and no file; [`Error::Open`], [`Error::Foreign`], [`Error::Sort`] when others can reach it; [`Error::File`].
    pub async fn vault_keyfile(&self, entropy: &dyn Entropy) -> Result<Secret<Vec<u8>>, Error> {
        let path = self.folder().path().join(VAULT_KEY);
        if let Some(bytes) = read_private(&path)? {
            return Ok(bytes);
        }
        let head = Chest::head(self).await.map_err(|_| Error::Damaged("vault"))?;
        if head.is_some() {
            return Err(Error::KeyGone(path));
        }
        let mut bytes = Zeroizing::new(vec![0; 64]);
        entropy.fill(&mut bytes);
        let bytes = Secret::new(std::mem::take(&mut *bytes));
        write_private(&path, &bytes, entropy)?;
        Ok(bytes)
    }
}

fn draw(entropy: &dyn Entropy) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(seed.as_mut_slice());
    SigningKey::from_bytes(&seed)
}

fn encode(key: &SigningKey) -> Result<Secret<Vec<u8>>, Error> {
    let text = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| Error::Damaged("key"))?;
    Ok(Secret::new(text.as_bytes().to_vec()))
}

fn decode(file: &Secret<Vec<u8>>) -> Result<SigningKey, Error> {
    let text = std::str::from_utf8(file.open()).map_err(|_| Error::Damaged("key"))?;
    SigningKey::from_pkcs8_pem(text).map_err(|_| Error::Damaged("key"))
}
