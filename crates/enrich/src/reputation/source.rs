//! One list: from the bytes of its file to a [`PrefixSet`], with an account of every entry.
//!
//! A bad line never fails a list; a file in which most is bad, or that shrank to less than half
//! of the version in use, does, so that a damaged download cannot empty a live list.

use super::prefixes::{Draft, PrefixSet, Verdict};
use super::target::Target;
use super::{csv, json, stix, text};
use haetae_event::Micros;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Larger files are refused. Ten million addresses of text are about 150 MB.
pub const LIST_BYTES_MAX: u64 = 256 << 20;

/// So many bad lines, and so many reserved entries, are reported with their place.
const REPORTED: usize = 10;

/// Characters of a bad line in the report.
const REPORTED_CHARS: usize = 80;

/// Lists smaller than this may shrink as they like.
const SHRINK_FROM: u64 = 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListFormat {
    /// By the first lines.
    #[default]
    Auto,
    /// FireHOL `.netset`/`.ipset`: `#` comments, one address, prefix or range a line.
    Netset,
    /// Spamhaus DROP and EDROP, text: `prefix ; SBL1`.
    Drop,
    /// Spamhaus DROP, JSON lines: `{"cidr":"…","sblid":"…"}`, the last line is metadata.
    DropJson,
    /// abuse.ch Feodo Tracker, ThreatFox and SSLBL, and other tables with a named address column.
    AbusechCsv,
    /// The first word of each line, `#` and `;` comments: IPsum, CrowdSec, Emerging Threats, …
    Plain,
    /// STIX 2.1 bundle (or TAXII envelope) of indicators.
    Stix,
}

/// What the configuration says about a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    pub name: String,
    pub format: ListFormat,
    /// 0 … 100; larger counts as 100. Where an entry has a confidence in percent its score is
    /// that share of this.
    pub score: u8,
    /// The list counts for so long after the last change of its file.
    pub max_age_us: Option<i64>,
}

/// An entry that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1; of a STIX bundle the object, from 1.
    pub line: u64,
    pub reason: &'static str,
    /// The beginning of the text.
    pub text: String,
}

/// What became of the entries of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Addresses, prefixes and ranges taken, before duplicates are merged.
    pub entries: u64,
    pub bad: u64,
    /// Entries wholly in private or reserved space: never scored.
    pub reserved: u64,
    /// Entries that had expired when the file was read, or were revoked.
    pub expired: u64,
    /// Entries about something else than one address: domains, hashes, networks by number,
    /// patterns of several conditions.
    pub other: u64,
    /// Entries left out because too many with other verdicts hold for the same addresses.
    pub crowded: u64,
    /// The first ten of `bad`.
    pub first_bad: Vec<BadLine>,
    /// The first ten of `reserved`.
    pub first_reserved: Vec<BadLine>,
}

/// Why a file is not taken as a list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("not a STIX bundle: {0}")]
    NotStix(String),
    #[error("{bad} bad of {all} entries: another format? first: line {line}: {reason}: {text:?}")]
    MostlyBad {
        bad: u64,
        all: u64,
        line: u64,
        reason: &'static str,
        text: String,
    },
    #[error("shrank from {old} to {new} entries; a restart takes it as it is")]
    Shrunk { old: u64, new: u64 },
}

/// A list in memory.
pub struct List {
    name: String,
    prefixes: PrefixSet,
    tally: Tally,
    modified: Micros,
    expires: Option<Micros>,
}

