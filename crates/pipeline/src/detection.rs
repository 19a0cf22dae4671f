//! From episodes to findings: identity, merging, recomputation of late ranges.
//!
//! The engine folds batches and reports episodes. What it no longer remembers (rows older than
//! its horizon) is detected by reading the touched range back from the store into an empty
//! engine of the same rules. Either way the outcome is reconciled with what is stored, so that
//! the stored findings are a function of the stored events.

use crate::accounts::Accounts;
use crate::claims::Claims;
use crate::identities::Identities;
use crate::privacy::{Policies, Privacy};
use crate::sums;
use crate::warm::warm_from;
use haetae_detect::{Closing, Engine, Evaluation, RuleSet, risk};
use haetae_enrich::crawlers::Verifier;
use haetae_enrich::pii::AddressPolicy;
use haetae_event::commit::FindingChange;
use haetae_event::identity::InstallationKey;
use haetae_event::time::HOUR_US;
use haetae_event::{
    Clock, Columns, Dataset, Episode, EventBatch, Finding, Level, Micros, TenantId, TimeWindow,
};
use haetae_store::{FindingFilter, ScanRequest, Store, StoreError};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Widest stretch one recomputation, or the start, reads back.
const READ_SPAN_MAX_US: i64 = 26 * HOUR_US;

/// Findings whose addresses are known again after a start.
const KNOWN_FINDINGS_MAX: usize = 10_000;

/// A finding that changed, with what was stored before.
#[derive(Clone, Debug)]
pub struct Changed {
    pub finding: Finding,
    /// `None`: told for the first time.
    pub before: Option<Finding>,
}

/// What one evaluation did to the stored findings.
#[derive(Clone, Debug, Default)]
pub struct Reconciled {
    pub changes: Vec<FindingChange>,
    pub put: Vec<Changed>,
    pub withdrawn: Vec<Finding>,
}

/// What is to be detected with from now on.
#[derive(Debug, Default)]
pub struct Change {
    /// Other rules.
    pub rules: Option<RuleSet>,
    /// The detectors that are not built in, such as learned models, are others.
    pub more: bool,
}

/// The engine with its late ranges.
pub struct Detection {
    engine: Engine,
    /// For the texts of findings.
    privacy: Privacy,
    /// Event-time ranges that must be recomputed, by tenant; disjoint and sorted.
    late: BTreeMap<TenantId, Vec<(i64, i64)>>,
    clients: Clients,
    claims: Claims,
    /// What is told by itself does not add up once more.
    told_from: Level,
}

/// Clear addresses of tenants that store none.
struct Clients {
    identities: RefCell<Identities>,
    accounts: Accounts,
    policies: Policies,
}

impl Clients {
    fn are_hidden(&self, tenant: &TenantId) -> bool {
        self.policies.of(tenant).src_ip != AddressPolicy::Keep
    }

    /// A stored batch as detection may see it.
    fn restored(&self, batch: EventBatch) -> EventBatch {
        let batch = if self.are_hidden(&batch.tenant) {
            self.identities.borrow_mut().restore(&batch)
        } else {
            batch
        };
        self.accounts.restored(batch)
    }
}

impl Detection {
    pub fn new(engine: Engine, policies: Policies, key: InstallationKey) -> Self {
        Detection {
            engine,
            privacy: Privacy::new(policies.clone(), key.clone()),
            late: BTreeMap::new(),
            clients: Clients {
                identities: RefCell::new(Identities::new(key.clone())),
                accounts: Accounts::new(policies.clone(), key),
                policies,
            },
            claims: Claims::default(),
            told_from: Level::High,
        }
    }

    /// Findings of this level and above are told by themselves.
    pub fn telling_from(self, level: Level) -> Self {
        Detection {
            told_from: level,
            ..self
        }
    }

