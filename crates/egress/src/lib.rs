//! the only way out: connector, pinned resolver, address rules, forward proxy, meters
