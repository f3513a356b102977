//! What is in the data.

mod resources;
mod secrets;
