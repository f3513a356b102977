//! `tools.files`: a path leads into the folders that were opened, in every reading and through every link.

use super::{does_not_start, facts, guarded, passes, refuses};
use serde_json::json;
use std::os::unix::fs::symlink;
use testkit::World;

const POLICY: &str = "{ guard: files, roots: [/srv/data, /var/tmp/box], write: true }";

#[test]
fn paths_under_the_folders_arrive_as_they_are() {
    let world = guarded(POLICY);
    let mut agent = world.agent();
    passes(&mut agent, &["/srv/data/a.txt", "notes/été (1).txt", "/var/tmp/box/100%.txt", "/srv/data/a/../b//c.txt"]);
    let last = facts(&world);
    assert_eq!((&last["guard"], &last["operation"], &last["normal"]), (&json!("files"), &json!("write"), &json!("/srv/data/b/c.txt")));
}

#[test]
fn what_leads_out_in_any_reading_is_refused() {
    let world = guarded(POLICY);
    let texts = [
        ("/etc/passwd", "tools.files/outside"),
        ("../secret", "tools.files/outside"),
        ("/srv/database/x", "tools.files/outside"),
        ("/srv/data/%2e%2e/%2e%2e/etc/passwd", "tools.files/outside"),
        ("/srv/data/..%252f..%252fetc", "tools.files/outside"),
        ("/srv/data/%c0%ae%c0%ae/%c0%ae%c0%ae/x", "tools.files/outside"),
        ("/srv/data/..\\..\\etc", "tools.files/outside"),
        ("/srv/data/．．/．．/etc", "tools.files/outside"),
        ("~/.ssh/id_rsa", "tools.files/form"),
        ("$HOME/.netrc", "tools.files/form"),
        ("file:///srv/data/x", "tools.files/form"),
        ("C:\\x", "tools.files/form"),
        ("//host/share", "tools.files/form"),
        ("/srv/data/a\u{0}.png", "tools.files/form"),
        ("a/NUL.txt", "tools.files/form"),
    ];
    refuses(&world, &mut world.agent(), &texts);
}

#[test]
fn links_are_followed_before_the_server_does() {
    let guard = "canary__read_note: { operation: read, arguments: { name: { guard: files, roots: [\"{box}\"] } } }\n\
                 canary__write_note: { operation: write, arguments: { name: { guard: files, roots: [\"{box}\"], write: true } } }";
    let world = World::with().section("tools", guard).file("outside/secret", "the silver key").start();
    let mut agent = world.agent();
    assert!(!agent.call("canary__write_note", json!({"name": "plain.txt", "text": "hello"})).is_error());
    let folder = world.path("box");
    symlink("plain.txt", folder.join("near")).unwrap();
    symlink(world.path("outside/secret"), folder.join("far")).unwrap();
    symlink("../outside", folder.join("away")).unwrap();
    symlink("dangling/../../outside/new", folder.join("later")).unwrap();
    symlink("round", folder.join("round")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    assert_eq!(agent.call("canary__read_note", json!({"name": "near"})).text(), "hello");
    let before = world.reached().len();
    for (name, code) in [
        ("far", "tools.files/outside"),
        ("away/secret", "tools.files/outside"),
        ("away/../box/plain.txt", "tools.files/outside"),
        ("socket", "tools.files/form"),
        ("round", "tools.files/fault"),
    ] {
        let refused = agent.call("canary__read_note", json!({"name": name}));
        // From the folder's own parent, the way back leads in again.
        let expected = if name == "away/../box/plain.txt" { None } else { Some(code) };
        match expected {
            Some(code) => assert_eq!(refused.refused(), code, "{name}"),
            None => assert!(refused.refusal().is_none(), "{name}: {}", refused.0),
        }
    }
    assert_eq!(agent.call("canary__write_note", json!({"name": "later", "text": "x"})).refused(), "tools.files/outside");
    assert_eq!(world.reached().len(), before + 1);
}

#[test]
fn a_policy_that_means_nothing_stops_the_start() {
    does_not_start("{ guard: files }", "roots: there must be at least one folder");
    does_not_start("{ guard: files, roots: [work] }", "a folder is an absolute path");
}
