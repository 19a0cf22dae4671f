//! Durable log of accepted, not yet committed input.
//!
//! What is here: the [`Journal`] seam, and [`SegmentJournal`] over local append-only files. What
//! is not here: what an entry means; the source that reads the journal; any other backing.
//!
//! `bytes → append (group commit, fsync) → Position … read_from → release_before`
//!
//! # Speed
//!
//! Acknowledged MB/s, lowest to highest of three runs, and the middle one of their p99 in ms.
//! Linux 6.18 guest, 2 vCPU AMD EPYC, ext4 on a virtual disk with a write-back cache, other builds
//! running (load 4 to 5), so under FIFO scheduling:
//! `chrt -f 1 target/release/examples/journal_speed target`.
//!
//! | threads × entry | journal | write + fdatasync | SQLite WAL, FULL |
//! |---|---|---|---|
//! | 1 × 1 KiB | 4.3–6.5, p99 0.27 | 4.5–7.4, p99 0.30 | 5.8–8.2, p99 0.24 |
//! | 16 × 1 KiB | 4.5–31, p99 4.4 | 4.7–5.3, p99 0.29 | 5.7–6.1, p99 0.29 |
//! | 1 × 64 KiB | 50–189, p99 4.0 | 33–64, p99 4.8 | 131–136, p99 8.5 |
//! | 16 × 64 KiB | 394–495, p99 15 | 152–172, p99 1.3 | 112–130, p99 9.2 |
//!
//! How to read it: the gain is group commit (8 entries a sync with 16 threads, counted), and
//! the other two columns have none: their threads take turns at a mutex, and as it is unfair
//! their low p99 hides the waits of the few that starve. With one thread and small entries
//! SQLite is faster by a quarter to a third, probably (not tested) because its log keeps its
//! size where this journal grows its file with every sync. One thread with 64 KiB is not
//! decided: the bare file, 33 to 64 here, also reached 167 in another run. The low of 4.5 is one
//! run of the three, in which every sync took 1.8 ms.
//! At ordinary priority on such a loaded machine a lone writer's sync takes 3 to 4 ms, which is
//! the scheduler's tick and not the disk: figures taken that way flatter group commit tenfold.

mod contract;
mod damage;
mod frame;
mod options;
mod position;
mod read;
mod recover;
mod segment_journal;
mod write;

#[cfg(test)]
mod tests;

pub use contract::{Entry, Journal, JournalError};
pub use damage::Damage;
pub use options::JournalOptions;
pub use position::Position;
pub use segment_journal::SegmentJournal;
