//! What programs do with their options and operands: which of them take code, or start other programs. Data, by the manuals of the programs.

/// How a program reads its words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Its names; a version such as `3.12` may stand behind one.
    pub(super) names: &'static [&'static str],
    /// Options that hold code. Long ones without their hyphens, short ones as one letter.
    pub(super) code: &'static [&'static str],
    /// Options that start programs, load code, or read further options.
    pub(super) exec: &'static [&'static str],
    /// Short options that take a value: what stands behind one in a cluster is no option.
    pub(super) valued: &'static str,
    /// First operands that start programs, load code, or read further options.
    pub(super) verbs: &'static [&'static str],
    /// What its operands are.
    pub(super) operands: Operands,
}

/// What the operands of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Names of files and the like.
    Plain,
    /// Text, all of it.
    Text,
    /// A pattern or script without effect, then names.
    Pattern,
    /// A script in a language that can start programs, then names.
    Script(Language),
    /// A file with a program in it; what stands behind is its own affair. Without one it reads code from elsewhere.
    Source,
    /// Options written with one hyphen and whole words: `-exec`.
    Words,
    /// A command of its own, behind its options.
    Command,
    /// Every word may be a command: nothing is read of it.
    Anything,
}

/// A language of scripts that stand in an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// `awk`
    Awk,
    /// `sed`
    Sed,
    /// `jq`
    Jq,
}

macro_rules! programs {
    ($($names:expr, code $code:expr, exec $exec:expr, valued $valued:literal, verbs $verbs:expr, $operands:expr;)*) => {
        const PROGRAMS: &[Program] = &[$(Program { names: &$names, code: &$code, exec: &$exec, valued: $valued, verbs: &$verbs, operands: $operands }),*];
    };
}

use Operands::{Anything, Command, Pattern, Plain, Script, Source, Text, Words};

