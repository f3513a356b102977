//! `runtime.sandbox`, `supply.pinning`: a server from an image is named by its digest, approved, started through Podman with the restrictions of the sandbox,
//! and nothing of it is left. Once with a stand-in for Podman, which shows what it is told; once with Podman, where that works.

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use testkit::{Setup, World};

/// Notes how it was called, and runs the words behind the image as they are. Of the images it has those whose digest begins with `0a`.
const DOUBLE: &str = r#"#!/bin/sh
echo "$*" >> NOTES
case "$1" in
run) while [ "$1" != "--" ]; do shift; done; shift 2; exec "$@" ;;
image) case "$3" in *@sha256:0a*) ;; *) exit 1 ;; esac ;;
esac
"#;

/// A world whose server `boxed` is a canary in `image`.
fn setup(image: &str, words: &str) -> Setup {
    let entry = format!("image: {image}\nrun: [{words}]\nenv: {{ CANARY_TOKEN: plain }}");
    World::with()
        .server("boxed", &entry)
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], boxed: [\"*\"] }")
}

/// A world in which the stand-in is found where Podman would be, and what that noted; none where no mount namespace can be had for it.
fn doubled() -> Option<World> {
    let setup = setup(&format!("localhost/canary@sha256:{}", "0a".repeat(32)), "\"{bin}/canary-server\", --notes, \"{box}\"");
    let able = Command::new("unshare").args(["--mount", "--propagation", "private", "mount", "--bind", "/tmp", "/usr/local/bin"]).output();
    if !able.as_ref().is_ok_and(|able| able.status.success()) {
        println!("skipped: the stand-in for Podman cannot be mounted: {able:?}");
        return None;
    }
    let wrapper = "#!/bin/sh\nexec unshare --mount --propagation private /bin/sh -c 'mount --bind ROOT/double /usr/local/bin && exec PROGRAM \"$@\"' sh \"$@\"\n";
    let setup = setup.file("double/podman", DOUBLE).file("wrapped", wrapper);
    let root = setup.path();
    for (name, from, to) in [
        ("double/podman", "NOTES", root.join("notes").display().to_string()),
        ("wrapped", "ROOT", root.display().to_string()),
        ("wrapped", "PROGRAM", env!("CARGO_BIN_EXE_bastide").to_owned()),
    ] {
        let path = root.join(name);
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace(from, &to)).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let wrapped = root.join("wrapped").display().to_string();
    Some(setup.program(&wrapped).write())
}

