//! What is in the data.

mod errors;
mod financial;
mod pii;
mod planted;
mod resources;
mod secrets;
