//! Repositories for a real git server that may use every one.

use super::Effect::{Git, Tells};
use super::{Attack, Class, Effect, attack, call};
use serde_json::{Value, json};

const KEPT: Effect = Tells("KEPT");

fn of(tool: &'static str, arguments: Value, effect: Effect) -> Attack {
    attack(call(tool, arguments), "tools.files/outside", effect)
}

pub fn classes() -> Vec<Class> {
    let other = "{box}/other";
    let attacks = vec![
        of("git__git_status", json!({"repo_path": other}), Tells("kept.txt")),
        of("git__git_log", json!({"repo_path": other}), KEPT),
        of("git__git_diff_unstaged", json!({"repo_path": other}), KEPT),
        of("git__git_show", json!({"repo_path": other, "revision": "HEAD"}), KEPT),
        of("git__git_show", json!({"repo_path": "{box}/repo/../other", "revision": "HEAD"}), KEPT),
        of("git__git_branch", json!({"repo_path": "{box}/repo/./../other", "branch_type": "local"}), KEPT),
        of("git__git_log", json!({"repo_path": "{box}/repo/sibling"}), KEPT),
        of("git__git_diff_unstaged", json!({"repo_path": "{box}/repo/sibling"}), KEPT),
        of("git__git_add", json!({"repo_path": other, "files": ["new.txt"]}), Git(&["diff", "--cached", "--name-only"], "new.txt")),
        of("git__git_create_branch", json!({"repo_path": other, "branch_name": "evil"}), Git(&["branch"], "evil")),
        of("git__git_checkout", json!({"repo_path": other, "branch_name": "side-KEPT"}), Git(&["branch", "--show-current"], "side-KEPT")),
        of("git__git_create_branch", json!({"repo_path": "{box}/repo/sibling", "branch_name": "evil"}), Git(&["branch"], "evil")),
        of(
            "git__git_add",
            json!({"repo_path": "{box}/repo/../other/.", "files": ["."]}),
            Git(&["diff", "--cached", "--name-only"], "new.txt"),
        ),
    ];
    let repository = "{box}/repo";
    let benign = vec![
        (call("git__git_status", json!({"repo_path": repository})), "main"),
        (call("git__git_log", json!({"repo_path": repository})), "an open commit"),
        (call("git__git_add", json!({"repo_path": repository, "files": ["new.txt"]})), "staged"),
        (call("git__git_commit", json!({"repo_path": repository, "message": "new; $(words) `here`"})), "committed"),
    ];
    vec![Class { name: "git: other repositories", attacks, benign }]
}
