//! Where credentials are, and where they must not be.

mod isolation;
mod no_urls;
mod vault;
