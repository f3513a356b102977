//! What is attacked: the built binary twice, once inside TLS and once in the clear, each with an attacker who has a token and a good client.

use crate::case::Ground;
use crate::record::Found;
use rustls::ClientConfig;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::pki::{Authority, Leaf};
use testkit::{Http, World};

/// Bounds of what comes in.
const BOUNDS: &str = "connections: 40\ninflight: 8\nstreams: 4\nmessage: 1MiB\nnesting: 32";
const ROLE: &str = "members: [\"agent:tester\", \"agent:mallory\"]\nclearance: restricted\nallow: { canary: [\"*\"] }";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Whom certificates of clients name.
pub(crate) const ANA: &str = "spiffe://example.org/agent/ana";
/// An authority whose leaves are weak: one of RSA with 1024 bits, one signed over SHA-1.
const WEAK: &str = include_str!("weak/authority.pem");

/// Which listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// In the clear, on loopback.
    Plain,
    /// Inside TLS, for clients with a certificate.
    Secured,
}

/// One gateway under attack.
pub(crate) struct Side {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    /// The attacker's client: a token, and a session that is open.
    pub(crate) mallory: Http,
    /// The good client.
    pub(crate) tester: Http,
}

/// Both.
pub(crate) struct Arena {
    pub(crate) plain: Side,
    pub(crate) secured: Side,
    pub(crate) authority: Authority,
    pub(crate) leaf: Leaf,
    /// How clients with the good certificate connect, for HTTP/1.1 and HTTP/2.
    pub(crate) single: Arc<ClientConfig>,
    pub(crate) multiplexed: Arc<ClientConfig>,
}

impl Arena {
    /// Starts both, on this ground.
    pub(crate) fn new(ground: Ground) -> Self {
        // What a build without optimisation cannot do in time is no attack.
        let turn = if cfg!(debug_assertions) { "60s" } else { "250ms" };
        let bounds = format!("{BOUNDS}\nturn: {turn}\n{}", ground.bounds());
        let authority = Authority::new("clients");
        let leaf = authority.client(ANA);
        let (single, multiplexed) = (authority.trusting(Some(&leaf), "http/1.1"), authority.trusting(Some(&leaf), "h2"));
        let plain = World::with().section("bounds", &bounds).role("tester", ROLE).start();
        let secured = World::with()
            .secured(&authority, ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem")
            .file("tls/clients.pem", &format!("{}{WEAK}", authority.pem()))
            .file("tls/crl.pem", &authority.taken_back(&[], DAY))
            .section("bounds", &bounds)
            .role("tester", ROLE)
            .start();
        let plain = Side::new(plain, |client| client);
        let secured = Side::new(secured, |client| client.secured(Arc::clone(&single)));
        Self { plain, secured, authority, leaf, single, multiplexed }
    }

    pub(crate) fn side(&self, door: Door) -> &Side {
        match door {
            Door::Plain => &self.plain,
            Door::Secured => &self.secured,
        }
    }

    /// Puts a file of the secured listener in the place of another, whole at once.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.secured.world.path(&format!("tls/{name}"));
        let next = path.with_extension("next");
        fs::write(&next, text).unwrap();
        if name.ends_with(".key") {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::rename(next, path).unwrap();
    }

    /// The refusals on record at either listener, those that were summed up too. Both gateways are stopped for it.
    pub(crate) fn records(&mut self) -> Found {
        for side in [&mut self.plain, &mut self.secured] {
            side.world.stop();
        }
        Found::in_logs([self.plain.world.audit(), self.secured.world.audit()])
    }
}

impl Side {
    fn new(world: World, through: impl Fn(Http) -> Http) -> Self {
        let [mallory, tester] = ["agent:mallory", "agent:tester"].map(|name| {
            let mut client = through(world.client(name, "/mcp"));
            client.open();
            client
        });
        Self { address: world.data(), world, mallory, tester }
    }
}
