//! Flows, floods from many sources, silent log sources.

mod bounds;
mod flows;
mod hosts;
mod many;
mod order;
mod scans;
mod simulated;
mod site;
