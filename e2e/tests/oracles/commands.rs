//! `process`: shells and programs run what the guard lets through, in a jail where a recorder stands in the place of most programs, of those that are
//! allowed and of those that are not. What starts others by its options is real: `env`, `find`, `git`, `nice`, `sed`, `sort`, `tar`, `timeout`, `xargs`, `awk`.

use super::chance::Chance;
use super::speaker::Speaker;
use super::{Tally, cases};
use e2e::Peers;
use guards::{Guard, GuardKind, Words, path::Lexical};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{is_there, run};

const REAL: &[&str] = &["env", "find", "git", "nice", "sed", "sort", "tar", "timeout", "xargs", "awk"];
const SHIMS: &[&str] = &[
    "ls", "cat", "node", "make", "cargo", "sh", "bash", "id", "evil", "curl", "rm", "touch", "perl", "ssh", "python3", "less", "vi",
    "gzip", "wget", "nc", "cp", "tee",
];

/// Which programs a policy allows.
const RECORDED: &[&str] = &["ls", "cat", "node", "make", "cargo"];
const STARTING: &[&str] = &["env", "find", "git", "nice", "sed", "sort", "tar", "timeout", "xargs", "awk", "ls", "cat"];

fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let output = run(Command::new("ldd").arg(program), b"");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn place(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

/// The jail, with all that runs in it.
fn build(root: &Path) {
    let recorder = Path::new(env!("CARGO_BIN_EXE_recorder"));
    let mut needed = libraries(recorder);
    place(recorder, &root.join("driver"));
    for name in SHIMS {
        place(recorder, &root.join("bin").join(name));
    }
    for odd in ["work/ls", "work/evil", "work/tool", "outside/git"] {
        place(recorder, &root.join(odd));
    }
    let found =
        |name: &str| ["/bin", "/usr/bin", "/usr/local/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    for name in REAL {
        let program = found(name).unwrap().canonicalize().unwrap();
        needed.extend(libraries(&program));
        place(&program, &root.join("bin").join(name));
    }
    for name in ["sh", "bash"] {
        let program = found(name).unwrap().canonicalize().unwrap();
        needed.extend(libraries(&program));
        place(&program, &root.join("real").join(name));
    }
    for library in needed {
        place(&library.canonicalize().unwrap(), &root.join(library.strip_prefix("/").unwrap()));
    }
    for (file, text) in [
        ("dev/null", ""),
        ("home/.profile", ""),
        ("outside/secret", "KEPT-FROM-YOU\n"),
        ("work/a.txt", "a\nb\n"),
        ("work/b.txt", "b x\n"),
        ("work/sub/c.txt", "c\n"),
        ("work/script.sh", "evil\n"),
        ("work/-rf", "x\n"),
        ("work/a b.txt", "x\n"),
        ("work/Makefile", "all:\n\tevil\n"),
    ] {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), text).unwrap();
    }
    let git = |words: &[&str]| {
        assert!(
            run(
                Command::new("git").arg("-C").arg(root.join("work")).args(["-c", "user.name=a", "-c", "user.email=a@b.test"]).args(words),
                b""
            )
            .status
            .success()
        )
    };
    git(&["init", "-q"]);
    git(&["add", "a.txt", "b.txt"]);
    git(&["commit", "-q", "-m", "first"]);
    let tar = run(Command::new("tar").arg("-C").arg(root.join("work")).args(["-cf"]).arg(root.join("work/a.tar")).arg("a.txt"), b"");
    assert!(tar.status.success());
}

