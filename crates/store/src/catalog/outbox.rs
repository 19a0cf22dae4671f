//! Messages owed to the outside. The id is the cause: the same cause never makes a second row.

use super::unsigned;
use crate::error::StoreError;
use crate::store::Store;
use crate::types::{OutboxCounts, OutboxDue, Outcome};
use haetae_event::Micros;
use haetae_event::commit::OutboxRow;
use rusqlite::{Connection, Transaction, params};

/// Texts of errors are kept this long; they come from other people's servers.
const ERROR_CHARS_MAX: usize = 1000;

pub(super) fn put(tx: &Transaction<'_>, rows: &[OutboxRow]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO outbox (id, channel, kind, payload, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for row in rows {
        insert.execute(params![
            row.id,
            row.channel,
            row.kind,
            row.payload,
            row.created_at.0
        ])?;
    }
    Ok(())
}

pub(crate) fn numbers(c: &Connection) -> Result<OutboxCounts, StoreError> {
    let mut counts = OutboxCounts::default();
    let mut by_state = c.prepare_cached("SELECT state, count(*) FROM outbox GROUP BY state")?;
    let mut rows = by_state.query([])?;
    while let Some(row) = rows.next()? {
        let state: String = row.get(0)?;
        let number = unsigned(row.get(1)?);
        match state.as_str() {
            "pending" => counts.pending = number,
            "sending" => counts.sending = number,
            "done" => counts.done = number,
            _ => counts.dead = number,
        }
    }
    Ok(counts)
}

impl Store {
    /// Messages due at `now`, oldest commit first.
    ///
    /// # Errors
    /// The catalog's.
    pub fn outbox_due(&self, now: Micros, limit: usize) -> Result<Vec<OutboxDue>, StoreError> {
        self.catalog.read(|c| {
            let mut due = c.prepare_cached(
                "SELECT id, channel, kind, payload, created_at, attempts, last_error FROM outbox
                 WHERE state IN ('pending', 'sending') AND next_attempt_at <= ?1
                 ORDER BY seq LIMIT ?2",
            )?;
            let rows = due.query_map(params![now.0, limit as i64], |row| {
                Ok(OutboxDue {
                    row: OutboxRow {
                        id: row.get(0)?,
                        channel: row.get(1)?,
                        kind: row.get(2)?,
                        payload: row.get(3)?,
                        created_at: Micros(row.get(4)?),
                    },
                    attempts: row.get(5)?,
                    last_error: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records what became of an attempt, durably. A row that is done or dead stays so.
    ///
    /// # Errors
    /// The catalog's.
    pub fn outbox_mark(&self, id: &str, outcome: Outcome) -> Result<(), StoreError> {
        let (state, at, attempts, error) = match outcome {
            Outcome::Sending { lease_until } => ("sending", lease_until.0, 0, None),
            Outcome::Done => ("done", 0, 1, None),
            Outcome::Retry { at, error } => ("pending", at.0, 1, Some(error)),
            Outcome::Dead { error } => ("dead", 0, 1, Some(error)),
        };
        let error: Option<String> = error.map(|e| e.chars().take(ERROR_CHARS_MAX).collect());
        self.catalog.write(|tx| {
            tx.execute(
                "UPDATE outbox SET state = ?2, next_attempt_at = ?3, attempts = attempts + ?4,
                 last_error = coalesce(?5, last_error)
                 WHERE id = ?1 AND state IN ('pending', 'sending')",
                params![id, state, at, attempts, error],
            )?;
            Ok(())
        })
    }

    /// Puts messages into the outbox outside a commit, durably; known ids change nothing.
    ///
    /// # Errors
    /// The catalog's.
    pub fn outbox_put(&self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        self.catalog.write(|tx| put(tx, rows))
    }

    /// # Errors
    /// The catalog's.
    pub fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.catalog.read(numbers)
    }
}
