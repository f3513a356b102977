//! What a name says of the value that stands beside it.

/// The longest name that is looked at, in bytes.
pub(super) const LONGEST: usize = 96;

/// What a name calls its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A password or a phrase that a person may have chosen.
    Password,
    /// A key or a token that a machine made.
    Key,
    /// A key of something unknown, which only its look tells from one that everybody may have.
    Likely,
}

/// Parts of names that say "password".
const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "pw",
    "passwort",
    "kennwort",
    "contrasena",
    "contraseña",
    "motdepasse",
    "senha",
    "wachtwoord",
    "requirepass",
    "masterauth",
    "mdp",
    "passe",
    "identified",
    "psk",
    "пароль",
    "Пароль",
    "пароля",
    "лозинка",
    "Лозинка",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "비밀번호",
    "비밀번호는",
    "암호",
    "hasło",
    "hasla",
    "heslo",
    "jelszó",
    "lösenord",
    "lösenordet",
    "adgangskode",
    "adgangskoden",
    "passord",
    "passordet",
    "salasana",
    "geslo",
    "lozinka",
    "zaporka",
    "slaptažodis",
    "parole",
    "parola",
    "parolası",
    "parolanız",
    "şifre",
    "şifresi",
    "şifreniz",
    "Şifre",
    "κωδικός",
    "Κωδικός",
    "סיסמה",
    "הסיסמה",
    "المرور",
    "السر",
    "khẩu",
    "sandi",
    "รหัสผ่าน",
];
/// Ends of words that say "password".
const PASSWORD_ENDS: &[&str] = &[
    "パスワードは",
    "密码是",
    "密码为",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "비밀번호",
    "암호",
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "passphrase",
    "pwd",
];
/// Parts that say "key" by themselves.
const KEYS: &[&str] = &[
    "token",
    "secret",
    "credential",
    "credentials",
    "apikey",
    "accesskey",
    "secretkey",
    "authtoken",
    "accesstoken",
    "apitoken",
    "bearer",
    "jwt",
    "pat",
    "privatekey",
];
/// What makes `key` a secret one.
const OF_KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "encryption",
    "encrypt",
    "signing",
    "sign",
    "auth",
    "master",
    "session",
    "client",
    "service",
    "account",
    "app",
    "application",
    "admin",
    "deploy",
    "webhook",
    "jwt",
    "hmac",
    "storage",
    "license",
    "aes",
    "cipher",
    "integration",
    "root",
    "user",
    "bot",
    "shared",
    "write",
    "ingest",
    "subscription",
    "django",
    "flask",
    "rails",
    "cookie",
    "crypt",
    "decrypt",
    "decryption",
    "data",
    "kms",
    "vapid",
    "merchant",
    "server",
    "rest",
    "live",
    "license",
];
/// What makes a key one of data, of an interface or of everybody.
const OF_DATA: &[&str] = &[
    "object",
    "item",
    "row",
    "record",
    "route",
    "group",
    "map",
    "dict",
    "idempotency",
    "dedupe",
    "dedup",
    "translation",
    "blob",
    "lang",
    "locale",
    "product",
    "order",
    "event",
    "trace",
    "span",
    "hot",
    "short",
    "arrow",
    "tab",
    "press",
    "down",
    "up",
    "composite",
    "unique",
    "natural",
    "parent",
    "left",
    "right",
    "registry",
    "config",
    "meta",
    "metadata",
    "host",
    "known",
    "ssh",
    "gpg",
    "pgp",
    "pubkey",
    "minisign",
    "verify",
    "verification",
    "cert",
    "certificate",
    "image",
    "build",
    "test",
    "expected",
    "long",
    "property",
    "react",
    "dom",
    "hkey",
];
/// Parts that say that the value is none, or one that everybody may have.
const HARMLESS: &[&str] = &[
    "public",
    "publishable",
    "pub",
    "next",
    "prev",
    "previous",
    "page",
    "paging",
    "pagination",
    "continuation",
    "cursor",
    "sync",
    "count",
    "max",
    "min",
    "limit",
    "len",
    "length",
    "size",
    "type",
    "types",
    "kind",
    "name",
    "names",
    "field",
    "label",
    "hint",
    "placeholder",
    "prompt",
    "url",
    "uri",
    "endpoint",
    "path",
    "file",
    "dir",
    "folder",
    "expires",
    "expiry",
    "expiration",
    "expire",
    "ttl",
    "policy",
    "rule",
    "rules",
    "format",
    "regex",
    "pattern",
    "schema",
    "ref",
    "arn",
    "version",
    "id",
    "ids",
    "index",
    "idx",
    "hash",
    "fingerprint",
    "digest",
    "checksum",
    "usage",
    "price",
    "cost",
    "budget",
    "per",
    "bucket",
    "design",
    "css",
    "style",
    "color",
    "theme",
    "stop",
    "special",
    "eos",
    "bos",
    "pad",
    "unk",
    "sep",
    "mask",
    "cls",
    "vocab",
    "tokenizer",
    "reset",
    "forgot",
    "change",
    "confirm",
    "confirmation",
    "show",
    "hide",
    "toggle",
    "required",
    "enabled",
    "valid",
    "invalid",
    "error",
    "message",
    "title",
    "description",
    "text",
    "strength",
    "generator",
    "manager",
    "provider",
    "store",
    "rotation",
    "age",
    "days",
    "lookup",
    "partition",
    "sort",
    "primary",
    "foreign",
    "cache",
    "etag",
    "resume",
    "change",
    "symbol",
    "contract",
    "mint",
    "stats",
    "input",
    "output",
    "prompt",
    "completion",
    "total",
    "cached",
    "header",
    "prefix",
    "suffix",
    "separator",
    "delimiter",
    "env",
    "var",
    "variable",
    "key2value",
    "mgr",
    "realm",
    "handler",
    "request",
    "response",
    "callback",
    "checker",
    "validator",
    "hasher",
    "widget",
    "dialog",
    "exception",
    "options",
    "websocket",
    "with",
];