/// Words that programs are often given, harmless ones first.
fn arguments(program: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match program {
        "git" => (
            &[
                "status",
                "log --oneline",
                "diff",
                "show HEAD",
                "branch -a",
                "log -n 1 --stat",
                "blame a.txt",
                "rev-parse HEAD",
                "ls-files",
                "tag",
                "stash list",
                "config --get user.name",
                "add a.txt",
                "commit -m 'x; y'",
                "grep -n a",
                "shortlog -s HEAD",
                "remote -v",
                "show --stat HEAD~0",
            ],
            &[
                "-c alias.x=!evil x",
                "-c core.pager=evil log",
                "-p -c core.pager=evil log",
                "--exec-path=/desk log",
                "-c core.fsmonitor=evil status",
                "diff --ext-diff",
                "grep --open-files-in-pager=evil a",
                "grep -Oevil a",
                "clone ext::evil x",
                "log --output=/outside/x",
                "diff --output=/outside/x",
                "archive --output=/outside/x HEAD",
                "format-patch -o /outside HEAD~0",
                "-C /outside status",
                "--git-dir=/outside status",
                "config alias.x '!evil'",
                "config --global alias.x '!evil'",
                "rebase -x evil HEAD",
                "bisect run evil",
                "difftool -x evil",
                "fetch --upload-pack=evil .",
                "push --receive-pack=evil . HEAD",
                "ls-remote --upload-pack=evil .",
                "ls-remote --u=evil .",
                "grep --op=evil a",
                "submodule foreach evil",
                "init --template=/outside",
                "clone --template=/outside . x",
                "diff --no-index /outside/secret a.txt",
                "show --textconv HEAD",
                "-ccore.pager=evil log",
                "log -c core.pager=evil",
                "worktree add /outside/w",
                "bundle create /outside/b HEAD",
                "apply --unsafe-paths x",
                "hash-object -w /outside/secret",
                "hash-object /outside/secret",
                "blame --contents /outside/secret a.txt",
                "commit -F /outside/secret",
                "commit -m x -F/outside/secret",
                "log --format=%x00 --output=x",
                "grep --no-index KEPT /outside",
                "grep -f /outside/secret a",
                "config -f /outside/secret -l",
                "config --file=/outside/secret -l",
                "cat-file --filters HEAD:a.txt",
                "var GIT_PAGER",
                "ls-files -X /outside/secret",
                "check-ignore -v --stdin",
                "--paginate log",
                "-p log",
            ],
        ),
        "find" => (
            &[
                ". -name '*.txt'",
                ". -type f",
                "sub -maxdepth 1",
                ". -mtime -7 -print",
                ". -newer a.txt",
                ". -size +1k -print0",
                ". '(' -name a -o -name b ')'",
            ],
            &[
                ". -exec evil {} +",
                ". -exec evil {} ';'",
                ". -execdir evil {} ';'",
                ". -ok evil {} ';'",
                ". -okdir evil {} ';'",
                ". -delete",
                "/outside -name secret",
                ". -fprint /outside/x",
                ". -fls /outside/x",
                ". -fprintf /outside/x a",
                ". -files0-from /outside/secret",
                "-L /outside",
                ".. -name secret",
                ". -newer /outside/secret",
                ". -samefile /outside/secret",
                "-files0-from a.txt",
                ". -fprint0 /outside/x",
                "-exec evil ';'",
            ],
        ),
        "tar" => (
            &["-tf a.tar", "-xf a.tar", "czf x.tgz sub", "-cf x.tar a.txt", "tvf a.tar", "xf a.tar -C sub"],
            &[
                "-cf x.tar --checkpoint=1 --checkpoint-action=exec=evil a.txt",
                "-xf a.tar --to-command=evil",
                "-cf x.tar -I evil a.txt",
                "--use-compress-program=evil -cf x.tar a.txt",
                "--use-compress=evil -cf x a.txt",
                "-cf /outside/x a.txt",
                "-cf x.tar /outside/secret",
                "-xf a.tar -C /outside",
                "-xOf a.tar --to-com=evil",
                "-cf x -T /outside/secret",
                "cIf evil x.tar a.txt",
                "-c --rsh-command=evil -f h:x a.txt",
                "-cf evil:x a.txt",
                "-F evil -cf x a.txt",
                "--info-script=evil -ML1 -cf x a.txt",
                "--new-volume-script=evil -ML1 -cf x a.txt",
                "-xf a.tar --transform=s,^,/outside/, -P",
                "-xPf a.tar",
                "--index-file=/outside/x -tf a.tar",
                "-g /outside/x -cf x a.txt",
                "--listed-incremental=/outside/x -cf x a.txt",
                "--add-file=/outside/secret -cf x",
                "-X /outside/secret -cf x a.txt",
                "-cf x --volno-file=/outside/v a.txt",
                "--directory=/outside -cf x secret",
                "--remove-files -cf x a.txt",
                "-Zcf x a.txt",
                "-jcf x a.txt",
                "-acf x.gz a.txt",
                "-xf a.tar --one-top-level=/outside/x",
                "--checkpoint-action exec=evil --checkpoint=1 -cf x a.txt",
                "-OxIf evil a.tar",
            ],
        ),
        "sed" => (
            &[
                "-n 1p a.txt",
                "s/a/b/ a.txt",
                "-e s/a/b/ -e s/b/c/ a.txt",
                "'5q' a.txt",
                "-i s/a/z/ a.txt",
                "-n '/a/,/b/p' a.txt",
                "-E 's/(a)/\\1\\1/' a.txt",
            ],
            &[
                "1e\\ evil a.txt",
                "'1e evil' a.txt",
                "s/a/evil/e a.txt",
                "-n '1w /outside/x' a.txt",
                "'1r /outside/secret' a.txt",
                "p /outside/secret",
                "-f /outside/secret a.txt",
                "-n 's/a/b/w /outside/x' a.txt",
                "-s -e 1R/outside/secret a.txt",
                "--expression='1e evil' a.txt",
                "--expr=1eevil a.txt",
                "--e=1eevil a.txt",
                "-ne '1e evil' a.txt",
                "-e '1{e evil' -e '}' a.txt",
                "'$!N;e evil' a.txt",
                "'y/a/b/;e evil' a.txt",
                "'s,a,evil,e' a.txt",
                "'s/a/b/;1e evil' a.txt",
                "'/a/{e evil\n}' a.txt",
                "-i/outside/* s/a/b/ a.txt",
                "--in-place=../outside/* s/a/b/ a.txt",
                "'1F' /outside/secret",
                "'a\\\nx\n;e evil' a.txt",
                "':a;s/x/y/;ta;e evil' a.txt",
                "'0~2e evil' a.txt",
                "'1,+2e evil' a.txt",
                "'\\,a,e evil' a.txt",
                "'s/[/]/x/;e evil' a.txt",
                "'s/a/b/ew x' a.txt",
                "'s/a/evil/me' a.txt",
                "'s/a/evil/2e' a.txt",
                "'W/outside/x' a.txt",
                "'v;e evil' a.txt",
                "'q1;e evil' a.txt",
                "'s/[/e evil/]/x/' a.txt",
            ],
        ),
        "awk" => (
            &[
                "'{ print $1 }' a.txt",
                "-F, '{ print $2 }' b.txt",
                "'END { print NR }' a.txt",
                "'$1 > 3' a.txt",
                "-v n=1 '{ print n }' a.txt",
            ],
            &[
                "'BEGIN { system(\"evil\") }'",
                "'BEGIN { \"evil\" | getline x }'",
                "'BEGIN { print 1 | \"evil\" }'",
                "'BEGIN { print 1 > \"/outside/x\" }'",
                "-f /outside/secret",
                "'1' /outside/secret",
                "'BEGIN { getline x < \"/outside/secret\"; print x }'",
                "'BEGIN { while ((getline l < f) > 0) print l }' f=/outside/secret",
                "-v 'f=/outside/x' 'BEGIN { print 1 > f }'",
                "-v f=x 'BEGIN{printf(\"x\")>f}'",
                "-v c=evil 'BEGIN{system(c)}'",
                "-v c=evil 'BEGIN{system (c)}'",
                "-v c=evil 'BEGIN{print|c}'",
                "'BEGIN{ARGV[1]=\"/outside/secret\";ARGC=2}1'",
                "'{print}' f=/outside/secret a.txt",
                "-W exec=x",
                "-Wexec x",
                "'BEGIN{printf \"x\" >> \"/outside/x\"}'",
                "-v f=/outside/secret 'BEGIN{ARGV[1]=f;ARGC=2}{print}'",
            ],
        ),
        "env" => (
            &["", "ls", "ls -l", "-i ls", "-u X cat a.txt"],
            &[
                "evil",
                "-S 'evil x'",
                "--s=evil",
                "--sp=evil",
                "-Sevil",
                "PATH=/desk ls",
                "X=1 evil",
                "-i evil",
                "sh -c evil",
                "--split-string=evil",
                "-C /outside ls",
                "-vS evil",
                "-- evil",
                "LD_PRELOAD=x ls",
                "-u X evil",
                "--unset=X evil",
                "--ignore-environment evil",
                "-iS evil",
                "./evil",
                "/outside/git",
                "--chdir=/outside ls",
                "--block-signal evil",
                "--default-signal=INT evil",
                "-",
                "- evil",
            ],
        ),
        "nice" => (
            &["ls", "-n 5 cat a.txt", "--adjustment=3 ls", "-5 ls"],
            &["evil", "-n 5 evil", "-5 evil", "--adjustment=5 evil", "--adjustment 5 evil", "-- evil", "-n5 evil", "sh -c evil"],
        ),
        "timeout" => (
            &["5 ls", "-s KILL 5 cat a.txt", "5s ls -l"],
            &[
                "5 evil",
                "-k 1 5 evil",
                "--signal=KILL 5 evil",
                "--signal KILL 5 evil",
                "--foreground 5 evil",
                "-s KILL 5 sh -c evil",
                "--preserve-status 5 evil",
                "--kill-after 1 5 evil",
                "-v 5 evil",
                "-- 5 evil",
            ],
        ),
        "xargs" => (
            &["ls", "-n 1 cat", "-0 ls", "-r ls", "--max-args=1 ls"],
            &[
                "evil",
                "-n 1 evil",
                "-I{} evil {}",
                "-I {} evil {}",
                "-a a.txt evil",
                "--arg-file=/outside/secret ls",
                "-a /outside/secret ls",
                "sh -c evil",
                "-P 4 -n 1 evil",
                "--max-args 1 evil",
                "-d x evil",
                "--delimiter=x evil",
                "-i evil",
                "-l evil",
                "-e evil",
                "--replace evil",
                "--eof evil",
                "--max-lines evil",
                "-- evil",
                "-E x evil",
                "-s 99 evil",
                "-t evil",
                "-o evil",
                "--process-slot-var=X evil",
                "--process-slot-var X evil",
            ],
        ),
        "sort" => (
            &["a.txt", "-n a.txt b.txt", "-k 2 a.txt", "-u a.txt", "-r a.txt"],
            &[
                "--compress-program=evil a.txt",
                "--co=evil -S1b a.txt",
                "--compress-prog=evil -S 1b a.txt",
                "-o /outside/x a.txt",
                "/outside/secret",
                "--files0-from=/outside/secret",
                "-T /outside a.txt",
                "--output=/outside/x a.txt",
                "-o/outside/x a.txt",
                "-m /outside/secret",
                "--compress-program evil -S 1b a.txt",
                "--random-source=/outside/secret -R a.txt",
                "../outside/secret",
                "-S1b --compress-program=evil a.txt b.txt",
            ],
        ),
        "node" => (
            &["script.js", "--version", "--test sub", "tool"],
            &[
                "-e 1",
                "--eval=1",
                "-p 1",
                "-pe 1",
                "-r ./x y.js",
                "--require x y.js",
                "--import=x y.js",
                "/outside/x.js",
                "--env-file=/outside/secret x.js",
                "-",
                "--eval 1",
                "--print 1",
                "--loader=x y.js",
            ],
        ),
        "make" => (
            &["all", "-j 2 test", "-n", "-C sub all"],
            &[
                "SHELL=/srv/evil",
                "-f /outside/x",
                "--eval='$(shell evil)'",
                "-C /outside",
                "X='$(shell evil)'",
                "-E x",
                "--file=/outside/x",
                "-I /outside",
                "--makefile=/outside/m",
                "MAKEFLAGS=-n",
                ".SHELLFLAGS=x",
            ],
        ),
        "cargo" => (
            &["build", "test --lib", "check -p x", "--version"],
            &[
                "--config x=1 build",
                "-Z x build",
                "run",
                "install --git http://x",
                "--manifest-path /outside/Cargo.toml build",
                "+nightly build",
            ],
        ),
        _ => (
            &["-la", "a.txt", "sub", "", "'a b.txt'", "-- -rf", "a.txt b.txt", "./sub/c.txt", "sub/../a.txt", "\"a b.txt\""],
            &[
                "/outside",
                "../outside",
                "~",
                "~/x",
                "/outside/secret",
                "sub/../../outside",
                "$HOME",
                "*",
                "-/outside/secret",
                "--x=/outside/secret",
                "-x/outside/secret",
                "file:///outside/secret",
                "~+/x",
                "=/outside/secret",
                "@/outside/secret",
                "a.txt:/outside/secret",
            ],
        ),
    }
}

