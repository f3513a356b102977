//! the closed list of administrative acts; API and console over it
