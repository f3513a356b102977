//! Who it is.

mod session_binding;
mod tokens;