const GLUE: &[&str] = &[
    "; evil",
    " && evil",
    " | evil",
    " || evil",
    " & evil",
    "\nevil",
    " $(evil)",
    " `evil`",
    " > /outside/x",
    " >x",
    " < /outside/secret",
    " <(evil)",
    " ${IFS}evil",
    " 'evil",
    " \"$(evil)\"",
    " \\\nevil",
    "; ./evil",
    " \"`evil`\"",
    " $'\\x65vil'",
    " #evil",
    " &evil",
    " ;evil",
    " 2>&1",
    " >&2",
    " {evil,x}",
    " $(<a.txt)",
    " ~",
    " *",
    " ?.txt",
    " [ab].txt",
    " !!",
    " {a,b}.txt",
    " {1..3}",
    " $((1))",
    " $PATH",
    " \"$PATH\"",
    " '$(evil)'",
    " '; evil'",
    " \"; evil\"",
    " \\; evil",
    " \\$\\(evil\\)",
    " 'a'\\''b'",
    " \"a\\\"; evil; \\\"b\"",
    " '\\'; evil; '",
    " \"\\\\\"; evil",
    "\tevil",
    "\r\nevil",
    " \u{a0}evil",
    " ；evil",
    " a=b",
    " =ls",
    " (evil)",
    " {evil;}",
    " $[1]",
    " \"!x\"",
    " ''",
    " \"\"",
    " -$(evil)",
    "$(evil)",
    "`evil`",
    "|evil",
    ";evil",
    "&&evil",
];
const LETTERS: &[&str] = &[
    "'", "\"", "\\", "$", "`", ";", "&", "|", ">", "<", "(", ")", "\n", " ", "\t", "*", "?", "[", "]", "{", "}", "~", "#", "!", "=", "^",
    "\u{a0}", "；", "\u{200b}", "$(", "${", "\r", "\0", "-", "/", "..", ",", "%", "\u{b}", "\u{c}",
];
const STARTS: &[&str] = &[
    "X=1 ",
    "PATH=/desk ",
    "LD_PRELOAD=/x ",
    "./",
    "/desk/",
    "/bin/",
    "/usr/bin/",
    "../bin/",
    "\\",
    "'",
    "exec ",
    "command ",
    "eval ",
    ". ",
    "! ",
    "(",
    "{ ",
    "time ",
    "if ",
    "\"",
    "builtin ",
    "coproc ",
    "function x ",
    "$0 ",
    "~/",
    "\n",
    "-",
];

