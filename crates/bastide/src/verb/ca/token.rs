//! A root's key in a token (PKCS #11): it is made there, signs there and never leaves it.
//!
//! ECDSA on P-256. The hash is made here, since tokens differ in whether they make it; what the token gives is two numbers, which a certificate has as DER
//! (RFC 3279 §2.2.3).

use crate::outcome::Failure;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use parking_lot::Mutex;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::str::FromStr;
use terms::Secret;

/// The curve P-256, as DER of its object identifier (RFC 5480 §2.1.1.1).
const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// Bytes of a point on it, uncompressed.
const POINT: usize = 65;
/// Bytes of each of the two numbers of a signature.
const HALF: usize = 32;

/// Where in which token a key is: `pkcs11:MODULE?token=LABEL&object=LABEL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    module: PathBuf,
    token: String,
    object: String,
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "a token is written pkcs11:MODULE?token=LABEL&object=LABEL, with the whole path of the module";
        let (module, query) = text.strip_prefix("pkcs11:").and_then(|rest| rest.split_once('?')).ok_or(FORM)?;
        let (mut token, mut object) = (None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "token" => token = Some(value.into_owned()),
                "object" => object = Some(value.into_owned()),
                _ => return Err(FORM.to_owned()),
            }
        }
        match (token, object) {
            (Some(token), Some(object)) if module.starts_with('/') && !token.is_empty() && !object.is_empty() => {
                Ok(Self { module: module.into(), token, object })
            }
            _ => Err(FORM.to_owned()),
        }
    }
}

/// A key in a token, its session open.
pub struct TokenKey {
    session: Mutex<Session>,
    private: ObjectHandle,
    point: Vec<u8>,
}

impl Token {
    /// Opens the key with `pin`; makes one where there is none.
    ///
    /// # Errors
    /// [`Failure`]: the module, the token or the key cannot be used.
    pub fn open_or_make(&self, pin: &Secret<String>) -> Result<TokenKey, Failure> {
        let session = self.session(pin)?;
        match self.find(session)? {
            Ok(key) => Ok(key),
            Err(session) => self.make(session),
        }
    }

    /// Opens the key with `pin`.
    ///
    /// # Errors
    /// [`Failure`]: the module, the token or the key cannot be used.
    pub fn open(&self, pin: &Secret<String>) -> Result<TokenKey, Failure> {
        let session = self.session(pin)?;
        self.find(session)?.map_err(|_| Failure::usage(format!("the token `{}` holds no key `{}`", self.token, self.object)))
    }

    fn failed(&self) -> impl Fn(cryptoki::error::Error) -> Failure {
        let token = self.token.clone();
        move |cause| Failure::system(format!("the token `{token}` cannot be used")).because(&cause)
    }

    fn session(&self, pin: &Secret<String>) -> Result<Session, Failure> {
        let failed = self.failed();
        let unloaded = |cause| Failure::usage(format!("the module {} cannot be loaded", self.module.display())).because(&cause);
        let module = Pkcs11::new(&self.module).map_err(unloaded)?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(&failed)?;
        let slots = module.get_slots_with_initialized_token().map_err(&failed)?;
        let named = |slot: &_| module.get_token_info(*slot).is_ok_and(|info| info.label() == self.token);
        let slot = slots.into_iter().find(named).ok_or_else(|| Failure::usage(format!("there is no token `{}`", self.token)))?;
        let session = module.open_rw_session(slot).map_err(&failed)?;
        session.login(UserType::User, Some(&AuthPin::from(pin.open().as_str()))).map_err(&failed)?;
        Ok(session)
    }

