//! Names as they are remembered.
//!
//! Hosts, sessions, accounts and user agents are what clients write, as long as they like. What is
//! remembered of one is bounded here, so that counting names bounds memory.

use crate::behaviours::sample;
use crate::pool::allocated;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// Longest name remembered, bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// A longer name ends with this and sixteen digits of its hash: two that begin alike stay apart.
const MARK: &str = "…#";

/// The name, or of a longer one its beginning and a hash of all of it.
pub fn bounded(name: &str) -> Cow<'_, str> {
    if name.len() <= NAME_BYTES_MAX {
        return Cow::Borrowed(name);
    }
    let end = name.floor_char_boundary(NAME_BYTES_MAX - MARK.len() - 16);
    Cow::Owned(format!("{}{MARK}{:016x}", &name[..end], sample::hash(name)))
}

/// What a key stands for, in 16 bytes: most are addresses of four bytes, and need no text of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    V4(Ipv4Addr),
    Text(Box<str>),
}

impl Name {
    /// Longest text kept, bytes: attackers choose some of them.
    const BYTES_MAX: usize = 512;

    pub fn text(text: &str) -> Name {
        Name::Text(text[..text.floor_char_boundary(Name::BYTES_MAX)].into())
    }

    /// An address as it is logged, whatever is in its place.
    pub fn logged(text: &str) -> Name {
        // There is one spelling of an address of four bytes only.
        text.parse().map_or_else(|_| Name::text(text), Name::V4)
    }

    /// An address as it is usually written, or its text where it is none.
    pub fn address(text: &str) -> Name {
        match text.parse() {
            Ok(IpAddr::V4(address)) => Name::V4(address),
            Ok(IpAddr::V6(address)) => Name::Text(address.to_string().into()),
            Err(_) => Name::text(text),
        }
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Name::V4(address) => Some(IpAddr::V4(*address)),
            Name::Text(text) => text.parse().ok(),
        }
    }

    /// Bytes beyond its own size.
    pub fn bytes(&self) -> usize {
        match self {
            Name::V4(_) => 0,
            Name::Text(text) => allocated(text.len()),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::V4(address) => address.fmt(f),
            Name::Text(text) => text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_and_read_as_they_were_given() {
        assert_eq!(size_of::<Name>(), 16);
        for text in [
            "192.0.2.1",
            "",
            "2001:DB8::1",
            "010.0.0.1",
            "no address",
            "::ffff:192.0.2.1",
        ] {
            assert_eq!(Name::logged(text).to_string(), text);
            assert_eq!(Name::logged(text).ip(), text.parse().ok(), "{text}");
        }
        assert_eq!(Name::address("2001:DB8:0::1").to_string(), "2001:db8::1");
        assert_eq!(Name::text(&"한".repeat(999)).to_string().len(), 510);
    }

    #[test]
    fn long_names_are_short_and_stay_apart() {
        let (a, b) = ("한".repeat(9_000), "한".repeat(9_001));
        for name in [&a, &b] {
            assert!(bounded(name).len() <= NAME_BYTES_MAX);
            assert!(bounded(name).starts_with("한한"));
        }
        assert_ne!(bounded(&a), bounded(&b));
        assert_eq!(bounded(&a), bounded(&a));
        let whole = "x".repeat(NAME_BYTES_MAX);
        assert_eq!(bounded(&whole), whole);
    }
}
