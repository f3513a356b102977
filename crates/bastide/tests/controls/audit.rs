//! What is written down.

mod calls;
mod chain;
