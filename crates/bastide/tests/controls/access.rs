//! Who may do what.

mod deny_by_default;
mod filtered_discovery;
