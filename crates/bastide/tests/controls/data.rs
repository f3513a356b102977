//! What is in the data.

mod errors;
mod secrets;
