//! Who it is.

mod one_stream;
mod session_binding;
mod tokens;
