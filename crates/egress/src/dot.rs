//! Names by DNS over TLS (RFC 7858).
//!
//! Both questions for a name go out at once over one connection, which ends with their answers: the certificate is verified each time, against
//! the name or the address that the operator wrote, and sessions of TLS are resumed. Control: `network.dns`.

use crate::connection::{Route, Stream};
use crate::hostname::{Asked, HostName, split};
use crate::lookup::{Kind, MOST, PATIENCE, addresses, question};
use crate::resolver::{ADDRESSES, Resolver, Resolving};
use crate::tls::Inside;
use crate::{Egress, Error, ServerTarget};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

/// The port where none is written (RFC 7858 §3.1).
const PORT: u16 = 853;
/// Most names that are asked for at once.
const CONNECTIONS: usize = 32;

/// Asks one resolver, over a connection for each name.
#[derive(Clone)]
pub struct Dot {
    route: Arc<Route>,
    places: Arc<Semaphore>,
}

impl Dot {
    /// The resolver at `text`, such as `tls://9.9.9.9`, `tls://[2620:fe::fe]:853` or `tls://dns.example:853`. A name in it is resolved by the
    /// system, and must lead to public addresses.
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::NoRoots`]: it cannot be used.
    pub fn new(text: &str) -> Result<Self, Error> {
        Self::to(Self::target(text)?)
    }

    /// What is reached at `text`.
    ///
    /// # Errors
    /// [`Error::Url`]: it is not `tls://`, a name or an address, and perhaps a port.
    pub fn target(text: &str) -> Result<ServerTarget, Error> {
        let wrong = Error::Url("it is not tls:// with a name or an address, and perhaps a port");
        let Some(authority) = text.strip_prefix("tls://") else { return Err(wrong) };
        let alone = authority.ends_with(']') || !authority.contains(':');
        let Some((host, port)) = (if alone { Some((authority, PORT)) } else { split(authority) }) else { return Err(wrong) };
        if Asked::parse(host).is_none() {
            return Err(wrong);
        }
        // The same rules as for every server: what is written literally is listed, names lead to public addresses.
        ServerTarget::new(format!("https://{host}:{port}/").parse().map_err(|_| wrong)?)
    }

