//! What flows show: scans, sensitive ports, floods from many sources, unusual ports, data carried
//! out, known-bad addresses. Floods from many sources are found in web requests too.
//!
//! What is here: reading flows once for all parts, and the parts' common life.
//! What is not here: shares of refused flows and log sources gone silent ([`super::site`]),
//! refusals a minute (a Sigma rule in `rules/network.yml`).

pub mod flow;
mod hosts;
mod knocks;
mod listed;
mod many;
mod scan;
pub mod sketch;
mod spread;
mod windows;

use crate::detector::{Detector, Rows};
use crate::detectors::Detectors;
use crate::engine::{Closing, Evaluation};
use flow::Flow;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, EventBatch, TenantId};

/// One tenant's log of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    tenant: TenantId,
    dataset: Dataset,
}

/// The scopes, and up to where windows of each are final.
pub struct Scopes<'a> {
    scopes: &'a [Scope],
    closed: Vec<i64>,
}

impl Scopes<'_> {
    fn tenant(&self, scope: u16) -> &TenantId {
        &self.scopes[usize::from(scope)].tenant
    }

    fn dataset(&self, scope: u16) -> Dataset {
        self.scopes[usize::from(scope)].dataset
    }

    /// By scope: all scopes of its tenant.
    fn peers(&self) -> Vec<Vec<u16>> {
        let of = |scope: &Scope| {
            let all = (0u16..).zip(self.scopes);
            let own = all.filter(|(_, other)| other.tenant == scope.tenant);
            own.map(|(at, _)| at).collect()
        };
        self.scopes.iter().map(of).collect()
    }

    fn closed(&self, scope: u16) -> i64 {
        self.closed[usize::from(scope)]
    }
}

/// A part of the detector. The contract is that of [`Detector`].
trait Part: Send {
    fn observe(&mut self, scope: u16, flows: &[Flow]);
    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation);
    fn forget(&mut self, scope: u16, before_us: i64) -> u64;
    fn bytes(&self) -> usize;
    fn shrink(&mut self, bytes_max: usize) -> u64;

    fn unobserved(&self) -> u64 {
        0
    }
}

/// The detector: all parts.
pub struct Network {
    scopes: Vec<Scope>,
    /// Floods from many sources; it alone reads web requests as well.
    many: many::ManySources,
    parts: Vec<Box<dyn Part>>,
    /// Room for the flows of a batch.
    flows: Vec<Flow>,
}

/// Room kept between batches, flows: about a megabyte and a half.
const FLOWS_KEPT: usize = 16_384;

impl Network {
    /// The detector, unless every part is switched off.
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let on = [
            settings.scans.as_ref().is_some_and(|s| s.enabled),
            settings.distributed_scan.as_ref().is_some_and(|s| s.enabled),
            settings.sensitive_ports.as_ref().is_some_and(|s| s.enabled),
            settings.many_to_one.as_ref().is_some_and(|s| s.enabled),
            settings.unusual_port.as_ref().is_some_and(|s| s.enabled),
            settings.exfiltration.as_ref().is_some_and(|s| s.enabled),
            settings.known_bad.as_ref().is_some_and(|s| s.enabled),
        ];
        let scans = (settings.scans.clone(), settings.sensitive_ports.clone());
        let hosts = (settings.unusual_port.clone(), settings.exfiltration.clone());
        on.contains(&true).then(|| {
            Box::new(Network {
                scopes: Vec::new(),
                many: many::ManySources::new(settings.many_to_one.clone()),
                parts: vec![
                    Box::new(scan::Sources::new(scans.0, scans.1)),
                    Box::new(spread::Targets::new(settings.distributed_scan.clone())),
                    Box::new(hosts::Hosts::new(hosts.0, hosts.1)),
                    Box::new(listed::Listed::new(settings.known_bad.clone())),
                ],
                flows: Vec::new(),
            }) as Box<dyn Detector>
        })
    }

    fn scope(&mut self, batch: &EventBatch) -> u16 {
        let scope = |known: &Scope| known.dataset == batch.dataset && known.tenant == batch.tenant;
        let index = self.scopes.iter().position(scope).unwrap_or_else(|| {
            self.scopes.push(Scope {
                tenant: batch.tenant.clone(),
                dataset: batch.dataset,
            });
            self.scopes.len() - 1
        });
        u16::try_from(index).expect("tenants are configured, far fewer than 2^16")
    }

    fn all(&mut self) -> impl Iterator<Item = &mut dyn Part> {
        let many: &mut dyn Part = &mut self.many;
        let parts = self.parts.iter_mut().map(|part| part.as_mut() as &mut dyn Part);
        std::iter::once(many).chain(parts)
    }
}

impl Detector for Network {
    fn columns(&self) -> &'static [&'static str] {
        flow::COLUMNS
    }

    fn lookback_us(&self) -> i64 {
        // Five-minute windows, slots of ten, the hour of baselines and of volumes. Slow scans, refusals
        // of the day before and baselines of hosts use what is remembered beyond.
        75 * MINUTE_US
    }

    fn observe(&mut self, batch: &EventBatch, _: &Rows<'_>) {
        if batch.dataset.is_web() {
            let scope = self.scope(batch);
            self.many.observe_web(scope, batch);
            return;
        }
        let mut flows = std::mem::take(&mut self.flows);
        flow::flows(batch, &mut flows);
        if !flows.is_empty() {
            let scope = self.scope(batch);
            self.all().for_each(|part| part.observe(scope, &flows));
        }
        // A service with small batches keeps their room; a large one is a large one's only.
        if flows.capacity() <= FLOWS_KEPT {
            self.flows = flows;
        }
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        let closed = self
            .scopes
            .iter()
            .map(|s| closing.watermark(&s.tenant, s.dataset));
        let kept = self.scopes.clone();
        let scopes = Scopes {
            closed: closed.collect(),
            scopes: &kept,
        };
        self.all().for_each(|part| part.evaluate(&scopes, out));
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let own = self.scopes.iter().enumerate();
        let own: Vec<usize> = own
            .filter(|(_, s)| s.tenant == *tenant)
            .map(|(at, _)| at)
            .collect();
        let mut gone = 0;
        for scope in own {
            let scope = u16::try_from(scope).expect("given as u16");
            gone += self.all().map(|part| part.forget(scope, before_us)).sum::<u64>();
        }
        gone
    }

    fn unobserved(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|part| part.unobserved()).sum();
        self.many.unobserved() + parts
    }

    fn bytes(&self) -> usize {
        self.many.bytes() + self.parts.iter().map(|part| part.bytes()).sum::<usize>()
    }

    /// The largest part is halved until all fit together.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        const ROUNDS_MAX: usize = 32;
        let mut lost = 0;
        for _ in 0..ROUNDS_MAX {
            if self.bytes() <= bytes_max {
                break;
            }
            if let Some(part) = self.all().max_by_key(|part| part.bytes()) {
                let target = part.bytes() / 2;
                lost += part.shrink(target);
            }
        }
        lost
    }
}
