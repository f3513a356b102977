//! The same program with the layers out that hold an attempt, and doors that lead outside unchecked.

use crate::attempt::{Attempt, Effect, Held, Language};
use crate::daemons::Heart;
use crate::outside::{Ears, Outside};
use crate::programs;
use sandbox::{Access, Doors, Folder, Layer, Layers, Network, Running, Spec, launch};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// What a fault begins with where the launcher refused.
pub(crate) const NOT_STARTED: &str = "not started";
const LONGEST: Duration = Duration::from_secs(30);
/// How long an effect is waited for after the answer.
const LATE: Duration = Duration::from_secs(6);

/// Runs `attempt` without `held`; what came of it, when that was no effect.
pub(crate) async fn run(outside: &Outside, number: usize, attempt: &Attempt, held: Held) -> Result<(), String> {
    let mut heart = matches!(attempt.effect, Effect::Outlives(_)).then(|| Heart::new(outside));
    let Started { mut stdin, stdout, mut stderr, mut life, doors } = start(outside, attempt.language, held).await?;
    let open = doors.map(|doors| Open::serve(doors, &outside.ears));
    let arguments = json!({"attempt": number, "victim": outside.victim(), "gateway": std::process::id()});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "run", "arguments": arguments}});
    let mut answer = String::new();
    let mut stdout = BufReader::new(stdout);
    let asked = async {
        let _ = stdin.write_all(format!("{call}\n").as_bytes()).await;
        stdout.read_line(&mut answer).await
    };
    let answered = tokio::time::timeout(LONGEST, asked).await;
    let wait = Instant::now() + LATE;
    let mark = format!("t{number}x{}", outside.mark);
    let effect = loop {
        let seen = match attempt.effect {
            Effect::Told => answer.contains(&outside.secret),
            Effect::Done => answer.contains("DONE"),
            Effect::Heard => outside.ears.heard(&mark),
            Effect::Changed => !outside.changes().is_empty(),
            Effect::Outlives(_) => false,
        };
        let may_come = matches!(attempt.effect, Effect::Heard | Effect::Changed);
        if seen || !may_come || Instant::now() > wait {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    drop((stdin, open));
    let ended = match &mut life {
        Life::Sandboxed(process) => format!("{:?}", process.kill().await),
        Life::Straight(child) => format!("{:?}", child.kill().await),
    };
    if effect || heart.as_mut().is_some_and(|heart| heart.beats(LATE)) {
        return Ok(());
    }
    let mut fault = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), stderr.read_to_string(&mut fault)).await;
    Err(format!("{answered:?} {ended} {} {}", answer.trim(), fault.lines().last().unwrap_or_default()))
}

enum Life {
    Sandboxed(Box<sandbox::Process>),
    Straight(Box<Child>),
}

struct Started {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    life: Life,
    doors: Option<Doors>,
}

async fn start(outside: &Outside, language: Language, held: Held) -> Result<Started, String> {
    let (program, args) = programs::command(&outside.root, language);
    let mut spec = Spec::new(program);
    match held {
        Held::By(layers) => {
            spec.layers = layers.iter().fold(Layers::FULL, |rest, layer| rest.without(*layer));
            if layers.contains(&Layer::Group) {
                spec.limits.memory_bytes = None;
            }
        }
        Held::ByExit => spec.network = Network::Doors { ports: vec![outside.web, outside.tls, 443] },
        Held::ByLauncher => {
            let mut command = Command::new(spec.program);
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().map_err(|cause| cause.to_string())?;
            let (stdin, stdout, stderr) = (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
            return Ok(Started { stdin, stdout, stderr, life: Life::Straight(Box::new(child)), doors: None });
        }
    }
    spec.args = args;
    spec.folders = vec![Folder { path: outside.root.join("given"), access: Access::Write }];
    spec.needs = vec![outside.root.join("bin")];
    let Running { stdin, stdout, stderr, process, doors, .. } = launch(&spec).await.map_err(|cause| format!("{NOT_STARTED}: {cause}"))?;
    Ok(Started { stdin, stdout, stderr, life: Life::Sandboxed(Box::new(process)), doors })
}

/// A way out without a check: whatever comes to a door is heard outside.
struct Open(Arc<AtomicBool>);

impl Open {
    fn serve(doors: Doors, ears: &Ears) -> Self {
        let shut = Arc::new(AtomicBool::new(false));
        let Doors { proxy, ports, names } = doors;
        for listener in ports.into_iter().map(|(_, listener)| listener).chain([proxy]) {
            let (shut, ears) = (Arc::clone(&shut), ears.clone());
            listener.set_nonblocking(true).unwrap();
            std::thread::spawn(move || {
                while !shut.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok((stream, _)) => take(stream, &ears),
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            });
        }
        let (flag, ears) = (Arc::clone(&shut), ears.clone());
        names.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        std::thread::spawn(move || {
            let mut room = [0; 1024];
            while !flag.load(Ordering::SeqCst) {
                let Ok((count, from)) = names.recv_from(&mut room) else { continue };
                ears.hear(&room[..count]);
                let mut answer = room[..2].to_vec();
                answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
                answer.extend(room.get(12..count).unwrap_or_default());
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 198, 18, 7, 7]);
                let _ = names.send_to(&answer, from);
            }
        });
        Self(shut)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn take(mut stream: TcpStream, ears: &Ears) {
    let ears = ears.clone();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    std::thread::spawn(move || {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        ears.hear(&all);
    });
}

/// What a language's interpreter lies at, where there is one.
pub(crate) fn is_there(language: Language) -> bool {
    match language {
        Language::Python => std::path::Path::new("/usr/bin/python3").exists(),
        Language::Node => std::path::Path::new("/usr/bin/node").exists(),
        Language::Static => true,
    }
}
