//! sealed credentials, leases, rotation
