//! Who it is.

mod mtls;
mod one_stream;
mod private_ca;
mod session_binding;
mod tokens;
