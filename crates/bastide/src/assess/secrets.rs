//! Probes of the group `secrets` that need no canary.

use super::ground::{A, Ground};
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::canary;
use crate::host::SystemEntropy;
use config::{Backend, Unlock};
use http::Method;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use terms::Entropy as _;

/// Where the credential of [`vault()`] is put, for as long as the assessment takes.
const OWN: &str = "bastide-assess/probe";
/// Files larger than this are searched in their first part.
const MOST_BYTES: u64 = 64 << 20;

/// The vault and the folder that it lies in.
pub async fn vault(ground: &Ground, steps: &mut Steps) -> Probed {
    // What is issued here is what the state folder is searched for.
    ground.issue(A, Duration::from_secs(120), None).await?;
    let status = ground.view("asked whether the vault is open", "/api/v1/status").await?;
    let vault = status.get("vault").and_then(Value::as_str).unwrap_or("unknown");
    steps.equal("asked whether the vault is open", "open", vault);

    let (unlock, backend) = (ground.file().vault.unlock, ground.file().vault.backend);
    let apart = matches!(unlock, Unlock::Keychain | Unlock::Pkcs11 | Unlock::Tpm) || backend != Backend::File;
    let found = format!("{unlock:?}, {backend:?}").to_lowercase();
    steps.note("asked what unlocks the vault, and where it is", "keychain, hardware or an outside vault", found, apart);

    let mode = |path: &Path| std::fs::symlink_metadata(path).map(|facts| facts.permissions().mode() & 0o777);
    let folder = mode(ground.state()).map_err(|fault| Trouble::new("read the mode of the state folder", fault))?;
    steps.equal("read the mode of the state folder", "700".to_owned(), format!("{folder:o}"));
    let files = ground.state_files();
    let name = |path: &Path| path.strip_prefix(ground.state()).unwrap_or(path).display().to_string();
    let open: Vec<String> = files
        .iter()
        .filter_map(|path| mode(path).ok().map(|mode| (path, mode)))
        .filter(|(_, mode)| mode & 0o077 != 0)
        .map(|(path, mode)| format!("{} {mode:o}", name(path)))
        .collect();
    steps.none(format!("looked for files that others may use, among {}", files.len()), &open);

    let held = ground.held_secrets().await?;
    let missing: Vec<String> = referred(ground).into_iter().filter(|place| !held.contains(place)).collect();
    steps.none("looked for credentials that the configuration names and the vault does not hold", &missing);

    let secret = drawn();
    ground.put_secret(OWN, &secret).await?;
    let kept = ground.held_secrets().await?.iter().any(|held| held == OWN);
    steps.note(
        "put a credential made for this run into the vault",
        "it is held",
        if kept { "it is held" } else { "it is not there" },
        kept,
    );
    let tokens = ground.issued();
    let needles: Vec<Vec<u8>> = tokens
        .iter()
        .map(|token| token.text.clone())
        .chain(canary::encodings(&secret).into_iter().map(|(_, form)| form))
        .map(String::into_bytes)
        .collect();
    let files = ground.state_files();
    let (searched, bytes, hits) = tokio::task::spawn_blocking(move || search(&files, &needles))
        .await
        .map_err(|fault| Trouble::new("searched the state folder", fault))?;
    let did = format!("looked for the credential and for {} tokens of probes in {searched} files, {bytes} bytes", tokens.len());
    steps.none(did, &hits);
    Ok(Finding::Judged)
}

/// A credential that nobody could guess, in plain letters and digits.
pub fn drawn() -> String {
    let mut bytes = [0_u8; 24];
    SystemEntropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "Zq"
}

/// The places in the vault that the configuration names.
fn referred(ground: &Ground) -> Vec<String> {
    let servers = ground.file().servers.values();
    let of = |server: &config::Server| {
        let bearer = server.auth.as_ref().and_then(|auth| auth.bearer.as_ref()).map(ToString::to_string);
        server.secrets.values().map(ToString::to_string).chain(bearer).collect::<Vec<_>>()
    };
    let mut places: Vec<String> = servers.flat_map(of).collect();
    places.sort();
    places.dedup();
    places
}

/// Files that were searched, their bytes, and those that hold one of `needles`.
pub fn search(files: &[std::path::PathBuf], needles: &[Vec<u8>]) -> (usize, u64, Vec<String>) {
    use std::io::Read as _;
    let (mut searched, mut total, mut hits) = (0, 0, Vec::new());
    for path in files {
        let Ok(file) = std::fs::File::open(path) else { continue };
        let mut bytes = Vec::new();
        if file.take(MOST_BYTES).read_to_end(&mut bytes).is_err() {
            continue;
        }
        searched += 1;
        total += u64::try_from(bytes.len()).unwrap_or(0);
        if needles.iter().any(|needle| holds(&bytes, needle)) {
            hits.push(path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
        }
    }
    (searched, total, hits)
}

/// Whether `bytes` hold `needle`. An empty one is nowhere.
pub fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, _)) = needle.split_first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let Some(from) = rest.get(at..) else { return false };
        if from.starts_with(needle) {
            return true;
        }
        rest = from.get(1..).unwrap_or_default();
    }
    false
}

/// A token in a URL.
pub async fn no_urls(ground: &Ground, steps: &mut Steps) -> Probed {
    let token = ground.issue(A, Duration::from_secs(120), None).await?;
    let agent = ground.stranger().await?;
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#;
    for (what, agent) in [("alone", agent.clone()), ("beside a good header", agent.with(Some(&token.text)))] {
        for key in ["access_token", "api_key"] {
            let reply = agent.send(Method::POST, &format!("/mcp?{key}={}", token.text), hello, &[]).await?;
            let ok = reply.status == 400 && reply.code().is_some_and(|code| code.starts_with("secrets.no-urls/"));
            steps.note(format!("sent a token as `{key}` in the query, {what}"), "400 secrets.no-urls", reply.said(), ok);
            let record = ground.record_of(&reply).await?;
            let word = |key: &str| record.as_ref().and_then(|record| record.get(key)?.as_str()).unwrap_or("nothing");
            let found = format!("{}, severity {}", word("event"), word("severity"));
            steps.equal("looked for the event in the log", "secrets.url, severity high".to_owned(), found);
        }
    }
    let told: Vec<String> =
        ground.records().await?.iter().filter(|record| record.to_string().contains(&token.text)).map(|_| "a record".to_owned()).collect();
    steps.none("looked for the token in the log", &told);

    let mut urls = Vec::new();
    for (name, server) in &ground.file().servers {
        let Some(url) = &server.url else { continue };
        let keyed = url.query_pairs().any(|(key, value)| !value.is_empty() && is_key(&key));
        if keyed || url.password().is_some() || !url.username().is_empty() {
            urls.push(name.to_string());
        }
    }
    steps.none("looked for credentials in the URLs of servers", &urls);
    Ok(Finding::Judged)
}

fn is_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "key", "auth", "secret", "password", "credential"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_wherever_it_lies() {
        assert!(holds(b"xxabab-abc", b"abc") && holds(b"abc", b"abc") && holds(b"aabc", b"abc"));
        assert!(!holds(b"ab", b"abc") && !holds(b"abc", b"") && !holds(b"", b"a"));
    }
}
