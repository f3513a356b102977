//! real clients and real servers through the built binary
