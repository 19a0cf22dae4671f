//! The crawlers that can be verified, and the check of one claim.

use super::{Lookup, NameMask, Resolver, Standing};
use haetae_event::net::Cidr;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Crawlers known to the program.
const BUILTIN: &str = include_str!("../../../../rules/crawlers.json");

/// Rows, ranges of all rows together, and bytes of one file.
const ROWS_MAX: usize = 1_000;
const RANGES_MAX: usize = 100_000;

/// Names of one address looked at, and names of those looked up forward: whoever answers for an
/// address may give thousands.
const NAMES_MAX: usize = 16;
const FORWARD_MAX: usize = 3;

/// One crawler.
#[derive(Clone, Debug, Deserialize)]
pub struct Crawler {
    /// As clients' claims name it.
    pub name: String,
    /// Masks of its machines' names.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where the operator publishes its ranges; whoever fetches them gives them to
    /// [`Table::add_ranges`].
    #[serde(default)]
    pub ranges: Vec<String>,
    /// The operator describes the check.
    #[serde(default)]
    pub documented: bool,
}

#[derive(Deserialize)]
struct File {
    crawlers: Vec<Crawler>,
}

/// Why a table or its ranges cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTable {
    #[error("no JSON of the expected shape: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("crawler {name:?}: {mask:?} is no name below two labels or more, like .googlebot.com")]
    Mask { name: String, mask: String },
    #[error("more than {ROWS_MAX} crawlers")]
    TooMany,
    #[error("no crawler is called {0:?}")]
    Unknown(String),
    #[error("the JSON has no list `prefixes`")]
    NoPrefixes,
    #[error("entry {line} is no range of addresses")]
    Range { line: usize },
    #[error("more than {RANGES_MAX} ranges")]
    TooManyRanges,
}

#[derive(Clone, Debug)]
struct Row {
    masks: Vec<NameMask>,
    ranges: Vec<Cidr>,
    /// Some of what the operator publishes is not here.
    partial: bool,
    feeds: Vec<String>,
    documented: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, Row>,
    ranges: usize,
}

impl Table {
    /// The crawlers known to the program.
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn builtin() -> Table {
        Table::read(BUILTIN).expect("a test reads the built-in table")
    }

    /// Reads `{"crawlers": [{"name", "hosts", "ranges", "documented"}, …]}`; other keys are ignored.
    ///
    /// # Errors
    /// [`BadTable`].
    pub fn read(text: &str) -> Result<Table, BadTable> {
        let mut table = Table::default();
        table.add(text)?;
        Ok(table)
    }

    /// Adds rows; a row of the same name replaces the one before.
    ///
    /// # Errors
    /// [`BadTable`]; the table is unchanged then.
    pub fn add(&mut self, text: &str) -> Result<(), BadTable> {
        let file: File = serde_json::from_str(text)?;
        let mut rows = self.rows.clone();
        for crawler in file.crawlers {
            let mask = |text: &String| {
                NameMask::parse(text).ok_or_else(|| BadTable::Mask {
                    name: crawler.name.clone(),
                    mask: text.clone(),
                })
            };
            let masks = crawler.hosts.iter().map(mask).collect::<Result<_, _>>()?;
            let row = Row {
                masks,
                ranges: Vec::new(),
                partial: false,
                feeds: crawler.ranges.clone(),
                documented: crawler.documented,
            };
            rows.insert(crawler.name, row);
        }
        if rows.len() > ROWS_MAX {
            return Err(BadTable::TooMany);
        }
        self.rows = rows;
        Ok(())
    }

