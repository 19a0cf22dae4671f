//! Models that learn what is usual: the Isolation Forest, the numbers it looks at, and the life of
//! a model from sample to promotion.
//!
//! What is here: [`forest`] (fit, score, explain, save, load), [`metrics`] (AUROC and what follows
//! from a threshold), [`table`] (labelled CSV), [`features`] (what one client did in one window of
//! event time), [`reservoir`] (a sample of windows that does not depend on order), [`shadow`]
//! (candidate and current beside each other), [`promote`] (the decision), [`store`] (the folder of
//! versions). All of it is pure and synchronous; the disk enters through `haetae_event::disk`.
//!
//! What is not here: the command line, the schedule of retraining, reading events from the store,
//! turning scores into findings.
//!
//! `EventBatch → features → reservoir → fit → shadow → promote → store`

mod distinct;
pub mod features;
pub mod forest;
pub mod metrics;
pub mod promote;
pub mod reservoir;
pub mod shadow;
pub mod store;
pub mod table;

pub use forest::{Forest, Matrix, Params, Threshold};
