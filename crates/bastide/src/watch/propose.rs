//! From what a server asked for to the folders that it is to be given: few, small, and never those in which secrets lie.

use admin::Withheld;
use sandbox::{Access, Wish};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// What every server sees anyway, or what no server is given.
const SYSTEM: [&str; 12] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/dev", "/sys", "/run"];
/// Folders that hold too much of too many.
const BROAD: [&str; 10] = ["/", "/home", "/root", "/var", "/var/lib", "/opt", "/srv", "/mnt", "/media", "/tmp"];
/// Names of files and folders that hold credentials.
const SECRET: [&str; 26] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".password-store",
    ".mozilla",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".vault-token",
    ".pgpass",
    ".my.cnf",
    ".env",
    ".bash_history",
    ".zsh_history",
    ".claude.json",
    "gcloud",
    "gh",
    "keyrings",
    "google-chrome",
    "chromium",
    "kwalletd",
    "bastide",
];
/// Names of [`SECRET`] that mean something only below `.config` or `.local`.
const WITHIN: [&str; 7] = ["gcloud", "gh", "keyrings", "google-chrome", "chromium", "kwalletd", "bastide"];
/// Files of one folder beyond which the folder is proposed.
const FEW: usize = 3;

/// What is known beside what was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// Paths of the entry.
    pub(super) hints: &'a [PathBuf],
    /// The user's home.
    pub(super) home: Option<&'a Path>,
    /// What the server reads in any case.
    pub(super) needs: &'a [PathBuf],
    /// The gateway's own.
    pub(super) private: &'a [PathBuf],
}

/// What is proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    /// To be read.
    pub(super) read: Vec<PathBuf>,
    /// To be written.
    pub(super) write: Vec<PathBuf>,
    /// What it asked for and is not proposed.
    pub(super) withheld: Vec<Withheld>,
}

impl Scene<'_> {
    /// The hints that a server may be given to look at.
    pub(super) fn given(&self) -> Vec<PathBuf> {
        self.hints.iter().filter(|path| !self.is_visible(path) && self.objection(path).is_none()).cloned().collect()
    }

    fn is_visible(&self, path: &Path) -> bool {
        SYSTEM.iter().any(|folder| path.starts_with(folder)) || self.needs.iter().any(|need| path.starts_with(need))
    }

    /// Why `path` is not proposed, by its name and by what it really is.
    fn objection(&self, path: &Path) -> Option<String> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        [path, &real].into_iter().find_map(|path| self.objection_to(path))
    }

    fn objection_to(&self, path: &Path) -> Option<String> {
        let meets = |own: &&PathBuf| own.starts_with(path) || path.starts_with(own);
        if self.private.iter().any(|own| meets(&own) || own.canonicalize().is_ok_and(|own| meets(&&own))) {
            return Some("the gateway's own state or configuration".to_owned());
        }
        if let Some(name) = secret(path) {
            return Some(format!("`{name}` holds credentials"));
        }
        let home = |path: &Path| self.home.is_some_and(|home| home.starts_with(path)) || path.parent() == Some(Path::new("/home"));
        if BROAD.iter().any(|broad| path == Path::new(broad)) || home(path) {
            return Some("it holds too much: name the folder that is meant".to_owned());
        }
        let inner = SECRET.iter().find(|name| !WITHIN.contains(name) && **name != ".env" && path.join(name).exists());
        inner.map(|name| format!("it holds `{name}`"))
    }

    /// The longest hint that is a folder and that `path` is or lies in.
    fn hint(&self, path: &Path) -> Option<&Path> {
        let hints = self.hints.iter().filter(|hint| path.starts_with(hint) && hint.is_dir());
        hints.max_by_key(|hint| hint.components().count()).map(PathBuf::as_path).filter(|hint| self.objection(hint).is_none())
    }
}

