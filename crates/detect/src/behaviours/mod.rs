//! The code detectors, one file or folder each.

pub mod accounts;
pub mod clients;
pub mod crawlers;
pub mod edos;
mod minutes;
pub mod network;
pub mod paths;
pub mod payment;
pub mod sample;
pub mod site;

use crate::detector::Detector;
use crate::detectors::Detectors;
use haetae_event::{Dataset, EventBatch, TenantId};

/// The number of a batch's tenant and dataset among `scopes`, to which new ones are added.
fn scope_of(scopes: &mut Vec<(TenantId, Dataset)>, batch: &EventBatch) -> u16 {
    let same = |(tenant, dataset): &(TenantId, Dataset)| *tenant == batch.tenant && *dataset == batch.dataset;
    let at = scopes.iter().position(same).unwrap_or_else(|| {
        scopes.push((batch.tenant.clone(), batch.dataset));
        scopes.len() - 1
    });
    u16::try_from(at).expect("tenants and datasets are configured, far fewer than 2^16")
}

/// A built-in detector.
struct Maker {
    /// Makes it, unless its settings switch it off.
    make: fn(&Detectors) -> Option<Box<dyn Detector>>,
    /// The settings it reads, alone: while these stand it keeps what it knows.
    reads: fn(&Detectors) -> Detectors,
}

/// These sections of the settings, and nothing else.
macro_rules! only {
    ($($section:ident),+) => {
        |all| Detectors {
            $($section: all.$section.clone(),)+
            ..Detectors::default()
        }
    };
}

/// The one list of built-in detectors.
const ALL: &[Maker] = &[
    Maker {
        make: accounts::Logins::from_settings,
        reads: only!(accounts),
    },
    Maker {
        make: crawlers::Claims::from_settings,
        reads: only!(crawlers),
    },
    Maker {
        make: payment::Payments::from_settings,
        reads: only!(payment),
    },
    Maker {
        make: edos::Edos::from_settings,
        reads: only!(edos, cost_meter, cost, prices),
    },
    Maker {
        make: site::SiteTraffic::from_settings,
        reads: only!(error_rate, surge, refusals),
    },
    Maker {
        make: clients::Clients::from_settings,
        reads: only!(macros, http_flood),
    },
    Maker {
        make: site::silence::Silences::from_settings,
        reads: only!(silence),
    },
    Maker {
        make: network::Network::from_settings,
        reads: only!(
            scans,
            distributed_scan,
            sensitive_ports,
            many_to_one,
            unusual_port,
            exfiltration,
            known_bad
        ),
    },
    //
];

/// Every built-in detector that the settings leave on.
pub fn all(settings: &Detectors) -> Vec<Box<dyn Detector>> {
    numbered(settings).map(|(_, detector)| detector).collect()
}

/// Likewise, with its place in the list.
pub(crate) fn numbered(settings: &Detectors) -> impl Iterator<Item = (usize, Box<dyn Detector>)> {
    let all = ALL.iter().enumerate();
    all.filter_map(|(place, maker)| Some((place, (maker.make)(settings)?)))
}

/// Whether the detector at this place would be the same one under both settings.
pub(crate) fn is_same(place: usize, a: &Detectors, b: &Detectors) -> bool {
    ALL.get(place)
        .is_some_and(|maker| (maker.reads)(a) == (maker.reads)(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A detector whose settings are not named above would keep old ones after a change.
    #[test]
    fn detectors_read_the_settings_they_name() {
        let settings = crate::RuleSet::builtin().detectors().expect("built in").clone();
        for (place, maker) in ALL.iter().enumerate() {
            let alone = (maker.reads)(&settings);
            let (own, all) = ((maker.make)(&alone), (maker.make)(&settings));
            assert_eq!(own.is_some(), all.is_some(), "detector {place}");
            let lookbacks = [own, all].map(|d| d.map(|d| d.lookback_us()));
            assert_eq!(lookbacks[0], lookbacks[1], "detector {place}");
            assert!(is_same(place, &settings, &alone));
            assert!(
                !is_same(place, &settings, &Detectors::default()),
                "detector {place}"
            );
        }
    }
}
