//! Versioned migrations: plain SQL, in order, each run once, remembered in `user_version`.

use crate::error::StoreError;
use rusqlite::{Connection, TransactionBehavior};

const STEPS: &[&str] = &[
    include_str!("0001_first.sql"),
    include_str!("0002_parsers.sql"),
    include_str!("0003_risk.sql"),
];

/// Brings the catalog to the newest version, each step in one transaction.
///
/// # Errors
/// [`StoreError::TooNew`], or SQLite's own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = check(connection)?;
    for (number, step) in (1_i64..).zip(STEPS).filter(|(n, _)| *n > found) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}

/// The version found; one that is too new is an error.
pub(crate) fn check(connection: &Connection) -> Result<i64, StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    Ok(found)
}
