//! What `git` would start, by its manual: options before the verb, options of single verbs, transports, and keys of its configuration.

use crate::Reason;
use terms::Operation;

/// Options before the verb that start nothing.
const BEFORE: [&str; 15] = [
    "--version",
    "-v",
    "--help",
    "-h",
    "--no-pager",
    "-P",
    "--paginate",
    "-p",
    "--no-replace-objects",
    "--no-lazy-fetch",
    "--no-optional-locks",
    "--no-advice",
    "--literal-pathspecs",
    "--glob-pathspecs",
    "--icase-pathspecs",
];

/// Verbs that start programs that they are given, or serve.
const VERBS: [&str; 24] = [
    "filter-branch",
    "difftool",
    "mergetool",
    "instaweb",
    "send-email",
    "daemon",
    "http-backend",
    "shell",
    "upload-pack",
    "receive-pack",
    "upload-archive",
    "gui",
    "citool",
    "web--browse",
    "hook",
    "credential",
    "credential-cache",
    "credential-store",
    "imap-send",
    "p4",
    "svn",
    "cvsserver",
    "fast-import",
    "remote-ext",
];

/// Options, without their hyphens, that start programs or read configuration, of whatever verb.
const OPTIONS: [&str; 19] = [
    "upload-pack",
    "receive-pack",
    "exec",
    "exec-path",
    "ext-diff",
    "extcmd",
    "open-files-in-pager",
    "config",
    "config-env",
    "template",
    "upload-archive",
    "unsafe-paths",
    "separate-git-dir",
    "git-dir",
    "work-tree",
    "to-command",
    "no-verify",
    "pathspec-from-file",
    "config-file",
];

/// Options whose value is text.
const TEXTS: [&str; 11] =
    ["message", "grep", "author", "committer", "format", "pretty", "date", "since", "until", "subject-prefix", "trailer"];

/// Short options of single verbs that start programs.
const SHORTS: [(&str, char); 5] = [("clone", 'c'), ("clone", 'u'), ("rebase", 'x'), ("grep", 'O'), ("submodule", 'c')];

/// Keys of the configuration that may be set: none of them starts a program.
const KEYS: [&str; 16] = [
    "user.name",
    "user.email",
    "color.",
    "pull.",
    "push.default",
    "push.autosetupremote",
    "branch.",
    "init.defaultbranch",
    "advice.",
    "core.autocrlf",
    "core.filemode",
    "core.quotepath",
    "core.eol",
    "core.ignorecase",
    "fetch.prune",
    "log.",
];

/// Judges the words behind `git`; gives those that may be paths.
pub(super) fn judge<'a>(words: &[&'a str]) -> Result<Vec<&'a str>, Reason> {
    let mut paths = Vec::new();
    let mut rest = words.iter();
    let verb = loop {
        match rest.next() {
            None => return Ok(paths),
            Some(&"-C") => paths.extend(rest.next()),
            Some(word) if word.starts_with('-') && !BEFORE.contains(word) => return Err(Reason::ArgvExec),
            Some(word) if word.starts_with('-') => {}
            Some(verb) => break *verb,
        }
    };
    if VERBS.contains(&verb) || verb.starts_with("remote-") || verb.contains("--") {
        return Err(Reason::ArgvExec);
    }
    let rest = rest.as_slice();
    let first = rest.iter().find(|word| !word.starts_with('-')).copied();
    match (verb, first) {
        ("bisect", Some("run" | "visualize" | "view")) | ("submodule", Some("foreach")) | ("maintenance", Some("start" | "register")) => {
            return Err(Reason::ArgvExec);
        }
        ("config", _) => config(rest)?,
        _ => {}
    }
    let mut behind = false;
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if transport(word) {
            return Err(Reason::ArgvExec);
        }
        if behind || !word.starts_with('-') || *word == "-" {
            paths.push(word);
        } else if *word == "--" {
            behind = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or_default();
            if OPTIONS.iter().any(|option| !name.is_empty() && option.starts_with(name) && !abbreviated(name)) {
                return Err(Reason::ArgvExec);
            }
            if !TEXTS.contains(&name) {
                paths.push(word);
            } else if !long.contains('=') {
                words.next();
            }
        } else {
            let letters = word.get(1..).unwrap_or_default();
            if letters.chars().any(|letter| SHORTS.contains(&(verb, letter))) {
                return Err(Reason::ArgvExec);
            }
            // A message, or what is looked for: as the rest of the word, else as the next one.
            let talks = matches!(verb, "commit" | "tag" | "merge" | "stash" | "notes" | "revert" | "cherry-pick");
            match letters.find(['m', 'S', 'G']) {
                Some(at) if talks || letters.get(at..).is_some_and(|rest| rest.starts_with(['S', 'G'])) => {
                    if at + 1 == letters.len() && (talks || !letters.ends_with('S')) {
                        words.next();
                    }
                }
                Some(_) | None => paths.push(word),
            }
        }
    }
    Ok(paths)
}

