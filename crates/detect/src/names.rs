//! Names as they are remembered.
//!
//! Hosts, sessions, accounts and user agents are what clients write, as long as they like. What is
//! remembered of one is bounded here, so that counting names bounds memory.

use crate::behaviours::sample;
use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

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
