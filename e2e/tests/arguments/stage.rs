//! The servers, the gateway before them, and what there is to be attacked.

use super::{Call, Effect};
use e2e::{Peers, Postgres, list};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use testkit::{Http, Running, World, free_port, run};

const SCHEMA: &str = "
CREATE TABLE orders(id int PRIMARY KEY, total numeric);
CREATE TABLE customers(id int PRIMARY KEY, name text);
CREATE TABLE people(id int PRIMARY KEY, name text, pin text);
CREATE SCHEMA private;
CREATE TABLE private.orders(id int, pin text);
CREATE VIEW everyone AS SELECT * FROM people;
CREATE FUNCTION act() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT pin FROM people';
CREATE ROLE app LOGIN PASSWORD 'rosebud';
INSERT INTO orders VALUES (1, 9.5), (2, 20);
INSERT INTO customers VALUES (1, 'ana');
INSERT INTO people SELECT 1, 'eve', 'PIN-4711' FROM generate_series(1, 1);
INSERT INTO private.orders VALUES (1, 'PIN-4711');
SELECT lo_from_bytea(77, 'PIN-4711');
ANALYZE;
";

/// The same for SQLite.
const LITE: &str = "
CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL, note TEXT);
CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, pin TEXT);
CREATE VIEW everyone AS SELECT * FROM people;
INSERT INTO orders VALUES (1, 9.5, 'a'), (2, 20, 'b');
INSERT INTO customers VALUES (1, 'ana');
INSERT INTO people VALUES (1, 'eve', 'PIN-4711');
";

const TABLES: &str = "tables: [orders, customers]";

pub struct Stage {
    pub world: World,
    peers: Peers,
    postgres: Postgres,
    agent: Http,
    asked: Arc<Mutex<Vec<String>>>,
    ports: [u16; 2],
    _fetcher: Running,
}

/// What came of a call.
pub struct Said {
    /// The code of the refusal; empty where it was not refused.
    pub code: String,
    /// What the server answered, faults included.
    pub text: String,
}

/// A web server that says what it is, and notes what it was asked.
fn page(says: &'static str, asked: Option<Arc<Mutex<Vec<String>>>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = Vec::new();
            let mut piece = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(read) if read > 0 => head.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
            if let Some(asked) = &asked {
                asked.lock().unwrap().push(first);
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{says}",
                says.len()
            );
        }
    });
    port
}

impl Stage {
    pub fn start() -> Option<Self> {
        let peers = Peers::find()?;
        let postgres = Postgres::start()?;
        postgres.tell("postgres", "CREATE DATABASE t");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ports = [page("the open page", None), page("the inner page", Some(Arc::clone(&asked)))];
        let mut setup = World::with();
        let folder = setup.path();
        let (script, python, fetch) = (Peers::script("remote.py").display().to_string(), peers.python("python"), free_port());
        let mut fetcher = Command::new(&python);
        fetcher.args([script.as_str(), &fetch.to_string(), "mcp_server_fetch", "--ignore-robots-txt", "--allow-private-ips"]);
        let mut running = Running::start(&mut fetcher, &folder.join("fetch.log"));
        e2e::until("the fetcher listens", || {
            assert!(running.alive(), "it ended: {}", std::fs::read_to_string(folder.join("fetch.log")).unwrap_or_default());
            std::net::TcpStream::connect(("127.0.0.1", fetch)).is_ok()
        });
        let socket = postgres.folder().join("socket").display().to_string();
        let node = peers.folder().join("node/node_modules/node/bin/node").display().to_string();
        let package = peers.postgres().join("@modelcontextprotocol/server-postgres/dist/index.js").display().to_string();
        let address = format!("postgresql://bastide@localhost:{}/t?host={socket}", postgres.port);
        let sandbox = peers.sandbox();
        let entry = |run: String| format!("run: {run}\n{sandbox}");
        let database = format!(
            "run: {}\nsandbox: {{ read: [{:?}], write: [{socket:?}] }}",
            list([node.as_str(), &package, &address].into_iter()),
            peers.folder().display().to_string()
        );
        let lite =
            entry(list([peers.sqlite("python").as_str(), &peers.sqlite("mcp-server-sqlite"), "--db-path", "{box}/data.db"].into_iter()));
        let files = entry(peers.node_server("server-filesystem", &["{box}"])) + "\nenv: { HOME: \"{box}/kept\" }";
        let git = entry(peers.python_server("mcp_server_git", &[]));
        let web = format!("url: http://127.0.0.1:{fetch}/mcp");
        let entries = [("db", &database), ("lite", &lite), ("files", &files), ("git", &git), ("fetch", &web)];
        let mut allow = Vec::new();
        for (name, entry) in entries {
            for name in [name.to_owned(), format!("bare-{name}")] {
                setup = setup.server(&name, entry);
                allow.push(format!("{name}: [\"*\"]"));
            }
        }
        let setup = setup.server("web", &web).role(
            "tester",
            &format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ {}, web: [\"*\"] }}", allow.join(", ")),
        );
        let mut world = setup
            .section("tools", &tools(ports[0]))
            .section("inspect", "errors: { action: flag }\nsecrets: { action: flag }\nfinancial: { action: flag }\npii: { action: flag }")
            .write();
        prepare(&world.path("box"));
        world.json(&["lock", "--yes"]);
        world.serve();
        let agent = world.agent();
        let mut stage = Self { world, peers, postgres, agent, asked, ports, _fetcher: running };
        stage.reset();
        Some(stage)
    }

