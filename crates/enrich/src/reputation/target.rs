//! An address, a prefix or a range as lists write them.

use std::net::{IpAddr, Ipv6Addr};

/// First and last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    V4(u32, u32),
    V6(u128, u128),
}

/// Why a text is no target.
pub(super) type Why = &'static str;

pub(super) const NOT_AN_ADDRESS: Why = "not an address, a prefix or a range";
const BAD_BITS: Why = "prefix length out of bounds";
const BACKWARDS: Why = "range ends before it begins";
const MIXED: Why = "range from one family to the other";

impl Target {
    /// `a`, `a/bits` (host bits are ignored) or `a-b`. v4-mapped v6 becomes v4.
    pub fn parse(text: &str) -> Result<Self, Why> {
        let text = text.trim();
        if let Some((address, bits)) = text.split_once('/') {
            return prefix(address.trim(), bits.trim());
        }
        if let Some((first, last)) = text.split_once('-') {
            return range(first.trim(), last.trim());
        }
        Ok(Target::one(address(text)?))
    }

    pub fn one(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Target::V4(v4.to_bits(), v4.to_bits()),
            IpAddr::V6(v6) => Target::V6(v6.to_bits(), v6.to_bits()),
        }
    }

    pub fn is_reserved(self) -> bool {
        match self {
            Target::V4(first, last) => super::reserved::covers_v4(first, last),
            Target::V6(first, last) => super::reserved::covers_v6(first, last),
        }
    }

    /// More than a /8 of v4 or a /16 of v6: no list of attackers has such an entry, a broken or
    /// poisoned one may.
    pub fn is_too_wide(self) -> bool {
        match self {
            Target::V4(first, last) => last - first >= 1 << 24,
            Target::V6(first, last) => last - first >= 1 << 112,
        }
    }
}

fn address(text: &str) -> Result<IpAddr, Why> {
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| NOT_AN_ADDRESS)
}

fn prefix(text: &str, bits: &str) -> Result<Target, Why> {
    let written: IpAddr = text.parse().map_err(|_| NOT_AN_ADDRESS)?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BAD_BITS);
    }
    let bits: u32 = bits.parse().map_err(|_| BAD_BITS)?;
    match (written, mapped_bits(written, bits)) {
        (_, Some((v4, bits))) => Ok(v4_prefix(v4, bits)),
        (IpAddr::V4(v4), None) if bits <= 32 => Ok(v4_prefix(v4.to_bits(), bits)),
        (IpAddr::V6(v6), None) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let first = v6.to_bits() & mask;
            Ok(Target::V6(first, first | !mask))
        }
        _ => Err(BAD_BITS),
    }
}

/// The v4 prefix that a prefix of v4-mapped v6 stands for.
fn mapped_bits(written: IpAddr, bits: u32) -> Option<(u32, u32)> {
    let IpAddr::V6(v6) = written else { return None };
    let v4 = Ipv6Addr::to_ipv4_mapped(&v6)?;
    (96..=128).contains(&bits).then(|| (v4.to_bits(), bits - 96))
}

fn v4_prefix(address: u32, bits: u32) -> Target {
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Target::V4(address & mask, address & mask | !mask)
}

fn range(first: &str, last: &str) -> Result<Target, Why> {
    match (address(first)?, address(last)?) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => Ok(Target::V4(a.to_bits(), b.to_bits())),
        (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => Ok(Target::V6(a.to_bits(), b.to_bits())),
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Err(BACKWARDS),
        _ => Err(MIXED),
    }
}
