//! SQLite and files behind the ports