programs! {
    ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "csh", "tcsh", "rbash", "elvish", "nu", "xonsh"],
        code ["c", "s", "command", "init-command", "commands"], exec ["init-file", "rcfile", "i", "l", "login"], valued "oO", verbs [], Source;
    ["pwsh", "powershell"], code ["c", "command", "ec", "e", "enc", "encodedcommand", "commandwithargs"], exec [], valued "", verbs [], Anything;
    ["cmd"], code ["c", "k"], exec [], valued "", verbs [], Anything;
    ["python", "python2", "python3", "pypy", "pypy3", "ipython"], code ["c", "i"], exec [], valued "mWXQ", verbs [], Source;
    ["node", "nodejs", "iojs"], code ["e", "eval", "p", "print", "i", "interactive"],
        exec ["r", "require", "import", "loader", "experimental-loader", "inspect", "inspect-brk", "env-file", "snapshot-blob", "openssl-config", "run"],
        valued "C", verbs ["inspect"], Source;
    ["deno"], code ["e", "eval"], exec ["preload", "import-map", "A", "allow-all", "allow-run", "allow-ffi"], valued "", verbs ["eval", "repl", "task", "x"], Plain;
    ["bun"], code ["e", "eval", "p", "print"], exec ["r", "preload", "require", "import"], valued "", verbs ["x", "exec", "repl", "create", "c"], Plain;
    ["perl", "perl5"], code ["e", "E", "n", "p"], exec ["M", "m", "d", "I", "x", "s"], valued "CDFil0", verbs [], Source;
    ["ruby", "jruby"], code ["e", "n", "p"], exec ["r", "I", "x", "S", "require"], valued "CEFKTW0", verbs [], Source;
    ["irb", "pry"], code ["e"], exec [], valued "", verbs [], Anything;
    ["php"], code ["r", "B", "R", "E", "a", "run", "process-begin", "process-code", "process-end", "interactive"],
        exec ["d", "define", "z", "zend-extension", "c", "php-ini", "S", "server"], valued "f", verbs [], Source;
    ["lua", "luajit", "luac", "texlua"], code ["e", "i"], exec ["l"], valued "", verbs [], Source;
    ["tclsh", "wish", "expect"], code ["c"], exec [], valued "", verbs [], Source;
    ["Rscript", "R", "julia", "ghci", "scala", "kotlin", "groovy", "elixir", "iex", "erl", "swipl", "octave", "guile", "racket", "sbcl", "clisp", "ocaml", "runghc", "gjs", "osascript", "jshell"],
        code ["e", "E", "eval", "print", "execute", "command", "g", "c", "run", "S"], exec ["f", "load", "l", "r", "require", "L"], valued "", verbs [], Source;
    ["java", "javaw"], code [], exec ["agentlib", "agentpath", "javaagent", "XX:OnError", "XX:OnOutOfMemoryError"], valued "", verbs [], Words;
    ["awk", "gawk", "mawk", "nawk"], code ["e", "source"], exec ["f", "file", "i", "include", "l", "load", "E", "exec", "D", "debug", "p", "profile", "o", "d"], valued "Fv", verbs [], Script(Language::Awk);
    ["sed", "gsed"], code [], exec ["f", "file"], valued "l", verbs [], Script(Language::Sed);
    ["jq", "gojq", "jaq", "yq"], code [], exec ["L", "library-path", "run-tests"], valued "", verbs ["shell-completion"], Script(Language::Jq);
    ["m4"], code ["D", "define"], exec [], valued "", verbs [], Anything;
    ["dc", "bc"], code ["e", "expression"], exec [], valued "", verbs [], Anything;
    ["ed", "ex", "vi", "vim", "view", "vimdiff", "rvim", "gvim", "nvim", "emacs", "emacsclient", "nano", "pico", "joe", "mcedit", "kak", "hx", "helix", "micro", "code"],
        code [], exec [], valued "", verbs [], Anything;
    ["less", "more", "most", "pg", "man", "info", "pinfo", "bat", "batcat"], code [],
        exec ["P", "pager", "H", "html", "C", "config-file", "k", "lesskey-file", "lesskey-src", "lesskey-content", "o", "O", "log-file", "LOG-FILE", "l", "local-file", "init-file", "T", "tag-file"],
        valued "", verbs [], Plain;
    ["env"], code [], exec ["S", "split-string", "C", "chdir"], valued "u", verbs [], Command;
    ["nice"], code [], exec [], valued "n", verbs [], Command;
    ["nohup", "setsid", "time", "command", "exec", "builtin"], code [], exec [], valued "", verbs [], Command;
    ["stdbuf"], code [], exec [], valued "ioe", verbs [], Command;
    ["timeout"], code [], exec [], valued "ks", verbs [], Command;
    ["xargs"], code [], exec ["a", "arg-file"], valued "dEILnPs", verbs [], Command;
    ["eval", "source", ".", "trap", "alias", "sudo", "doas", "su", "runuser", "pkexec", "chroot", "unshare", "nsenter", "setpriv", "capsh", "strace", "ltrace", "gdb", "lldb", "valgrind", "perf", "rr",
     "watch", "script", "flock", "systemd-run", "ionice", "chrt", "taskset", "parallel", "unbuffer", "caffeinate", "faketime", "busybox", "toybox", "entr", "screen", "tmux", "at", "batch", "crontab", "start-stop-daemon", "daemonize", "dtach", "setarch", "linux32",
     "linux64", "cpulimit", "proot", "fakeroot", "bwrap", "firejail", "torify", "proxychains", "ld.so", "ld-linux.so", "ld-linux-x86-64.so.2", "socat", "nc", "ncat", "netcat", "lftp",
     "mutt", "msfconsole", "ansible", "ansible-playbook", "rlwrap", "logsave", "run-parts", "pexec", "npx", "pnpx", "bunx", "uvx", "pipx", "dlx", "cargo-run",
     "gcore", "kexec", "insmod", "modprobe", "dosbox", "wine", "qemu-system-x86_64", "byebug", "pdb", "pdb3", "winexe"],
        code [], exec [], valued "", verbs [], Anything;
    ["systemctl", "service"], code [], exec ["H", "host", "M", "machine", "root"], valued "pntos", verbs ["edit", "link", "set-environment", "import-environment"], Plain;
    ["nmap"], code [], exec ["script", "script-args", "interactive", "datadir", "servicedb", "versiondb"], valued "", verbs [], Words;
    ["find", "gfind", "fd", "fdfind"], code [],
        exec ["exec", "execdir", "ok", "okdir", "delete", "fprint", "fprint0", "fprintf", "fls", "files0-from", "x", "X", "exec-batch"], valued "", verbs [], Words;
    ["tar", "gtar", "bsdtar"], code [],
        exec ["to-command", "checkpoint-action", "I", "use-compress-program", "rsh-command", "rmt-command", "F", "info-script", "new-volume-script", "P", "absolute-names", "T", "files-from", "use-compress-prog"],
        valued "fCXbgNLVKH", verbs [], Plain;
    ["zip", "zipnote"], code [], exec ["T", "TT", "unzip-command"], valued "btn", verbs [], Plain;
    ["cpio", "pax", "star"], code [], exec ["rsh-command", "rmt-command", "use-compress-program"], valued "FHEI", verbs [], Plain;
    ["7z", "7za", "rar"], code [], exec ["si", "so"], valued "", verbs [], Plain;
    ["split", "csplit"], code [], exec ["filter"], valued "abClnt", verbs [], Plain;
    ["sort"], code [], exec ["compress-program"], valued "kStoT", verbs [], Plain;
    ["ssh", "slogin", "scp", "sftp", "mosh", "sshfs", "autossh", "ssh-keygen", "ssh-add", "ssh-copy-id"], code [],
        exec ["o", "F", "S", "J", "D", "R", "L", "w", "E", "I", "s", "M", "ssh", "server", "ssh_command", "proxy-command"], valued "bceilmpQqW", verbs [], Plain;
    ["rsync"], code [], exec ["e", "rsh", "rsync-path", "M", "remote-option", "config", "daemon", "files-from"], valued "fBT", verbs [], Plain;
    ["curl"], code [],
        exec ["K", "config", "engine", "unix-socket", "abstract-unix-socket", "libcurl"], valued "AbdeFHmPrtuUXYyz", verbs [], Plain;
    ["wget", "aria2c", "axel"], code [],
        exec ["e", "execute", "use-askpass", "config", "on-download-complete", "conf-path"],
        valued "tTwQUBl", verbs [], Plain;
    ["make", "gmake", "bmake", "ninja", "just", "rake", "invoke", "scons", "bazel", "buck", "meson", "cmake", "ctest"], code ["eval", "E"],
        exec ["P", "toolchain", "shell", "shell-arg", "command", "c"], valued "jlOoW", verbs [], Plain;
    ["gcc", "g++", "cc", "c++", "clang", "clang++", "ld", "as", "rustc", "tcc"], code [],
        exec ["wrapper", "specs", "fplugin", "B", "load", "Xclang", "plugin", "dynamic-linker", "C", "Z", "include", "T"], valued "", verbs [], Words;
    ["go"], code [], exec ["exec", "toolexec", "vettool", "ldflags", "gcflags", "asmflags", "gccgoflags", "C", "modfile", "overlay", "pkgdir"], valued "", verbs ["generate", "tool", "env"], Words;
    ["cargo"], code [], exec ["config", "Z"], valued "jp", verbs ["rustc", "rustdoc", "login"], Plain;
    ["npm", "pnpm", "yarn"], code ["c", "call", "shell-mode"],
        exec ["script-shell", "node-options", "git", "userconfig", "globalconfig", "shell", "editor", "viewer", "browser", "onload-script", "init-module", "prefix", "g", "global", "registry", "cafile", "scripts-prepend-node-path", "use-node-version", "location"],
        valued "C", verbs ["exec", "x", "dlx", "init", "create", "explore", "edit", "config", "c", "set", "link", "ln", "node"], Plain;
    ["pip", "pip3", "uv", "poetry", "conda", "gem", "bundle", "composer"], code [],
        exec ["i", "index-url", "extra-index-url", "f", "find-links", "python", "config-settings", "global-option", "install-option", "build-option", "trusted-host", "config-file", "source"],
        valued "", verbs ["run", "config", "exec", "tool", "shell", "publish", "push", "run-script", "global"], Plain;
    ["mvn", "gradle", "gradlew", "ant", "sbt", "lein"], code [], exec ["I", "init-script", "s", "settings", "gs", "f", "file", "b", "build-file", "D", "P", "c", "lib"], valued "", verbs [], Words;
    ["docker", "podman", "nerdctl", "ctr", "crictl", "lxc", "kubectl", "oc", "helm", "vagrant", "virsh"], code [],
        exec ["v", "volume", "mount", "privileged", "pid", "net", "network", "ipc", "userns", "cap-add", "device", "security-opt", "entrypoint", "env-file", "H", "host", "context", "config", "kubeconfig", "as", "as-group", "s", "server", "token", "post-renderer", "plugin", "overrides", "volumes-from", "group-add", "cgroupns", "uts"],
        valued "", verbs ["run", "exec", "cp", "attach", "debug", "edit", "proxy", "port-forward", "plugin", "import", "load", "ssh"], Plain;
    ["mysql", "mariadb"], code ["e", "execute"], exec ["pager", "tee", "defaults-file", "defaults-extra-file", "init-command", "plugin-dir", "load-data-local-dir", "local-infile", "ssl-mode"], valued "hPuDS", verbs [], Plain;
    ["psql"], code ["c", "command"], exec ["f", "file", "o", "output", "v", "set", "variable", "L", "log-file", "P"], valued "hpUdFRT", verbs [], Plain;
    ["sqlite3"], code ["cmd"], exec ["init", "interactive"], valued "", verbs [], Words;
    ["redis-cli", "mongo", "mongosh"], code ["eval", "e"], exec ["x", "X", "pipe", "rdb", "f", "shell"], valued "hpnau", verbs ["eval", "evalsha", "config", "module", "slaveof", "replicaof", "debug"], Plain;
    ["tcpdump", "tshark", "dumpcap"], code [], exec ["z", "Z", "w", "G", "W", "X", "F"], valued "cinrs", verbs [], Plain;
    ["openssl"], code [], exec ["engine", "provider", "provider-path", "config", "out", "writerand"], valued "", verbs ["engine", "s_server", "s_client", "speed"], Words;
    ["gpg", "gpg2"], code [], exec ["photo-viewer", "exec-path", "options", "homedir", "keyserver-options", "o", "output", "agent-program", "dirmngr-program", "load-extension"], valued "ru", verbs [], Plain;
    ["ffmpeg", "ffplay", "convert", "magick", "identify", "mogrify", "gs", "pandoc", "tex", "latex", "pdflatex", "xelatex", "lualatex"], code [],
        exec ["filter", "lua-filter", "F", "L", "pdf-engine", "shell-escape", "write18", "enable-write18", "dNOSAFER", "f", "template", "extract-media", "include-in-header", "data-dir"], valued "", verbs [], Words;
    ["hg", "svn", "bzr", "cvs", "fossil"], code [], exec ["config", "config-option", "config-dir", "debugger", "ssh", "e", "remotecmd", "diff-cmd", "diff3-cmd", "editor-cmd", "external", "d", "R", "cwd"], valued "mr", verbs ["serve", "extdiff"], Plain;
    ["gh", "glab", "hub"], code [], exec ["web", "editor", "e"], valued "", verbs ["alias", "extension", "ext", "api", "auth", "codespace", "cs", "config", "secret"], Plain;
    ["rg", "ripgrep"], code [], exec ["pre", "pre-glob", "hostname-bin", "z", "search-zip"], valued "ABCEMdgjmrtT", verbs [], Pattern;
    ["grep", "egrep", "fgrep", "zgrep", "ag", "ack"], code [], exec ["pager", "output", "ackrc", "p"], valued "ABCdDm", verbs [], Pattern;
    ["echo", "printf", "true", "false", "seq", "sleep", "yes", "expr"], code [], exec [], valued "", verbs [], Text;
    ["cat", "ls", "head", "tail", "wc", "uniq", "cut", "tr", "nl", "rev", "tac", "fold", "paste", "join", "comm", "cmp", "diff", "du", "df", "stat", "file", "tree", "basename", "dirname", "realpath", "readlink", "md5sum", "sha1sum", "sha256sum", "cksum",
     "touch", "mkdir", "rmdir", "cp", "mv", "ln", "rm", "tee", "dd", "xxd", "od", "hexdump", "base64", "gzip", "gunzip", "zcat", "bzip2", "xz", "zstd", "unzip", "column", "iconv", "strings", "test", "date", "whoami", "id", "uname", "hostname", "pwd", "which", "tput"],
        code [], exec ["filter", "magic-file", "decompress-program"], valued "", verbs [], Plain;
}

