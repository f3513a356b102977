//! What is written down.

mod calls;
mod chain;
mod correlation;
mod events;
mod retention;
