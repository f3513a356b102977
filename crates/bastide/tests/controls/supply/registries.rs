//! `supply.pinning` of packages: which registry a name is looked for in is what the user's own settings say, and one alone.

use super::packages::{NPM, PYTHON, npm, pypi, trees, world};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use testkit::{Registry, World, is_there, run};

const TOKEN: &str = "npm_t0ken-of-the-user-4411";
const PASSWORD: &str = "pa55word-of-the-user-4411";
const LINE: &str = "[npx, \"@tiny/tiny-server@1.0.0\", x]";
const PYTHON_LINE: &str = "[uvx, tiny-server==1.0, x]";

/// Writes a file of the user's.
fn home(world: &World, name: &str, text: &str, mode: u32) {
    let path = world.path("home").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Locks with nothing in the environment that says of a registry.
fn lock(world: &World) -> Output {
    let mut command = world.command(&["lock", "--yes", "--server", "tiny"]);
    run(Registry::untold(&mut command).env("TINY_TOKEN", TOKEN), b"")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The address of a registry without its scheme.
fn host(registry: &Registry) -> String {
    registry.url("").trim_start_matches("http://").to_owned()
}

#[test]
fn the_registry_of_npmrc_is_asked_with_its_credential_which_is_kept_nowhere() {
    if !is_there(&NPM) {
        return;
    }
    let registry = Registry::start();
    npm(&registry, "1.0.0");
    let mut world = world(LINE);
    let file = format!("registry={}\n//{}:_authToken=${{TINY_TOKEN}}\nscript-shell=/bin/false\n", registry.url(""), host(&registry));
    home(&world, ".npmrc", &file, 0o600);
    let output = lock(&world);
    assert!(output.status.success(), "{}", said(&output));
    assert!(registry.shown().contains(&format!("Bearer {TOKEN}")), "{:?}", registry.shown());
    assert!(!world.holds("state", TOKEN.as_bytes()) && !said(&output).contains(TOKEN), "the credential was kept");
    let asked = registry.asked();
    world.json(&["lock", "--yes"]);
    world.serve();
    assert_eq!(world.agent().call("tiny__hello", json!({})).text(), "hello x");
    assert_eq!(registry.asked(), asked, "the registry was asked at a start");
}

#[test]
fn a_scope_is_looked_for_where_it_belongs_and_nowhere_else() {
    if !is_there(&NPM) {
        return;
    }
    let (general, own) = (Registry::start(), Registry::start());
    npm(&general, "1.0.0");
    let world = world(LINE);
    let file = format!("registry={}\n@tiny:registry={}\n//{}:_authToken={TOKEN}\n", general.url(""), own.url(""), host(&general));
    home(&world, ".npmrc", &file, 0o600);
    let output = lock(&world);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("is not in the registry"), "{}", said(&output));
    assert!(general.asked() == 0 && own.asked() > 0, "a name of the scope was told to another registry");
    assert_eq!(own.shown(), Vec::<String>::new(), "the credential of another registry");
    npm(&own, "1.0.0");
    let output = lock(&world);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(general.asked(), 0);
}

#[test]
fn the_index_of_pip_conf_is_asked_with_its_credential_which_is_kept_nowhere() {
    if !is_there(&PYTHON) {
        return;
    }
    let index = Registry::start();
    pypi(&index, "1.0");
    let world = world(PYTHON_LINE);
    let file = format!("[global]\nindex-url = http://ana:{PASSWORD}@{}simple/\n", host(&index));
    home(&world, ".config/pip/pip.conf", &file, 0o600);
    let output = lock(&world);
    assert!(output.status.success(), "{}", said(&output));
    assert!(index.shown().iter().any(|shown| shown.starts_with("Basic ")), "{:?}", index.shown());
    assert!(!world.holds("state", PASSWORD.as_bytes()) && !said(&output).contains(PASSWORD), "the credential was kept");
}

#[test]
fn settings_that_cannot_be_followed_are_refused_before_anybody_is_asked() {
    if !is_there(&[NPM[0], NPM[1], PYTHON[0]]) {
        return;
    }
    let registry = Registry::start();
    npm(&registry, "1.0.0");
    pypi(&registry, "1.0");
    let (url, index) = (registry.url(""), registry.url("simple/"));
    for (line, name, text, mode, wanted) in [
        (LINE, ".npmrc", format!("registry={url}\n"), 0o666, "written by others"),
        (LINE, ".npmrc", format!("registry={url}\n//{}:_authToken=${{NOT_SET_ANYWHERE}}\n", host(&registry)), 0o600, "not set"),
        (PYTHON_LINE, ".config/pip/pip.conf", format!("[global]\nindex-url={index}\n"), 0o622, "written by others"),
        (
            PYTHON_LINE,
            ".config/pip/pip.conf",
            format!("[global]\nindex-url={index}\nextra-index-url=\n  {index}\n"),
            0o600,
            "extra-index-url",
        ),
        (PYTHON_LINE, ".pip/pip.conf", format!("[install]\nfind-links = {index}\n"), 0o600, "find-links"),
    ] {
        let world = world(line);
        home(&world, name, &text, mode);
        let output = lock(&world);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{wanted}: {}", said(&output));
        assert_eq!(trees(&world).len(), 0, "something was left behind");
    }
    assert_eq!(registry.asked(), 0);
}