/// What is known of a program, by the name that it is started by.
pub(super) fn of(name: &str) -> Option<&'static Program> {
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let named = |name: &str| PROGRAMS.iter().find(|program| program.names.contains(&name));
    named(name).or_else(|| named(bare)).or_else(|| named(name.strip_suffix(".exe")?))
}

/// Modules that Python runs code with that it is given in words.
pub(super) const PYTHON_MODULES: [&str; 5] = ["timeit", "code", "codeop", "pdb", "idlelib"];

/// Words in the options of programs that are not known, behind which another program or code stands.
pub(super) const TELLING: &[&str] = &[
    "exec",
    "execute",
    "eval",
    "command",
    "cmd",
    "shell",
    "sh",
    "rsh",
    "pager",
    "editor",
    "plugin",
    "preload",
    "load",
    "require",
    "init-command",
    "wrapper",
    "launcher",
    "proxy-command",
    "pre",
    "hook",
    "checkpoint-action",
    "to-command",
    "filter",
    "run",
    "script",
    "code",
    "on-error",
    "on-success",
    "post",
    "use-compress-program",
    "config",
    "rcfile",
    "init-file",
];

/// The code in a script that starts programs, or reads or writes files that are not named in words.
pub(super) fn acts(language: Language, script: &str) -> bool {
    match language {
        Language::Awk => {
            let bare = script.replace(char::is_whitespace, "");
            ["system(", "getline", "|", "@load", "@include", "ENVIRON", "ARGV", "ARGC", "close("].iter().any(|word| bare.contains(word))
                || script.match_indices("print").any(|(at, _)| redirects(script.get(at..).unwrap_or_default()))
        }
        Language::Sed => sed_acts(script),
        Language::Jq => {
            let starts = |at: usize| {
                !script
                    .get(..at)
                    .and_then(|before| before.chars().next_back())
                    .is_some_and(|before| before.is_alphanumeric() || "_.$\"'@".contains(before))
            };
            let ends = |at: usize| {
                !script
                    .get(at..)
                    .and_then(|after| after.chars().next())
                    .is_some_and(|after| after.is_alphanumeric() || "_:\"".contains(after))
            };
            let word = |word: &str| script.match_indices(word).any(|(at, _)| starts(at) && ends(at + word.len()));
            script.contains("$ENV")
                || ["env", "import", "include", "input_filename", "get_search_list", "modulemeta", "$__prog_args", "halt_error"]
                    .iter()
                    .any(|one| word(one))
        }
    }
}

