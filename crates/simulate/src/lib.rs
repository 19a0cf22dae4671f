//! Deterministic, labelled traffic of a Korean ticketing site and of the VPC it runs in.
//!
//! What is here: who visits (people, an office behind one address, crawlers, health checks),
//! who attacks, the clear bounds that part the two, and writers for the formats the house
//! reads. The same plan gives the same bytes.
//!
//! What is not here: files, network, clock. Writers take any `Write`; objects go through an
//! [`ObjectSink`].
//!
//! `Plan → Traffic (SimEvents in time order) → lines → objects`, with `Labels` beside it.

mod address;
mod agent;
mod attack;
mod book;
mod browse;
mod campaign;
mod cast;
mod cloudfront;
mod courtesy;
mod crowd;
mod event;
mod flow;
mod labels;
mod ndjson;
mod objects;
mod payload;
mod persona;
mod plan;
mod purchase;
mod robot;
mod sale;
mod schedule;
pub mod score;
mod session;
mod site;
mod traffic;
mod truth;
mod visitor;
mod vpcflow;

pub use cloudfront::{CloudFrontLines, DISTRIBUTION, write_cloudfront_bulk, write_cloudfront_gz};
pub use event::{Edge, FlowRecord, FlowStatus, SimEvent, Text, WebRequest};
pub use haetae_event::Micros;
pub use labels::{AttackLabel, Expectation, FlowTotals, Hint, Labels, Totals, WebTotals, thresholds};
pub use ndjson::{ndjson_line, write_ndjson};
pub use objects::{ObjectOptions, ObjectSink, Written, write_all};
pub use plan::{AttackKind, Background, Plan, Rhythm, Scenario, SimulateError};
pub use site::is_static;
pub use traffic::{Traffic, generate};
pub use truth::{
    ActorLabel, CampaignLabel, Criterion, HOSTING_ASN, Mark, NetworkLabel, ReverseName, SaleLabel,
    VisitorLabel,
};
pub use visitor::Visitor;
pub use vpcflow::{VPC_HEADER, vpcflow_line, write_vpcflow_gz};

#[cfg(test)]
mod tests;
