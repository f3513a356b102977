//! Who it is.

mod mtls;
mod one_stream;
mod session_binding;
mod tokens;