struct Case {
    text: Option<String>,
    words: Vec<String>,
}

fn case(chance: &mut Chance, allowed: &[&'static str]) -> Case {
    let program = if chance.in_hundred(94) { chance.one(allowed) } else { chance.one(SHIMS) };
    let (good, bad) = arguments(program);
    let mut pieces = vec![program.to_owned()];
    for at in 0..=chance.below(2) {
        if at == 0 || chance.in_hundred(40) {
            pieces.push(if chance.in_hundred(65) { chance.one(good) } else { chance.one(bad) }.to_owned());
        }
    }
    let mut text = pieces.join(" ");
    if chance.in_hundred(30) {
        // As words, where a quotation is one.
        let words = text
            .split('\'')
            .enumerate()
            .flat_map(|(at, part)| if at % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() });
        let mut words: Vec<String> = words.collect();
        if chance.in_hundred(20) {
            let at = chance.below(words.len());
            words[at] = chance.bent(&words[at], LETTERS, 2);
        }
        return Case { text: None, words };
    }
    if chance.in_hundred(18) {
        text.push_str(chance.one(GLUE));
    }
    if chance.in_hundred(6) {
        text.insert_str(0, chance.one(STARTS));
    }
    if chance.in_hundred(18) {
        text = chance.bent(&text, LETTERS, 2);
    }
    Case { text: Some(text), words: Vec::new() }
}

