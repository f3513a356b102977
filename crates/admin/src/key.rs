//! The key of the admin listener.

use subtle::ConstantTimeEq as _;
use terms::{Entropy, Secret};

const BYTES: usize = 32;

/// What a client of the admin listener shows. Kept in a file that only the gateway's account reads.
#[derive(Debug)]
pub struct Key(Secret<String>);

impl Key {
    /// A new one, 256 bits in hexadecimal, and its text for the file.
    pub fn draw(entropy: &dyn Entropy) -> (Self, Secret<Vec<u8>>) {
        let mut bytes = zeroize::Zeroizing::new([0_u8; BYTES]);
        entropy.fill(bytes.as_mut_slice());
        let text = bytes.iter().fold(String::with_capacity(2 * BYTES), |mut text, byte| {
            text.extend([char::from_digit(u32::from(byte >> 4), 16), char::from_digit(u32::from(byte & 15), 16)].into_iter().flatten());
            text
        });
        let file = Secret::new(text.clone().into_bytes());
        (Self(Secret::new(text)), file)
    }

    /// The key in a file, if it is one.
    pub fn read(file: &Secret<Vec<u8>>) -> Option<Self> {
        let text = std::str::from_utf8(file.open()).ok()?.trim();
        let good = text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| Self(Secret::new(text.to_owned())))
    }

    /// Whether `shown` is the key, in the same time whatever it is.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.open().as_bytes().ct_eq(shown).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::SeededEntropy;

    #[test]
    fn a_key_is_read_from_its_file_and_knows_itself() {
        let (key, file) = Key::draw(&SeededEntropy::new(1));
        let again = Key::read(&file).unwrap();
        assert!(key.is(file.open()) && again.is(file.open()));
        assert!(!key.is(b"") && !key.is(&file.open()[1..]));
        assert!(Key::read(&Secret::new(b"short".to_vec())).is_none());
    }
}
