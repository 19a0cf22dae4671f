//! Enrichment: columns that other knowledge adds to an [`haetae_event::EventBatch`].
//!
//! What is here: the seam ([`Enricher`], [`Enrichers`]), country and network from MaxMind files
//! ([`geo`]), reputation of addresses from local lists ([`reputation`]), answers of slow remote
//! services behind a cache ([`remote`]), whether a crawler is who it says ([`crawlers`]), the
//! configuration that puts them together
//! ([`config`], [`Knowledge`]), and what of personal data is stored ([`pii`]).
//!
//! What is not here: the network (a fetcher outside answers [`remote`] look-ups), threads (the
//! owner calls [`Knowledge::refresh`] from one of its own).
//!
//! Every column says something about `src_ip`: `src_country`, `src_asn`, `ti_score`.

mod addresses;
mod cache;
pub mod config;
pub mod crawlers;
pub mod enricher;
pub mod files;
pub mod geo;
pub mod knowledge;
pub mod live;
pub mod native;
pub mod pii;
pub mod remote;
pub mod reputation;

pub use config::EnrichConfig;
pub use enricher::{Enricher, Enrichers};
pub use knowledge::{Knowledge, Notice};
pub use reputation::{Match, Reputation};
