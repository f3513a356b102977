//! From a name to a connection: resolved once, every address judged, and the address that was judged connected to.

use super::checks::Check;
use super::{Exit, Goal, Halt};
use crate::Proxy;
use crate::address::plain;
use crate::attempt::{Attempt, Reason};
use crate::hostname::{Asked, HostName};
use crate::resolver::Noticed;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

/// Whether this process may mark its sockets (`SO_MARK`).
pub fn can_mark() -> bool {
    #[cfg(target_os = "linux")]
    return std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).is_ok_and(|socket| SockRef::from(&socket).set_mark(1).is_ok());
    #[cfg(not(target_os = "linux"))]
    return false;
}

impl Exit {
    /// A connection to where `goal` leads.
    pub(super) async fn dial(&self, goal: &Goal, attempt: &mut Attempt) -> Result<TcpStream, Halt> {
        match tokio::time::timeout(self.terms.limits.connect, self.find(goal, attempt)).await {
            Ok(found) => found,
            Err(_) => Err(Halt::because(Reason::Unreachable, "it took too long")),
        }
    }

    async fn find(&self, goal: &Goal, attempt: &mut Attempt) -> Result<TcpStream, Halt> {
        let mut addresses = match &goal.host {
            Asked::Address(address) => vec![*address],
            Asked::Name(name) => self.addresses(name, goal.port, attempt).await?,
        };
        if let Asked::Name(name) = &goal.host
            && !self.checks.hold(Check::Pin)
        {
            addresses = self.resolver.resolve(name).await.map_err(|_| Reason::Unresolved)?;
        }
        for address in addresses {
            let address = plain(address);
            attempt.address = Some(address);
            if let Ok(stream) = self.connect(SocketAddr::new(address, goal.port)).await {
                return Ok(stream);
            }
        }
        Err(Reason::Unreachable.into())
    }

    /// The addresses of `name`. One that may not be reached refuses them all: a name that mixes both is suspicious.
    async fn addresses(&self, name: &HostName, port: u16, attempt: &mut Attempt) -> Result<Vec<IpAddr>, Halt> {
        let unresolved = |cause: io::Error| Halt::because(Reason::Unresolved, cause.to_string());
        let addresses = self.resolver.resolve(name).await.map_err(unresolved)?;
        if addresses.is_empty() {
            return Err(Reason::Unresolved.into());
        }
        for address in &addresses {
            if let Err(reach) = self.terms.rules.may_lead(*address, port)
                && self.checks.hold(Check::Reach)
            {
                attempt.address = Some(*address);
                let reason = if self.memory.was_public(name) { Reason::Rebinding } else { Reason::Inner };
                return Err(Halt::because(reason, format!("the address is {reach} and is not listed")));
            }
        }
        match self.memory.leads(name, &addresses) {
            Noticed::Flux(count) => self.ledger.flux(name.as_str(), count),
            Noticed::Nothing => {}
        }
        Ok(addresses)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        match &self.terms.proxy {
            Some(proxy) if Proxy::takes(address.ip()) => proxy.connect(address, |address| self.socket(address)).await,
            Some(_) | None => self.socket(address).await,
        }
    }

    async fn socket(&self, address: SocketAddr) -> io::Result<TcpStream> {
        #[cfg(test)]
        let address = self.checks.detour.unwrap_or(address);
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        #[cfg(target_os = "linux")]
        if let Some(mark) = self.terms.mark {
            // Only where the gateway may: without CAP_NET_ADMIN the traffic goes unmarked.
            let _ = SockRef::from(&socket).set_mark(mark);
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
