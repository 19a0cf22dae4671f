//! Small findings that add up, made anew from the stored findings of whoever something changed
//! about: no state of its own, so that restarts and late logs lead to the same sums.
//!
//! What is not here: the sum itself ([`haetae_detect::risk`]), identities ([`crate::detection`]).

use crate::detection::Reconciled;
use haetae_detect::risk::{self, RiskSettings};
use haetae_detect::{Evaluation, Withdrawn};
use haetae_event::commit::FindingChange;
use haetae_event::time::{DAY_US, HOUR_US};
use haetae_event::{Finding, Level, Micros, TenantId};
use haetae_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Findings read of one entity: one more than are added up, so that it shows that there are more.
const READ_MAX: usize = risk::FINDINGS_MAX + 1;

/// So much before a change is read beside the window: a story may go back further than a day.
const READ_BACK_US: i64 = 7 * DAY_US;

/// The sums of everybody about whom findings changed in `reconciled`, and those that hold no
/// more. What is stored and overtaken by a change does not count.
///
/// # Errors
/// The catalog's.
pub fn changed(
    store: &Store,
    reconciled: &Reconciled,
    settings: &RiskSettings,
    told_from: Level,
) -> Result<Evaluation, StoreError> {
    let mut evaluation = Evaluation::default();
    let overtaken = overtaken(reconciled);
    let fresh = fresh(reconciled);
    for ((tenant, value), earliest) in concerned(reconciled) {
        let span_us = settings.window_hours.max(1).saturating_mul(HOUR_US);
        let since = earliest.saturating_sub(span_us.saturating_add(READ_BACK_US));
        let mut findings = store.findings_about(tenant, value, since, READ_MAX)?;
        findings.retain(|finding| !overtaken.contains(finding.id.as_str()));
        let fresh = fresh.get(&(tenant, value)).into_iter().flatten();
        findings.extend(fresh.map(|&finding| finding.clone()));
        let assessed = risk::assess(&findings, settings, told_from);
        let gone = findings.iter().filter(|finding| {
            finding.detector == risk::DETECTOR
                && !assessed.episodes.iter().any(|episode| {
                    episode.entity == finding.entity && episode.window.touches(&finding.window, 0)
                })
        });
        evaluation.withdrawn.extend(gone.map(withdrawn));
        evaluation.episodes.extend(assessed.episodes);
    }
    Ok(evaluation)
}

fn withdrawn(sum: &Finding) -> Withdrawn {
    Withdrawn {
        tenant_id: sum.tenant_id.clone(),
        rule_id: sum.rule_id.clone(),
        entity: sum.entity.clone(),
        window: sum.window,
    }
}

/// Whose risk may have changed, and the earliest moment of it.
fn concerned(reconciled: &Reconciled) -> BTreeMap<(&TenantId, &str), Micros> {
    let put = reconciled.put.iter().flat_map(|changed| {
        let before = changed.before.as_ref();
        std::iter::once(&changed.finding).chain(before)
    });
    let mut concerned = BTreeMap::new();
    for finding in put.chain(&reconciled.withdrawn) {
        if !risk::counts(finding) || risk::bearer(&finding.entity).is_none() {
            continue;
        }
        concerned
            .entry((&finding.tenant_id, finding.entity.value.as_str()))
            .and_modify(|earliest: &mut Micros| *earliest = (*earliest).min(finding.window.start))
            .or_insert(finding.window.start);
    }
    concerned
}

/// Findings as they are from now on, by whom they are about.
fn fresh(reconciled: &Reconciled) -> BTreeMap<(&TenantId, &str), Vec<&Finding>> {
    let mut fresh: BTreeMap<(&TenantId, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in reconciled.put.iter().map(|changed| &changed.finding) {
        let about = (&finding.tenant_id, finding.entity.value.as_str());
        fresh.entry(about).or_default().push(finding);
    }
    fresh
}

/// Ids of stored findings that are changed, merged or withdrawn now.
fn overtaken(reconciled: &Reconciled) -> BTreeSet<&str> {
    let ids = reconciled.changes.iter().map(|change| match change {
        FindingChange::Put(finding) => finding.id.as_str(),
        FindingChange::MergedInto { id, .. } | FindingChange::Withdrawn { id } => id.as_str(),
    });
    ids.collect()
}

#[cfg(test)]
mod tests;
