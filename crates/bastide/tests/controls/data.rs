//! What is in the data.

mod errors;
mod resources;
mod secrets;
