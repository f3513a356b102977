//! Probes of how connections are secured: who gets in at the listeners, and to whom the gateway itself connects.

use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use config::ListenTls;
use egress::{ClientIdentity, Egress, ServerTarget};
use http::HeaderMap;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How long an answer to a hello is waited for.
const WITHIN: Duration = Duration::from_secs(10);
/// A hello of TLS 1.2 (RFC 5246 §7.4.1.2), with no extension that offers more; after it come 32 random bytes and what follows.
const OLD: [u8; 11] = [22, 3, 1, 0, 67, 1, 0, 0, 63, 3, 3];
/// No session, two suites, no compression, the curve X25519 and two kinds of signatures.
const OLD_REST: [u8; 29] = [0, 0, 4, 0xc0, 0x2f, 0xc0, 0x30, 1, 0, 0, 18, 0, 10, 0, 4, 0, 2, 0, 29, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4];
/// The alert that says so (RFC 8446 §6.2, `protocol_version`).
const TOO_OLD: [u8; 2] = [2, 70];

/// What is spoken at the listeners and with servers.
pub async fn tls(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let unproven = connected(unsigned().await?).await;
    steps.note("connected to a server whose certificate nobody has signed", "refused", said(unproven), !unproven);
    let clear = ServerTarget::new("http://192.0.2.1/".parse().map_err(|fault| Trouble::new("read an address", fault))?).is_ok();
    steps.note("connected to a server that is not on this machine without TLS", "refused", said(clear), !clear);
    let listen = &ground.file().listen;
    for (name, address, tls) in [("data", listen.data.address, &listen.data.tls), ("admin", listen.admin.address, &listen.admin.tls)] {
        let placed = if address.ip().is_loopback() { "on this machine alone" } else { "on the network" };
        match tls {
            None => steps.note(
                format!("looked where the {name} listener is"),
                "on this machine alone, or inside TLS",
                placed,
                address.ip().is_loopback(),
            ),
            Some(_) => spoken(name, address, steps).await?,
        }
    }
    if let Some(address) = ground.file().ca.as_ref().and_then(|ca| ca.enrol) {
        spoken("enrolment", address, steps).await?;
    }
    Ok(Finding::Judged)
}

/// Who gets in at the listeners.
pub async fn mutual(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let listen = &ground.file().listen;
    let asks = |tls: &Option<ListenTls>| tls.as_ref().is_some_and(ListenTls::asks);
    for (name, address, tls) in [("data", listen.data.address, &listen.data.tls), ("admin", listen.admin.address, &listen.admin.tls)] {
        let ok = address.ip().is_loopback() || asks(tls);
        let found = match (address.ip().is_loopback(), asks(tls)) {
            (_, true) => "it asks for certificates",
            (true, false) => "on this machine alone",
            (false, false) => "on the network, and it asks for none",
        };
        steps.note(format!("looked whether the {name} listener asks for certificates"), "it asks, or is on this machine alone", found, ok);
    }
    if !asks(&listen.data.tls) {
        return Ok(if asks(&listen.admin.tls) { Finding::Judged } else { Finding::NotApplicable });
    }
    let door = ground.door()?;
    let stranger = |identity| async { door.reached(identity).await };
    let own = stranger(Some(door.identity()?)).await;
    steps.note("connected with a certificate that the gateway gave this probe", "let in", said(own), own);
    let bare = stranger(None).await;
    steps.note("connected without a certificate", "refused", said(bare), !bare);
    let unsigned = stranger(Some(nobody("spiffe://bastide.invalid/probe")?)).await;
    steps.note("connected with a certificate that nobody has signed", "refused", said(unsigned), !unsigned);
    Ok(Finding::Judged)
}

const fn said(reached: bool) -> &'static str {
    if reached { "let in" } else { "refused" }
}

/// What a listener says to TLS 1.2, and to no TLS at all.
async fn spoken(name: &str, address: SocketAddr, steps: &mut Steps) -> Result<(), Trouble> {
    let mut hello = OLD.to_vec();
    hello.extend([7; 32]);
    hello.extend(OLD_REST);
    let alert = told(address, &hello).await?;
    let good = alert.first() == Some(&21) && alert.get(5..) == Some(&TOO_OLD[..]);
    steps.note(
        format!("offered TLS 1.2 to the {name} listener"),
        "an alert: protocol version",
        if good { "an alert: protocol version" } else { "something else" },
        good,
    );
    let clear = told(address, format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let answered = clear.starts_with(b"HTTP/");
    steps.note(format!("asked the {name} listener without TLS"), "no answer", if answered { "an answer" } else { "no answer" }, !answered);
    Ok(())
}

async fn told(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
    let trouble = |fault| Trouble::new(format!("connected to {address}"), fault);
    let mut stream = TcpStream::connect(address).await.map_err(trouble)?;
    stream.write_all(bytes).await.map_err(trouble)?;
    let mut answer = Vec::new();
    // Who closes at once may do so before everything is read.
    let _ = tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer)).await;
    Ok(answer)
}

/// A certificate that nobody has signed but its own key.
fn nobody(name: &str) -> Result<ClientIdentity, Trouble> {
    let trouble = |fault: rcgen::Error| Trouble::new("made a certificate that nobody has signed", fault);
    let key = KeyPair::generate().map_err(trouble)?;
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).map_err(trouble)?;
    parameters.subject_alt_names.push(rcgen::SanType::URI(name.try_into().map_err(trouble)?));
    let certificate = parameters.self_signed(&key).map_err(trouble)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(ClientIdentity { chain: vec![certificate.der().clone()], key })
}

/// A server on this machine whose certificate nobody has signed.
async fn unsigned() -> Result<SocketAddr, Trouble> {
    const DID: &str = "started a server whose certificate nobody has signed";
    let ClientIdentity { chain, key } = nobody("spiffe://bastide.invalid/server")?;
    let settings = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|fault| Trouble::new(DID, fault))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|fault| Trouble::new(DID, fault))?;
    let address = listener.local_addr().map_err(|fault| Trouble::new(DID, fault))?;
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    tokio::spawn(async move {
        if let Ok((stream, _)) = listener.accept().await
            && let Ok(mut stream) = acceptor.accept(stream).await
        {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    Ok(address)
}

/// Whether the server at `address` is connected to as any server is.
async fn connected(address: SocketAddr) -> bool {
    let Ok(url) = format!("https://localhost:{}/", address.port()).parse() else { return false };
    let Ok(target) = ServerTarget::new(url) else { return false };
    match Egress::new().client(target) {
        Ok(client) => client.get(HeaderMap::new()).await.is_ok(),
        Err(_) => false,
    }
}
