//! bytes to frames and back: listeners, TLS 1.3, HTTP bounds, SSE, stdio

pub mod accept;
pub mod http;
pub mod lag;
pub mod lanes;
pub mod line_frame;
pub mod local;
pub mod party;
pub mod sse;
pub mod tls;
pub mod upstream;
