//! Knocks of one source, and which of them stay when they are too many.

use super::flow::{Address, mix};
use haetae_event::time::MINUTE_US;

/// Knocks kept of one source.
pub const KNOCKS_MAX: usize = 8_192;
/// Slots in which many knocks are thinned.
const SLOT_US: i64 = 5 * MINUTE_US;
/// Of one slot so many by host, by port and at sensitive ports are kept: at first, and at least.
const SLOT_KNOCKS: usize = 512;
pub const SLOT_KNOCKS_MIN: usize = 32;
/// At the last level one slot in 2^60 is kept.
pub const LEVEL_MAX: u32 = 64;

/// One knock. Not `Tiny` means failed for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub at: i64,
    pub dst: Address,
    pub port: u16,
    pub tiny: bool,
    /// At a sensitive port.
    pub sensitive: bool,
}

impl Cell {
    /// Knocks of one key are one.
    pub fn key(&self) -> (i64, Address, u16) {
        (self.at.div_euclid(MINUTE_US), self.dst, self.port)
    }

    /// Hashes of host and port.
    fn hashes(&self) -> (u64, u64) {
        (self.dst.mixed(), mix(self.port.into()))
    }

    fn slot(&self) -> i64 {
        self.at.div_euclid(SLOT_US)
    }
}

/// Part of a source's knocks, sorted by time. In each slot of five minutes those at the hosts with
/// the smallest hashes, those at the ports with the smallest, and those at sensitive ports stay: so
/// many of each that a host scanned on many ports, and a port scanned on many hosts, are still seen,
/// however large the scan. At higher levels fewer stay in each slot, then fewer slots. What stays
/// depends on no order, and what goes at one level would go at each higher one. Gives the most that
/// may stay as well: that only grows with more knocks, so that the level depends on no order either.
pub fn thinned(cells: &[Cell], level: u32) -> (Vec<Cell>, usize) {
    let each = (SLOT_KNOCKS >> level.min(SLOT_KNOCKS.ilog2())).max(SLOT_KNOCKS_MIN);
    let halved = level
        .saturating_sub((SLOT_KNOCKS / SLOT_KNOCKS_MIN).ilog2())
        .min(63);
    let (mut kept, mut most) = (Vec::new(), 0);
    for slot in cells.chunk_by(|a, b| a.slot() == b.slot()) {
        if mix(slot[0].slot().cast_unsigned()) > u64::MAX >> halved {
            continue;
        }
        if slot.len() < each {
            most += slot.len();
            kept.extend_from_slice(slot);
            continue;
        }
        most += 3 * each;
        let by_host = |cell: &Cell| (cell.hashes(), cell.key());
        let by_port = |cell: &Cell| ((cell.hashes().1, cell.hashes().0), cell.key());
        let mut stay = first(slot.to_vec(), each, by_host);
        stay.extend(first(slot.to_vec(), each, by_port));
        let sensitive = slot.iter().filter(|cell| cell.sensitive).copied().collect();
        stay.extend(first(sensitive, each, by_host));
        stay.sort_unstable_by_key(|cell| (cell.at, cell.key()));
        stay.dedup();
        kept.append(&mut stay);
    }
    (kept, most)
}

/// The `count` cells with the smallest ranks.
fn first<R: Ord>(mut cells: Vec<Cell>, count: usize, rank: impl Fn(&Cell) -> R) -> Vec<Cell> {
    if cells.len() > count {
        cells.select_nth_unstable_by_key(count, rank);
        cells.truncate(count);
    }
    cells
}