/// The name in `path` of something that holds credentials.
fn secret(path: &Path) -> Option<&'static str> {
    let mut before = None;
    for part in path.components() {
        let Component::Normal(part) = part else { continue };
        let found = SECRET.into_iter().find(|name| part == *name);
        let counts = |name: &str| !WITHIN.contains(&name) || before.is_some_and(|before| before == ".config" || before == "share");
        if let Some(name) = found.filter(|name| counts(name)) {
            return Some(name);
        }
        before = Some(part);
    }
    None
}

/// Proposes folders for what was seen.
pub(super) fn draft(files: &BTreeMap<PathBuf, Wish>, scene: &Scene<'_>) -> Draft {
    let mut grants: BTreeMap<PathBuf, Access> = BTreeMap::new();
    let mut withheld: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (path, wish) in files {
        let needed = scene.needs.iter().any(|need| path.starts_with(need));
        if needed && *wish == Wish::Write {
            withheld.insert(path.clone(), "it lies in the package that was approved, which must stay as it is".to_owned());
        }
        if needed || scene.is_visible(path) {
            continue;
        }
        let access = if *wish == Wish::Write { Access::Write } else { Access::Read };
        let target = match scene.hint(path) {
            // The folder was named, but not what lies in it and holds credentials.
            Some(_) if secret(path).is_some() => Some(path.clone()),
            Some(hint) => Some(hint.to_owned()),
            None => target(path, *wish, files, scene),
        };
        let Some(target) = target else { continue };
        match scene.objection(&target) {
            None => {
                let known = grants.entry(target).or_insert(access);
                *known = access.max(*known);
            }
            // The file alone may do where its folder may not.
            Some(_) if target != *path && path.is_file() && scene.objection(path).is_none() => drop(grants.insert(path.clone(), access)),
            // To ask whether a large folder is there is no wish for all that it holds.
            Some(_) if *wish == Wish::Look && secret(&target).is_none() => {}
            Some(why) => drop(withheld.insert(target, why)),
        }
    }
    settle(&mut grants, scene);
    let of = |access| grants.iter().filter(move |(_, given)| **given == access).map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let withheld = withheld.into_iter().map(|(path, why)| Withheld { path, why }).collect();
    Draft { read: of(Access::Read), write: of(Access::Write), withheld }
}

/// What would have to be given for `path`; none where it is nothing that could be.
fn target(path: &Path, wish: Wish, files: &BTreeMap<PathBuf, Wish>, scene: &Scene<'_>) -> Option<PathBuf> {
    // On the way to something else: there in any case.
    let on_the_way = |other: &PathBuf| other != path && other.starts_with(path);
    if wish < Wish::Write && (scene.needs.iter().chain(scene.hints).any(on_the_way) || wish == Wish::Look && leads(path, files)) {
        return None;
    }
    match wish {
        Wish::Look | Wish::Read => path.symlink_metadata().is_ok().then(|| path.to_owned()),
        // Its own `/tmp` serves for what it makes there.
        Wish::Write => path
            .ancestors()
            .skip(usize::from(!path.is_dir()))
            .find(|folder| folder.is_dir())
            .filter(|folder| *folder != Path::new("/tmp"))
            .map(Path::to_path_buf),
    }
}

/// Whether something below `path` that is there was asked for, too.
fn leads(path: &Path, files: &BTreeMap<PathBuf, Wish>) -> bool {
    let below = files.range(path.to_owned()..).skip(1).take_while(|(other, _)| other.starts_with(path));
    below.into_iter().any(|(other, _)| other.symlink_metadata().is_ok())
}