    /// The resolver that `target` names.
    ///
    /// # Errors
    /// As [`Dot::new`].
    pub fn to(target: ServerTarget) -> Result<Self, Error> {
        let route = Egress::new().route(target, Inside::Dns)?;
        Ok(Self { route: Arc::new(route), places: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    async fn ask(&self, name: &HostName) -> Result<Vec<IpAddr>, Error> {
        let _place = self.places.try_acquire().map_err(|_| Error::Exhausted(CONNECTIONS))?;
        let mut stream = self.route.stream().await?;
        exchange(&mut stream, name).await.map_err(Error::Resolve)
    }
}

impl Resolver for Dot {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Resolving<'a> {
        Box::pin(async move {
            let late = |_| Error::Timeout { what: "answer of the resolver", bound: PATIENCE };
            let asked = tokio::time::timeout(PATIENCE, self.ask(name)).await.map_err(late);
            let mut all = asked.and_then(|found| found).map_err(told)?;
            all.truncate(ADDRESSES);
            Ok(all)
        })
    }
}

/// What the record says of it, with its cause: which part of the certificate did not fit, for one.
fn told(fault: Error) -> io::Error {
    match std::error::Error::source(&fault) {
        Some(cause) => io::Error::other(format!("the resolver: {fault}: {cause}")),
        None => io::Error::other(format!("the resolver: {fault}")),
    }
}

/// Asks for both kinds of addresses; the answers may come in any order (RFC 7766 §7), each once.
async fn exchange(stream: &mut Stream, name: &HostName) -> io::Result<Vec<IpAddr>> {
    let mut open = [(1, Kind::A), (2, Kind::Aaaa)].to_vec();
    let mut asked = Vec::with_capacity(128);
    for (id, kind) in &open {
        let question = question(*id, name, *kind);
        // INVARIANT: a question holds one name, of at most 253 bytes.
        asked.extend(u16::try_from(question.len()).unwrap_or(0).to_be_bytes());
        asked.extend(question);
    }
    stream.write_all(&asked).await?;
    stream.flush().await?;
    let (mut four, mut six) = (Vec::new(), Vec::new());
    while !open.is_empty() {
        let length = usize::from(stream.read_u16().await?);
        if !(12..=MOST).contains(&length) {
            return Err(io::Error::other("the resolver's answer is too short or too long"));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        let named = answer.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
        let at = open.iter().position(|(id, _)| Some(*id) == named);
        let (id, kind) = at.map(|at| open.swap_remove(at)).ok_or_else(|| io::Error::other("the resolver answers another question"))?;
        let found = addresses(&answer, id, name, kind).map_err(io::Error::other)?;
        match kind {
            Kind::A => four = found,
            Kind::Aaaa => six = found,
        }
    }
    four.extend(six);
    Ok(four)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::{answer, name};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls_pki_types::PrivateKeyDer;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;

    fn framed(message: Vec<u8>) -> Vec<u8> {
        [u16::try_from(message.len()).unwrap().to_be_bytes().to_vec(), message].concat()
    }

    /// Both answers, under these ids.
    fn both(four: u16, six: u16) -> Vec<u8> {
        let six = answer(six, Kind::Aaaa, &[&[0x26, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]);
        // The second question is answered first.
        [framed(six), framed(answer(four, Kind::A, &[&[8, 8, 8, 8]]))].concat()
    }

    /// A resolver on loopback that answers every connection with `answers`, certified for `named` by an authority of its own; and one that trusts it.
    async fn resolver(named: &str, answers: Vec<u8>) -> Dot {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![named.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut settings = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        settings.alpn_protocols = vec![b"dot".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serve = async move |stream: TcpStream| -> io::Result<()> {
            let mut stream: TlsStream<TcpStream> = acceptor.accept(stream).await?;
            let asked = [framed(question(1, &name(), Kind::A)), framed(question(2, &name(), Kind::Aaaa))].concat();
            let mut got = vec![0; asked.len()];
            stream.read_exact(&mut got).await?;
            assert_eq!(got, asked);
            stream.write_all(&answers).await?;
            if answers.is_empty() {
                return std::future::pending().await;
            }
            stream.shutdown().await
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = serve(stream).await;
            }
        });
        let target = Dot::target(&format!("tls://{at}")).unwrap();
        Dot::to(target.roots(vec![authority.der().clone()])).unwrap()
    }

    async fn refused(named: &str, answers: Vec<u8>) -> String {
        let fault = resolver(named, answers).await.resolve(&name()).await.unwrap_err();
        fault.to_string()
    }

    #[tokio::test]
    async fn a_resolver_is_asked_over_tls() {
        let dot = resolver("127.0.0.1", both(1, 2)).await;
        for _ in 0..2 {
            let found = dot.resolve(&name()).await.unwrap();
            assert_eq!(found, ["8.8.8.8", "2620::1"].map(|one| one.parse::<IpAddr>().unwrap()));
        }
    }

    #[tokio::test]
    async fn a_certificate_of_another_is_refused() {
        let other = refused("127.0.0.2", both(1, 2)).await;
        assert!(other.contains("its certificate names another host"), "{other}");
        // The right name, from an authority that nobody trusts here.
        let stranger = resolver("127.0.0.1", both(1, 2)).await;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "another");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let target = Dot::target(&format!("tls://127.0.0.1:{}", stranger.route.url().port().unwrap())).unwrap();
        let dot = Dot::to(target.roots(vec![authority.der().clone()])).unwrap();
        let fault = format!("{}", dot.resolve(&name()).await.unwrap_err());
        assert!(fault.contains("of no authority that is known"), "{fault}");
    }

    #[tokio::test]
    async fn what_is_no_whole_answer_to_the_question_is_refused() {
        let whole = both(1, 2);
        let oversize = [0xff, 0xff].into_iter().chain([0; 0xffff]).collect();
        for (what, answers, why) in [
            ("another id", both(1, 3), "another question"),
            ("one answer twice", [framed(answer(2, Kind::Aaaa, &[])), framed(answer(2, Kind::Aaaa, &[]))].concat(), "another question"),
            ("kinds exchanged", both(2, 1), "another question"),
            ("cut short", whole[..whole.len() - 1].to_vec(), "could not be resolved"),
            ("only one", framed(answer(1, Kind::A, &[])), "could not be resolved"),
            ("too long", oversize, "too short or too long"),
            ("too short", vec![0, 0], "too short or too long"),
        ] {
            let fault = refused("127.0.0.1", answers).await;
            assert!(fault.contains(why), "{what}: {fault}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_is_silent_is_given_up() {
        let fault = refused("127.0.0.1", Vec::new()).await;
        assert!(fault.contains("no answer of the resolver within 5s"), "{fault}");
    }

    #[test]
    fn an_address_has_one_form() {
        for good in ["tls://9.9.9.9", "tls://9.9.9.9:8853", "tls://[2620:fe::fe]", "tls://[2620:fe::fe]:853", "tls://dns.example"] {
            assert!(Dot::target(good).is_ok(), "{good}");
        }
        for bad in
            ["tls:9.9.9.9", "tls://", "tls://9.9.9.9/", "tls://9.9.9.9:0", "tls://a@9.9.9.9", "tls://0x7f.1", "tls://a:b:1", "tls://a?b"]
        {
            assert!(Dot::target(bad).is_err(), "{bad}");
        }
    }
}
