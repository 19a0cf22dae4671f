//! Whether a client that says to be a crawler is one.
//!
//! The check is that of the search engines themselves: the reverse look-up of the address gives a
//! name under the operator's domain, and the look-up of that name gives the address again
//! (forward-confirmed reverse DNS); or the address lies in the ranges the operator publishes.
//! Names are compared label by label ([`NameMask`]). Whoever owns an address also writes its
//! reverse name: alone it proves nothing.
//!
//! What is here: the table of crawlers ([`Table`], `rules/crawlers.json`), the check ([`Table::check`])
//! over a [`Resolver`], and its answers behind a cache ([`Verification`]).
//! Ranges are read from a folder that somebody keeps up to date ([`RangesFolder`]).
//! What is not here: the network. Threads outside call [`Verification::work`] with their resolver.
//! Without an answer a claim is unverified, which says nothing bad about the client.

mod mask;
mod patient;
mod ranges;
mod table;
mod verification;

pub use mask::NameMask;
pub use patient::Patient;
pub use ranges::{RangesFolder, RangesNews};
pub use table::{BadTable, Crawler, Table};
pub use verification::{Verification, VerificationConfig, VerificationCounts, Verifier};

use std::net::IpAddr;

/// What the name system answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The values, and how long they hold, µs.
    Found { values: Vec<T>, ttl_us: i64 },
    /// There is no such record; said by the zone, not for want of an answer.
    Nothing,
    /// No answer in time, or a broken one.
    Failed,
}

/// Look-ups in the name system. Calls may block, for a bounded time that the implementation sets.
pub trait Resolver: Send + Sync {
    /// Names of an address (PTR).
    fn reverse(&self, address: IpAddr) -> Lookup<String>;

    /// Addresses of a name, of the family that `like` has (A or AAAA): the other family's are
    /// neither needed nor should their want of an answer count.
    fn forward(&self, name: &str, like: IpAddr) -> Lookup<IpAddr>;
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    Verified,
    /// The check failed. `documented`: the operator itself describes this check, so that its
    /// crawlers pass it.
    Fake {
        documented: bool,
    },
    /// Nobody could say.
    Unverified,
}
