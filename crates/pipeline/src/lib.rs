//! The driver: takes deliveries from sources, runs every stage in order, commits.
//!
//! What is here: the walk of a record ([`Driver::take`], [`Driver::commit`]), normalisation, the
//! identity of findings, KPI summaries.
//!
//! What is not here: any concrete source, format or notifier; async code; the command line.
//!
//! `Delivery → parse → normalise → enrich → detect → PII policy → hot rows → commit → CommitReport`

mod accounts;
mod alarms;
mod backfill;
mod claims;
mod commit;
mod detection;
mod driver;
mod identities;
mod kpi;
mod normalise;
mod privacy;
mod signature;
mod sums;
mod tell;
mod warm;

pub use backfill::SharedScore;
pub use claims::Claims;
pub use detection::{Change, Changed, Detection, Reconciled};
pub use driver::{
    Driver, DriverError, DriverOptions, DriverParts, Observer, Offered, ParserShelf, RuleShelf, RunEnd,
};
pub use kpi::kpi_between;
pub use normalise::{Arrived, EqualRecords, Normaliser};
pub use privacy::{Policies, Privacy};
