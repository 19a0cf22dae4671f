//! Where logs come from: S3 objects, files that are followed, entries of the push journal, and
//! the inputs of one-shot commands.
//!
//! Each source runs on a thread of its own and sends [`SourceMessage`]s through a bounded
//! channel. It never writes its position: each [`Delivery`] carries a [`DeliveryPosition`], from
//! which the driver makes the rows that it commits together with the events; what was committed
//! is asked back through the [`Ledger`].
//!
//! What is not here: parsing, the store, any write outside of a [`Cleaner`].
//!
//! `S3, files, journal → Delivery → channel → (driver: commit) → Ledger, Cleaner`

pub mod file;
pub mod inputs;
pub mod position;
pub mod push;
pub mod s3;
mod seam;

pub use position::DeliveryPosition;
pub use seam::{
    CleanError, Cleaned, Cleaner, Delivery, Inbox, Ledger, LedgerError, Outlet, Source, SourceContext,
    SourceError, SourceMessage, SourceProblem, StopFlag, Stopped, channel,
};

#[cfg(test)]
mod contract;
