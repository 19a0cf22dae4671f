//! The store, the journal and the query engine, fitted to the seams of the other parts.

mod cleaning;
mod door;
mod ledger;
mod meters;
mod outbox;
mod queries;
mod reader;
mod sources;

pub use cleaning::clean_up;
pub use door::JournalDoor;
pub use ledger::StoreLedger;
pub use meters::Meters;
pub use outbox::StoreOutbox;
pub use queries::{EngineRunner, StoreSegments};
pub use reader::{StoreReader, dlq_entry_json, incident_json};
pub use sources::{SourceParts, configured_sources, s3_config};
