//! Counts connections by client address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The open connections of each address.
pub(super) struct Connections {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection; counts it out when dropped.
pub(super) struct Permit {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::new(HashMap::new()) }
    }

    /// Counts one more connection in, unless the address has its share.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let mut open = self.open.lock();
        let count = open.entry(address).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Permit { connections: Arc::clone(self), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let connections = Arc::new(Connections::new(2));
        let address = IpAddr::from([127, 0, 0, 1]);
        let first = connections.admit(address);
        let second = connections.admit(address);
        assert!(first.is_some() && second.is_some());
        assert!(connections.admit(address).is_none());
        assert!(connections.admit(IpAddr::from([127, 0, 0, 2])).is_some());
        drop(first);
        assert!(connections.admit(address).is_some());
    }
}