fn noted(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn locked(world: &World) -> Value {
    let text = std::fs::read_to_string(world.path("bastide.lock")).unwrap();
    let body = text.rsplit_once("signature ").unwrap().0;
    serde_json::from_str::<Value>(body).unwrap()["servers"]["boxed"]["content"].clone()
}

#[test]
fn a_server_from_an_image_is_pinned_started_and_removed() {
    let Some(mut world) = doubled() else { return };
    let image = format!("localhost/canary@sha256:{}", "0a".repeat(32));
    world.json(&["lock", "--yes"]);
    assert_eq!((&locked(&world)["kind"], &locked(&world)["image"]), (&json!("image"), &json!(image)));
    world.serve();
    assert!(noted(&world).iter().any(|line| line.starts_with("ps --all --quiet --no-trunc --filter=label=dev.bastide.state=")));
    assert_eq!(world.agent().call("boxed__echo", json!({"text": "hi"})).text(), "hi");
    let runs: Vec<String> = noted(&world).into_iter().filter(|line| line.starts_with("run ")).collect();
    let run = runs.last().unwrap();
    for word in
        ["--pull=never", "--network=none", "--cap-drop=all", "--security-opt=no-new-privileges", "--read-only", "--env=CANARY_TOKEN=plain"]
    {
        assert!(run.split(' ').any(|found| found == word), "{word}: {run}");
    }
    assert!(run.contains(&format!(" -- {image} ")), "{run}");
    let name = run.split(' ').find_map(|word| word.strip_prefix("--name=")).unwrap().to_owned();
    assert!(name.starts_with("bastide-boxed-"), "{name}");
    world.json(&["kill", "--server", "boxed", "--reason", "a test"]);
    super::until(|| noted(&world).iter().any(|line| line.starts_with("rm --force ") && line.ends_with(&format!(" {name}"))));
    world.json(&["release", "--server", "boxed", "--reason", "a test"]);
    // Another digest is another content: it is not started until it was approved, and what is not here is not fetched.
    let other = image.replace("0a0a", "0a0b");
    world.edit(&image, &other);
    world.stop();
    world.serve();
    let before = noted(&world).len();
    assert_eq!(world.agent().call("boxed__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    assert!(!noted(&world)[before..].iter().any(|line| line.starts_with("run ")));
    let absent = image.replace("0a", "0b");
    world.edit(&other, &absent);
    let locked = world.run(&["lock", "--yes"]);
    let said = format!("{}{}", String::from_utf8_lossy(&locked.stdout), String::from_utf8_lossy(&locked.stderr));
    assert!(said.contains(&format!("podman pull {absent}")), "{said}");
    assert!(!noted(&world).iter().any(|line| line.starts_with("pull")));
}

#[test]
fn doctor_tries_podman_and_says_what_came_of_it() {
    let Some(world) = doubled() else { return };
    let finding = |world: &World| {
        let said = world.run(&["doctor", "--json"]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        said["findings"].as_array().unwrap().iter().find(|found| found["name"] == "podman").cloned()
    };
    let found = finding(&world).unwrap();
    assert!(found["detail"].as_str().unwrap().starts_with("boxed: holds a container of localhost/canary@"), "{found}");
    let verbs: Vec<String> = noted(&world).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs[verbs.len() - 4..], ["image", "create", "init", "rm"]);
    let double = std::fs::read_to_string(world.path("double/podman")).unwrap();
    std::fs::write(
        world.path("double/podman"),
        double.replace("case \"$1\" in", "case \"$1\" in\ninit) echo 'no cgroups here' >&2; exit 126 ;;"),
    )
    .unwrap();
    let found = finding(&world).unwrap();
    assert!(found["detail"].as_str().unwrap().contains("podman init: no cgroups here"), "{found}");
    assert!(noted(&world).last().unwrap().starts_with("rm --force "));
}

/// The libraries of a program, as `ldd` tells them.
fn libraries(program: &Path) -> Vec<String> {
    let said = Command::new("ldd").arg(program).output().unwrap();
    let words = String::from_utf8(said.stdout).unwrap();
    words.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn podman_holds_a_server_of_an_image() {
    let ran = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.ok().filter(|output| output.status.success()).map(|output| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    if ran("podman", &["info"]).is_none() {
        return println!("skipped: Podman is not here, or does not work");
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("tmp")).unwrap();
    std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    let canary = testkit::binary("bastide-testkit", "canary-server");
    for file in libraries(&canary).into_iter().chain([canary.display().to_string()]) {
        let to = if Path::new(&file) == canary { root.join("canary-server") } else { root.join(file.trim_start_matches('/')) };
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    let archive = folder.path().join("image.tar").display().to_string();
    let tag = format!("localhost/bastide-canary:{}", std::process::id());
    ran("tar", &["-C", &root.display().to_string(), "-cf", &archive, "."]).unwrap();
    ran("podman", &["import", "--quiet", &archive, &tag]).unwrap();
    let digest = ran("podman", &["image", "inspect", &tag, "--format", "{{.Digest}}"]).unwrap();
    let mut world = setup(&format!("localhost/bastide-canary@{digest}"), "/canary-server, --notes, /tmp").write();
    let said: Value = serde_json::from_slice(&world.run(&["doctor", "--json"]).stdout).unwrap();
    let found = said["findings"].as_array().unwrap().iter().find(|found| found["name"] == "podman").unwrap().clone();
    if !found["detail"].as_str().unwrap().contains("holds a container") {
        ran("podman", &["rmi", &tag]);
        return println!("skipped: Podman is here and holds no container: {found}");
    }
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.call("boxed__echo", json!({"text": "hi"})).text(), "hi");
    let containers = || ran("podman", &["ps", "--all", "--format", "{{.Names}}", "--filter=name=bastide-boxed-"]).unwrap();
    let own = format!("-{}-", world.gateway().pid());
    assert!(containers().contains(&own), "{}", containers());
    world.json(&["kill", "--server", "boxed", "--reason", "a test"]);
    super::until(|| !containers().contains(&own));
    world.json(&["release", "--server", "boxed", "--reason", "a test"]);
    // A gateway that is killed leaves a container, dead or not; the next one removes it.
    assert_eq!(world.agent().call("boxed__echo", json!({"text": "hi"})).text(), "hi");
    world.crash();
    world.serve();
    super::until(|| !containers().contains(&own));
    assert_eq!(world.agent().call("boxed__echo", json!({"text": "again"})).text(), "again");
    assert_eq!(world.stop(), Some(0));
    ran("podman", &["rmi", "--force", &tag]);
}