/// Verbs that read, but for those that are told to write what they print to a file (`--output`).
const READ: [&str; 25] = [
    "status",
    "log",
    "show",
    "diff",
    "blame",
    "annotate",
    "grep",
    "shortlog",
    "describe",
    "rev-parse",
    "rev-list",
    "name-rev",
    "merge-base",
    "cat-file",
    "ls-files",
    "ls-tree",
    "ls-remote",
    "for-each-ref",
    "show-ref",
    "show-branch",
    "diff-tree",
    "diff-index",
    "diff-files",
    "whatchanged",
    "check-ignore",
];

/// Verbs that change files or references, and whose purpose is not to remove any.
const WRITE: [&str; 24] = [
    "add",
    "am",
    "apply",
    "bisect",
    "bundle",
    "checkout",
    "cherry-pick",
    "clone",
    "commit",
    "config",
    "fetch",
    "format-patch",
    "init",
    "merge",
    "mv",
    "pull",
    "read-tree",
    "rebase",
    "restore",
    "revert",
    "sparse-checkout",
    "submodule",
    "switch",
    "write-tree",
];

/// What the words behind `git` do; none where that is not known, as of an alias.
pub(super) fn operation(words: &[&str]) -> Option<Operation> {
    judge(words).ok()?;
    let mut rest = words.iter();
    let verb = loop {
        match *rest.next()? {
            "-C" => drop(rest.next()),
            word if word.starts_with('-') => {}
            verb => break verb,
        }
    };
    let rest = rest.as_slice();
    let first = rest.first().copied();
    let operand = rest.iter().any(|word| !word.starts_with('-'));
    let only = |known: &[&str]| rest.iter().all(|word| known.contains(word));
    let short = |letters: &[char]| rest.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(letters));
    let long = |option: &str| rest.iter().any(|word| begins(word, option));
    Some(match (verb, first) {
        (verb, _) if READ.contains(&verb) => {
            if rest.iter().any(|word| begins(word, "output")) {
                Operation::Write
            } else {
                Operation::Read
            }
        }
        ("branch", _) if short(&['d', 'D']) || long("delete") => Operation::Delete,
        ("branch", _) if only(&["-a", "-r", "-v", "-vv", "-l", "--all", "--remotes", "--verbose", "--list", "--show-current"]) => {
            Operation::Read
        }
        ("tag", _) if short(&['d']) || long("delete") => Operation::Delete,
        ("tag", None) => Operation::Read,
        ("tag", Some("-l" | "--list")) if rest.len() == 1 || !short(&['a', 's', 'f', 'm', 'u', 'F']) && rest.len() == 2 && operand => {
            Operation::Read
        }
        ("remote", _) if only(&["-v", "--verbose"]) => Operation::Read,
        ("remote", Some("show" | "get-url")) | ("worktree", Some("list")) | ("submodule", Some("status")) => Operation::Read,
        ("stash" | "notes", Some("list" | "show")) | ("reflog", None | Some("show")) => {
            if long("output") {
                Operation::Write
            } else {
                Operation::Read
            }
        }
        ("config", Some("--get" | "--get-all" | "--get-regexp" | "--list" | "-l" | "get" | "list")) => Operation::Read,
        ("remote", Some("remove" | "rm" | "prune"))
        | ("stash", Some("drop" | "clear"))
        | ("worktree" | "notes", Some("remove" | "prune")) => Operation::Delete,
        ("reflog", Some("expire" | "delete")) | ("clean" | "rm" | "prune" | "gc", _) => Operation::Delete,
        ("reset", _) if long("hard") => Operation::Delete,
        ("push", _) if short(&['d', 'f']) || ["delete", "force", "mirror", "prune"].iter().any(|option| long(option)) => Operation::Delete,
        ("push", _) if rest.iter().any(|word| word.starts_with([':', '+'])) => Operation::Delete,
        ("update-ref", _) if short(&['d']) || long("stdin") => Operation::Delete,
        ("branch" | "tag" | "remote" | "stash" | "notes" | "worktree" | "reset" | "push" | "update-ref", _) => Operation::Write,
        (verb, _) if WRITE.contains(&verb) => Operation::Write,
        _ => return None,
    })
}

/// Whether a word is this long option, or an abbreviation or a longer form of it.
fn begins(word: &str, option: &str) -> bool {
    let name = word.strip_prefix("--").map(|long| long.split('=').next().unwrap_or_default());
    name.is_some_and(|name| !name.is_empty() && (option.starts_with(name) || name.starts_with(option)))
}

