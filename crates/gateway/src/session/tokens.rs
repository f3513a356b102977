//! Tokens that stand for values within one session: its agent works with `<person-3>`, and the value goes only where it may.
//!
//! Values are sealed in memory with AES-256-GCM-SIV (RFC 8452) under a key of the session's own, and are found again by a salted SHA-256. All of it ends
//! with the session. Control: `data.pii`.

use aes_gcm_siv::aead::{Aead, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use terms::{Class, Entropy, Finding, Label};
use zeroize::Zeroizing;

/// Tokens that one session may have; what comes beyond is marked, not tokenised.
const MOST: usize = 4_096;
/// Bytes of values that they may stand for together, and one of them.
const BYTES: usize = 1 << 20;
const LONGEST: usize = 4 << 10;
/// Values that went to servers and are looked for in what comes back; a token beyond is not turned back.
const SENT: usize = 256;

/// The tokens of a session.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Box<Known>>>);

struct Known {
    cipher: Aes256GcmSiv,
    salt: Zeroizing<[u8; 32]>,
    nonces: u64,
    bytes: usize,
    counts: HashMap<String, usize>,
    values: HashMap<[u8; 32], String>,
    tokens: HashMap<String, Sealed>,
    sent: Vec<String>,
}

struct Sealed {
    nonce: [u8; 12],
    text: Vec<u8>,
    class: Class,
    kind: String,
    label: Label,
}

/// What a token stands for.
pub(crate) struct Stood {
    /// The token.
    pub(crate) token: String,
    /// The value.
    pub(crate) value: Zeroizing<String>,
    /// The sort of the value.
    pub(crate) class: Class,
    /// Its kind.
    pub(crate) kind: String,
    /// How sensitive it is.
    pub(crate) label: Label,
}

impl Tokens {
    /// The token for the value of a finding in what is labelled so: the same within the session. None where the session has as many as it may.
    pub(crate) fn give(&self, entropy: &dyn Entropy, finding: &Finding, value: &str, label: Label) -> Option<String> {
        let mut known = self.0.lock();
        let known = known.get_or_insert_with(|| Box::new(Known::new(entropy)));
        let digest = known.digest(&finding.kind, value);
        if let Some(token) = known.values.get(&digest) {
            let token = token.clone();
            if let Some(sealed) = known.tokens.get_mut(&token) {
                sealed.label = sealed.label.max(label);
            }
            return Some(token);
        }
        let full = known.tokens.len() >= MOST || value.len() > LONGEST || known.bytes + value.len() > BYTES;
        if full || value.is_empty() {
            return None;
        }
        known.nonces += 1;
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(known.nonces.to_be_bytes()).for_each(|(place, byte)| *place = byte);
        let count = known.counts.entry(finding.kind.to_string()).or_default();
        *count += 1;
        let token = format!("<{}-{count}>", finding.kind);
        let text = known.cipher.encrypt(&Nonce::from(nonce), value.as_bytes()).ok()?;
        known.bytes += value.len();
        known.values.insert(digest, token.clone());
        known.tokens.insert(token.clone(), Sealed { nonce, text, class: finding.class, kind: finding.kind.to_string(), label });
        Some(token)
    }

    /// What each token in `text` stands for that this session was given, and where it stands, in the order of the text.
    pub(crate) fn read(&self, text: &str) -> Vec<(usize, Stood)> {
        let known = self.0.lock();
        let Some(known) = known.as_deref() else { return Vec::new() };
        spelled(text).filter_map(|(at, token)| Some((at, known.open(token)?))).collect()
    }

    /// Notes that a value went to a server; false where as many have gone as are looked for in what comes back.
    pub(crate) fn goes(&self, token: &str) -> Going {
        let mut known = self.0.lock();
        let Some(known) = known.as_deref_mut() else { return Going::Stays };
        if known.sent.iter().any(|sent| sent == token) {
            return Going::Goes;
        }
        if known.sent.len() >= SENT {
            return Going::Stays;
        }
        known.sent.push(token.to_owned());
        Going::Goes
    }

    /// The values that went to servers.
    pub(crate) fn sent(&self) -> Vec<Stood> {
        let known = self.0.lock();
        known.as_deref().into_iter().flat_map(|known| known.sent.iter().filter_map(|token| known.open(token))).collect()
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_none()
    }
}

/// Whether a value goes to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// It does.
    Goes,
    /// Its token does.
    Stays,
}

