//! Delivers what the outbox owes to the outside.
//!
//! What is here: the [`Notifier`] seam with its built-ins ([`console::Console`],
//! [`slack::Slack`]), the [`Outbox`] seam that the binary implements over the store, and the
//! [`Deliverer`] that carries rows from one to the other, in order, with pacing and retries.
//!
//! What is not here: the decision what to tell (that is `incident`'s, written in the same
//! transaction as the findings), any knowledge of the store.
//!
//! `OutboxRow → Message → console lines / Slack blocks → Delivery → Outbox::record`

pub mod console;
mod deliver;
mod escape;
mod message;
mod notifier;
mod outbox;
pub mod slack;

pub use deliver::{BackOff, Deliverer, DelivererOptions, OperatorLine, Waker};
pub use escape::for_terminal;
pub use haetae_incident::{Language, Message};
pub use notifier::{Delivery, Notifier};
pub use outbox::{Outbox, OutboxError, Outcome};