/// What is wrong with one run.
fn fault(run: &Value, allowed: &[&str], only: Option<&str>) -> Option<String> {
    // A compressor that an option of tar stands for is started through a shell, by tar's own words.
    // So is the other side of a repository by git's.
    let own = |record: &&Value| {
        let word = |at: usize| record["words"][at].as_str().unwrap_or_default();
        let packs =
            ["gzip", "bzip2", "xz", "lzip", "lzma", "lzop", "zstd", "compress"].contains(&word(2).split(' ').next().unwrap_or_default());
        let fetches = word(2).starts_with("git-upload-pack '") || word(2).starts_with("git-receive-pack '");
        allowed.contains(&"git") && matches!(word(0), "sh" | "/bin/sh") && word(1) == "-c" && fetches
            || allowed.contains(&"tar") && matches!(word(0), "sh" | "/bin/sh") && word(1) == "-c" && packs
            || allowed.contains(&"tar") && word(0) == "gzip" && word(2).is_empty()
    };
    let records: Vec<&Value> = run["records"].as_array().into_iter().flatten().filter(|record| !own(record)).collect();
    let names: Vec<&str> =
        records.iter().filter_map(|record| record["words"][0].as_str()).map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    if let Some(other) = names.iter().find(|name| !allowed.contains(name)) {
        return Some(format!("{other} was started"));
    }
    let led = |record: &Value| {
        record["outside"].as_array().is_some_and(|outside| !outside.is_empty())
            || record["place"].as_str().is_none_or(|place| !place.starts_with("/bin/"))
    };
    if records.iter().any(|record| led(record)) {
        return Some(format!("led out: {}", run["records"]));
    }
    if run["outside"] == true || run["told"] == true {
        return Some(format!("reached outside: {}", run["said"]));
    }
    // Where a recorder is all that there is, it runs once at most, and nothing is written beside it.
    let changed = only.is_some() && run["changed"] == true;
    (changed || only.is_some() && names.len() > 1).then(|| format!("more than one effect: {names:?}, changed: {changed}"))
}

