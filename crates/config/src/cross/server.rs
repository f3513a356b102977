//! What must fit together in one server.

use super::Checks;
use crate::file::{Environment, Server, Transport};
use base64::Engine as _;
use std::path::{Component, Path};
use terms::ServerName;
use url::{Host, Url};

/// The name under which the gateway lists tools of its own.
const OWN: &str = "bastide";

pub(super) fn check(checks: &mut Checks<'_>, name: &ServerName, server: &Server, config: &Path) {
    let name = name.as_str();
    let of = |key| ["servers", name, key];
    if name == OWN {
        checks.misfit(&["servers", name], format!("the name {OWN} is the gateway's own: its tools are {OWN}__…; take another"));
    }
    match (&server.url, &server.image, server.run.as_slice()) {
        (None, None, []) => checks.misfit(&["servers", name], format!("servers.{name} needs \"run\", \"image\" or \"url\"")),
        (Some(_), _, [_, ..]) => checks.misfit(&of("url"), format!("servers.{name} has both \"run\" and \"url\"; keep one")),
        (Some(_), Some(_), []) => checks.misfit(&of("url"), format!("servers.{name} has both \"image\" and \"url\"; keep one")),
        (Some(url), None, []) => remote(checks, name, server, url),
        (None, None, [program, ..]) => {
            runs(checks, name, program);
            local(checks, name, server, config);
        }
        (None, Some(found), words) => {
            image(checks, name, found, words);
            if !server.secrets.is_empty() {
                let message = "Podman keeps the variables of a container unsealed on its disk, so no credential is handed to one; \
                     run the server's program by `run`, or reach it by `url`";
                checks.misfit(&of("secrets"), message);
            }
            local(checks, name, server, config);
        }
    }
    for (key, span) in [("call", server.call), ("idle", server.idle)] {
        if span.duration().is_zero() {
            checks.misfit(&of(key), format!("servers.{name}.{key} must be more than nothing"));
        }
    }
    let bearer = server.auth.as_ref().and_then(|auth| auth.bearer.as_ref()).map(|reference| (vec!["auth", "bearer"], reference));
    let secrets = server.secrets.iter().map(|(variable, reference)| (vec!["secrets", variable.as_str()], reference));
    for (key, reference) in bearer.into_iter().chain(secrets) {
        if reference.owner() != name {
            let path: Vec<&str> = ["servers", name].into_iter().chain(key).collect();
            let message = format!("{name} uses vault:{reference}, a credential of another owner; each server should have its own");
            checks.warn(&path, message);
        }
    }
}

