//! Signed notes with Ed25519 keys, after C2SP signed-note.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use terms::{Entropy, Secret};

const ED25519: u8 = 1;
const MOST_NAME: usize = 200;

fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(public).finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn named(name: &str) -> Result<(), Error> {
    let fits = !name.is_empty() && name.len() <= MOST_NAME && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if fits { Ok(()) } else { Err(Error::Key("a name is visible ASCII without `+`")) }
}

/// The public key of a log with its name, which is the origin of its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads `NAME+ID+KEY`, a final newline allowed.
    ///
    /// # Errors
    /// [`Error::Key`] when any part is not in its one spelling.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let mut parts = line.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Key("it has three parts"));
        };
        named(name)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| Error::Key("its base64 is broken"))?;
        let Some((&ED25519, public)) = bytes.split_first() else { return Err(Error::Key("it is of another algorithm")) };
        let public: [u8; 32] = public.try_into().map_err(|_| Error::Key("it has another length"))?;
        let key = VerifyingKey::from_bytes(&public).map_err(|_| Error::Key("it is no point of the curve"))?;
        let own = Self { name: name.to_owned(), id: key_id(name, &public), key };
        if own.line() == line { Ok(own) } else { Err(Error::Key("its id does not fit")) }
    }

    /// The key as one line, without the newline.
    pub fn line(&self) -> String {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        format!("{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(bytes))
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks a note and gives its text. Other keys' signatures are passed over.
    ///
    /// # Errors
    /// [`Error::Note`] when the form is broken or no good signature of this key is there.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, Error> {
        let split = note.rfind("\n\n").ok_or(Error::Note("it has no signature"))?;
        let (text, signatures) = (note.get(..split + 1).unwrap_or_default(), note.get(split + 2..).unwrap_or_default());
        let signatures = signatures.strip_suffix('\n').ok_or(Error::Note("it does not end with a newline"))?;
        let mut good = false;
        for line in signatures.split('\n') {
            let rest = line.strip_prefix("\u{2014} ").ok_or(Error::Note("a signature line has another form"))?;
            let (name, encoded) = rest.split_once(' ').ok_or(Error::Note("a signature line has another form"))?;
            let bytes = STANDARD.decode(encoded).map_err(|_| Error::Note("a signature's base64 is broken"))?;
            let (id, signature) = bytes.split_at_checked(4).ok_or(Error::Note("a signature is too short"))?;
            if name != self.name || id != self.id {
                continue;
            }
            let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Error::Note("a signature has another length"))?;
            self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| Error::Note("the signature does not fit"))?;
            good = true;
        }
        if good { Ok(text) } else { Err(Error::Note("it is not signed by the log's key")) }
    }
}

/// The signing key of a log.
#[derive(Debug)]
pub struct LogKey {
    seed: Secret<[u8; 32]>,
    verifier: VerifierKey,
}

impl LogKey {
    /// The key of this seed, for the log `name`.
    ///
    /// # Errors
    /// [`Error::Key`] when the name does not fit a note.
    pub fn from_seed(name: &str, seed: Secret<[u8; 32]>) -> Result<Self, Error> {
        named(name)?;
        let key = SigningKey::from_bytes(seed.open()).verifying_key();
        let id = key_id(name, key.as_bytes());
        Ok(Self { seed, verifier: VerifierKey { name: name.to_owned(), id, key } })
    }

    /// A new key, from chance.
    ///
    /// # Errors
    /// As [`from_seed`](Self::from_seed).
    pub fn generate(name: &str, entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut seed = [0_u8; 32];
        entropy.fill(&mut seed);
        Self::from_seed(name, Secret::new(seed))
    }

    /// Its public half.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs `text`, which ends with a newline; gives the whole note.
    pub fn sign(&self, text: &str) -> String {
        let signature = SigningKey::from_bytes(self.seed.open()).sign(text.as_bytes());
        let mut bytes = self.verifier.id.to_vec();
        bytes.extend_from_slice(&signature.to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.verifier.name, STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the example of the Go module golang.org/x/mod/sumdb/note.
    #[test]
    fn a_known_note_opens() {
        let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let note = concat!(
            "If you think cryptography is the answer to your problem,\n",
            "then you don't know what your problem is.\n",
            "\n",
            "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert!(key.open(note).is_ok());
        assert!(key.open(&note.replace("answer", "answeR")).is_err());
    }

    #[test]
    fn a_note_opens_with_its_own_key_alone() {
        let key = LogKey::from_seed("bastide/test", Secret::new([7; 32])).unwrap();
        let other = LogKey::from_seed("bastide/test", Secret::new([8; 32])).unwrap();
        let note = key.sign("a\nb\n");
        assert_eq!(key.verifier().open(&note).unwrap(), "a\nb\n");
        assert!(other.verifier().open(&note).is_err());
        let line = key.verifier().line();
        assert_eq!(&VerifierKey::parse(&line).unwrap(), key.verifier());
        assert!(VerifierKey::parse(&line.to_uppercase()).is_err());
        assert!(LogKey::from_seed("a b", Secret::new([7; 32])).is_err());
    }
}