#[test]
fn shells_and_programs_start_nothing_else() {
    if Peers::find().is_none()
        || !is_there(&["/usr/bin/ldd", "/usr/bin/unshare", "/usr/bin/find", "/usr/bin/xargs", "/usr/bin/awk", "/bin/tar", "/bin/bash"])
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("jail");
    build(&root);
    let mut jail = Command::new("unshare");
    jail.args(["--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"])
        .arg(format!("--root={}", root.display()))
        .arg("/driver");
    let mut oracle = Speaker::start(&mut jail, folder.path(), "jail");
    let guard = |allowed: &[&str]| {
        let allowed = Some(allowed.iter().map(|name| (*name).to_owned()).collect());
        Guard::new(GuardKind::Process, &Words { allowed, cwd: Some("/desk".into()), ..Words::default() }).unwrap()
    };
    let policies = [(guard(RECORDED), RECORDED), (guard(STARTING), STARTING)];
    let (mut chance, mut tally) = (Chance::new(0x6172_6776), Tally::default());
    while tally.cases < cases() {
        let mut allowed = Vec::new();
        while allowed.len() < 100 && tally.cases < cases() {
            let (guard, programs) = &policies[usize::from(chance.in_hundred(60))];
            let case = case(&mut chance, programs);
            tally.cases += 1;
            let value = case.text.as_ref().map_or_else(|| json!(case.words), |text| json!(text));
            if let Ok(judged) = guard.judge(&value, &Lexical) {
                tally.allowed += 1;
                let request = case.text.as_ref().map_or_else(|| json!({"words": case.words}), |text| json!({"text": text}));
                allowed.push((request, *programs));
                if case.text.is_some() && *programs == RECORDED {
                    allowed.push((json!({"text": judged[0].normal}), *programs));
                }
            }
        }
        let requests: Vec<Value> = allowed.iter().map(|(request, _)| request.clone()).collect();
        let mut before: Option<Value> = None;
        for ((request, programs), answer) in allowed.iter().zip(oracle.ask(&requests)) {
            let only = (*programs == RECORDED).then_some("one");
            for (shell, run) in answer.as_object().into_iter().flatten() {
                tally.asked += 1;
                if let Some(fault) = fault(run, programs, only) {
                    tally.wrong(format!("{request} by {shell}: {fault}"));
                }
            }
            // The normal form stands behind its text, and both shells must cut both into the same words.
            let started = |shell: &str| answer[shell]["records"][0]["words"].clone();
            if only.is_some() && request.get("text").is_some() {
                if started("sh") != started("bash") {
                    tally.wrong(format!("{request}: the shells disagree: {} {}", started("sh"), started("bash")));
                }
                match before.take() {
                    Some(words) if words != started("sh") => {
                        tally.wrong(format!("{request}: not the words of what it is the normal form of: {words}"))
                    }
                    Some(_) => {}
                    None => before = Some(started("sh")),
                }
            }
        }
    }
    tally.close("process", 25);
}
