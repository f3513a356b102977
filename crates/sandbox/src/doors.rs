//! The doors of a sandbox: sockets that were made inside its network namespace and are served outside of it.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

/// Where `CONNECT` is answered.
pub(crate) const PROXY: u16 = 3128;
/// Where names are answered, on 127.0.0.53.
pub(crate) const NAMES: u16 = 53;
/// Most ports of one server.
pub(crate) const MOST: usize = 64;

/// What a sandboxed server can connect to. A socket stays in the namespace in which it was made: whoever accepts from these speaks with the
/// server, and the server has no route to anyone else.
#[derive(Debug)]
pub struct Doors {
    /// On 127.0.0.1:3128, for clients that use a proxy.
    pub proxy: TcpListener,
    /// The ports that the server may connect to, on every address of 198.18.0.0/15.
    pub ports: Vec<(u16, TcpListener)>,
    /// On 127.0.0.53:53: the resolver that the server asks.
    pub names: UdpSocket,
}

impl Doors {
    /// Puts together what the helper sent: the proxy, the names, then a listener a port, as asked for.
    pub(crate) fn of(fds: Vec<OwnedFd>, ports: &[u16]) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a door is missing"));
        let proxy = TcpListener::from(next()?);
        let names = UdpSocket::from(next()?);
        let ports = ports.iter().map(|port| Ok((*port, TcpListener::from(next()?)))).collect::<io::Result<_>>()?;
        Ok(Self { proxy, ports, names })
    }
}