/// Whether what an `awk` statement prints, from its `print` on, goes to a file: a `>` that stands in no string and no brackets.
fn redirects(statement: &str) -> bool {
    let mut depth = 0_usize;
    let mut letters = statement.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                while let Some(inner) = letters.next() {
                    match inner {
                        '\\' => drop(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '>' if depth == 0 => return true,
            ';' | '}' | '\n' if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

/// Whether a `sed` script has one of the commands `e`, `w`, `W`, `r`, `R`, or such a flag on `s`. Where the script is not read for certain, it has.
fn sed_acts(script: &str) -> bool {
    let mut letters = script.chars().peekable();
    let mut at_command = true;
    while let Some(letter) = letters.next() {
        if !at_command {
            at_command = matches!(letter, ';' | '\n' | '{' | '}');
            continue;
        }
        match letter {
            ' ' | '\t' | ';' | '\n' | '{' | '}' | '!' | '$' | ',' | '+' | '~' | '0'..='9' => {}
            '/' | '\\' => {
                let mark = if letter == '\\' { letters.next().unwrap_or('/') } else { '/' };
                if !skip(&mut letters, mark) {
                    return true;
                }
                while letters.next_if(|flag| matches!(flag, 'I' | 'M')).is_some() {}
            }
            's' | 'y' => {
                let Some(mark) = letters.next() else { return true };
                if !skip(&mut letters, mark) || !skip(&mut letters, mark) {
                    return true;
                }
                while let Some(flag) = letters.next_if(|flag| flag.is_ascii_alphanumeric()) {
                    if matches!(flag, 'e' | 'w') {
                        return true;
                    }
                }
            }
            'p' | 'P' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'x' | '=' | 'q' | 'Q' | 'l' | 'z' => at_command = false,
            // A label ends where the next command may begin.
            'b' | 't' | 'T' | ':' => {
                while letters.next_if(|letter| !matches!(letter, ';' | '\n' | '}') && !letter.is_whitespace()).is_some() {}
            }
            // Text and comments run to the end of the line.
            'a' | 'i' | 'c' | '#' => while letters.next_if(|letter| *letter != '\n').is_some() {},
            _ => return true,
        }
    }
    false
}

/// Goes behind the next `mark` that is not escaped; false when there is none.
fn skip(letters: &mut impl Iterator<Item = char>, mark: char) -> bool {
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == mark {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_start_programs_are_found() {
        for (language, script) in [
            (Language::Awk, "BEGIN{system(\"id\")}"),
            (Language::Awk, "BEGIN { system (\"id\") }"),
            (Language::Awk, "{ \"id\" | getline x }"),
            (Language::Awk, "{ print | \"sh\" }"),
            (Language::Awk, "{ print $1 > \"/tmp/x\" }"),
            (Language::Awk, "BEGIN { print 1 > f }"),
            (Language::Awk, "BEGIN{printf(\"a>b\")>f}"),
            (Language::Awk, "BEGIN{ARGV[1]=\"/etc/passwd\";ARGC=2}1"),
            (Language::Sed, ":a;s/x/y/;ta;e evil"),
            (Language::Sed, "b;e evil"),
            (Language::Sed, "/x/{ba};e evil"),
            (Language::Sed, "1e id"),
            (Language::Sed, "s/a/id/e"),
            (Language::Sed, "s|a|id|ge"),
            (Language::Sed, "w /tmp/x"),
            (Language::Sed, "/x/w /tmp/x"),
            (Language::Sed, "1!G;h;$!d;e"),
            (Language::Sed, "s/a/b/;e id"),
            (Language::Sed, "r /etc/passwd"),
            (Language::Jq, "env"),
            (Language::Jq, "$ENV.HOME"),
            (Language::Jq, "[.a, env.HOME]"),
            (Language::Jq, "import \"x\" as x; 1"),
        ] {
            assert!(acts(language, script), "{script}");
        }
        for (language, script) in [
            (Language::Awk, "{ print $1 }"),
            (Language::Awk, "$3 > 5 { n++ } END { print n }"),
            (Language::Awk, "{ print \"a > b\", ($1 > 2); if ($2 > 3) n++ }"),
            (Language::Sed, ":a;N;$!ba;s/\\n/ /g"),
            (Language::Sed, "s/a/b/g"),
            (Language::Sed, "5,10p"),
            (Language::Sed, "/start/,/end/d"),
            (Language::Sed, "s|/usr|/opt|;s,x,y,2p"),
            (Language::Sed, "$d"),
            (Language::Jq, ".env.HOME"),
            (Language::Jq, ".a[0] | {env: .b}"),
            (Language::Jq, ".items[] | select(.environment == \"prod\")"),
        ] {
            assert!(!acts(language, script), "{script}");
        }
    }

    #[test]
    fn programs_are_known_by_every_name() {
        for name in ["python3.12", "python3", "perl5.36", "bash", "lua5.4", "node20", "gawk", "php8.2"] {
            assert!(of(name).is_some(), "{name}");
        }
        assert!(of("frobnicate").is_none());
    }
}