    fn folder(&self) -> PathBuf {
        self.world.path("box")
    }

    fn filled(&self, text: &str) -> String {
        let folder = self.folder().display().to_string();
        let postgres = self.postgres.folder().join("socket").display().to_string();
        text.replace("{box}", &folder)
            .replace("{pg}", &postgres)
            .replace("{open}", &self.ports[0].to_string())
            .replace("{inner}", &self.ports[1].to_string())
    }

    fn called(&mut self, name: &str, call: &Call) -> Said {
        let arguments: Value = serde_json::from_str(&self.filled(&call.arguments.to_string())).unwrap();
        let answer = self.agent.call(name, arguments);
        let code = answer.refusal().and_then(|refusal| refusal["code"].as_str()).unwrap_or_default().to_owned();
        let fault = answer.0["error"]["message"].as_str().unwrap_or_default();
        Said { code, text: format!("{}{fault}", answer.text()) }
    }

    pub fn guarded(&mut self, call: &Call) -> Said {
        self.called(call.tool, call)
    }

    pub fn bare(&mut self, call: &Call) -> Said {
        let name = format!("bare-{}", call.tool.replace("web__", "fetch__"));
        self.called(&name, call)
    }

    fn lite(&self, sql: &str) -> String {
        let code = "import sqlite3, sys\none = sqlite3.connect(sys.argv[1], isolation_level=None)\nprint('\\n'.join('|'.join(map(str, row)) for row in one.execute(sys.argv[2])))";
        let output = run(Command::new(self.peers.python("python")).args(["-c", code]).arg(self.folder().join("data.db")).arg(sql), b"");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Whether an attack had its effect.
    pub fn happened(&self, effect: Effect, told: &str) -> bool {
        let path = |path: &str| PathBuf::from(self.filled(path));
        match effect {
            Effect::Tells(text) => told.contains(text),
            Effect::Postgres(sql, is) => self.postgres.ask("t", sql).is_ok_and(|said| said == is),
            Effect::Sqlite(sql, is) => self.lite(sql) == is,
            Effect::There(file) => path(file).symlink_metadata().is_ok(),
            Effect::Gone(file) => path(file).symlink_metadata().is_err(),
            Effect::Holds(file, text) => std::fs::read_to_string(path(file)).is_ok_and(|found| found.contains(text)),
            Effect::Asked => !self.asked.lock().unwrap().is_empty(),
            Effect::Git(words, is) => {
                let output = run(Command::new("git").arg("-C").arg(self.folder().join("other")).args(words), b"");
                String::from_utf8_lossy(&output.stdout).contains(is)
            }
        }
    }

    /// Makes everything as it was.
    pub fn reset(&mut self) {
        self.reset_postgres();
        self.reset_folder();
        self.asked.lock().unwrap().clear();
    }

    /// Makes as it was what this effect may have changed.
    pub fn reset_after(&mut self, effect: Effect) {
        match effect {
            Effect::Tells(_) => {}
            Effect::Postgres(..) => self.reset_postgres(),
            Effect::Sqlite(..) | Effect::Gone(_) | Effect::Holds(..) | Effect::Git(..) | Effect::There(_) => self.reset_folder(),
            Effect::Asked => self.asked.lock().unwrap().clear(),
        }
    }

    fn reset_postgres(&self) {
        let clean = "SET client_min_messages = warning;
SET default_transaction_read_only = off;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;
DROP SCHEMA IF EXISTS public, private, evil CASCADE; CREATE SCHEMA public;
SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
DROP ROLE IF EXISTS app; DROP ROLE IF EXISTS evil; ALTER ROLE bastide RESET ALL; ALTER DATABASE t RESET ALL;";
        self.postgres.tell("t", clean);
        self.postgres.tell("t", SCHEMA);
    }

    fn reset_folder(&self) {
        prepare(&self.folder());
        for file in ["data.db", "data.db-wal", "data.db-shm"] {
            let _ = std::fs::remove_file(self.folder().join(file));
        }
        let code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
        let made = run(Command::new(self.peers.python("python")).args(["-c", code]).arg(self.folder().join("data.db")).arg(LITE), b"");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let socket = self.postgres.folder().join("socket");
        for entry in std::fs::read_dir(&socket).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("made")) {
            let _ = std::fs::remove_file(entry.path());
        }
        open(&self.folder());
    }
}

