//! the decision point: Cedar, roles, grants, approvals, plans, limits, budgets, clearances
