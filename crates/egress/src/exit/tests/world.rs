//! A sandbox without walls: its doors on loopback, a name server of our own choosing, and a host outside that keeps what it gets.

use crate::attempt::tests::Memory;
use crate::exit::checks::{Check, Checks};
use crate::exit::{Doors, Exit, Terms};
use crate::hostname::HostName;
use crate::limits::Limits;
use crate::query::tests::ask;
use crate::resolver::{Resolver, Resolving};
use crate::rules::Rules;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Longest that anything may take on a slow machine.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// How long an answer is waited for where none is meant to come.
pub(super) const SILENCE: Duration = Duration::from_secs(2);

/// Answers names from a script: each time the next set of addresses, the last one for ever.
#[derive(Default)]
pub(super) struct Script(pub(super) Mutex<Vec<Vec<IpAddr>>>);

impl Resolver for Script {
    fn resolve<'a>(&'a self, _: &'a HostName) -> Resolving<'a> {
        let mut all = self.0.lock();
        let next = if all.len() > 1 { all.remove(0) } else { all.first().cloned().unwrap_or_default() };
        Box::pin(std::future::ready(Ok(next)))
    }
}

/// How a world differs from the usual one.
pub(super) struct Setting {
    pub(super) limits: Limits,
    pub(super) addresses: Vec<Vec<IpAddr>>,
    pub(super) greeting: &'static [u8],
    pub(super) out: Vec<Check>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            limits: Limits { opening: 1_000, questions: 1_000, ..Limits::default() },
            addresses: vec![vec![IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))]],
            greeting: b"",
            out: Vec::new(),
        }
    }
}

pub(super) struct World {
    pub(super) exit: Arc<Exit>,
    pub(super) records: Arc<Memory>,
    pub(super) got: Arc<Mutex<Vec<u8>>>,
    pub(super) proxy: SocketAddr,
    names: SocketAddr,
    ports: HashMap<u16, u16>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}

pub(super) const LIST: &[&str] = &[
    "ok.example:443",
    "http://web.example:80",
    "tcp://any.example:7000",
    "*.wild.example:443",
    "db.example:5432",
    "ssh://git.example:22",
    "192.0.2.7:443",
];

impl World {
    pub(super) async fn new(setting: Setting) -> Self {
        let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let got: Arc<Mutex<Vec<u8>>> = Arc::default();
        let checks = Checks { out: setting.out, detour: Some(outside.local_addr().unwrap()) };
        let terms = Terms {
            rules: Rules::new(LIST).unwrap(),
            limits: setting.limits,
            range: "127.64.0.0/16".parse().unwrap(),
            mark: Some(7),
            proxy: None,
        };
        let records = Arc::new(Memory::default());
        let exit = Arc::new(Exit::with(terms, Arc::new(Script(Mutex::new(setting.addresses))), records.clone(), checks));
        let listener = |address: &str| std::net::TcpListener::bind(address).unwrap();
        let proxy = listener("127.0.0.1:0");
        let names = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let ports: Vec<_> = exit.ports().into_iter().map(|port| (port, listener("0.0.0.0:0"))).collect();
        let at = |listener: &std::net::TcpListener| listener.local_addr().unwrap();
        let (proxy_at, names_at) = (at(&proxy), names.local_addr().unwrap());
        let ports_at = ports.iter().map(|(port, listener)| (*port, at(listener).port())).collect();
        let (serving, doors) = (exit.clone(), Doors { proxy, ports, names });
        let serving = tokio::spawn(async move { panic!("{}", serving.serve(doors).await) });
        let kept = got.clone();
        let outside = tokio::spawn(async move {
            loop {
                let (mut stream, _) = outside.accept().await.unwrap();
                let kept = kept.clone();
                tokio::spawn(async move {
                    let _ = stream.write_all(setting.greeting).await;
                    let mut piece = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut piece).await {
                        kept.lock().extend_from_slice(&piece[..count]);
                    }
                });
            }
        });
        Self { exit, records, got, proxy: proxy_at, names: names_at, ports: ports_at, tasks: vec![serving, outside] }
    }

    /// Asks the stub; the answer, if there is one.
    pub(super) async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        self.ask_for(question, LONG).await
    }

    /// Asks the stub, and waits no longer than `most` for the answer.
    pub(super) async fn ask_for(&self, question: &[u8], most: Duration) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(question, self.names).await.unwrap();
        let mut answer = [0; 1024];
        let count = tokio::time::timeout(most, socket.recv(&mut answer)).await.ok()?.unwrap();
        Some(answer[..count].to_vec())
    }

    /// The address that stands for `name`.
    pub(super) async fn address(&self, name: &str) -> Ipv4Addr {
        let answer = self.ask(&ask(name, 1)).await.unwrap();
        let octets: [u8; 4] = answer[answer.len() - 4..].try_into().unwrap();
        Ipv4Addr::from(octets)
    }

    /// A connection to the listener of `port` at `address`.
    pub(super) async fn reach(&self, address: Ipv4Addr, port: u16) -> TcpStream {
        TcpStream::connect((address, self.ports[&port])).await.unwrap()
    }

    /// A connection to `name` at `port`.
    pub(super) async fn open(&self, name: &str, port: u16) -> TcpStream {
        let address = self.address(name).await;
        self.reach(address, port).await
    }

    /// Says `bytes`, and takes what comes until the end.
    pub(super) async fn say(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the connection has no end");
        answer
    }

    /// Waits until a record begins with `start`.
    pub(super) async fn recorded(&self, start: &str) {
        let waiting = async {
            while !self.records.0.lock().iter().any(|line| line.starts_with(start)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(LONG, waiting).await.is_err() {
            panic!("no record {start:?} in {:?}", self.records.0.lock());
        }
    }

    /// Waits until the host outside has `count` bytes, no longer than `most`.
    pub(super) async fn gets(&self, count: usize, most: Duration) -> bool {
        let waiting = async {
            while self.got.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(most, waiting).await.is_ok()
    }
}
