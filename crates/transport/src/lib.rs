//! bytes to frames and back: listeners, TLS 1.3, HTTP bounds, SSE, stdio
