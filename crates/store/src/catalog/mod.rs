//! `catalog.db`: SQLite, WAL, `synchronous=FULL`, one writer, a small pool of readers.
//!
//! The catalog is the truth about what is stored: a file is part of the store when, and only
//! when, a row says so.

mod audit;
mod cleanups;
mod counts;
mod dlq;
mod findings;
mod incidents;
mod marks;
mod migrations;
mod outbox;
mod parsers;
mod positions;
pub(crate) mod segments;
mod settings;
pub(crate) mod unit;
pub(crate) mod upkeep;

use crate::error::StoreError;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(crate) const FILE: &str = "catalog.db";
const READERS_MAX: usize = 4;
const BUSY_MS: u64 = 5_000;

/// The connections. Readers see committed rows only.
pub(crate) struct Catalog {
    path: PathBuf,
    writer: Option<Mutex<Connection>>,
    readers: Mutex<Vec<Connection>>,
}

impl Catalog {
    /// Opens for writing, migrating if needed.
    pub(crate) fn open(dir: &Path) -> Result<Catalog, StoreError> {
        let path = dir.join(FILE);
        let mut writer = Connection::open(&path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        writer.pragma_update(None, "foreign_keys", "ON")?;
        // Also fsyncs after a checkpoint on systems that tell fsync and "really" apart.
        writer.pragma_update(None, "checkpoint_fullfsync", "ON")?;
        migrations::migrate(&mut writer)?;
        Ok(Catalog {
            path,
            writer: Some(Mutex::new(writer)),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Opens for reading, beside a living writer or after a dead one.
    pub(crate) fn open_read_only(dir: &Path) -> Result<Catalog, StoreError> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Err(StoreError::Absent { dir: dir.to_owned() });
        }
        let catalog = Catalog {
            path,
            writer: None,
            readers: Mutex::new(Vec::new()),
        };
        catalog.read(|connection| migrations::check(connection).map(|_| ()))?;
        Ok(catalog)
    }

    /// Runs `work` on a reading connection, inside one read transaction.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let pooled = lock(&self.readers).pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => self.connect_reader()?,
        };
        let result = {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            work(&tx)
        };
        let mut readers = lock(&self.readers);
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        result
    }

    /// Runs `work` in one immediate transaction and commits it durably.
    ///
    /// An error rolls back: nothing of `work` stays.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnly)?;
        let mut connection = lock(writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.writer.is_none()
    }

    /// Bytes of the database file, without its write-ahead log.
    pub(crate) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.len())
    }

    fn connect_reader(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        prepare(&connection)?;
        Ok(connection)
    }
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// A panic elsewhere leaves connection and pool usable: transactions roll back when dropped.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unsigned counts are stored as SQLite's signed integers.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A tenant name that was checked before it was stored.
pub(crate) fn tenant(text: &str) -> Result<haetae_event::TenantId, StoreError> {
    haetae_event::TenantId::new(text).map_err(|e| StoreError::damaged("tenant in the catalog", e))
}
