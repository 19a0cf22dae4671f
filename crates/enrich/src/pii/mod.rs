//! Personal data: what of it is stored.
//!
//! A policy is applied on the store branch only, after detection has seen the row: addresses are
//! kept, cut to their network or replaced by a keyed hash; personal data inside texts is masked;
//! `raw` is kept, redacted or dropped. A policy never changes the number or the order of rows.
//!
//! What is not here: which tenant has which policy, and the keys.

mod decoded;
mod find;
mod mask;
mod names;
mod policy;

pub use find::{Found, Kind, Wanted, find};
pub use mask::{ACCOUNT_MASK, Masker, is_account_hash};
pub use names::{without_accounts, without_masks, without_name};
pub use policy::{AddressPolicy, PiiPolicy, RawPolicy, TextPolicy, apply, stored_value};
