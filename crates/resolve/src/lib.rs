//! The name system, for the checks of crawlers: [`Dns`] answers the questions of
//! `haetae_enrich::crawlers::Resolver` over the network, [`start`] gives it threads of its own.
//!
//! What is not here: what the answers mean (`haetae_enrich::crawlers`), and their cache.
//!
//! Three things keep a poor name system from making liars of honest clients:
//! - before the first answer counts, and every ten minutes, the name servers of `com.` are asked
//!   for. A resolver that does not know them (no network, a name system of the house only) would
//!   deny every reverse name: then nothing is answered at all, and the operator hears it once.
//! - private and reserved addresses are not asked about: their names are nobody's proof.
//! - names are asked for as they are, without search domains and without `/etc/hosts`.

mod dns;
mod threads;

pub use dns::{Dns, DnsError, DnsSettings, Server};
pub use threads::{Working, start};
