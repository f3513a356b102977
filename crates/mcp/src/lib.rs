//! frames and messages of each pinned MCP revision, strictly parsed and printed
