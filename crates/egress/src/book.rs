//! The addresses that stand for names in one sandbox.

use crate::hostname::HostName;
use ipnet::Ipv4Net;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Which name each address stands for. An address never stands for two names, and a name keeps its address as long as the sandbox lives.
pub(crate) struct Book {
    range: Ipv4Net,
    most: usize,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    addresses: HashMap<HostName, Ipv4Addr>,
    names: HashMap<Ipv4Addr, HostName>,
}

impl Book {
    pub(crate) fn new(range: Ipv4Net, most: usize) -> Self {
        Self { range, most, pages: Mutex::default() }
    }

    /// Whether `address` could stand for a name.
    pub(crate) fn holds(&self, address: Ipv4Addr) -> bool {
        self.range.contains(&address)
    }

    /// The address of `name`, a fresh one if it has none; none once there are too many.
    pub(crate) fn address(&self, name: &HostName, bounded: Bounded) -> Option<Ipv4Addr> {
        let mut pages = self.pages.lock();
        if let Some(address) = pages.addresses.get(name) {
            return Some(*address);
        }
        let count = pages.addresses.len();
        if bounded == Bounded::Yes && count >= self.most {
            return None;
        }
        let next = u32::from(self.range.network()).checked_add(u32::try_from(count).ok()?)?.checked_add(1)?;
        if next >= u32::from(self.range.broadcast()) {
            return None;
        }
        let address = Ipv4Addr::from(next);
        pages.addresses.insert(name.clone(), address);
        pages.names.insert(address, name.clone());
        Some(address)
    }

    /// The name that `address` stands for.
    pub(crate) fn name(&self, address: Ipv4Addr) -> Option<HostName> {
        self.pages.lock().names.get(&address).cloned()
    }
}

/// Whether the number of names is bounded by the limit, or by the range alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounded {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_an_address_of_its_own_and_keeps_it() {
        let book = Book::new("198.18.0.0/15".parse().unwrap(), 3);
        let name = |text: &str| HostName::parse(text).unwrap();
        let addresses: Vec<_> = ["a", "b", "c", "d", "a"].map(|text| book.address(&name(text), Bounded::Yes)).into();
        assert_eq!(addresses[0], Some(Ipv4Addr::new(198, 18, 0, 1)));
        assert_ne!(addresses[0], addresses[1]);
        assert_eq!((addresses[3], addresses[4]), (None, addresses[0]));
        assert_eq!(book.name(addresses[1].unwrap()), Some(name("b")));
        assert_eq!(book.name(Ipv4Addr::new(198, 18, 0, 9)), None);
        assert!(book.holds(Ipv4Addr::new(198, 19, 255, 1)) && !book.holds(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_small_range_ends() {
        let book = Book::new("127.9.0.0/30".parse().unwrap(), 100);
        let given = (0..10).filter_map(|at| book.address(&HostName::parse(&format!("h{at}")).unwrap(), Bounded::No)).count();
        assert_eq!(given, 2);
    }
}
