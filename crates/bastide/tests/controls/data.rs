//! What is in the data.

mod secrets;
