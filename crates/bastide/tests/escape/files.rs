//! Files and folders of others, straight and by links.

use crate::attempt::Effect::{Changed, Done, Told};
use crate::attempt::{Class, c, node, py};
use sandbox::Layer::{self, Account, Calls, Files, Landlock, Proc};

const FOLDERS: &[Layer] = &[Files, Landlock];
const OWNED: &[Layer] = &[Files, Landlock, Account];
const CALLED: &[Layer] = &[Files, Landlock, Calls];

pub(crate) const OUTSIDE: Class = Class {
    name: "files outside",
    attempts: &[
        py("reads a file", Told, FOLDERS, "read(OTHER + '/secret')"),
        py("appends to a file", Changed, FOLDERS, "open(OTHER + '/secret', 'a').write('x')"),
        py("truncates a file", Changed, FOLDERS, "os.truncate(OTHER + '/secret', 1)"),
        py("removes a file", Changed, FOLDERS, "os.remove(OTHER + '/secret')"),
        py("makes a folder", Changed, FOLDERS, "os.mkdir(OTHER + '/made')"),
        py("changes who may read", Changed, OWNED, "os.chmod(OTHER + '/secret', 0o640)"),
        py("is in a folder and reads there", Told, FOLDERS, "os.chdir(OTHER); read('secret')"),
        node("lists a folder", Told, FOLDERS, "say(fs.readdirSync(OTHER))"),
        node("writes a new file", Changed, FOLDERS, "fs.writeFileSync(OTHER + '/new', 'x')"),
        node("moves a file", Changed, FOLDERS, "fs.renameSync(OTHER + '/secret', OTHER + '/moved')"),
        node(
            "copies a file into its own folder",
            Told,
            FOLDERS,
            "fs.copyFileSync(OTHER + '/secret', GIVEN + '/copy'); read(GIVEN + '/copy')",
        ),
        node("touches a file", Changed, OWNED, "fs.utimesSync(OTHER + '/secret', new Date(), new Date())"),
        c(
            "maps a file",
            Told,
            FOLDERS,
            r#"int fd = open(OTHER "/secret", O_RDONLY); char *at = mmap(0, 64, PROT_READ, MAP_SHARED, fd, 0); if (at != MAP_FAILED) say(at);"#,
        ),
        c(
            "has the kernel send a file",
            Told,
            FOLDERS,
            r#"int to[2]; pipe(to); sendfile(to[1], open(OTHER "/secret", O_RDONLY), 0, 64); close(to[1]); tell(to[0]);"#,
        ),
        c("makes a pipe", Changed, CALLED, r#"done(mkfifo(OTHER "/fifo", 0666) == 0);"#),
        c("sees whether a file is there", Done, &[Files], r#"done(access(OTHER "/secret", F_OK) == 0);"#),
        py("reads the users of the host", Done, FOLDERS, "done('root:' in open('/etc/passwd').read())"),
    ],
};

pub(crate) const LINKS: Class = Class {
    name: "links and races",
    attempts: &[
        py("follows a link that lies in its folder", Told, FOLDERS, "read(GIVEN + '/link')"),
        py(
            "writes through a link of its own",
            Changed,
            FOLDERS,
            "os.symlink(OTHER + '/secret', GIVEN + '/w')\ntry: open(GIVEN + '/w', 'a').write('x')\nfinally: os.remove(GIVEN + '/w')",
        ),
        node(
            "makes a link to a folder",
            Told,
            FOLDERS,
            "fs.symlinkSync(OTHER, GIVEN + '/s'); try { read(GIVEN + '/s/secret') } finally { fs.unlinkSync(GIVEN + '/s') }",
        ),
        node(
            "makes a link to the root",
            Told,
            FOLDERS,
            "fs.symlinkSync('/', GIVEN + '/r'); try { read(GIVEN + '/r' + OTHER + '/secret') } finally { fs.unlinkSync(GIVEN + '/r') }",
        ),
        node("goes up and down again", Told, FOLDERS, "read(GIVEN + '/../other/secret')"),
        c(
            "makes a hard link in its folder",
            Told,
            FOLDERS,
            r#"link(OTHER "/secret", GIVEN "/hard"); tell(open(GIVEN "/hard", O_RDONLY)); unlink(GIVEN "/hard");"#,
        ),
        c("makes a hard link beside a file", Changed, FOLDERS, r#"link(OTHER "/secret", OTHER "/hard");"#),
        c(
            "exchanges its file for another",
            Changed,
            FOLDERS,
            r#"close(open(GIVEN "/x", O_CREAT | O_WRONLY, 0666)); renameat2(AT_FDCWD, GIVEN "/x", AT_FDCWD, OTHER "/secret", RENAME_EXCHANGE);"#,
        ),
        c(
            "moves a folder out of its own",
            Changed,
            FOLDERS,
            r#"mkdir(GIVEN "/out", 0777); rename(GIVEN "/out", OTHER "/out"); rmdir(GIVEN "/out");"#,
        ),
        c("goes up from an open folder", Told, FOLDERS, r#"tell(openat(open(GIVEN, O_PATH | O_DIRECTORY), "../other/secret", O_RDONLY));"#),
        c(
            "opens an open path again",
            Told,
            &[Files, Landlock, Proc],
            r#"char at[64]; int fd = open(OTHER "/secret", O_PATH); snprintf(at, 64, "/proc/self/fd/%d", fd); tell(open(at, O_RDONLY));"#,
        ),
        py("goes through its working directory", Told, &[Files, Landlock, Proc], "os.chdir(GIVEN); read('/proc/self/cwd/../other/secret')"),
        py("goes through its root", Told, &[Files, Landlock, Proc], "read('/proc/self/root' + OTHER + '/secret')"),
        py(
            "changes a folder for a link while it is opened",
            Told,
            FOLDERS,
            "
os.makedirs(GIVEN + '/race', exist_ok=True); open(GIVEN + '/race/secret', 'w').close()
os.symlink(OTHER, GIVEN + '/bait')
end = time.monotonic() + 0.5
def swap():
    while time.monotonic() < end: call(316, -100, (GIVEN + '/race').encode(), -100, (GIVEN + '/bait').encode(), 2)
swapping = threading.Thread(target=swap); swapping.start()
found = ''
while time.monotonic() < end and not found:
    try: found = open(GIVEN + '/race/secret').read()
    except OSError: pass
swapping.join(); say(found)
import shutil
for name in ('race', 'bait'):
    path = GIVEN + '/' + name
    os.remove(path) if os.path.islink(path) else shutil.rmtree(path)",
        ),
    ],
};

/// What is the gateway's own, and its user's.
pub(crate) const STATE: Class = Class {
    name: "the gateway's own",
    attempts: &[
        py("lists the state", Done, OWNED, "done('state.db' in os.listdir(STATE))"),
        node("reads the database", Done, OWNED, "done(fs.readFileSync(STATE + '/state.db').length > 0)"),
        c("opens the database to write", Done, OWNED, r#"done(open(STATE "/state.db", O_RDWR) >= 0);"#),
        node("reads the key of the vault", Done, OWNED, "done(fs.readFileSync(KEY).length > 0)"),
        py("reads the audit log", Done, OWNED, "done(open(LOG + '/' + os.listdir(LOG)[0], 'rb').read(1))"),
        py("opens the audit log to write", Done, OWNED, "os.close(os.open(LOG + '/' + os.listdir(LOG)[0], os.O_WRONLY)); done(True)"),
        py("reads the configuration", Done, OWNED, "done('servers' in open(CONFIG).read())"),
        node("writes into the configuration", Done, OWNED, "fs.closeSync(fs.openSync(CONFIG, 'r+')); done(true)"),
        py("reads what was approved", Done, OWNED, "done('run' in open(LOCK).read())"),
        node("reads a client's file in the home", Told, OWNED, "read(USER + '/.claude.json')"),
        c("writes into the home", Changed, OWNED, r#"put(open(USER "/.profile", O_CREAT | O_WRONLY, 0666));"#),
        py("speaks at the gateway's socket", Done, OWNED, "one = socket.socket(socket.AF_UNIX); one.connect(GATE_SOCKET); done(True)"),
        node(
            "speaks at the gateway's port",
            Done,
            &[Layer::Network, Layer::Sockets],
            "await stream({ host: '127.0.0.1', port: GATE }, TAG); done(quiet())",
        ),
        py(
            "speaks at the administrator's port",
            Done,
            &[Layer::Network, Layer::Sockets],
            "socket.create_connection(('127.0.0.1', ADMIN), 3); done(True)",
        ),
        c("asks for the gateway's process", Done, &[Account, Layer::Processes, Landlock, Files, Proc], "done(kill(gateway, 0) == 0);"),
    ],
};
