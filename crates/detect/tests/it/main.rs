//! Boundary tests: rules on events, order independence, measures on shared data.

mod batches;
mod blocking;
mod bounds;
mod cases;
mod catalogue;
mod clients;
mod correlation;
mod crawlers;
mod detectors;
mod edos;
mod exceptions;
mod inline;
mod loading;
mod logins;
mod network;
mod order;
mod payload;
mod payments;
mod records;
mod risk;
mod room;
mod shared;
mod sigma_language;
mod simulated;
mod spending;
mod tune;