impl List {
    /// Reads a list. `modified` is the time of its file, `now` decides what has expired, `old` is
    /// the version in use.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn load(
        bytes: &[u8],
        options: &ListOptions,
        modified: Micros,
        now: Micros,
        old: Option<&List>,
    ) -> Result<Self, ListError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut intake = Intake::new(options.score.min(100), now);
        match options.format {
            ListFormat::Auto => read(&mut intake, bytes, sniff(bytes))?,
            format => read(&mut intake, bytes, format)?,
        }
        let Intake { draft, mut tally, .. } = intake;
        let prefixes = PrefixSet::of(draft);
        tally.crowded = prefixes.left_out();
        plausible(&tally, old.map(|old| old.tally.entries))?;
        Ok(List {
            name: options.name.clone(),
            prefixes,
            tally,
            modified,
            expires: options.max_age_us.map(|age| modified.saturating_add(age)),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Time of the file.
    pub fn modified(&self) -> Micros {
        self.modified
    }

    /// Memory of the tables.
    pub fn bytes(&self) -> usize {
        self.prefixes.bytes()
    }

    /// What the list says of the address at `now`; nothing for reserved addresses and when the
    /// whole list is too old.
    pub fn verdict(&self, address: IpAddr, now: Micros) -> Option<Verdict> {
        if self.expires.is_some_and(|expires| now >= expires) {
            return None;
        }
        let verdict = self.prefixes.verdict(address, now)?;
        (!super::is_reserved(address)).then_some(Verdict {
            score: verdict.score,
            expires: verdict.expires.into_iter().chain(self.expires).min(),
        })
    }
}

fn read(intake: &mut Intake, bytes: &[u8], format: ListFormat) -> Result<(), ListError> {
    match format {
        ListFormat::Netset => text::read(intake, bytes, text::Rest::Nothing),
        ListFormat::Drop => text::read(intake, bytes, text::Rest::Comment),
        ListFormat::Plain | ListFormat::Auto => text::read(intake, bytes, text::Rest::Anything),
        ListFormat::DropJson => json::read(intake, bytes),
        ListFormat::AbusechCsv => csv::read(intake, bytes),
        ListFormat::Stix => stix::read(intake, bytes).map_err(ListError::NotStix)?,
    }
    Ok(())
}

/// The format that the first line with content looks like.
fn sniff(bytes: &[u8]) -> ListFormat {
    let holds = |line: &[u8], part: &[u8]| line.windows(part.len()).any(|window| window == part);
    let content = |line: &&[u8]| !line.is_empty() && !text::is_comment(line);
    let first = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).find(content);
    match first {
        Some(line) if line.starts_with(b"{") || line.starts_with(b"[") => {
            let drop = [&b"\"cidr\""[..], b"\"asn\"", b"\"metadata\""];
            let stix = holds(line, b"\"objects\"") || holds(line, b"\"bundle\"");
            match !stix && drop.iter().any(|key| holds(line, key)) {
                true => ListFormat::DropJson,
                false => ListFormat::Stix,
            }
        }
        Some(line) if line.contains(&b',') => ListFormat::AbusechCsv,
        _ => ListFormat::Plain,
    }
}

fn plausible(tally: &Tally, old: Option<u64>) -> Result<(), ListError> {
    let good = tally.entries + tally.reserved + tally.expired + tally.other;
    if let Some(first) = tally.first_bad.first().filter(|_| tally.bad > good) {
        return Err(ListError::MostlyBad {
            bad: tally.bad,
            all: tally.bad + good,
            line: first.line,
            reason: first.reason,
            text: first.text.clone(),
        });
    }
    match old {
        Some(old) if old >= SHRINK_FROM && tally.entries < old.div_ceil(2) => Err(ListError::Shrunk {
            old,
            new: tally.entries,
        }),
        _ => Ok(()),
    }
}

/// Takes the entries of a file while it is read.
pub(super) struct Intake {
    draft: Draft,
    tally: Tally,
    score: u8,
    now: Micros,
}

impl Intake {
    fn new(score: u8, now: Micros) -> Self {
        Intake {
            draft: Draft::default(),
            tally: Tally::default(),
            score,
            now,
        }
    }

    /// The verdict of an entry of the given confidence in percent.
    pub fn verdict(&self, confidence: Option<u8>, expires: Option<Micros>) -> Verdict {
        let share = u32::from(confidence.unwrap_or(100).min(100));
        Verdict {
            score: ((u32::from(self.score) * share + 50) / 100) as u8,
            expires,
        }
    }

    /// Takes the address, prefix or range that `text` is.
    pub fn take(&mut self, line: u64, text: &str, verdict: Verdict) {
        match Target::parse(text) {
            Ok(target) => self.take_target(line, text, target, verdict),
            Err(why) => self.bad(line, why, text),
        }
    }

    pub fn take_target(&mut self, line: u64, text: &str, target: Target, verdict: Verdict) {
        if target.is_reserved() {
            self.tally.reserved += 1;
            report(&mut self.tally.first_reserved, line, "private or reserved", text);
        } else if target.is_too_wide() {
            self.bad(line, "wider than /8 (v4) or /16 (v6)", text);
        } else if verdict.expires.is_some_and(|expires| expires <= self.now) {
            self.tally.expired += 1;
        } else {
            self.tally.entries += 1;
            match target {
                Target::V4(first, last) => self.draft.add_v4(first, last, verdict),
                Target::V6(first, last) => self.draft.add_v6(first, last, verdict),
            }
        }
    }

    pub fn bad(&mut self, line: u64, reason: &'static str, text: &str) {
        self.tally.bad += 1;
        report(&mut self.tally.first_bad, line, reason, text);
    }

    pub fn expired(&mut self) {
        self.tally.expired += 1;
    }

    pub fn other(&mut self) {
        self.tally.other += 1;
    }
}

fn report(reported: &mut Vec<BadLine>, line: u64, reason: &'static str, text: &str) {
    if reported.len() < REPORTED {
        reported.push(BadLine {
            line,
            reason,
            text: text.chars().take(REPORTED_CHARS).collect(),
        });
    }
}
