//! What commands do, by the manuals of the programs: read, write or delete. What is not known here has no kind.

use super::{PLACES, git};
use terms::Operation;

/// Programs that change nothing, whatever their words are.
const READ: [&str; 46] = [
    "ls",
    "cat",
    "head",
    "tail",
    "wc",
    "pwd",
    "echo",
    "printf",
    "stat",
    "du",
    "df",
    "id",
    "whoami",
    "groups",
    "uname",
    "true",
    "false",
    "test",
    "basename",
    "dirname",
    "realpath",
    "readlink",
    "grep",
    "egrep",
    "fgrep",
    "cmp",
    "comm",
    "diff",
    "cut",
    "paste",
    "nl",
    "tac",
    "rev",
    "od",
    "cksum",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "seq",
    "tr",
    "fold",
    "ps",
    "printenv",
    "which",
    "jq",
];
/// Programs that change files, and whose purpose is not to remove any.
const WRITE: [&str; 11] = ["cp", "mv", "mkdir", "touch", "ln", "chmod", "chown", "chgrp", "tee", "install", "patch"];
/// Programs that remove.
const DELETE: [&str; 5] = ["rm", "rmdir", "unlink", "shred", "truncate"];

/// What a command does; none where that is not known. A program in a folder of its own is not known by its name.
pub(super) fn of(words: &[String]) -> Option<Operation> {
    let (program, words) = words.split_first()?;
    let name = PLACES.iter().find_map(|place| program.strip_prefix(place)).unwrap_or(program);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match name {
        "git" => git::operation(&words),
        "find" => find(&words),
        name if READ.contains(&name) => Some(Operation::Read),
        name if WRITE.contains(&name) => Some(Operation::Write),
        name if DELETE.contains(&name) => Some(Operation::Delete),
        _ => None,
    }
}

/// `find` reads but for its actions.
fn find(words: &[&str]) -> Option<Operation> {
    let acts = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
    if acts(&["-exec", "-ok"]) {
        None
    } else if acts(&["-delete"]) {
        Some(Operation::Delete)
    } else if acts(&["-fprint", "-fls"]) {
        Some(Operation::Write)
    } else {
        Some(Operation::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_by_their_words() {
        let lines = |operation, lines: &str| lines.trim().lines().map(|line| (operation, line.trim().to_owned())).collect::<Vec<_>>();
        let read = "ls -la\n/usr/bin/cat a\ngrep -rn x .\nfind . -name a\ngit status\ngit log --oneline -n 5\ngit -C sub diff --stat\n\
            git --no-pager show HEAD\ngit branch\ngit branch -a\ngit tag\ngit tag -l v*\ngit stash list\ngit remote -v\ngit config --get user.name\ngit reflog";
        let write = "mkdir a\ncp a b\ngit commit -m x\ngit add .\ngit branch topic\ngit tag v1\ngit push origin main\ngit stash\ngit reset HEAD a\n\
            git diff --output=x\ngit log --outp x\ngit show --output x\ngit config user.name x\ngit checkout main\nfind . -fprint x";
        let delete = "rm a\n/bin/rm -r a\nfind . -delete\ngit branch -D a\ngit branch -rd a\ngit branch --del a\ngit tag -d v1\ngit push origin :a\n\
            git push --delete origin a\ngit push -f\ngit push --force-with-lease\ngit push origin +a\ngit clean -fd\ngit rm a\ngit reset --hard\ngit stash drop\n\
            git remote rm a\ngit worktree remove a\ngit gc";
        let unknown = "./ls\n/opt/x/ls\nsed -i s/a/b/ x\nsort -o a b\nmake\ntimeout 5 ls\nenv ls\nfind . -exec cat\ngit lg\ngit -c a=b log\ngit\nsh x\nLS";
        let all = [
            lines(Some(Operation::Read), read),
            lines(Some(Operation::Write), write),
            lines(Some(Operation::Delete), delete),
            lines(None, unknown),
        ];
        for (operation, line) in all.concat() {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(of(&words), operation, "{line}");
        }
    }
}
