//! The doors of a network namespace: loopback, a route to ourselves for every address that names stand for, and listeners that the gateway gets.

use crate::doors::{MOST, NAMES, PROXY};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// The index of loopback in every namespace.
const LOOPBACK: u32 = 1;
/// Addresses that stand for names: 198.18.0.0/15, set aside for measurements (RFC 2544), so that no real one is hidden.
const STANDING: [u8; 4] = [198, 18, 0, 0];
const STANDING_BITS: u8 = 15;

/// Makes the doors and sends them to the gateway. This process keeps none of them.
pub(super) fn doors(ports: &[u16], control: &UnixDatagram) -> io::Result<()> {
    if ports.len() > MOST {
        return Err(io::Error::other("too many ports"));
    }
    // Protocol 0 is NETLINK_ROUTE.
    let kernel = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    request(&kernel, &up())?;
    request(&kernel, &route())?;
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY))?;
    let names = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 53), NAMES))?;
    let listeners = ports.iter().map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port))).collect::<io::Result<Vec<_>>>()?;
    let mut fds: Vec<BorrowedFd<'_>> = vec![proxy.as_fd(), names.as_fd()];
    fds.extend(listeners.iter().map(|listener| listener.as_fd()));
    super::hand(control, b"doors", &fds)
}

/// RTM_NEWLINK (rtnetlink(7)): loopback is up.
fn up() -> Vec<u8> {
    const UP: u32 = 1;
    let mut body = vec![0, 0, 0, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    framed(16, 0, body)
}

/// RTM_NEWROUTE: `local 198.18.0.0/15 dev lo`, so that any of these addresses is ours.
fn route() -> Vec<u8> {
    const INET: u8 = 2;
    const LOCAL_TABLE: u8 = 255;
    const KERNEL: u8 = 2;
    const HOST: u8 = 254;
    const LOCAL: u8 = 2;
    let mut body = vec![INET, STANDING_BITS, 0, 0, LOCAL_TABLE, KERNEL, HOST, LOCAL, 0, 0, 0, 0];
    attribute(&mut body, 1, STANDING);
    attribute(&mut body, 4, LOOPBACK.to_ne_bytes());
    // NLM_F_CREATE | NLM_F_EXCL
    framed(24, 0x600, body)
}

fn attribute(body: &mut Vec<u8>, sort: u16, value: [u8; 4]) {
    body.extend(8_u16.to_ne_bytes());
    body.extend(sort.to_ne_bytes());
    body.extend(value);
}

/// The head of a netlink message, with NLM_F_REQUEST and NLM_F_ACK.
fn framed(sort: u16, flags: u16, body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len().saturating_add(16)).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(sort.to_ne_bytes());
    message.extend((flags | 5).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn request(kernel: &OwnedFd, message: &[u8]) -> io::Result<()> {
    rustix::net::sendto(kernel, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0_u8; 1024];
    let (_, read) = rustix::net::recv(kernel, &mut answer[..], rustix::net::RecvFlags::empty())?;
    // An NLMSG_ERROR: the head of 16 bytes, then a negative errno or 0.
    let code = answer.get(..read).and_then(|answer| answer.get(16..20)).and_then(|code| code.first_chunk::<4>());
    match code.map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}
