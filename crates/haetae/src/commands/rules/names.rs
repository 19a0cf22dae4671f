//! The name system of simulated traffic: the reverse names of its labels.

use haetae_enrich::crawlers::{Lookup, Resolver, Standing, Table, Verifier};
use haetae_event::time::HOUR_US;
use haetae_simulate::Labels;
use std::collections::HashMap;
use std::net::IpAddr;

/// Answers at once, from labels.
pub struct LabelledNames {
    table: Table,
    reverse: HashMap<IpAddr, Vec<String>>,
    forward: HashMap<String, Vec<IpAddr>>,
}

impl LabelledNames {
    /// `None` when the labels name nobody: then nothing can be said of any claim.
    pub fn of(labels: &Labels) -> Option<LabelledNames> {
        let mut names = LabelledNames {
            table: Table::builtin(),
            reverse: HashMap::new(),
            forward: HashMap::new(),
        };
        for entry in &labels.reverse_names {
            let address = entry.address.to_canonical();
            names.reverse.entry(address).or_default().push(entry.name.clone());
            if entry.confirmed {
                names.forward.entry(entry.name.clone()).or_default().push(address);
            }
        }
        (!names.reverse.is_empty()).then_some(names)
    }
}

fn answer<T: Clone>(values: Option<&Vec<T>>) -> Lookup<T> {
    values.map_or(Lookup::Nothing, |values| Lookup::Found {
        values: values.clone(),
        ttl_us: HOUR_US,
    })
}

impl Resolver for LabelledNames {
    fn reverse(&self, address: IpAddr) -> Lookup<String> {
        answer(self.reverse.get(&address.to_canonical()))
    }

    fn forward(&self, name: &str, _: IpAddr) -> Lookup<IpAddr> {
        answer(self.forward.get(name))
    }
}

impl Verifier for LabelledNames {
    fn standing(&self, claim: &str, address: IpAddr) -> Option<Standing> {
        Some(self.table.check(claim, address, self).0)
    }
}
