//! Digests of what is run.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use store::{Digest, Error, Sqlite, opened_digest, tree_digest};
use terms::{Clock, Instant, Utc};

fn plant(root: &Path) {
    fs::create_dir_all(root.join("lib/inner")).unwrap();
    fs::write(root.join("lib/a.js"), "a").unwrap();
    fs::write(root.join("lib/inner/b.js"), "b").unwrap();
    symlink("a.js", root.join("lib/link.js")).unwrap();
}

fn digest(root: &Path) -> Digest {
    tree_digest(root).unwrap().digest
}

#[test]
fn equal_trees_have_equal_digests_wherever_they_lie() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plant(one.path());
    plant(two.path());
    assert_eq!(digest(one.path()), digest(two.path()));
    assert_eq!(digest(one.path()).to_string().parse::<Digest>().unwrap(), digest(one.path()));
}

#[test]
fn any_change_changes_the_digest() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 9] = [
        ("contents", |root| fs::write(root.join("lib/a.js"), "A").unwrap()),
        ("a new file", |root| fs::write(root.join("lib/c.js"), "").unwrap()),
        ("a new folder", |root| fs::create_dir(root.join("lib/empty")).unwrap()),
        ("a file less", |root| fs::remove_file(root.join("lib/inner/b.js")).unwrap()),
        ("another name", |root| fs::rename(root.join("lib/a.js"), root.join("lib/z.js")).unwrap()),
        ("another place", |root| fs::rename(root.join("lib/inner/b.js"), root.join("lib/b.js")).unwrap()),
        ("made executable", |root| fs::set_permissions(root.join("lib/a.js"), fs::Permissions::from_mode(0o755)).unwrap()),
        ("another target", |root| {
            fs::remove_file(root.join("lib/link.js")).unwrap();
            symlink("inner/b.js", root.join("lib/link.js")).unwrap();
        }),
        ("a link made a file", |root| {
            fs::remove_file(root.join("lib/link.js")).unwrap();
            fs::write(root.join("lib/link.js"), "a").unwrap();
        }),
    ];
    for (what, change) in changes {
        let root = tempfile::tempdir().unwrap();
        plant(root.path());
        let before = digest(root.path());
        change(root.path());
        assert_ne!(digest(root.path()), before, "{what}");
    }
}

#[test]
fn a_link_out_counts_by_what_it_leads_to() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plant(root.path());
    fs::write(outside.path().join("python"), "one").unwrap();
    symlink(outside.path().join("python"), root.path().join("python")).unwrap();
    let before = digest(root.path());
    fs::write(outside.path().join("python"), "two").unwrap();
    assert_ne!(digest(root.path()), before);
    symlink(outside.path(), root.path().join("folder")).unwrap();
    assert!(matches!(tree_digest(root.path()), Err(Error::Leaves(_))));
    fs::remove_file(root.path().join("folder")).unwrap();
    symlink("../../nothing", root.path().join("dangling")).unwrap();
    assert!(matches!(tree_digest(root.path()), Err(Error::Leaves(_))));
}

#[test]
fn one_executable_is_a_tree_too() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("run");
    fs::write(&file, "x").unwrap();
    symlink("run", root.path().join("alias")).unwrap();
    assert_eq!(digest(&file), digest(&root.path().join("alias")));
    let tree = tree_digest(&file).unwrap();
    assert_eq!((tree.entries, tree.bytes), (1, 1));
    assert_eq!(opened_digest(&fs::File::open(&file).unwrap(), &file).unwrap(), tree, "however it is looked up");
}

#[test]
fn what_cannot_be_pinned_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    assert!(matches!(tree_digest(root.path()), Err(Error::Sort { .. })));
    assert!(matches!(tree_digest(&root.path().join("absent")), Err(Error::File { .. })));
}

struct Later;
impl Clock for Later {
    fn utc(&self) -> Utc {
        Utc::parse("2200-01-01T00:00:00Z").unwrap()
    }
    fn instant(&self) -> Instant {
        Instant::from_nanos(0)
    }
}

#[tokio::test]
async fn a_remembered_digest_is_not_believed_after_a_change() {
    let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plant(root.path());
    let store = Sqlite::open(&state.path().join("state")).await.unwrap();
    let first = store.tree(root.path(), &Later).await.unwrap();
    assert_eq!(first, digest(root.path()));
    assert_eq!(store.tree(root.path(), &Later).await.unwrap(), first);
    let file = root.path().join("lib/a.js");
    let times = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "Z").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(times).unwrap();
    assert_eq!(store.tree(root.path(), &Later).await.unwrap(), digest(root.path()));
    assert_ne!(digest(root.path()), first);
}
