//! What lies between us and whatever we reach.

use crate::{Proxy, Resolver};
use std::sync::Arc;

/// Who knows names, and what is gone through.
#[derive(Clone)]
pub struct Outside {
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolver>,
    /// What connections to public addresses go through, where there is one.
    pub proxy: Option<Arc<Proxy>>,
}
