//! The ranges that operators publish, from a folder that somebody refreshes.
//!
//! A file belongs to the crawlers that publish one of its name ([`Table::crawlers_of_file`]); of a
//! crawler with several files all count. A file that cannot be read leaves what it said before.

use super::Table;
use super::table::read_ranges;
use crate::files::{Files, Stamp};
use haetae_event::net::Cidr;
use haetae_event::time::SECOND_US;
use haetae_event::{Clock, Micros};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Google's largest list has some 20 KB; a list of every cloud 2 MB.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 500;

/// What a look at the folder found.
#[derive(Clone, Debug, Default)]
pub struct RangesNews {
    /// The table with the ranges of now; `None` when nothing changed.
    pub table: Option<Table>,
    /// One line each, for the operator.
    pub notes: Vec<String>,
    pub troubles: Vec<String>,
}

/// See the module.
pub struct RangesFolder {
    dir: PathBuf,
    /// Without ranges.
    table: Table,
    interval_us: i64,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
    looked: Option<Micros>,
    known: BTreeMap<PathBuf, Known>,
    /// The folder itself cannot be read, and that was said.
    lost: bool,
}

/// One file, as it was last read.
struct Known {
    stamp: Option<Stamp>,
    ranges: Vec<Cidr>,
}

impl RangesFolder {
    /// Reads nothing yet.
    pub fn new(
        dir: PathBuf,
        table: Table,
        interval_s: u32,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> RangesFolder {
        RangesFolder {
            dir,
            table,
            interval_us: i64::from(interval_s) * SECOND_US,
            files,
            clock,
            looked: None,
            known: BTreeMap::new(),
            lost: false,
        }
    }

    /// Reads the files that changed, at most once an interval.
    pub fn refresh(&mut self) -> RangesNews {
        let now = self.clock.now();
        let passed = |at: Micros| now < at || now.0.saturating_sub(at.0) >= self.interval_us;
        let mut news = RangesNews::default();
        if !self.looked.is_none_or(passed) {
            return news;
        }
        self.looked = Some(now);
        let listed = match self.files.list(&self.dir) {
            Ok(listed) => listed,
            Err(error) => {
                if !std::mem::replace(&mut self.lost, true) {
                    let dir = self.dir.display();
                    news.troubles.push(format!(
                        "crawlers.ranges_dir {dir}: {error}; ranges read before stay in use"
                    ));
                }
                return news;
            }
        };
        self.lost = false;
        let listed: BTreeSet<PathBuf> = listed
            .into_iter()
            .take(FILES_MAX)
            .filter(|path| is_visible(path))
            .collect();
        let before = self.known.len();
        self.known.retain(|path, _| listed.contains(path));
        let mut changed = self.known.len() != before;
        for path in listed {
            changed |= self.read(&path, &mut news);
        }
        if changed {
            news.table = Some(self.whole(&mut news));
        }
        news
    }

    /// Whether the file says something else than before.
    fn read(&mut self, path: &Path, news: &mut RangesNews) -> bool {
        let stamp = self.files.stamp(path).ok();
        if self.known.get(path).is_some_and(|known| known.stamp == stamp) {
            return false;
        }
        let read = match self.owners(path).is_empty() {
            true => Err("no crawler publishes or is called so".to_owned()),
            false => self.ranges(path),
        };
        let known = self.known.entry(path.to_owned()).or_insert(Known {
            stamp,
            ranges: Vec::new(),
        });
        known.stamp = stamp;
        match read {
            Ok(ranges) => {
                news.notes
                    .push(format!("{}: {} ranges of crawlers", path.display(), ranges.len()));
                known.ranges = ranges;
                true
            }
            Err(why) => {
                news.troubles.push(format!(
                    "{}: {why}; what it said before stays in use",
                    path.display()
                ));
                false
            }
        }
    }

    fn ranges(&self, path: &Path) -> Result<Vec<Cidr>, String> {
        let bytes = self
            .files
            .read(path, FILE_BYTES_MAX)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "no UTF-8".to_owned())?;
        let ranges = read_ranges(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())?;
        match ranges.is_empty() {
            // A list that failed to download must not make liars of all its machines.
            true => Err("holds no range".to_owned()),
            false => Ok(ranges),
        }
    }

    fn owners(&self, path: &Path) -> Vec<&str> {
        let name = path.file_name().and_then(|name| name.to_str());
        name.map(|name| self.table.crawlers_of_file(name))
            .unwrap_or_default()
    }

    fn whole(&self, news: &mut RangesNews) -> Table {
        let mut of: BTreeMap<&str, (Vec<Cidr>, Vec<&str>)> = BTreeMap::new();
        for (path, known) in &self.known {
            for owner in self.owners(path) {
                let (ranges, files) = of.entry(owner).or_default();
                ranges.extend(&known.ranges);
                if !known.ranges.is_empty() {
                    files.extend(path.file_name().and_then(|name| name.to_str()));
                }
            }
        }
        let mut table = self.table.clone();
        for (name, (ranges, files)) in of {
            let whole = self.table.is_whole(name, &files);
            if let Err(error) = table.set_ranges(name, ranges, whole) {
                news.troubles.push(format!("ranges of {name}: {error}"));
            }
        }
        table
    }
}

/// Not one of an editor or a download under way.
fn is_visible(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let ended = [".json", ".txt", ".csv", ".netset"]
        .iter()
        .any(|ending| name.ends_with(ending));
    ended && !name.starts_with('.')
}
