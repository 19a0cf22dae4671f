//! Functions on addresses.

use super::{Made, Row};
use crate::mapping::cell::Cell;
use haetae_event::net::parse_address;
use std::net::IpAddr;

/// Bits of a v6 address that are one customer's, as in the house's own `ip_bucket`.
const V6_BITS: i64 = 48;

pub fn truncate(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Some(text), Cell::Int(bits)) = (row.texts.text(args[0]), args[1]) else {
        return Made::MISSING;
    };
    let bits6 = match args.get(2) {
        Some(Cell::Int(bits)) => *bits,
        _ => V6_BITS,
    };
    let network = match parse_address(text.trim()) {
        Some(IpAddr::V4(address)) => {
            let bits = bits.clamp(0, 32) as u32;
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            format!(
                "{}/{bits}",
                std::net::Ipv4Addr::from_bits(address.to_bits() & mask)
            )
        }
        Some(IpAddr::V6(address)) => {
            let bits = bits6.clamp(0, 128) as u32;
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            format!(
                "{}/{bits}",
                std::net::Ipv6Addr::from_bits(address.to_bits() & mask)
            )
        }
        None => return Made::Failed,
    };
    Made::pushed(row.out.push(&network))
}
