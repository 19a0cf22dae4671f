//! Everything that enrichment knows, made from the configuration and kept up to date.

use crate::config::{ConfigError, EnrichConfig, ListConfig};
use crate::enricher::{Enricher, Enrichers};
use crate::files::Files;
use crate::geo::{DATABASE_BYTES_MAX, Database, Databases, Geo, Role};
use crate::live::{Live, Refresh};
use crate::native::NativeGeo;
use crate::reputation::{LIST_BYTES_MAX, List, ListOptions, Reputation, ReputationScore};
use haetae_event::time::{HOUR_US, SECOND_US};
use haetae_event::{Clock, Micros};
use std::path::PathBuf;
use std::sync::Arc;

/// Something the operator should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A file was read; `detail` counts what was found and, of lists, what was left out.
    Loaded { file: PathBuf, detail: String },
    /// A file could not be used. What was read before stays in use.
    Alarm { text: String },
}

/// Shared by all threads. [`Knowledge::enrichers`] gives each its own enrichers;
/// [`Knowledge::refresh`] reads changed files, best from a thread of its own: verifying a large
/// database takes seconds.
pub struct Knowledge {
    databases: Databases,
    reputation: Reputation,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
}

impl Knowledge {
    /// Reads nothing yet: the first [`Knowledge::refresh`] does.
    ///
    /// # Errors
    /// As [`EnrichConfig::validate`].
    pub fn new(
        config: &EnrichConfig,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let interval_us = i64::from(config.reload_interval_s) * SECOND_US;
        let database = |path: &Option<PathBuf>, role| {
            let parse = move |bytes, _, _: Option<&Database>| {
                Database::load(bytes, role).map_err(|error| error.to_string())
            };
            let live =
                |path: &PathBuf| Live::new(path.clone(), DATABASE_BYTES_MAX, interval_us, Box::new(parse));
            path.as_ref().map(|path| Arc::new(live(path)))
        };
        let databases = Databases {
            country: database(&config.geo.country, Role::Country),
            city: database(&config.geo.city, Role::Country),
            asn: database(&config.geo.asn, Role::Asn),
        };
        let lists = config
            .reputation
            .iter()
            .map(|list| live_list(list, interval_us, &clock));
        Ok(Knowledge {
            databases,
            reputation: Reputation::new(lists.collect()),
            files,
            clock,
        })
    }

    /// Enrichers for one thread, in the order: native columns, databases, lists.
    pub fn enrichers(&self) -> Enrichers {
        let mut list: Vec<Box<dyn Enricher>> = vec![Box::new(NativeGeo)];
        if self.databases.each().next().is_some() {
            list.push(Box::new(Geo::new(self.databases.clone())));
        }
        if self.reputation.each().next().is_some() {
            let score = ReputationScore::new(self.reputation.clone(), self.clock.clone());
            list.push(Box::new(score));
        }
        Enrichers::new(list)
    }

    /// The configured databases.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// To ask which lists know an address.
    pub fn reputation(&self) -> &Reputation {
        &self.reputation
    }

    /// Checks every file whose interval has passed. Silent when nothing changed.
    pub fn refresh(&self) -> Vec<Notice> {
        let now = self.clock.now();
        let mut notices = Vec::new();
        for live in self.databases.each() {
            let result = live.refresh(&*self.files, now);
            let detail = |database: &Database| {
                let built_us =
                    i64::try_from(database.built_s()).map_or(i64::MAX, |s| s.saturating_mul(SECOND_US));
                format!("database of {}", Micros(built_us))
            };
            notices.extend(notice(live, result, detail));
        }
        for live in self.reputation.each() {
            let result = live.refresh(&*self.files, now);
            notices.extend(notice(live, result, list_detail));
        }
        notices
    }

    /// Standing problems: files whose present state is not in use.
    pub fn alarms(&self) -> Vec<String> {
        let databases = self.databases.each().filter_map(|live| live.alarm());
        let lists = self.reputation.each().filter_map(|live| live.alarm());
        databases.chain(lists).collect()
    }
}

fn live_list(list: &ListConfig, interval_us: i64, clock: &Arc<dyn Clock>) -> Arc<Live<List>> {
    let options = ListOptions {
        name: list.name.clone(),
        format: list.format,
        score: list.score,
        max_age_us: list.max_age_h.map(|hours| i64::from(hours) * HOUR_US),
    };
    let clock = clock.clone();
    Arc::new(Live::new(
        list.path.clone(),
        LIST_BYTES_MAX,
        interval_us,
        Box::new(move |bytes, stamp, old| {
            List::load(&bytes, &options, stamp.modified, clock.now(), old).map_err(|error| error.to_string())
        }),
    ))
}

fn notice<T>(live: &Live<T>, result: Refresh, detail: impl Fn(&T) -> String) -> Option<Notice> {
    match result {
        Refresh::Loaded => Some(Notice::Loaded {
            file: live.path().to_owned(),
            detail: live.current().map(|value| detail(&value)).unwrap_or_default(),
        }),
        Refresh::Refused(text) => Some(Notice::Alarm { text }),
        Refresh::NotDue | Refresh::Unchanged | Refresh::Busy => None,
    }
}

/// One line; bad and reserved entries with their first places.
fn list_detail(list: &List) -> String {
    let tally = list.tally();
    let mut text = format!("list {:?}: {} entries", list.name(), tally.entries);
    let counts = [
        (tally.bad, "bad"),
        (tally.reserved, "private or reserved, never scored"),
        (tally.expired, "expired or revoked"),
        (tally.other, "not about one address"),
        (tally.crowded, "left out: too many for the same addresses"),
    ];
    for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    for line in tally.first_bad.iter().chain(&tally.first_reserved) {
        text.push_str(&format!("; line {}: {}: {:?}", line.line, line.reason, line.text));
    }
    text
}
