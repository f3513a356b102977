//! How much may come in, and how slowly.

mod bounds;
mod connect;
mod frames;
mod one_stream;
mod overload;
mod protocol_pin;
mod strict_messages;
mod subscriptions;
mod tls;
mod waiting;
