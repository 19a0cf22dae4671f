//! The code detectors, one file or folder each.

pub mod accounts;
pub mod clients;
pub mod crawlers;
pub mod edos;
pub mod network;
pub mod paths;
pub mod payment;
pub mod sample;
pub mod site;

use crate::detector::Detector;
use crate::detectors::Detectors;

/// Makes a detector, unless its settings switch it off.
type Make = fn(&Detectors) -> Option<Box<dyn Detector>>;

/// The one list of built-in detectors.
const ALL: &[Make] = &[
    accounts::Logins::from_settings,
    crawlers::Claims::from_settings,
    payment::Payments::from_settings,
    edos::Edos::from_settings,
    site::SiteTraffic::from_settings,
    clients::Clients::from_settings,
    site::silence::Silences::from_settings,
    network::Network::from_settings,
    //
];

/// Every built-in detector that the settings leave on.
pub fn all(settings: &Detectors) -> Vec<Box<dyn Detector>> {
    ALL.iter().filter_map(|make| make(settings)).collect()
}
