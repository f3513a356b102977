//! Real clients at the doors: Python's urllib and Node's fetch, pointed at a listed host and at others.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may end where its world does not hold")]

use egress::{Attempts, Doors, Entry, Exit, HostName, Kept, Limits, Resolver, Resolving, Rules, Terms};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const PAGE: &str = "a page of this host";

/// Every name leads to this host, by IPv6: its IPv4 addresses stand for names here.
struct Here;

impl Resolver for Here {
    fn resolve<'a>(&'a self, _: &'a HostName) -> Resolving<'a> {
        Box::pin(std::future::ready(Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST)])))
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Attempts for Lines {
    fn record(&self, entry: Entry<'_>) -> Kept {
        let line = match entry {
            Entry::Opened(attempt) => format!("opened {:?} {:?}", attempt.protocol, attempt.alpn),
            Entry::Stopped { reason, .. } => format!("stopped {}", reason.as_str()),
            other => format!("{other:?}"),
        };
        self.0.lock().push(line);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A port that is free in both families: the host outside listens on the one, the door on the other.
async fn pair() -> (TcpListener, std::net::TcpListener, u16) {
    loop {
        let outside = TcpListener::bind("[::1]:0").await.unwrap();
        let port = outside.local_addr().unwrap().port();
        if let Ok(door) = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            return (outside, door, port);
        }
    }
}

struct Scene {
    tls: u16,
    plain: u16,
    proxy: u16,
    root: tempfile::NamedTempFile,
    lines: Arc<Lines>,
    exit: Arc<Exit>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}

async fn answer(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut stream = stream;
    let mut piece = [0; 4096];
    if let Ok(1..) = stream.read(&mut piece).await {
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}", PAGE.len());
        let _ = stream.write_all(page.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

impl Scene {
    async fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["ok.example".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let mut root = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut root, authority.pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let settings = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        let (tls_outside, tls_door, tls) = pair().await;
        let (plain_outside, plain_door, plain) = pair().await;
        let list =
            [format!("ok.example:{tls}"), format!("http://ok.example:{plain}"), format!("[::1]:{tls}"), format!("http://[::1]:{plain}")];
        let terms = Terms {
            rules: Rules::new(&list).unwrap(),
            limits: Limits::default(),
            range: "127.64.0.0/16".parse().unwrap(),
            mark: Some(7),
            proxy: None,
        };
        let lines = Arc::new(Lines::default());
        let exit = Exit::new(terms, Arc::new(Here), lines.clone());
        let proxy_door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = proxy_door.local_addr().unwrap().port();
        let names = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let names_at = names.local_addr().unwrap();
        let doors = Doors { proxy: proxy_door, ports: vec![(tls, tls_door), (plain, plain_door)], names };
        let serving = exit.clone();
        let tasks = vec![
            tokio::spawn(async move { panic!("{}", serving.serve(doors).await) }),
            tokio::spawn(async move {
                loop {
                    let (stream, _) = tls_outside.accept().await.unwrap();
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(stream).await;
                        }
                    });
                }
            }),
            tokio::spawn(async move {
                loop {
                    let (stream, _) = plain_outside.accept().await.unwrap();
                    tokio::spawn(answer(stream));
                }
            }),
        ];
        // The stub gives the first name the first address; clients without a resolver of their own are told so.
        let asking = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        asking.send_to(b"\x00\x01\x01\0\0\x01\0\0\0\0\0\0\x02ok\x07example\0\0\x01\0\x01", names_at).await.unwrap();
        let mut given = [0; 512];
        let count = asking.recv(&mut given).await.unwrap();
        assert_eq!(given[..count][count - 4..], [127, 64, 0, 1]);
        Self { tls, plain, proxy, root, lines, exit, tasks }
    }

    async fn run(&self, program: &'static str, args: &[&str], env: &[(&'static str, String)]) -> Output {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", std::env::var_os("HOME").unwrap_or_default()).env("CA", self.root.path());
        command.env("NODE_EXTRA_CA_CERTS", self.root.path()).envs(env.iter().map(|(name, value)| (*name, value)));
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }
}

/// Whether `program` is here; where everything must be, it has to be.
fn there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "{program} is missing");
    if !there {
        eprintln!("skipped: {program} is missing");
    }
    there
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Resolves as the stub would: the listed name to its address, and any other name to that address too, as a client that lies would have it.
const PYTHON: &str = r#"
import os, socket, ssl, sys, urllib.request
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, port, *rest, **more: known("127.64.0.1" if host.endswith("example") else host, port, *rest, **more)
context = ssl.create_default_context(cafile=os.environ["CA"])
if "PROXY" in os.environ:
    handler = urllib.request.ProxyHandler({"https": os.environ["PROXY"]})
else:
    handler = urllib.request.ProxyHandler({})