impl Known {
    fn new(entropy: &dyn Entropy) -> Self {
        let (mut key, mut salt) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        entropy.fill(key.as_mut_slice());
        entropy.fill(salt.as_mut_slice());
        Self {
            cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key)),
            salt,
            nonces: 0,
            bytes: 0,
            counts: HashMap::new(),
            values: HashMap::new(),
            tokens: HashMap::new(),
            sent: Vec::new(),
        }
    }

    fn digest(&self, kind: &str, value: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.salt.as_slice());
        digest.update((kind.len() as u64).to_be_bytes());
        digest.update(kind);
        digest.update(value);
        digest.finalize().into()
    }

    fn open(&self, token: &str) -> Option<Stood> {
        let sealed = self.tokens.get(token)?;
        let plain = Zeroizing::new(self.cipher.decrypt(&Nonce::from(sealed.nonce), sealed.text.as_slice()).ok()?);
        let value = Zeroizing::new(std::str::from_utf8(&plain).ok()?.to_owned());
        Some(Stood { token: token.to_owned(), value, class: sealed.class, kind: sealed.kind.clone(), label: sealed.label })
    }
}

/// What is spelled as a token is, `<KIND-N>`, and where.
fn spelled(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('<').filter_map(move |(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.get(..rest.floor_char_boundary(96))?.find('>')?;
        let token = rest.get(..=end)?;
        let plain = token.get(1..end)?.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        plain.then_some((at, token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};
    use terms::Span;

    /// Bytes that count up.
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn finding(kind: &'static str) -> Finding {
        Finding { class: Class::Pii, kind: kind.into(), span: Span::new(0, 1), confidence: 1.0 }
    }

    #[test]
    fn a_token_is_the_same_for_a_value_and_is_turned_back_for_its_session_alone() {
        let (tokens, other, entropy) = (Tokens::default(), Tokens::default(), Counting(AtomicU8::new(1)));
        let give = |kind, value: &str| tokens.give(&entropy, &finding(kind), value, Label::Internal).unwrap();
        assert_eq!(
            [give("person", "Jane"), give("person", "Ana"), give("person", "Jane"), give("email", "a@x.org")].concat(),
            "<person-1><person-2><person-1><email-1>"
        );
        let read = |tokens: &Tokens, text: &str| tokens.read(text).iter().map(|(_, one)| one.value.to_string()).collect::<Vec<_>>();
        assert_eq!(read(&tokens, "to <person-2>, <person-1> <person-9> <b> <person-2"), ["Ana", "Jane"]);
        assert!(read(&other, "<person-2>").is_empty());
        tokens.give(&entropy, &finding("person"), "Ana", Label::Restricted);
        assert_eq!(tokens.read("<person-2>")[0].1.label, Label::Restricted, "the graver label stays");
    }

    #[test]
    fn tokens_are_bounded() {
        let (tokens, entropy) = (Tokens::default(), Counting(AtomicU8::new(1)));
        assert!(tokens.give(&entropy, &finding("person"), &"x".repeat(LONGEST + 1), Label::Public).is_none());
        for at in 0..MOST {
            assert!(tokens.give(&entropy, &finding("person"), &at.to_string(), Label::Public).is_some());
        }
        assert!(tokens.give(&entropy, &finding("person"), "one more", Label::Public).is_none());
        assert_eq!(tokens.give(&entropy, &finding("person"), "0", Label::Public).as_deref(), Some("<person-1>"));
        let going = (1..=SENT).filter(|at| tokens.goes(&format!("<person-{at}>")) == Going::Goes).count();
        assert_eq!((going, tokens.goes("<person-300>"), tokens.goes("<person-1>")), (SENT, Going::Stays, Going::Goes));
    }
}
