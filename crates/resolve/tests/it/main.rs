//! The name system over real sockets on loopback, friendly and hostile.

mod claims;
mod dns;
mod nameserver;
