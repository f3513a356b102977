//! collates evidence into control states, maturity, framework mappings, the report
