//! The one data type that flows through the house, and the small types that travel with it.
//!
//! What is here: the Core v1 schema and [`EventBatch`], the datasets and their native columns,
//! counts and the conservation law, identities (`raw_hash`, `src_key`), findings, the rows one
//! commit writes, and the traits through which clock and disk enter the program.
//!
//! What is not here: parsing, I/O beyond the [`disk`] trait's real implementation, any other
//! workspace crate.
//!
//! `bytes → parse → EventBatch → detect → Episode → Finding → CommitUnit`

pub mod asset;
pub mod batch;
pub mod clock;
pub mod commit;
pub mod counts;
pub mod dataset;
pub mod decode;
pub mod disk;
pub mod finding;
pub mod identity;
pub mod inside;
pub mod native;
pub mod net;
pub mod reject;
pub mod schema;
pub mod signature;
pub mod tenant;
pub mod time;

pub use batch::{Columns, EventBatch};
pub use clock::{Clock, SystemClock};
pub use counts::Counts;
pub use dataset::Dataset;
pub use finding::{Cost, Entity, Episode, EvidenceRef, Finding, Level, Risk, TimeWindow};
pub use reject::{Reason, Reject};
pub use tenant::TenantId;
pub use time::Micros;
