//! What is in the data.

mod errors;
mod financial;
mod labels;
mod pii;
mod planted;
mod presets;
mod prompts;
mod resources;
mod secrets;
mod tokens;
mod tuning;
