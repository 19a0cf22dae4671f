//! Figures over event batches, and how a report is shown.
//!
//! What is here: [`KpiAccumulator`] (request figures, tops, timeline, all in bounded memory),
//! the [`Report`] with its JSON, text and HTML, the KPI summary message, and [`escape`], which
//! makes log text safe for each exit.
//!
//! What is not here: reading inputs, detection, colours decided by the terminal (the caller
//! says), network.
//!
//! `EventBatch → KpiAccumulator → Kpi + Finding → Report → JSON | text | HTML`

pub mod escape;
mod html;
mod kpi;
mod kpi_message;
mod latency;
mod report;
mod shown;
mod text;
mod timeline;
mod tops;

pub use haetae_incident::{Language, Message};
pub use kpi::{
    DatasetTotals, IPS_EXACT_MAX, Kpi, KpiAccumulator, KpiWindow, StatusClasses, TOPS, TimelinePoint,
    TopEntry,
};
pub use kpi_message::{KpiContext, kpi_message};
pub use latency::LATENCIES_EXACT_MAX;
pub use report::Report;
pub use text::{Colour, TextOptions};
pub use timeline::POINTS_MAX;
pub use tops::{KEY_BYTES_MAX, KEYS_EXACT_MAX};
