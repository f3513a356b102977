//! The shapes of params and results: against examples of every method, against the published schemas, and across revisions.
#![allow(clippy::unwrap_used)]

mod examples;
mod schemas;
mod translation;