/// Takes many files of a folder together, and drops what lies in something that is given anyway.
fn settle(grants: &mut BTreeMap<PathBuf, Access>, scene: &Scene<'_>) {
    let parents: BTreeSet<PathBuf> = grants.keys().filter_map(|path| path.parent().map(Path::to_path_buf)).collect();
    for parent in parents {
        let within: Vec<Access> = grants.iter().filter(|(path, _)| path.parent() == Some(&parent)).map(|(_, access)| *access).collect();
        if within.len() > FEW && scene.objection(&parent).is_none() {
            grants.insert(parent, within.into_iter().max().unwrap_or(Access::Read));
        }
    }
    let all = grants.clone();
    grants.retain(|path, access| !all.iter().any(|(other, given)| other != path && path.starts_with(other) && given >= access));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        _folder: tempfile::TempDir,
        root: PathBuf,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["home/.ssh", "home/notes/deep", "home/.config/gcloud", "state/audit", "package", "data"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["home/.ssh/id", "home/notes/deep/a", "data/book.db", "package/main.js", "home/one"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        World { _folder: folder, root }
    }

    fn proposed(world: &World, hints: &[&str], seen: &[(&str, Wish)]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let at = |name: &str| world.root.join(name);
        let hints: Vec<PathBuf> = hints.iter().map(|name| at(name)).collect();
        let (needs, private, home) = ([at("package")], [at("state")], at("home"));
        let scene = Scene { hints: &hints, home: Some(&home), needs: &needs, private: &private };
        let files = seen.iter().map(|(name, wish)| (at(name), *wish)).collect();
        let draft = draft(&files, &scene);
        let short = |path: &PathBuf| path.strip_prefix(&world.root).unwrap_or(path).display().to_string();
        let withheld = draft.withheld.iter().map(|one| short(&one.path)).collect();
        (draft.read.iter().map(short).collect(), draft.write.iter().map(short).collect(), withheld)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_was_asked_for_is_proposed_and_no_more() {
        let world = world();
        let seen = [
            ("home", Wish::Look),
            ("home/notes", Wish::Look),
            ("home/notes/deep/a", Wish::Read),
            ("home/absent", Wish::Read),
            ("data/book.db", Wish::Write),
            ("data/book.db-journal", Wish::Write),
            ("package/main.js", Wish::Read),
            ("package/package.json", Wish::Look),
        ];
        let (read, write, withheld) = proposed(&world, &[], &seen);
        assert_eq!((read, write, withheld), (words(&["home/notes/deep/a"]), words(&["data"]), Vec::new()));
        // What the operator named stands for all that lies in it.
        let (read, write, _) = proposed(&world, &["home/notes"], &[seen[2], ("home/notes/new", Wish::Write)]);
        assert_eq!((read, write), (Vec::new(), words(&["home/notes"])));
    }

    #[test]
    fn what_holds_secrets_is_never_proposed() {
        let world = world();
        std::os::unix::fs::symlink(world.root.join("home/.ssh"), world.root.join("data/innocent")).unwrap();
        let seen = [
            ("home/.ssh/id", Wish::Read),
            ("home/.config/gcloud", Wish::Read),
            ("home", Wish::Read),
            ("state/audit", Wish::Read),
            ("data/innocent", Wish::Read),
            ("package/made", Wish::Write),
        ];
        for hints in [&[][..], &["home", "home/.ssh", "data", "state"]] {
            let (read, write, withheld) = proposed(&world, hints, &seen);
            assert!(read.iter().chain(&write).all(|path| path == "data"), "{read:?} {write:?}");
            assert!(withheld.len() >= 4, "{withheld:?}");
        }
        // A file in a folder that is too large is proposed alone.
        let (_, write, withheld) = proposed(&world, &[], &[("home/one", Wish::Write), ("home/two", Wish::Write)]);
        assert_eq!((write, withheld), (words(&["home/one"]), words(&["home"])));
    }

    #[test]
    fn many_files_of_a_folder_are_the_folder() {
        let world = world();
        let names: Vec<String> = (0..5).map(|at| format!("data/{at}")).collect();
        for name in &names {
            std::fs::write(world.root.join(name), "").unwrap();
        }
        let seen: Vec<(&str, Wish)> = names.iter().map(|name| (name.as_str(), Wish::Read)).collect();
        assert_eq!(proposed(&world, &[], &seen).0, words(&["data"]));
        assert_eq!(proposed(&world, &[], &seen[..2]).0, words(&["data/0", "data/1"]));
    }
}
