//! Users' parsers: versions that never change, and which of them is in use.

use crate::error::StoreError;
use crate::store::Store;
use crate::types::{Added, Channel, ParserRow, ParserUse, ShadowRow};
use haetae_event::Micros;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

const COLUMNS: &str = "name, version, kind, dataset, definition, module, signed_by, signature, added_at";

impl Store {
    /// Adds a version in channel alpha. A version that is there already with the same content is
    /// left; one with other content is refused.
    ///
    /// # Errors
    /// The catalog's.
    pub fn add_parser(&self, row: &ParserRow, actor: &str) -> Result<Added, StoreError> {
        self.catalog.write(|tx| {
            if let Some(there) = one(tx, &row.name, row.version)? {
                let same = there.definition == row.definition && there.module == row.module;
                return Ok(if same { Added::Unchanged } else { Added::Differs });
            }
            tx.execute(
                &format!("INSERT INTO parsers ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
                params![
                    row.name,
                    row.version,
                    row.kind,
                    row.dataset,
                    row.definition,
                    row.module,
                    row.signed_by,
                    row.signature,
                    row.added_at.0
                ],
            )?;
            point(tx, &row.name, Channel::Alpha, row.version, row.added_at, actor)?;
            Ok(Added::New)
        })
    }

    /// Every version of every parser, by name and version.
    ///
    /// # Errors
    /// The catalog's.
    pub fn parsers(&self) -> Result<Vec<ParserRow>, StoreError> {
        self.catalog.read(|c| {
            let mut all =
                c.prepare_cached(&format!("SELECT {COLUMNS} FROM parsers ORDER BY name, version"))?;
            let rows = all.query_map([], parser)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// # Errors
    /// The catalog's.
    pub fn parser(&self, name: &str, version: u32) -> Result<Option<ParserRow>, StoreError> {
        self.catalog.read(|c| one(c, name, version))
    }

    /// The version each name runs with in each channel, by name.
    ///
    /// # Errors
    /// The catalog's.
    pub fn parser_uses(&self) -> Result<Vec<ParserUse>, StoreError> {
        self.catalog.read(|c| {
            let mut newest = c.prepare_cached(
                "SELECT name, channel, version, at FROM parser_channels WHERE id IN
                 (SELECT max(id) FROM parser_channels GROUP BY name, channel) ORDER BY name, channel",
            )?;
            let rows = newest.query_map([], |row| {
                Ok(ParserUse {
                    name: row.get(0)?,
                    channel: channel(&row.get::<_, String>(1)?),
                    version: row.get(2)?,
                    at: Micros(row.get(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Makes a version the stable one. `false` when there is no such version.
    ///
    /// # Errors
    /// The catalog's.
    pub fn promote_parser(
        &self,
        name: &str,
        version: u32,
        at: Micros,
        actor: &str,
    ) -> Result<bool, StoreError> {
        self.catalog.write(|tx| {
            if one(tx, name, version)?.is_none() {
                return Ok(false);
            }
            point(tx, name, Channel::Stable, version, at, actor)?;
            audit(tx, at, actor, "parser.promote", name, version)?;
            Ok(true)
        })
    }

    /// Makes the version that was stable before this one stable again; gives it, or `None` when
    /// there is none.
    ///
    /// # Errors
    /// The catalog's.
    pub fn roll_back_parser(&self, name: &str, at: Micros, actor: &str) -> Result<Option<u32>, StoreError> {
        self.catalog.write(|tx| {
            let mut stable = tx.prepare_cached(
                "SELECT version FROM parser_channels WHERE name = ?1 AND channel = 'stable' ORDER BY id DESC",
            )?;
            let versions: Vec<u32> = stable
                .query_map([name], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let before = versions
                .first()
                .and_then(|now| versions.iter().find(|v| *v != now))
                .copied();
            if let Some(version) = before {
                point(tx, name, Channel::Stable, version, at, actor)?;
                audit(tx, at, actor, "parser.rollback", name, version)?;
            }
            Ok(before)
        })
    }

    /// Keeps the newest comparison of a candidate with the version in use.
    ///
    /// # Errors
    /// The catalog's.
    pub fn put_shadow(&self, row: &ShadowRow) -> Result<(), StoreError> {
        self.catalog.write(|tx| {
            tx.execute(
                "INSERT INTO parser_shadows VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET against = excluded.against, started_at = excluded.started_at,
                 updated_at = excluded.updated_at, report = excluded.report",
                params![
                    row.name,
                    row.candidate,
                    row.against,
                    row.started_at.0,
                    row.updated_at.0,
                    row.report
                ],
            )?;
            Ok(())
        })
    }

    /// Forgets a comparison; whether there was one.
    ///
    /// # Errors
    /// The catalog's.
    pub fn end_shadow(&self, name: &str, candidate: u32) -> Result<bool, StoreError> {
        self.catalog.write(|tx| {
            let gone = tx.execute(
                "DELETE FROM parser_shadows WHERE name = ?1 AND candidate = ?2",
                params![name, candidate],
            )?;
            Ok(gone > 0)
        })
    }

    /// Every comparison that was begun, by name.
    ///
    /// # Errors
    /// The catalog's.
    pub fn shadows(&self) -> Result<Vec<ShadowRow>, StoreError> {
        self.catalog.read(|c| {
            let mut all = c.prepare_cached("SELECT * FROM parser_shadows ORDER BY name, candidate")?;
            let rows = all.query_map([], |row| {
                Ok(ShadowRow {
                    name: row.get(0)?,
                    candidate: row.get(1)?,
                    against: row.get(2)?,
                    started_at: Micros(row.get(3)?),
                    updated_at: Micros(row.get(4)?),
                    report: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn one(c: &Connection, name: &str, version: u32) -> Result<Option<ParserRow>, StoreError> {
    let mut find = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM parsers WHERE name = ?1 AND version = ?2"
    ))?;
    Ok(find.query_row(params![name, version], parser).optional()?)
}

fn parser(row: &Row<'_>) -> rusqlite::Result<ParserRow> {
    Ok(ParserRow {
        name: row.get(0)?,
        version: row.get(1)?,
        kind: row.get(2)?,
        dataset: row.get(3)?,
        definition: row.get(4)?,
        module: row.get(5)?,
        signed_by: row.get(6)?,
        signature: row.get(7)?,
        added_at: Micros(row.get(8)?),
    })
}

fn channel(text: &str) -> Channel {
    // The table's check allows these two.
    if text == "stable" {
        Channel::Stable
    } else {
        Channel::Alpha
    }
}

fn point(
    tx: &Transaction<'_>,
    name: &str,
    channel: Channel,
    version: u32,
    at: Micros,
    actor: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO parser_channels (name, channel, version, at, actor) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![name, channel.as_str(), version, at.0, actor],
    )?;
    Ok(())
}

fn audit(
    tx: &Transaction<'_>,
    at: Micros,
    actor: &str,
    action: &str,
    name: &str,
    version: u32,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, '')",
        params![at.0, actor, action, format!("{name}@v{version}")],
    )?;
    Ok(())
}
