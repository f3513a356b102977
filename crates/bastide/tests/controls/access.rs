//! Who may do what.

mod argument_policies;
mod argument_schemas;
mod budgets;
mod deny_by_default;
mod filtered_discovery;
mod operations;
mod rate_limits;
mod search_and_call;