fn remote(checks: &mut Checks<'_>, name: &str, server: &Server, url: &Url) {
    let of = |key| ["servers", name, key];
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => checks.misfit(&of("url"), "http: is for loopback addresses only; write https:"),
        other => checks.misfit(&of("url"), format!("the scheme {other:?} is not read here; write https:")),
    }
    if holds_user(url) {
        checks.exposed(&of("url"), "a credential does not belong in a URL; use `auth: { bearer: vault:server/NAME }`");
    }
    let secret = url.query_pairs().find(|(key, _)| sounds_secret(key)).map(|(key, _)| key.into_owned());
    if let Some(key) = secret {
        checks.exposed(&of("url"), format!("the parameter {key:?} looks like a credential, which does not belong in a URL; use `auth`"));
    }
    let present =
        |key: &str| checks.root.member("servers").and_then(|all| all.node.member(name)).is_some_and(|one| one.node.member(key).is_some());
    let foreign: Vec<&str> = ["env", "secrets", "sandbox", "instances", "idle", "restart"].into_iter().filter(|key| present(key)).collect();
    for key in foreign {
        if key != "restart" {
            checks.misfit(&of(key), format!("{key} is for servers that are started here (run), and {name} has a url"));
        }
    }
    if let Some(auth) = &server.auth {
        let tokens = usize::from(auth.bearer.is_some()) + usize::from(auth.oauth.is_some());
        if tokens > 1 || (tokens == 0 && auth.certificate.is_none()) {
            checks.misfit(&of("auth"), "auth needs one of bearer and oauth, or a certificate, or a certificate with one of them");
        }
        if auth.certificate.is_some() && url.scheme() == "http" {
            checks.misfit(&["servers", name, "auth", "certificate"], "no certificate is shown over http:");
        }
        if auth.certificate.as_ref().is_some_and(|certificate| !is_plain(&certificate.chain)) {
            checks.misfit(&["servers", name, "auth", "certificate", "chain"], "chain is an absolute path without \"..\"");
        }
    }
    for (at, pin) in server.tls.iter().flat_map(|tls| &tls.pin).enumerate() {
        let key = pin.strip_prefix("sha256/").and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        if key.is_none_or(|key| key.len() != 32) {
            let message = "a pin is sha256/ and the base64 of 32 bytes";
            checks.misfit(&["servers", name, "tls", "pin", &at.to_string()], message);
        }
    }
    if let Some(tls) = &server.tls {
        for (key, path) in [("ca", &tls.ca), ("crl", &tls.crl)] {
            if path.as_ref().is_some_and(|path| !is_plain(path)) {
                checks.misfit(&["servers", name, "tls", key], format!("{key} is an absolute path without \"..\""));
            }
        }
        if tls.report_until.is_some() && tls.pin.is_empty() {
            checks.misfit(&["servers", name, "tls", "report_until"], "there is no pin to try out");
        }
        if let Some(until) = tls.report_until {
            let message = format!("servers.{name}: until the end of {until} a key that is no pin is put on record and not refused");
            checks.warn(&["servers", name, "tls", "report_until"], message);
        }
        if tls.pin.len() == 1 {
            let message =
                format!("servers.{name}.tls.pin holds one key and no backup: when the server changes its key, it cannot be reached");
            checks.warn(&["servers", name, "tls", "pin"], message);
        }
    }
    if server.tls.is_some() && url.scheme() == "http" {
        checks.misfit(&of("tls"), "there are no keys to pin with http:");
    }
}

/// Whether there is a user or a password in `url`.
pub(super) fn holds_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn runs(checks: &mut Checks<'_>, name: &str, program: &str) {
    let bare = !program.contains('/');
    if program.is_empty() || !(bare || program.starts_with("~") || is_plain(Path::new(program))) {
        checks.misfit(&["servers", name, "run", "0"], "what is run is a bare name or an absolute path without \"..\"");
    }
}

/// An image is pinned by its digest, and nothing in it fetches what is run.
fn image(checks: &mut Checks<'_>, name: &str, image: &str, words: &[String]) {
    if sandbox::podman::Reference::new(image).is_err() {
        let message = format!(
            "servers.{name}.image names a registry and a digest, as docker.io/mcp/time@sha256:…, and no tag, which can be moved; \
             `podman pull NAME:TAG` fetches it and `podman image inspect --format '{{{{index .RepoDigests 0}}}}' NAME:TAG` tells what to write"
        );
        checks.misfit(&["servers", name, "image"], message);
    }
    if !matches!(supply::Runner::parse(words), Ok(None)) {
        checks.misfit(&["servers", name, "run"], "a package runner in an image fetches what it runs: name a program that is in the image");
    }
}

fn local(checks: &mut Checks<'_>, name: &str, server: &Server, config: &Path) {
    let of = |key| ["servers", name, key];
    if server.run.iter().any(|argument| argument.contains('\0')) {
        checks.misfit(&of("run"), "an argument cannot hold a zero byte");
    }
    for key in ["auth", "tls"] {
        if (key == "auth" && server.auth.is_some()) || (key == "tls" && server.tls.is_some()) {
            checks.misfit(&of(key), format!("{key} is for servers with a url; give a local one its credentials by `secrets`"));
        }
    }
    if server.transport != Transport::Http {
        checks.misfit(&of("transport"), "transport is for servers with a url; a local one is spoken to over its standard input and output");
    }
    for (variable, value) in &server.env {
        let path = ["servers", name, "env", variable.as_str()];
        if server.secrets.contains_key(variable) {
            checks.misfit(&path, format!("{} stands under env and under secrets", variable.as_str()));
        }
        if value.contains('\0') {
            checks.misfit(&path, "a variable cannot hold a zero byte");
        }
        warn_secret(checks, name, variable, value);
    }
    sandbox(checks, name, server, config);
}

