//! Thresholds of the payment detector.

use haetae_event::Level;
use serde::Deserialize;

/// Section `payment` of `rules/detectors.yml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub enabled: bool,
    /// The way to payment; the last step is the payment itself.
    pub steps: Vec<StepSetting>,
    /// Names of query parameters that carry the id of an order or a payment.
    pub id_parameters: Vec<String>,
    /// A step further back than this does not count.
    pub session_minutes: i64,
    /// Statuses of a payment that was declined: it may be sent again for the same order.
    pub declined_statuses: Vec<i64>,
    /// Statuses with which a payment uses up its order. With any other, nothing happened.
    pub used_up_statuses: Vec<i64>,
    /// A payment this soon after the last is the same press of the button, ms.
    pub double_press_ms: i64,
    /// A step is required when at least this fraction of paying clients took it before.
    pub required_share_min: f64,
    /// Fewer paying clients: nothing is required.
    pub clients_min: u64,
    /// Payments against the way, per client.
    pub violations_min: u64,
    pub violations_high: u64,
    /// Declined payments, per client.
    pub declined_min: u64,
    pub level: Level,
    pub level_high: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSetting {
    pub name: String,
    /// Ends of paths, see [`crate::behaviours::paths`]; ids at the end are left out.
    pub paths: Vec<String>,
    /// Empty: any.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Each payment uses one up: an order is paid once.
    #[serde(default)]
    pub used_up: bool,
}