opener = urllib.request.build_opener(handler, urllib.request.HTTPSHandler(context=context))
request = urllib.request.Request(sys.argv[1], headers=dict(pair.split(":", 1) for pair in sys.argv[2:]))
print(opener.open(request, timeout=60).read().decode())
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reaches_what_is_listed_and_nothing_else() {
    if !there("python3") {
        return;
    }
    let scene = Scene::new().await;
    let (tls, plain) = (format!("https://ok.example:{}/", scene.tls), format!("http://ok.example:{}/", scene.plain));
    let other = format!("https://evil.example:{}/", scene.tls);
    let proxy = || [("PROXY", format!("http://127.0.0.1:{}", scene.proxy))];
    for (args, env) in [(vec![tls.as_str()], vec![]), (vec![&plain], vec![]), (vec![&tls], proxy().to_vec())] {
        let output = scene.run("python3", &[&["-c", PYTHON], args.as_slice()].concat(), &env).await;
        assert!(text(&output).contains(PAGE), "{args:?}: {}", text(&output));
    }
    for (args, env, reason) in [
        (vec![other.as_str()], vec![], "other-server-name"),
        (vec![&plain, "Host:evil.example"], vec![], "other-host"),
        (vec![&other], proxy().to_vec(), "name"),
    ] {
        let output = scene.run("python3", &[&["-c", PYTHON], args.as_slice()].concat(), &env).await;
        assert!(!output.status.success() && !text(&output).contains(PAGE), "{args:?}");
        let stopped = format!("stopped {reason}");
        assert!(scene.lines.0.lock().contains(&stopped), "{stopped} in {:?}", scene.lines.0.lock());
    }
    let traffic = scene.exit.meter().traffic();
    assert_eq!(traffic.opened, 3);
    assert!(traffic.out > 100 && traffic.back > 100);
}

const NODE: &str = r#"
const dns = require("dns"), known = dns.lookup;
dns.lookup = (host, options, done) => known(host.endsWith("example") ? "127.64.0.1" : host, options, done);
fetch(process.argv[1]).then(answer => answer.text()).then(console.log, fault => { console.error(fault.cause); process.exit(1); });
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_reaches_what_is_listed_and_nothing_else() {
    if !there("node") {
        return;
    }
    let scene = Scene::new().await;
    for url in [format!("https://ok.example:{}/", scene.tls), format!("http://ok.example:{}/", scene.plain)] {
        let output = scene.run("node", &["-e", NODE, &url], &[]).await;
        assert!(text(&output).contains(PAGE), "{url}: {}", text(&output));
    }
    let output = scene.run("node", &["-e", NODE, &format!("https://evil.example:{}/", scene.tls)], &[]).await;
    assert!(!output.status.success() && !text(&output).contains(PAGE));
    assert!(scene.lines.0.lock().contains(&"stopped other-server-name".to_owned()));
}

/// Prints what the way through costs; there is nothing to hold it to on a machine that does other work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_the_way_through_costs() {
    let (outside, door, port) = pair().await;
    let rules = Rules::new(&[format!("tcp://ok.example:{port}"), format!("tcp://[::1]:{port}")]).unwrap();
    let limits = Limits { opening: 1_000_000, bytes_out: u64::MAX, bytes_back: u64::MAX, rate: 1 << 40, ..Limits::default() };
    let exit = Exit::new(
        Terms { rules, limits, range: "127.64.0.0/16".parse().unwrap(), mark: None, proxy: None },
        Arc::new(Here),
        Arc::new(Lines::default()),
    );
    let names = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let names_at = names.local_addr().unwrap();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    tokio::spawn(exit.serve(Doors { proxy, ports: vec![(port, door)], names }));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = outside.accept().await.unwrap();
            std::thread::spawn(move || {
                let mut stream = stream_to_std(&mut stream);
                let mut piece = vec![0; 256 * 1024];
                while let Ok(1..) = std::io::Read::read(&mut stream, &mut piece) {}
            });
        }
        fn stream_to_std(stream: &mut tokio::net::TcpStream) -> std::net::TcpStream {
            use std::os::fd::AsFd as _;
            let stream = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned().unwrap());
            stream.set_nonblocking(false).unwrap();
            stream
        }
    });
    let asking = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    asking.send_to(b"\x00\x01\x01\0\0\x01\0\0\0\0\0\0\x02ok\x07example\0\0\x01\0\x01", names_at).unwrap();
    asking.recv(&mut [0; 512]).unwrap();
    let measure = |direct: bool| {
        move || {
            let target = if direct { (IpAddr::V6(Ipv6Addr::LOCALHOST), port) } else { (IpAddr::V4(Ipv4Addr::new(127, 64, 0, 1)), port) };
            let bytes = vec![7_u8; 256 * 1024];
            let mut stream = std::net::TcpStream::connect(target).unwrap();
            let began = Instant::now();
            let mut sent = 0_u64;
            while began.elapsed() < Duration::from_secs(3) {
                std::io::Write::write_all(&mut stream, &bytes).unwrap();
                sent += bytes.len() as u64;
            }
            sent as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e9
        }
    };
    for direct in [true, false] {
        let gigabits = tokio::task::spawn_blocking(measure(direct)).await.unwrap();
        println!("direct {direct}: {gigabits:.2} Gbit/s");
    }
    let opening = |direct: bool| {
        move || {
            let target = if direct { (IpAddr::V6(Ipv6Addr::LOCALHOST), port) } else { (IpAddr::V4(Ipv4Addr::new(127, 64, 0, 1)), port) };
            let mut all: Vec<Duration> = (0..500)
                .map(|_| {
                    let began = Instant::now();
                    let mut stream = std::net::TcpStream::connect(target).unwrap();
                    std::io::Write::write_all(&mut stream, b"x").unwrap();
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    let _ = std::io::Read::read(&mut stream, &mut [0; 16]);
                    began.elapsed()
                })
                .collect();
            all.sort();
            (all[250], all[495])
        }
    };
    for direct in [true, false] {
        let (median, high) = tokio::task::spawn_blocking(opening(direct)).await.unwrap();
        println!("direct {direct}: a connection with one byte and its end takes {median:?} (p99 {high:?})");
    }
}