/// Says by name that a variable holds what looks like a credential; the value is not repeated.
pub(super) fn warn_secret(checks: &mut Checks<'_>, name: &str, variable: &Environment, value: &str) {
    let variable = variable.as_str();
    if sounds_secret(variable) && !value.is_empty() && !value.starts_with("${") {
        let message = format!(
            "{variable} of {name} looks like a credential in plain text; run `bastide secret put {name}/{variable}` and write `secrets: {{ {variable}: vault:{name}/{variable} }}`"
        );
        checks.warn(&["servers", name, "env", variable], message);
    }
}

/// Whether a name of a variable, a parameter or a header sounds like a credential's.
pub(crate) fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
        "APIKEY",
        "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "DATABASE_URL",
        "DSN",
        "AUTHORIZATION",
        "COOKIE",
    ];
    parts.iter().any(|part| name.contains(part))
        || name.ends_with("_KEY")
        || name.ends_with("-KEY")
        || name == "KEY"
        || name.ends_with("_PAT")
}

fn sandbox(checks: &mut Checks<'_>, name: &str, server: &Server, config: &Path) {
    let sandbox = &server.sandbox;
    for (key, folders) in [("read", &sandbox.read), ("write", &sandbox.write)] {
        for (at, folder) in folders.iter().enumerate() {
            let at = at.to_string();
            let path = ["servers", name, "sandbox", key, at.as_str()];
            if folder.starts_with("~") {
                continue;
            }
            if !is_plain(folder) {
                checks.misfit(&path, "a folder of a sandbox is an absolute path without \"..\"");
            } else if meets(folder, &checks.file.state) {
                checks.misfit(&path, format!("{} holds the state folder or lies in it; name a narrower folder", folder.display()));
            } else if holds_config(folder, config) {
                checks.misfit(&path, format!("{} holds the configuration; name a narrower folder", folder.display()));
            }
        }
    }
    if let Err((at, unfit)) = egress::Rules::new(&sandbox.egress) {
        checks.misfit(&["servers", name, "sandbox", "egress", &at.to_string()], unfit.to_string());
    }
    for (key, count) in [("connections", sandbox.traffic.connections), ("opening", sandbox.traffic.opening)] {
        if count == 0 {
            checks.misfit(&["servers", name, "sandbox", "traffic", key], format!("sandbox.traffic.{key} must be more than nothing"));
        }
    }
    let least = [
        ("memory", sandbox.memory.bytes()),
        ("cpu", sandbox.cpu.into()),
        ("processes", sandbox.processes.into()),
        ("files", sandbox.files.into()),
    ];
    for (key, amount) in least {
        if amount == 0 {
            checks.misfit(&["servers", name, "sandbox", key], format!("sandbox.{key} must be more than nothing"));
        }
    }
}

/// Whether `path` is absolute and has no `..`.
pub(super) fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

fn meets(folder: &Path, state: &Path) -> bool {
    state.starts_with(folder) || folder.starts_with(state)
}

/// Whether `folder` holds the file, the lock or the policies beside it.
fn holds_config(folder: &Path, config: &Path) -> bool {
    config.starts_with(folder)
        || config.parent().is_some_and(|beside| beside != Path::new("") && folder.starts_with(beside) && is_own(folder, beside))
}

/// Whether `folder` is the folder of the file, or its `policies`.
fn is_own(folder: &Path, beside: &Path) -> bool {
    folder == beside || folder.starts_with(beside.join("policies")) || folder == beside.join("bastide.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_known() {
        for secret in ["GITHUB_TOKEN", "db_password", "OPENAI_API_KEY", "X-Api-Key", "GH_PAT", "Authorization", "DATABASE_URL"] {
            assert!(sounds_secret(secret), "{secret}");
        }
        for plain in ["REGION", "HOME", "KEYBOARD", "PATH", "LOG_LEVEL"] {
            assert!(!sounds_secret(plain), "{plain}");
        }
    }
}