/// The folders: `open` is what the guards open, `kept` is what attacks are after; `repo` and `other` likewise.
fn prepare(folder: &std::path::Path) {
    for name in ["open", "kept", "open2", "repo", "other", "linked"] {
        let _ = std::fs::remove_dir_all(folder.join(name)).or_else(|_| std::fs::remove_file(folder.join(name)));
    }
    for (file, text) in [
        ("open/plain.txt", "plain words\n"),
        ("open/sub/deep.txt", "deep words\n"),
        ("kept/secret.txt", "KEPT-4711\n"),
        ("kept/sub/secret.txt", "KEPT-4711\n"),
        ("open2/secret.txt", "KEPT-4711\n"),
        ("open/edit.txt", "before\n"),
    ] {
        std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
    }
    for (link, to) in [
        ("open/leak", "../kept"),
        ("open/leakfile", "../kept/secret.txt"),
        ("open/chain", "chain2"),
        ("open/chain2", "leak"),
        ("open/up", ".."),
        ("open/sub/up", "../.."),
        ("open/inner", "sub"),
        ("open/wide", "../kept/sub"),
    ] {
        std::os::unix::fs::symlink(to, folder.join(link)).unwrap();
    }
    std::os::unix::fs::symlink(folder.join("kept"), folder.join("open/absolute")).unwrap();
    for (name, file, message) in [("repo", "a.txt", "an open commit"), ("other", "kept.txt", "KEPT-4711 commit")] {
        let repository = folder.join(name);
        std::fs::create_dir_all(&repository).unwrap();
        std::fs::write(repository.join(file), "first\n").unwrap();
        for words in [
            &["init", "-q", "-b", "main"][..],
            &["add", "."],
            &["-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-q", "-m", message],
            &["branch", "side-KEPT"],
            &["config", "user.name", "a"],
            &["config", "user.email", "a@b.test"],
        ] {
            assert!(run(Command::new("git").arg("-C").arg(&repository).args(words), b"").status.success());
        }
        std::fs::write(repository.join(file), "first\nKEPT-4711 change\n").unwrap();
        std::fs::write(repository.join("new.txt"), "new\n").unwrap();
    }
    std::os::unix::fs::symlink("../other", folder.join("repo/sibling")).unwrap();
    open(folder);
}

/// Whoever the servers act as may do everything here.
fn open(folder: &std::path::Path) {
    assert!(run(Command::new("chmod").args(["-R", "a+rwX"]).arg(folder), b"").status.success());
}

/// The guards.
fn tools(port: u16) -> String {
    let path = "{ guard: files, roots: [\"{box}/open\"], write: true }";
    let read = "{ guard: files, roots: [\"{box}/open\"] }";
    let repository = "{ guard: files, roots: [\"{box}/repo\"], write: true }";
    let mut lines = vec![
        format!("db__query: {{ operation: read, arguments: {{ sql: {{ guard: sql, dialect: postgres, {TABLES} }} }} }}"),
        format!("lite__read_query: {{ operation: read, arguments: {{ query: {{ guard: sql, dialect: sqlite, {TABLES} }} }} }}"),
        format!("lite__write_query: {{ arguments: {{ query: {{ guard: sql, dialect: sqlite, mode: read-write, {TABLES} }} }} }}"),
        format!(
            "fetch__fetch: {{ arguments: {{ url: {{ guard: http, schemes: [http], allow_hosts: [\"127.0.0.1:{port}\"], deny_private: false }} }} }}"
        ),
        "web__fetch: { arguments: { url: { guard: http, schemes: [http, https], allow_hosts: [\"*:*\"] } } }".to_owned(),
        format!("files__read_multiple_files: {{ arguments: {{ paths: {read} }} }}"),
        format!("files__move_file: {{ arguments: {{ source: {path}, destination: {path} }} }}"),
    ];
    for tool in [
        "read_text_file",
        "read_file",
        "read_media_file",
        "list_directory",
        "list_directory_with_sizes",
        "directory_tree",
        "search_files",
        "get_file_info",
    ] {
        lines.push(format!("files__{tool}: {{ arguments: {{ path: {read} }} }}"));
    }
    for tool in ["write_file", "edit_file", "create_directory"] {
        lines.push(format!("files__{tool}: {{ arguments: {{ path: {path} }} }}"));
    }
    for tool in [
        "git_status",
        "git_log",
        "git_diff",
        "git_diff_unstaged",
        "git_diff_staged",
        "git_show",
        "git_branch",
        "git_add",
        "git_commit",
        "git_reset",
        "git_create_branch",
        "git_checkout",
    ] {
        lines.push(format!("git__{tool}: {{ arguments: {{ repo_path: {repository} }} }}"));
    }
    lines.join("\n")
}