    /// Has claims of crawlers checked by `verifier`; without one they are unverified. `clock` says
    /// how long an answer was waited for.
    pub fn verified_by(self, verifier: Arc<dyn Verifier>, clock: Arc<dyn Clock>) -> Self {
        Detection {
            claims: Claims::new(verifier, clock),
            ..self
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Says what time it is: see [`Engine::set_present`].
    pub fn set_present(&mut self, now: Micros) {
        self.engine.set_present(now.0);
    }

    /// Folds one batch in; rows the engine is too young for are noted for recomputation.
    pub fn observe(&mut self, batch: &EventBatch) {
        if self.clients.are_hidden(&batch.tenant) {
            self.clients.identities.get_mut().remember(batch);
        }
        let observed = self.engine.observe(&self.clients.accounts.seen(batch));
        for (_, tenant, low, high) in observed.too_old {
            add_range(self.late.entry(tenant).or_default(), low, high);
        }
    }

    /// Puts what changed in the place of what was, and shows it what is stored; gives the rows
    /// read. What did not change keeps what it knows.
    ///
    /// # Errors
    /// The store's; what is new is in use, and cold.
    pub fn take(&mut self, change: Change, store: &Store) -> Result<u64, StoreError> {
        if let Some(rules) = change.rules {
            self.engine.take_rules(rules);
        }
        if change.more {
            self.engine.remake_more();
        }
        let from = warm_from(store, self.engine.lookback_us())?;
        let rows = match from {
            Some(from) => {
                let (engine, clients) = (&mut self.engine, &self.clients);
                feed(
                    engine,
                    Engine::catch_up,
                    clients,
                    store,
                    (None, from, Micros::MAX),
                )
            }
            None => Ok(0),
        };
        self.engine.caught_up(from.map(|from| from.0));
        rows
    }

    /// Feeds an empty engine what is stored of the recent past, so that open windows are open
    /// again and running episodes are known from their beginning. Gives the rows read.
    ///
    /// # Errors
    /// The store's.
    pub fn warm(&mut self, store: &Store) -> Result<u64, StoreError> {
        let Some(from) = warm_from(store, self.engine.lookback_us())? else {
            return Ok(0);
        };
        let told = FindingFilter {
            limit: KNOWN_FINDINGS_MAX,
            ..FindingFilter::default()
        };
        for stored in store.findings(&told)? {
            let entity = &stored.finding.entity.value;
            self.clients.identities.get_mut().remember_address(entity);
        }
        let (engine, clients) = (&mut self.engine, &self.clients);
        let rows = feed(engine, observe, clients, store, (None, from, Micros::MAX))?;
        self.engine.starts_at(from.0);
        Ok(rows)
    }

    /// Evaluates, recomputes late ranges and reconciles both with the stored findings.
    ///
    /// # Errors
    /// The store's; nothing is forgotten then, the next call does the same work.
    pub fn settle(&mut self, store: &Store, closing: &Closing) -> Result<Reconciled, StoreError> {
        let mut reconciled = Reconciled::default();
        let mut claimed = HashSet::new();
        if self.late.is_empty() {
            let evaluation = self.engine.evaluate(closing);
            let evaluation = self.told(evaluation);
            reconcile(store, evaluation, &mut claimed, &mut reconciled)?;
            self.add_up(store, &mut claimed, &mut reconciled)?;
            return Ok(reconciled);
        }
        for (tenant, ranges) in self.late.clone() {
            for range in ranges {
                let (evaluation, stored) = self.recompute(store, &tenant, range)?;
                let mut evaluation = self.told(evaluation);
                withdraw(stored, &self.clients.accounts, &mut evaluation);
                reconcile(store, evaluation, &mut claimed, &mut reconciled)?;
            }
        }
        // From here on the engine must know the late rows too: it starts over with them.
        self.engine = self.engine.restarted();
        self.warm(store)?;
        let evaluation = self.engine.evaluate(closing);
        let mut evaluation = self.told(evaluation);
        evaluation
            .episodes
            .retain(|episode| !told_already(episode, &reconciled));
        reconcile(store, evaluation, &mut claimed, &mut reconciled)?;
        self.add_up(store, &mut claimed, &mut reconciled)?;
        self.late.clear();
        Ok(reconciled)
    }

    /// Sums of small things, for whoever something changed about.
    fn add_up(
        &self,
        store: &Store,
        claimed: &mut HashSet<String>,
        out: &mut Reconciled,
    ) -> Result<(), StoreError> {
        let rules = self.engine.rules();
        let settings = rules.detectors().and_then(|detectors| detectors.risk.as_ref());
        let Some(settings) = settings.filter(|settings| settings.enabled) else {
            return Ok(());
        };
        let mut evaluation = sums::changed(store, out, settings, self.told_from)?;
        risk::without_excepted(&mut evaluation.episodes, rules);
        reconcile(store, evaluation, claimed, out)
    }

    /// What is found, as it is told and kept.
    fn told(&mut self, evaluation: Evaluation) -> Evaluation {
        let mut evaluation = self.claims.judge(evaluation);
        // By the names that claims are told under.
        self.engine.leave_out_excepted(&mut evaluation);
        self.privacy.told(self.clients.accounts.told(evaluation))
    }

    /// What the range holds, and the findings stored of it.
    fn recompute(
        &self,
        store: &Store,
        tenant: &TenantId,
        range: (i64, i64),
    ) -> Result<(Evaluation, Vec<Finding>), StoreError> {
        let lookback = self.engine.lookback_us();
        let touched = TimeWindow {
            start: Micros(range.0).saturating_sub(lookback),
            end: Micros(range.1).saturating_add(lookback),
        };
        let mut read = TimeWindow {
            start: touched.start.saturating_sub(lookback),
            end: touched.end.saturating_add(lookback),
        };
        // A stored episode that reaches out of the range is recomputed whole.
        let stored = store.findings_in(tenant, touched)?;
        for finding in &stored {
            read.start = read.start.min(finding.window.start.saturating_sub(lookback));
            read.end = read.end.max(finding.window.end.saturating_add(lookback));
        }
        let widest = TimeWindow {
            start: touched.start.saturating_sub(READ_SPAN_MAX_US),
            end: touched.end.saturating_add(READ_SPAN_MAX_US),
        };
        let evaluation = loop {
            read.start = read.start.max(widest.start);
            read.end = read.end.min(widest.end);
            let mut engine = self.engine.fresh();
            let wanted = (Some(tenant), read.start, read.end);
            feed(&mut engine, observe, &self.clients, store, wanted)?;
            let mut evaluation = engine.evaluate(&Closing::everything());
            evaluation
                .episodes
                .retain(|episode| episode.window.touches(&touched, 0));
            // An episode that reaches the edge of what was read may go on beyond it.
            let (mut before, mut after) = (read.start > widest.start, read.end < widest.end);
            let episodes = &evaluation.episodes;
            before &= episodes
                .iter()
                .any(|e| e.window.start <= read.start.saturating_add(lookback.max(e.gap_us)));
            after &= episodes
                .iter()
                .any(|e| e.window.end >= read.end.saturating_sub(lookback.max(e.gap_us)));
            if !before && !after {
                break evaluation;
            }
            let step = lookback.saturating_mul(4).max(HOUR_US);
            if before {
                read.start = read.start.saturating_sub(step);
            }
            if after {
                read.end = read.end.saturating_add(step);
            }
        };
        Ok((evaluation, stored))
    }
}

/// What is stored, can be undone by more events, and does not hold any more.
fn withdraw(stored: Vec<Finding>, accounts: &Accounts, evaluation: &mut Evaluation) {
    // Sums are not the engine's: they are made again from what comes of this.
    let undone = |finding: &Finding| {
        !finding.monotone && finding.detector != risk::DETECTOR && !accounts.may_be_behind(finding)
    };
    for finding in stored.into_iter().filter(undone) {
        let stands = evaluation.episodes.iter().any(|e| same_story(e, &finding));
        if !stands {
            evaluation.withdrawn.push(haetae_detect::Withdrawn {
                tenant_id: finding.tenant_id,
                rule_id: finding.rule_id,
                entity: finding.entity,
                window: finding.window,
            });
        }
    }
}

/// Whether a recomputation in the same call has told this episode, at least as far.
fn told_already(episode: &Episode, reconciled: &Reconciled) -> bool {
    reconciled.put.iter().any(|changed| {
        let finding = &changed.finding;
        same_story(episode, finding)
            && finding.window.start <= episode.window.start
            && finding.window.end >= episode.window.end
    })
}

fn same_story(episode: &Episode, finding: &Finding) -> bool {
    episode.tenant_id == finding.tenant_id
        && episode.rule_id == finding.rule_id
        && episode.entity == finding.entity
        && episode.window.touches(&finding.window, episode.gap_us)
}

fn observe(engine: &mut Engine, batch: &EventBatch) {
    engine.observe(batch);
}

/// Reads stored rows of every dataset (hot ones too) into the engine, by way of `fold`.
fn feed(
    engine: &mut Engine,
    fold: fn(&mut Engine, &EventBatch),
    clients: &Clients,
    store: &Store,
    (tenant, start, end): (Option<&TenantId>, Micros, Micros),
) -> Result<u64, StoreError> {
    let mut rows = 0;
    for dataset in Dataset::ALL {
        let request = ScanRequest {
            dataset,
            tenant: tenant.cloned(),
            start_us: start.0,
            end_us: end.0,
            columns: engine.columns().union(Columns::only(["src_key"])),
            ..ScanRequest::of(dataset)
        };
        store.scan(&request, &mut |batch| {
            rows += batch.rows() as u64;
            fold(engine, &clients.restored(batch));
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// Gives episodes their identity: an episode that touches a stored finding of the same rule and
/// entity takes its id, further ones it touches are merged into it.
fn reconcile(
    store: &Store,
    evaluation: Evaluation,
    claimed: &mut HashSet<String>,
    out: &mut Reconciled,
) -> Result<(), StoreError> {
    for episode in evaluation.episodes {
        let mut stored = store.findings_touching(
            &episode.tenant_id,
            &episode.rule_id,
            &episode.entity,
            episode.window,
            episode.gap_us,
        )?;
        stored.sort_by(|a, b| (a.window.start, &a.id).cmp(&(b.window.start, &b.id)));
        stored.retain(|finding| !claimed.contains(&finding.id));
        let mut stored = stored.into_iter();
        let before = stored.next();
        let finding = settled(episode, before.as_ref(), claimed);
        claimed.insert(finding.id.clone());
        for merged in stored {
            claimed.insert(merged.id.clone());
            out.changes.push(FindingChange::MergedInto {
                id: merged.id,
                into: finding.id.clone(),
            });
        }
        if before.as_ref() == Some(&finding) {
            continue;
        }
        out.changes.push(FindingChange::Put(finding.clone()));
        out.put.push(Changed { finding, before });
    }
    for gone in evaluation.withdrawn {
        let stored = store.findings_touching(&gone.tenant_id, &gone.rule_id, &gone.entity, gone.window, 0)?;
        for finding in stored
            .into_iter()
            .filter(|f| !f.monotone && !claimed.contains(&f.id))
        {
            out.changes.push(FindingChange::Withdrawn {
                id: finding.id.clone(),
            });
            out.withdrawn.push(finding);
        }
    }
    Ok(())
}

fn settled(episode: Episode, before: Option<&Finding>, claimed: &HashSet<String>) -> Finding {
    let mut finding = Finding::from_episode(episode);
    let Some(before) = before else {
        // An id is made from the start of its first sighting; a later split may start there too.
        while claimed.contains(&finding.id) {
            finding.id.push('b');
        }
        return finding;
    };
    finding.id = before.id.clone();
    let reaches_further =
        before.window.start < finding.window.start || before.window.end > finding.window.end;
    if finding.monotone && reaches_further {
        // The engine no longer holds the older part: the stored window and count stand.
        finding.window = finding.window.union(&before.window);
        finding.ts = finding.window.start;
        finding.count = finding.count.max(before.count);
        finding.evidence.extend(before.evidence.iter().cloned());
        finding.evidence.sort();
        finding.evidence.dedup();
        finding.evidence.truncate(haetae_event::finding::EVIDENCE_MAX);
        finding.level = finding.level.max(before.level);
        finding.risk_score = finding.risk_score.max(before.risk_score);
    }
    finding
}

fn add_range(ranges: &mut Vec<(i64, i64)>, low: i64, high: i64) {
    ranges.push((low, high));
    ranges.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
    for &(low, high) in ranges.iter() {
        match merged.last_mut() {
            // Ranges less than an hour apart are read together.
            Some(last) if low <= last.1.saturating_add(HOUR_US) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    *ranges = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_close_together_are_one() {
        let hour = HOUR_US;
        let mut ranges = Vec::new();
        add_range(&mut ranges, 10 * hour, 11 * hour);
        add_range(&mut ranges, 0, hour);
        add_range(&mut ranges, 11 * hour, 12 * hour);
        assert_eq!(ranges, vec![(0, hour), (10 * hour, 12 * hour)]);
    }
}
