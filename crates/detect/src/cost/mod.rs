//! What traffic costs: a dated price table, pure pricing functions, and a meter over events.
//!
//! What is here: `rules/prices.yml` as a table, bills of usage, the usage of every client, user
//! agent, path and host in buckets of ten minutes, and the cost a finding carries.
//!
//! What is not here: judgements about cost ([`crate::behaviours::edos`]).
//!
//! Prices are list prices of AWS without tax. The numbers of an estimate are those of its
//! traffic alone: monthly fees are the site's, whoever visits.

pub mod bill;
pub mod ledger;
pub mod meter;
pub mod options;
pub mod prices;
pub mod reading;
pub mod table;
pub mod tell;
pub mod usage;

pub use bill::{Bill, Tariff};
pub use meter::Meter;
pub use options::{BotControl, CostMeter, CostOptions, Origin, Plan, WafOptions};
pub use prices::PriceTable;
pub use tell::Priced;
pub use usage::{Cell, Usage};

/// The price table compiled into the program.
pub const BUILTIN_PRICES: &str = include_str!("../../../../rules/prices.yml");

/// Length of a bucket of usage, µs.
pub const BUCKET_US: i64 = 10 * haetae_event::time::MINUTE_US;
