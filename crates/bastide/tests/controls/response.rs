//! Stopping, and showing what holds.

mod compliance;
mod kill_switch;
