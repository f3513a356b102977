//! Codes by which somebody is enrolled once: a secret of ours, and the root that our answer is told by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use terms::{Entropy, Secret};
use zeroize::Zeroizing;

const MARK: &str = "bstd1.";
const ID: usize = 8;
const SECRET: usize = 16;
const ROOT: usize = 32;

/// A code: what it is found by, what proves it, and the SHA-256 of the root's certificate.
#[derive(Debug)]
pub struct Code {
    id: [u8; ID],
    secret: Secret<[u8; SECRET]>,
    root: [u8; ROOT],
}

impl Code {
    /// Draws one, for an authority with this root.
    pub fn draw(root: [u8; ROOT], entropy: &dyn Entropy) -> Self {
        let (mut id, mut secret) = ([0; ID], Zeroizing::new([0; SECRET]));
        entropy.fill(&mut id);
        entropy.fill(secret.as_mut_slice());
        Self { id, secret: Secret::new(*secret), root }
    }

    /// Reads one as it was printed; none, where it is not one.
    pub fn read(text: &str) -> Option<Self> {
        let coded = text.trim().strip_prefix(MARK).filter(|coded| coded.len() < 128)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(coded).ok()?);
        let (id, rest) = bytes.split_first_chunk::<ID>()?;
        let (secret, root) = rest.split_first_chunk::<SECRET>()?;
        Some(Self { id: *id, secret: Secret::new(*secret), root: root.try_into().ok()? })
    }

    /// As it is printed.
    pub fn print(&self) -> Secret<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ID + SECRET + ROOT));
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(self.secret.open());
        bytes.extend_from_slice(&self.root);
        Secret::new(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(&*bytes)))
    }

    /// What it is found by, in hexadecimal. It proves nothing.
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// The SHA-256 of its secret: what is kept of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret.open()).into()
    }

    /// Whether it is the one of which `digest` is kept; takes the same time either way.
    pub fn is(&self, digest: &[u8; 32]) -> bool {
        self.digest().ct_eq(digest).into()
    }

    /// The SHA-256 of the root's certificate (DER).
    pub const fn root(&self) -> &[u8; ROOT] {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        }
    }

    #[test]
    fn a_code_reads_what_it_prints_and_nothing_else() {
        let code = Code::draw([7; 32], &Counting);
        let text = code.print();
        let read = Code::read(text.open()).unwrap();
        assert!(read.is(&code.digest()) && read.id() == code.id() && read.root() == &[7; 32]);
        assert!(!Code::draw([7; 32], &Counting).is(&[0; 32]));
        for bad in ["", "bstd1.", "bstd1.AAAA", &text.open()[1..], &format!("{}A", text.open()), &"A".repeat(500)] {
            assert!(Code::read(bad).is_none(), "{bad}");
        }
    }
}
