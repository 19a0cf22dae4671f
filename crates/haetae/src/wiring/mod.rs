//! The store, the journal, the query engine, the sandbox, the remote reputation service and the name
//! system, fitted to the seams of the other parts.

mod cleaning;
mod crawlers;
mod door;
mod extractor;
mod judge;
mod ledger;
mod lookups;
mod meters;
mod outbox;
mod parsers;
mod queries;
mod reader;
mod sources;

pub use cleaning::clean_up;
pub use crawlers::{CrawlerCheck, Tell, judged};
pub use door::JournalDoor;
pub use extractor::{AlarmBell, Sandboxed};
pub use judge::InlineJudge;
pub use ledger::StoreLedger;
pub use lookups::Lookups;
pub use meters::Meters;
pub use outbox::StoreOutbox;
pub use parsers::{Shelf, built_in, signed_subject, split_id};
pub use queries::{EngineRunner, StoreSegments};
pub use reader::{StoreReader, dlq_entry_json, incident_json};
pub use sources::{SourceParts, configured_sources, s3_config};
