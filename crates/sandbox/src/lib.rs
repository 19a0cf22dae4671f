//! Custom parsers: WebAssembly modules that turn records into fields, under quota.
//!
//! A guest gets a batch of records and gives fields; it sees no clock, no file, no network and no
//! randomness, because a module with imports is refused. What it gives back is hostile until every
//! length, text and number of it is checked ([`abi`]). A guest that traps, spins or eats memory costs
//! only the records that make it do so: the batch is halved in fresh instances until they are found
//! ([`Sandbox::run`]), and a parser that wastes more time than its budget is suspended with one alarm.
//!
//! Not here: the mapping of fields to columns, where modules are kept, and who is trusted
//! ([`verify`] takes the trusted keys from its caller). `ABI.md` beside this crate is for authors of
//! guests.
//!
//! # Guests must be stateless
//! An instance serves many batches, and is thrown away after any failure. A guest that carries
//! something from one record to another gives results that depend on how the input was cut.

pub mod abi;
mod account;
mod batch;
mod guest;
mod keys;
mod parser;
mod quota;
mod run;
mod runtime;
mod signature;
mod ticker;

pub use account::Alarm;
pub use batch::{Batch, Failure, Field, Fields, Kind, Outcome};
pub use keys::{KeyError, KeyId, PrivateKey, PublicKey};
pub use parser::{LoadError, Parser};
pub use quota::Quota;
pub use run::Sandbox;
pub use runtime::{Clock, MODULE_BYTES_MAX, Monotonic, Runtime};
pub use signature::{Signature, SignatureError, Subject, sign, verify};
