//! The environment of a server: what it was given, and a minimal `PATH`.

use crate::Error;
use std::collections::BTreeMap;
use terms::Secret;

/// The `PATH` of a server that was given none.
pub const MINIMAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a server's environment holds; nothing is inherited.
#[derive(Debug)]
pub struct Environment {
    values: BTreeMap<String, Value>,
}

#[derive(Debug)]
enum Value {
    Plain(String),
    Sealed(Secret<String>),
}

impl Environment {
    /// [`MINIMAL_PATH`] and nothing else.
    pub fn minimal() -> Self {
        Self { values: BTreeMap::from([("PATH".to_owned(), Value::Plain(MINIMAL_PATH.to_owned()))]) }
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// [`Error::Variable`] when the name is not letters, digits and `_` without a digit in front, or the value holds a NUL.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), Error> {
        check(name, &value)?;
        self.values.insert(name.to_owned(), Value::Plain(value));
        Ok(())
    }

    /// Sets a variable to a credential, which is opened only on its way to the process.
    ///
    /// # Errors
    /// As [`Environment::set`]; the value is not part of the error.
    pub fn seal(&mut self, name: &str, value: Secret<String>) -> Result<(), Error> {
        check(name, value.open())?;
        self.values.insert(name.to_owned(), Value::Sealed(value));
        Ok(())
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(crate) fn opened(&self) -> BTreeMap<&str, &str> {
        self.values.iter().map(|(name, value)| (name.as_str(), value_of(value))).collect()
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::minimal()
    }
}

fn value_of(value: &Value) -> &str {
    match value {
        Value::Plain(text) => text,
        Value::Sealed(secret) => secret.open(),
    }
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && name.len() <= 256
        && !value.contains('\0');
    if fits { Ok(()) } else { Err(Error::Variable(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_checked_and_secrets_not_shown() {
        let mut environment = Environment::minimal();
        environment.set("REGION", "eu".into()).unwrap();
        environment.seal("KEY", Secret::new("s3cret".into())).unwrap();
        for bad in ["", "1A", "A=B", "A B", "é", "A\0"] {
            assert!(environment.set(bad, String::new()).is_err(), "{bad:?}");
        }
        let fault = environment.seal("KEY", Secret::new("s3cret\0".into())).unwrap_err();
        assert!(!format!("{fault:?} {environment:?}").contains("s3cret"));
        assert_eq!(environment.opened(), BTreeMap::from([("KEY", "s3cret"), ("PATH", MINIMAL_PATH), ("REGION", "eu")]));
    }
}
