//! `tools.process`: a command is one program that was opened, with its words and nothing that a shell or the program would make more of.

use super::{does_not_start, facts, guarded, passes, refuses};
use serde_json::json;

const POLICY: &str = "{ guard: process, allowed: [git, ls, python3, find, tar, sed], cwd: /srv/site }";

#[test]
fn plain_commands_arrive_as_they_are() {
    let world = guarded(POLICY);
    let mut agent = world.agent();
    passes(
        &mut agent,
        &["git status", "git commit -m 'fix: a; b && c'", "ls -la src", "python3 -m pytest -q", "find . -name '*.rs'", "ls  /srv/site/src"],
    );
    let last = facts(&world);
    assert_eq!((&last["guard"], &last["argument"], &last["normal"]), (&json!("process"), &json!("text"), &json!("ls /srv/site/src")));
}

#[test]
fn whatever_would_run_more_is_refused() {
    let world = guarded(POLICY);
    let texts = [
        ("ls; id", "tools.process/shell"),
        ("ls && id", "tools.process/shell"),
        ("ls | sh", "tools.process/shell"),
        ("ls > /etc/x", "tools.process/shell"),
        ("ls $(id)", "tools.process/shell"),
        ("ls `id`", "tools.process/shell"),
        ("ls\nid", "tools.process/shell"),
        ("ls ${HOME}", "tools.process/shell"),
        ("PATH=/tmp ls", "tools.process/shell"),
        ("curl https://x.example", "tools.process/program"),
        ("/tmp/git status", "tools.process/program"),
        ("python3 -c 'import os'", "tools.process/option"),
        ("git -c core.pager=id log", "tools.process/option"),
        ("git clone ext::sh", "tools.process/option"),
        ("find . -exec id {} +", "tools.process/option"),
        ("tar -xf a --to-command=id", "tools.process/option"),
        ("tar -xf a --to-com=id", "tools.process/option"),
        ("sed 1e a", "tools.process/option"),
        ("ls ../other", "tools.process/path"),
        ("ls /etc", "tools.process/path"),
        ("ls ~/.ssh", "tools.process/path"),
    ];
    refuses(&world, &mut world.agent(), &texts);
}

#[test]
fn a_policy_that_means_nothing_stops_the_start() {
    does_not_start("{ guard: process }", "allowed: there must be at least one program");
    does_not_start("{ guard: process, allowed: [git], exec_options: maybe }", "exec_options: write deny or allow");
}