/// Options in their own right that begin one of [`OPTIONS`].
fn abbreviated(name: &str) -> bool {
    matches!(name, "ext" | "no" | "to" | "patch")
}

/// Whether a word names a transport that is a program (`ext::`), or an option in the place of a host.
fn transport(word: &str) -> bool {
    let scheme = word.split_once("::").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte)) && !scheme.starts_with('-')
    });
    scheme || word.contains("://-") || word.split_once("=ext::").is_some()
}

fn config(words: &[&str]) -> Result<(), Reason> {
    let reads = |word: &&str| {
        matches!(
            *word,
            "--get"
                | "--get-all"
                | "--get-regexp"
                | "--get-urlmatch"
                | "--list"
                | "-l"
                | "get"
                | "list"
                | "--show-origin"
                | "--show-scope"
                | "--name-only"
        )
    };
    let elsewhere = |word: &&str| {
        ["--global", "--system", "--file", "-f", "--blob", "--edit", "-e", "edit", "--worktree"]
            .iter()
            .any(|option| word.starts_with(option))
    };
    let operands: Vec<&&str> =
        words.iter().filter(|word| !word.starts_with('-') && !matches!(**word, "set" | "unset" | "get" | "list")).collect();
    let key = operands.first().map(|key| key.to_ascii_lowercase()).unwrap_or_default();
    let harmless = KEYS.iter().any(|known| if known.ends_with('.') { key.starts_with(known) } else { key == *known });
    if words.iter().any(reads)
        || (operands.len() <= 1 && !words.iter().any(|word| word.starts_with("--unset") || *word == "-e" || *word == "--edit"))
    {
        return Ok(());
    }
    if harmless && !words.iter().any(elsewhere) { Ok(()) } else { Err(Reason::ArgvExec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(line: &str) -> bool {
        judge(&line.split(' ').collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn what_starts_programs_is_refused() {
        for line in [
            "-c core.pager=x log",
            "--exec-path=/tmp log",
            "--config-env=a=b log",
            "--git-dir=x log",
            "--upload-pack=x ls-remote .",
            "clone --upload-pack x y",
            "clone -u x y",
            "clone -c a=b y",
            "clone --config a=b y",
            "clone --template=x y",
            "clone ext::sh y",
            "fetch ext::x",
            "remote add x ext::sh",
            "clone ssh://-oProxyCommand=x/y",
            "fetch --upload-p=x",
            "push --receive-pack=x",
            "push --exec=x",
            "rebase -x make",
            "rebase --exec make",
            "rebase -ix make",
            "grep -O x",
            "grep --open-files-in-pager=x y",
            "difftool -x id",
            "mergetool",
            "bisect run x",
            "submodule foreach id",
            "filter-branch --tree-filter id",
            "send-email x",
            "diff --ext-diff",
            "log --ext-diff",
            "config core.pager id",
            "config alias.x !id",
            "config core.hookspath x",
            "config core.sshcommand x",
            "config --global user.name x",
            "config --add core.fsmonitor x",
            "config -e",
            "config merge.x.driver y",
            "archive --exec=x",
            "apply --unsafe-paths p",
            "commit --no-verify -m x",
            "daemon",
            "-c x",
            "remote-ext x",
        ] {
            assert!(!ok(line), "{line}");
        }
    }

    #[test]
    fn what_people_do_passes() {
        for line in [
            "status",
            "log --oneline -n 5",
            "switch -c topic",
            "branch -u origin/main",
            "push -u origin main",
            "commit -am x",
            "commit -c HEAD",
            "diff --stat HEAD~1",
            "show HEAD:src/main.rs",
            "log -c",
            "--no-pager log",
            "-C sub status",
            "config user.name Ana",
            "config --get core.pager",
            "config --list",
            "config core.pager",
            "fetch --all --prune",
            "pull --rebase",
            "rebase -i HEAD~3",
            "stash pop",
            "clone https://example.com/x.git",
            "add -p",
            "blame -L 1,5 x",
            "tag -a v1 -m x",
            "worktree list",
            "grep -n x",
            "log --exclude=x",
            "diff --no-ext-diff",
            "log --no-merges",
            "diff --exit-code",
            "--version",
        ] {
            assert!(ok(line), "{line}");
        }
    }

    #[test]
    fn messages_are_no_paths() {
        assert_eq!(judge(&["commit", "-m", "/etc", "-am", "../x", "--message=/y", "a"]).unwrap(), ["a"]);
        assert_eq!(judge(&["-C", "/etc", "log", "--", "../x"]).unwrap(), ["/etc", "../x"]);
    }
}
