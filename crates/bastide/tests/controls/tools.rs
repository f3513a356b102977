//! What tools do on behalf of an agent.

mod http;
