//! The hostile servers, put together from the attempts.

use crate::attempt::{Attempt, Language};
use crate::outside::Outside;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const PYTHON: &str = include_str!("server.py");
const NODE: &str = include_str!("server.js");
const STATIC: &str = include_str!("server.c");

/// Where a server's program is, and what it is started with.
pub(crate) fn command(root: &std::path::Path, language: Language) -> (PathBuf, Vec<String>) {
    let at = |name: &str| root.join("bin").join(language.server()).join(name);
    match language {
        Language::Python => ("/usr/bin/python3".into(), vec![at("server.py").display().to_string()]),
        Language::Node => ("/usr/bin/node".into(), vec![at("server.js").display().to_string()]),
        Language::Static => (at("server"), Vec::new()),
    }
}

/// Writes them.
pub(crate) fn write(outside: &Outside, attempts: &[(usize, &Attempt)]) {
    let of = |language| attempts.iter().filter(move |(_, attempt)| attempt.language == language);
    let folder = |language: Language| {
        let folder = outside.root.join("bin").join(language.server());
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let listed = |language, start: &str, end: &str| {
        let mut list = String::from(start);
        of(language).for_each(|(number, attempt)| {
            let code = format!("{}{}", attempt.code, attempt.then);
            writeln!(list, "{number}: {},", serde_json::to_string(&code).unwrap()).unwrap();
        });
        list + end
    };
    let constants = outside.written(|name, value| format!("{name} = {value}\n"));
    let code =
        PYTHON.replace("# CONSTANTS", &constants).replace("# ATTEMPTS", &listed(Language::Python, "ATTEMPTS = {0: \"say('up')\",\n", "}"));
    std::fs::write(folder(Language::Python).join("server.py"), code).unwrap();

    let constants = outside.written(|name, value| format!("{name}: {value}, "));
    let constants = format!("const CONSTANTS = {{ {constants} }}, MARK = CONSTANTS.MARK;");
    let list = listed(Language::Node, "Object.assign(ATTEMPTS, {0: \"say('up')\",\n", "});");
    std::fs::write(folder(Language::Node).join("server.js"), NODE.replace("// CONSTANTS", &constants).replace("// ATTEMPTS", &list))
        .unwrap();

    let constants = outside.written(|name, value| format!("#define {name} {value}\n"));
    let mut code = String::from("static void attempt(long wanted) {\nswitch (wanted) {\ncase 0: say(\"up\"); break;\n");
    of(Language::Static)
        .for_each(|(number, attempt)| writeln!(code, "case {number}: {{ {}{} }} break;", attempt.code, attempt.then).unwrap());
    code.push_str("}\n}");
    let folder = folder(Language::Static);
    let source = outside.root.join("server.c");
    std::fs::write(&source, STATIC.replace("/* CONSTANTS */", &constants).replace("/* ATTEMPTS */", &code)).unwrap();
    let compile = |how: &[&str]| {
        let mut command = Command::new("cc");
        command.args(["-w", "-O1", "-pthread"]).args(how).arg("-o").arg(folder.join("server")).arg(&source);
        command.output().unwrap()
    };
    if !compile(&["-static"]).status.success() {
        let made = compile(&[]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}
