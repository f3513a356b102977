//! What calls are meant to do.

mod smuggling;
