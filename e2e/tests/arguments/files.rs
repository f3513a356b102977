//! Paths for a real file system server, which may use more folders than the guards open.

use super::Effect::{Gone, Holds, Tells, There};
use super::{Attack, Call, Class, Effect, attack, call};
use serde_json::json;

const OUTSIDE: &str = "tools.files/outside";
const FORM: &str = "tools.files/form";
const KEPT: Effect = Tells("KEPT-4711");
const NAME: Effect = Tells("secret.txt");

fn at(tool: &'static str, path: &str) -> Call {
    call(tool, json!({"path": path}))
}

fn many(paths: &[&str]) -> Call {
    call("files__read_multiple_files", json!({"paths": paths}))
}

fn of(list: Vec<(Call, &'static str, Effect)>) -> Vec<Attack> {
    list.into_iter().map(|(call, code, effect)| attack(call, code, effect)).collect()
}

const READ: &str = "files__read_text_file";
const LIST: &str = "files__list_directory";

pub fn classes() -> Vec<Class> {
    vec![
        Class {
            name: "files: other folders",
            attacks: of(vec![
                (at(READ, "{box}/kept/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/../kept/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/sub/../../kept/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open2/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}//open/.././kept//secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/kept/./sub/../secret.txt"), OUTSIDE, KEPT),
                (at("files__read_file", "{box}/open/../kept/sub/secret.txt"), OUTSIDE, KEPT),
                (at(LIST, "{box}/open/.."), OUTSIDE, Tells("kept")),
                (at(LIST, "{box}/kept/"), OUTSIDE, NAME),
                (at("files__directory_tree", "{box}/kept"), OUTSIDE, NAME),
                (call("files__search_files", json!({"path": "{box}/open/../kept", "pattern": "**/*secret*"})), OUTSIDE, NAME),
                (many(&["{box}/open/plain.txt", "{box}/kept/secret.txt"]), OUTSIDE, KEPT),
                (at("files__get_file_info", "{box}/open2/secret.txt"), OUTSIDE, Tells("size")),
                (at("files__list_directory_with_sizes", "{box}/open/../open2"), OUTSIDE, NAME),
            ]),
            benign: vec![
                (at(READ, "{box}/open/plain.txt"), "plain words"),
                (at(READ, "{box}/open/sub/../plain.txt"), "plain words"),
                (many(&["{box}/open/plain.txt", "{box}/open/sub/deep.txt"]), "deep words"),
            ],
        },
        Class {
            name: "files: links",
            attacks: of(vec![
                (at(READ, "{box}/open/leak/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/leakfile"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/chain/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/absolute/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/up/kept/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/sub/up/kept/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/inner/../leak/secret.txt"), OUTSIDE, KEPT),
                (at(READ, "{box}/open/wide/secret.txt"), OUTSIDE, KEPT),
                (at("files__read_file", "{box}/open/chain2/sub/secret.txt"), OUTSIDE, KEPT),
                (at(LIST, "{box}/open/leak"), OUTSIDE, NAME),
                (at("files__directory_tree", "{box}/open/absolute"), OUTSIDE, NAME),
                (many(&["{box}/open/leakfile"]), OUTSIDE, KEPT),
                (
                    call("files__write_file", json!({"path": "{box}/open/leak/made.txt", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/kept/made.txt", "evil"),
                ),
                (
                    call(
                        "files__edit_file",
                        json!({"path": "{box}/open/leakfile", "edits": [{"oldText": "KEPT-4711", "newText": "evil"}]}),
                    ),
                    OUTSIDE,
                    Holds("{box}/kept/secret.txt", "evil"),
                ),
            ]),
            benign: vec![(at(READ, "{box}/open/inner/deep.txt"), "deep words"), (at(LIST, "{box}/open/inner"), "deep.txt")],
        },
        Class {
            name: "files: spellings",
            attacks: of(vec![
                (at(READ, "~/secret.txt"), FORM, KEPT),
                (at(READ, "~/sub/secret.txt"), FORM, KEPT),
                (at(LIST, "~"), FORM, NAME),
                (at("files__directory_tree", "~/"), FORM, NAME),
                (at(READ, "//{box}/kept/secret.txt"), FORM, KEPT),
                (at(READ, "~/../kept/secret.txt"), FORM, KEPT),
                (at(READ, "~/../open2/secret.txt"), FORM, KEPT),
                (many(&["~/secret.txt"]), FORM, KEPT),
                (at("files__get_file_info", "~/secret.txt"), FORM, Tells("size")),
                (call("files__write_file", json!({"path": "~/made.txt", "content": "evil"})), FORM, Holds("{box}/kept/made.txt", "evil")),
                (at("files__create_directory", "~/made"), FORM, There("{box}/kept/made")),
                (call("files__search_files", json!({"path": "~/", "pattern": "**/*secret*"})), FORM, NAME),
                (
                    call("files__move_file", json!({"source": "~/secret.txt", "destination": "{box}/open/taken.txt"})),
                    FORM,
                    There("{box}/open/taken.txt"),
                ),
            ]),
            benign: vec![(at(LIST, "{box}/open/"), "plain.txt"), (at(READ, "{box}/open/./plain.txt"), "plain words")],
        },
        Class {
            name: "files: writing elsewhere",
            attacks: of(vec![
                (
                    call("files__write_file", json!({"path": "{box}/kept/made.txt", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/kept/made.txt", "evil"),
                ),
                (
                    call("files__write_file", json!({"path": "{box}/open/../kept/secret.txt", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/kept/secret.txt", "evil"),
                ),
                (
                    call("files__write_file", json!({"path": "{box}/open2/secret.txt", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/open2/secret.txt", "evil"),
                ),
                (
                    call(
                        "files__edit_file",
                        json!({"path": "{box}/kept/secret.txt", "edits": [{"oldText": "KEPT-4711", "newText": "evil"}]}),
                    ),
                    OUTSIDE,
                    Holds("{box}/kept/secret.txt", "evil"),
                ),
                (at("files__create_directory", "{box}/kept/made"), OUTSIDE, There("{box}/kept/made")),
                (at("files__create_directory", "{box}/open/../made/../kept/deeper"), OUTSIDE, There("{box}/kept/deeper")),
                (
                    call("files__move_file", json!({"source": "{box}/kept/secret.txt", "destination": "{box}/open/taken.txt"})),
                    OUTSIDE,
                    There("{box}/open/taken.txt"),
                ),
                (
                    call("files__move_file", json!({"source": "{box}/open/plain.txt", "destination": "{box}/kept/plain.txt"})),
                    OUTSIDE,
                    Gone("{box}/open/plain.txt"),
                ),
                (
                    call("files__move_file", json!({"source": "{box}/open/plain.txt", "destination": "{box}/open/leak/plain.txt"})),
                    OUTSIDE,
                    There("{box}/kept/plain.txt"),
                ),
                (
                    call("files__move_file", json!({"source": "{box}/open/leak/secret.txt", "destination": "{box}/open/taken.txt"})),
                    OUTSIDE,
                    Gone("{box}/kept/secret.txt"),
                ),
                (
                    call("files__move_file", json!({"source": "{box}/open/../open2/secret.txt", "destination": "{box}/open/taken.txt"})),
                    OUTSIDE,
                    Gone("{box}/open2/secret.txt"),
                ),
                (
                    call("files__write_file", json!({"path": "{box}/repo/.git/hooks/post-commit", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/repo/.git/hooks/post-commit", "evil"),
                ),
                (
                    call("files__write_file", json!({"path": "{box}/open/up/kept/made.txt", "content": "evil"})),
                    OUTSIDE,
                    Holds("{box}/kept/made.txt", "evil"),
                ),
            ]),
            benign: vec![
                (call("files__write_file", json!({"path": "{box}/open/new.txt", "content": "x"})), "uccess"),
                (
                    call("files__edit_file", json!({"path": "{box}/open/edit.txt", "edits": [{"oldText": "before", "newText": "after"}]})),
                    "after",
                ),
                (call("files__move_file", json!({"source": "{box}/open/new.txt", "destination": "{box}/open/moved.txt"})), "uccess"),
            ],
        },
    ]
}