    /// The key, or the session where there is none.
    fn find(&self, session: Session) -> Result<Result<TokenKey, Session>, Failure> {
        let failed = self.failed();
        let of = |class| vec![Attribute::Class(class), Attribute::Label(self.object.clone().into_bytes())];
        let private = session.find_objects(&of(ObjectClass::PRIVATE_KEY)).map_err(&failed)?;
        let public = session.find_objects(&of(ObjectClass::PUBLIC_KEY)).map_err(&failed)?;
        match (private.as_slice(), public.as_slice()) {
            ([], []) => Ok(Err(session)),
            ([private], [public]) => Ok(Ok(self.key(session, *private, *public)?)),
            _ => Err(Failure::usage(format!("the token `{}` does not hold one key pair `{}`", self.token, self.object))),
        }
    }

    fn make(&self, session: Session) -> Result<TokenKey, Failure> {
        let label = || Attribute::Label(self.object.clone().into_bytes());
        let public =
            [Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(P256.to_vec()), label()];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            label(),
        ];
        let (public, private) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map_err(self.failed())?;
        self.key(session, private, public)
    }

    fn key(&self, session: Session, private: ObjectHandle, public: ObjectHandle) -> Result<TokenKey, Failure> {
        let unfit = || Failure::usage(format!("the key `{}` of the token `{}` is not on the curve P-256", self.object, self.token));
        let read = session.get_attributes(public, &[AttributeType::EcParams, AttributeType::EcPoint]).map_err(self.failed())?;
        let (mut curve, mut point) = (None, None);
        for attribute in read {
            match attribute {
                Attribute::EcParams(bytes) => curve = Some(bytes),
                Attribute::EcPoint(bytes) => point = Some(bytes),
                _ => {}
            }
        }
        // The point is an octet string in DER: two bytes, then itself.
        let point = point.and_then(|bytes| bytes.strip_prefix(&[4, 0x41]).map(<[u8]>::to_vec)).filter(|point| point.len() == POINT);
        match (curve, point) {
            (Some(curve), Some(point)) if curve == P256 => Ok(TokenKey { session: Mutex::new(session), private, point }),
            _ => Err(unfit()),
        }
    }
}

impl PublicKeyData for TokenKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for TokenKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signed = self.session.lock().sign(&Mechanism::Ecdsa, self.private, &Sha256::digest(message));
        let raw = signed.map_err(|_| rcgen::Error::RemoteKeyError)?;
        der(&raw).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// Two numbers of 32 bytes as a SEQUENCE of two INTEGERs.
fn der(raw: &[u8]) -> Option<Vec<u8>> {
    let (first, second) = raw.split_at_checked(HALF).filter(|(_, second)| second.len() == HALF)?;
    let mut inside = Vec::with_capacity(2 * (HALF + 3));
    for number in [first, second] {
        let at = number.iter().position(|byte| *byte != 0)?;
        let number = number.get(at..)?;
        let negative = number.first().is_some_and(|byte| *byte >= 0x80);
        inside.push(2);
        inside.push(u8::try_from(number.len() + usize::from(negative)).ok()?);
        inside.extend(negative.then_some(0));
        inside.extend_from_slice(number);
    }
    let mut out = vec![0x30, u8::try_from(inside.len()).ok()?];
    out.append(&mut inside);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_become_a_sequence() {
        let mut raw = [0; 64];
        (raw[31], raw[32], raw[63]) = (1, 0x80, 2);
        let written = der(&raw).unwrap();
        assert_eq!(written[..5], [0x30, 3 + 2 + 33, 2, 1, 1]);
        assert_eq!(written[5..9], [2, 33, 0, 0x80]);
        assert_eq!((written.len(), written.last()), (2 + 3 + 35, Some(&2)));
        for bad in [&raw[..63], &[0; 64], &[]] {
            assert!(der(bad).is_none());
        }
    }

    #[test]
    fn a_token_is_named_by_module_and_labels() {
        let token: Token = "pkcs11:/usr/lib/x.so?token=my%20ca&object=root".parse().unwrap();
        assert_eq!((token.token.as_str(), token.object.as_str()), ("my ca", "root"));
        for bad in
            ["pkcs11:x.so?token=a&object=b", "pkcs11:/x.so", "pkcs11:/x.so?token=a", "pkcs11:/x.so?token=a&object=b&pin-value=1", "/x.pem"]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
