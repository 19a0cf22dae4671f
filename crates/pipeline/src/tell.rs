//! From changed findings to incidents and the messages owed for them.

use crate::detection::Reconciled;
use crate::driver::DriverOptions;
use haetae_event::commit::{CommitUnit, FindingChange, IncidentRow};
use haetae_event::{Entity, Finding, Level, Micros, TenantId};
use haetae_incident::{Changed, FoldInput, fold};
use haetae_store::{FindingState, IncidentFilter, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where findings wait that were stored in the middle of a poll, until the poll is read whole.
const UNFOLDED_KEY: &str = "unfolded_findings";

/// Incidents looked through for those that findings belong to.
const INCIDENTS_MAX: usize = 5_000;

/// Ids of findings that no incident has seen yet.
#[derive(Default, Serialize, Deserialize)]
struct Unfolded {
    changed: BTreeSet<String>,
    withdrawn: BTreeSet<String>,
    merged: Vec<(String, String)>,
}

impl Unfolded {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.withdrawn.is_empty() && self.merged.is_empty()
    }
}

/// Adds incidents and messages to the unit. In the middle of a poll (`quiet` is false) the
/// findings are only noted: what belongs together is told together, once.
///
/// # Errors
/// The catalog's.
pub fn tell(
    store: &Store,
    reconciled: &Reconciled,
    now: Micros,
    quiet: bool,
    options: &DriverOptions,
    unit: &mut CommitUnit,
) -> Result<(), StoreError> {
    let mut waiting: Unfolded = store
        .setting(UNFOLDED_KEY)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let had_waiting = !waiting.is_empty();
    if !quiet {
        note(&mut waiting, reconciled);
        if !waiting.is_empty() {
            unit.settings.push((UNFOLDED_KEY.to_owned(), to_json(&waiting)));
        }
        return Ok(());
    }
    let (changed, withdrawn, merged) = gather(store, waiting, reconciled)?;
    if changed.is_empty() && withdrawn.is_empty() && merged.is_empty() {
        return Ok(());
    }
    let incidents = concerned(store, &changed, &withdrawn)?;
    let input = FoldInput {
        incidents: &incidents,
        changed: &changed,
        merged: &merged,
        withdrawn: &withdrawn,
        now,
    };
    let folded = fold(&input, &options.fold);
    unit.incidents = folded.incidents;
    unit.outbox.extend(
        folded
            .messages
            .iter()
            .flat_map(|message| message.rows(&options.channels, now)),
    );
    if had_waiting {
        unit.settings
            .push((UNFOLDED_KEY.to_owned(), to_json(&Unfolded::default())));
    }
    Ok(())
}

fn to_json(waiting: &Unfolded) -> String {
    serde_json::to_string(waiting).expect("plain structs serialise")
}

fn merges(reconciled: &Reconciled) -> impl Iterator<Item = (String, String)> + '_ {
    reconciled.changes.iter().filter_map(|change| match change {
        FindingChange::MergedInto { id, into } => Some((id.clone(), into.clone())),
        _ => None,
    })
}

fn note(waiting: &mut Unfolded, reconciled: &Reconciled) {
    let grave = |finding: &&Finding| finding.level >= Level::Medium;
    waiting.changed.extend(
        reconciled
            .put
            .iter()
            .map(|c| &c.finding)
            .filter(grave)
            .map(|f| f.id.clone()),
    );
    waiting
        .withdrawn
        .extend(reconciled.withdrawn.iter().filter(grave).map(|f| f.id.clone()));
    waiting.merged.extend(merges(reconciled));
}

type Gathered = (Vec<Changed>, Vec<Finding>, Vec<(String, String)>);

/// What waited, as it is stored now, and what this commit brings.
fn gather(store: &Store, waiting: Unfolded, reconciled: &Reconciled) -> Result<Gathered, StoreError> {
    let mut changed: Vec<Changed> = reconciled
        .put
        .iter()
        .map(|c| Changed {
            finding: c.finding.clone(),
            before: c.before.clone(),
        })
        .collect();
    let mut withdrawn = reconciled.withdrawn.clone();
    let now_known: BTreeSet<String> = changed.iter().map(|c| c.finding.id.clone()).collect();
    let gone: BTreeSet<String> = withdrawn.iter().map(|f| f.id.clone()).collect();
    for id in waiting.changed.iter().chain(&waiting.withdrawn) {
        if now_known.contains(id) || gone.contains(id) {
            continue;
        }
        let Some(stored) = store.finding(id)? else {
            continue;
        };
        match stored.state {
            FindingState::Active => changed.push(Changed {
                finding: stored.finding,
                before: None,
            }),
            FindingState::Withdrawn => withdrawn.push(stored.finding),
            FindingState::Merged => {}
        }
    }
    let mut merged = waiting.merged;
    merged.extend(merges(reconciled));
    Ok((changed, withdrawn, merged))
}

fn concerned(
    store: &Store,
    changed: &[Changed],
    withdrawn: &[Finding],
) -> Result<Vec<IncidentRow>, StoreError> {
    let about: BTreeSet<(&TenantId, &Entity)> = changed
        .iter()
        .map(|c| &c.finding)
        .chain(withdrawn)
        .map(|finding| (&finding.tenant_id, &finding.entity))
        .collect();
    let mut rows = store.incidents(&IncidentFilter {
        limit: INCIDENTS_MAX,
        ..IncidentFilter::default()
    })?;
    rows.retain(|row| {
        let entity = Entity {
            kind: row.entity_kind.clone(),
            value: row.entity_value.clone(),
        };
        about.contains(&(&row.tenant_id, &entity))
    });
    Ok(rows)
}
