//! Boundary tests: rules on events, order independence, measures on shared data.

mod batches;
mod bounds;
mod cases;
mod clients;
mod correlation;
mod detectors;
mod edos;
mod exceptions;
mod inline;
mod loading;
mod network;
mod order;
mod payload;
mod shared;
mod sigma_language;
mod spending;