/// What `name` calls its value, if that lets its holder in.
pub(super) fn sort(name: &[u8]) -> Option<Sort> {
    let mut found = None;
    let (mut key, mut last, mut of_keys, mut harmless, mut data, mut count) = (false, false, false, false, false, 0);
    words(name, |word| {
        if PASSWORDS.contains(&word) || PASSWORD_ENDS.iter().any(|end| word.ends_with(end)) || compound(word) {
            found = Some(Sort::Password);
        } else if KEYS.contains(&word) {
            found = found.or(Some(Sort::Key));
        }
        key |= word == "key" || word == "keys";
        last = word == "key";
        of_keys |= OF_KEYS.contains(&word);
        data |= OF_DATA.contains(&word);
        count += 1;
        harmless |= HARMLESS.contains(&word);
    });
    if harmless {
        return None;
    }
    found.or((key && of_keys).then_some(Sort::Key)).or((last && !data && count >= 2).then_some(Sort::Likely))
}

/// `dbpass`, `bindpw`: whose password it is, and a short word for it.
fn compound(word: &str) -> bool {
    const WHOSE: &[&str] = &[
        "db", "user", "usr", "root", "admin", "my", "mail", "smtp", "ftp", "ssh", "login", "key", "auth", "sudo", "vpn", "wifi", "web",
        "app", "sql", "mysql", "pg", "redis", "ldap", "imap", "master", "store", "bind", "proxy", "svc", "sys", "temp", "new", "default",
    ];
    word.strip_suffix("pass").or_else(|| word.strip_suffix("pw")).is_some_and(|whose| WHOSE.contains(&whose))
}

/// Gives the words of a name, in lower case: parted at what is no letter or digit and where the case rises.
fn words(name: &[u8], mut with: impl FnMut(&str)) {
    let mut word = [0_u8; 32];
    let mut len = 0;
    let mut flush = |word: &[u8; 32], len: &mut usize| {
        if let Ok(text) = std::str::from_utf8(word.get(..*len).unwrap_or_default())
            && !text.is_empty()
        {
            let bare = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
            with(if bare.is_empty() { text } else { bare });
        }
        *len = 0;
    };
    for (at, byte) in name.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|at| name.get(at).copied()).unwrap_or(b'_');
        let after = name.get(at + 1).copied().unwrap_or(b'_');
        let rises = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || before.is_ascii_digit() || (before.is_ascii_uppercase() && after.is_ascii_lowercase()));
        let part = byte.is_ascii_alphanumeric() || byte >= 0x80;
        if !part || rises {
            flush(&word, &mut len);
        }
        if part {
            if let Some(slot) = word.get_mut(len) {
                *slot = byte.to_ascii_lowercase();
            }
            len = (len + 1).min(word.len());
        }
    }
    flush(&word, &mut len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_words() {
        for name in ["DB_PASSWORD", "dbPassword", "password2", "admin-pwd", "spring.datasource.password"] {
            assert_eq!(sort(name.as_bytes()), Some(Sort::Password), "{name}");
        }
        for name in ["API_KEY", "apiKey", "accessToken", "x-api-key", "ENCRYPTION_KEY", "clientSecret", "AWSSecretKey", "stripe.api.key"] {
            assert_eq!(sort(name.as_bytes()), Some(Sort::Key), "{name}");
        }
        for name in [
            "nextPageToken",
            "max_tokens",
            "tokenizer",
            "public_key",
            "password_policy",
            "key",
            "primary_key",
            "secretName",
            "token_count",
            "SECRET_ARN",
        ] {
            assert_eq!(sort(name.as_bytes()), None, "{name}");
        }
    }
}