    /// Where ranges are published, by crawler.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows
            .iter()
            .flat_map(|(name, row)| row.feeds.iter().map(move |feed| (name.as_str(), feed.as_str())))
    }

    /// Takes what an operator publishes in the place of what was known of its ranges: the JSON of
    /// Google, Bing and others (`{"prefixes": [{"ipv4Prefix": …}, {"ipv6Prefix": …}]}`), or one
    /// range or address a line (first field of a CSV; `#` begins a comment). Returns how many.
    ///
    /// # Errors
    /// [`BadTable`]; what was known stays.
    pub fn add_ranges(&mut self, name: &str, text: &str) -> Result<usize, BadTable> {
        self.set_ranges(name, read_ranges(text)?, true)
    }

    /// As [`Table::add_ranges`], with ranges that are read already. `whole`: the operator
    /// publishes no others, so that an address outside of them is a doubtful one.
    ///
    /// # Errors
    /// [`BadTable::Unknown`] and [`BadTable::TooManyRanges`]; what was known stays.
    pub fn set_ranges(&mut self, name: &str, ranges: Vec<Cidr>, whole: bool) -> Result<usize, BadTable> {
        let known = self.rows.get(name).map(|row| row.ranges.len());
        let known = known.ok_or_else(|| BadTable::Unknown(name.into()))?;
        if self.ranges - known + ranges.len() > RANGES_MAX {
            return Err(BadTable::TooManyRanges);
        }
        self.ranges = self.ranges - known + ranges.len();
        let count = ranges.len();
        if let Some(row) = self.rows.get_mut(name) {
            row.ranges = ranges;
            row.partial = !whole;
        }
        Ok(count)
    }

    /// The crawlers whose ranges a file of this name holds: those that publish one under it
    /// (`googlebot.json`), or the one that it is called after (`naver_yeti.txt`).
    pub fn crawlers_of_file(&self, file: &str) -> Vec<&str> {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let published = |feed: &String| feed.rsplit('/').next() == Some(file);
        let of = |(name, row): (&'_ String, &Row)| row.feeds.iter().any(published) || slug(name) == stem;
        self.rows
            .iter()
            .filter(|&(name, row)| of((name, row)))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether files of these names are all that a crawler publishes.
    pub fn is_whole(&self, name: &str, files: &[&str]) -> bool {
        let Some(row) = self.rows.get(name) else {
            return false;
        };
        let own = slug(name);
        let published: Vec<&str> = row
            .feeds
            .iter()
            .filter_map(|feed| feed.rsplit('/').next())
            .collect();
        // `gptbot.json` is called after the crawler, and one of three.
        let named = |file: &&str| {
            let stem = file.rsplit_once('.').map_or(*file, |(stem, _)| stem);
            stem == own && !published.contains(file)
        };
        files.iter().any(named)
            || (!published.is_empty() && published.iter().all(|feed| files.contains(feed)))
    }

    /// Whether a crawler of this name is known at all.
    pub fn knows(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    /// What can be said of a claim without asking anybody.
    pub fn check_offline(&self, name: &str, address: IpAddr) -> Option<Standing> {
        let Some(row) = self.rows.get(name) else {
            return Some(Standing::Unverified);
        };
        if row.ranges.iter().any(|range| range.contains(address)) {
            return Some(Standing::Verified);
        }
        if !row.masks.is_empty() {
            return None;
        }
        // Lists of ranges grow old: outside of one is a doubt, no proof.
        Some(match row.ranges.is_empty() || row.partial {
            true => Standing::Unverified,
            false => Standing::Fake { documented: false },
        })
    }

    /// Checks a claim: at most one reverse and [`FORWARD_MAX`] forward look-ups. Gives how long
    /// the answer holds, µs, where the name system said so.
    pub fn check(&self, name: &str, address: IpAddr, resolver: &dyn Resolver) -> (Standing, Option<i64>) {
        let address = address.to_canonical();
        if let Some(standing) = self.check_offline(name, address) {
            return (standing, None);
        }
        let Some(row) = self.rows.get(name) else {
            return (Standing::Unverified, None);
        };
        let fake = Standing::Fake {
            documented: row.documented,
        };
        let (names, ttl_us) = match resolver.reverse(address) {
            Lookup::Found { values, ttl_us } => (values, ttl_us),
            Lookup::Nothing => return (fake, None),
            Lookup::Failed => return (Standing::Unverified, None),
        };
        let own = |name: &&String| row.masks.iter().any(|mask| mask.covers(name));
        let mut unanswered = false;
        for name in names.iter().take(NAMES_MAX).filter(own).take(FORWARD_MAX) {
            match resolver.forward(name, address) {
                Lookup::Found {
                    values,
                    ttl_us: forward,
                } => {
                    let same = |value: &IpAddr| value.to_canonical() == address;
                    if values.iter().any(same) {
                        return (Standing::Verified, Some(ttl_us.min(forward)));
                    }
                }
                Lookup::Nothing => {}
                Lookup::Failed => unanswered = true,
            }
        }
        match unanswered {
            true => (Standing::Unverified, None),
            false => (fake, Some(ttl_us)),
        }
    }
}

/// Reads what an operator publishes, see [`Table::add_ranges`].
pub(super) fn read_ranges(text: &str) -> Result<Vec<Cidr>, BadTable> {
    match text.trim_start().starts_with('{') {
        true => json_ranges(text),
        false => text_ranges(text),
    }
}

fn json_ranges(text: &str) -> Result<Vec<Cidr>, BadTable> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let prefixes = value.get("prefixes").and_then(serde_json::Value::as_array);
    let prefixes = prefixes.ok_or(BadTable::NoPrefixes)?;
    let mut ranges = Vec::new();
    for (line, prefix) in prefixes.iter().enumerate() {
        let text = ["ipv4Prefix", "ipv6Prefix", "ip_prefix", "ipv6_prefix"]
            .iter()
            .find_map(|key| prefix.get(key))
            .or(Some(prefix))
            .and_then(serde_json::Value::as_str);
        let range = text.and_then(|text| text.parse().ok());
        ranges.push(range.ok_or(BadTable::Range { line: line + 1 })?);
    }
    Ok(ranges)
}

fn text_ranges(text: &str) -> Result<Vec<Cidr>, BadTable> {
    let mut ranges = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        let field = line.split(',').next().unwrap_or("").trim().trim_matches('"');
        if field.is_empty() {
            continue;
        }
        ranges.push(field.parse().map_err(|_| BadTable::Range { line: at + 1 })?);
    }
    Ok(ranges)
}

/// A crawler's name as that of a file.
fn slug(name: &str) -> String {
    name.to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}
