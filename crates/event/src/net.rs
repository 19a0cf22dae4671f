//! Addresses: CIDR blocks and the client behind trusted proxies.
