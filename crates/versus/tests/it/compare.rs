//! One format through both, field by field.

use bytes::Bytes;
use haetae_event::Micros;
use haetae_parse::ParseOptions;
use haetae_versus::lines;
use haetae_versus::ours::{self, Row};
use haetae_versus::theirs::{self, Theirs};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use vrl::value::Value;

/// Values by the names that the other side uses; nothing is left out.
pub type Fields = BTreeMap<String, String>;

/// How one format is compared.
pub struct Comparison {
    /// Begins the keys of its rows in `differences.md`.
    pub name: &'static str,
    /// Kind of the generated lines.
    pub kind: &'static str,
    /// Our format by name.
    pub format: &'static str,
    pub program: String,
    pub ours: fn(&Row) -> Fields,
    pub theirs: fn(&Value) -> Fields,
    /// Lines beside the generated ones.
    pub more: &'static [&'static str],
    /// Files below `shared/data`.
    pub shared: &'static [&'static str],
    pub known: &'static [Known],
}

/// A difference that has a row in `differences.md`.
pub struct Known {
    pub key: &'static str,
    /// Whether this one is it.
    pub holds: fn(&Difference) -> bool,
}

/// The two sides of one field of one line; field `record`: whether it was read at all.
#[derive(Debug)]
pub struct Difference {
    pub line: String,
    pub field: String,
    pub ours: Option<String>,
    pub theirs: Option<String>,
}

impl Difference {
    pub fn is_read_by_us_alone(&self) -> bool {
        self.field == RECORD && self.ours.as_deref() == Some("read")
    }

    /// Whether their text, its escapes undone by `unescape`, is ours.
    pub fn is_escaped_by_them(&self, unescape: fn(&str) -> String) -> bool {
        self.theirs.as_ref().is_some_and(|text| text.contains('\\'))
            && self.theirs.as_deref().map(unescape) == self.ours
    }
}

/// Field of whole lines.
pub const RECORD: &str = "record";
/// Of our side: 2026-03-02T00:00:00Z, the day after the generated lines.
const ARRIVAL: Micros = Micros(1_772_409_600_000_000);
const GENERATED: usize = 3000;
const SHOWN: usize = 6;

/// Our columns under their names.
pub fn renamed(row: &Row, names: &[(&str, &str)]) -> Fields {
    let cell = |(ours, theirs): &(&str, &str)| Some(((*theirs).to_owned(), row.get(*ours)?.clone()));
    names.iter().filter_map(cell).collect()
}

/// Their keys, as text.
pub fn named(value: &Value, names: &[(&str, &str)]) -> Fields {
    let text = |(_, name): &(&str, &str)| Some(((*name).to_owned(), theirs::text(value, name)?));
    names.iter().filter_map(text).collect()
}

impl Comparison {
    /// # Panics
    /// On a difference that `differences.md` does not have, and on a row of it that never occurs.
    pub fn run(&self) {
        let kind = lines::named(self.kind).expect("a kind of lines");
        let mut own: Vec<String> = self.more.iter().map(|line| (*line).to_owned()).collect();
        own.extend(kind.lines(7, true, GENERATED));
        own.extend(kind.lines(8, false, GENERATED));
        let mut met = BTreeSet::new();
        let mut unknown = Vec::new();
        let compared = self.judge(&own, &mut met, &mut unknown);
        assert!(
            compared >= 2 * GENERATED,
            "{}: only {compared} lines compared",
            self.name
        );
        for path in self.shared {
            if let Some(bytes) = shared(path) {
                let lines: Vec<String> = String::from_utf8_lossy(&bytes)
                    .lines()
                    .map(str::to_owned)
                    .collect();
                let mut also = BTreeSet::new();
                let compared = self.judge(&lines, &mut also, &mut unknown);
                eprintln!("{}: {compared} lines of {path}; {also:?}", self.name);
            }
        }
        self.report(&unknown);
        let listed = listed(self.name);
        let known: BTreeSet<&str> = self.known.iter().map(|known| known.key).collect();
        let keys: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!(known, keys, "the rows of differences.md are those the test knows");
        assert_eq!(met, known, "every difference of the list occurs");
    }

    fn report(&self, unknown: &[Difference]) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for difference in unknown {
            let count = counts.entry(&difference.field).or_default();
            *count += 1;
            if *count <= SHOWN {
                eprintln!("{difference:?}");
            }
        }
        assert!(
            unknown.is_empty(),
            "{}: differences not in the list: {counts:?}",
            self.name
        );
    }

    /// Compares the lines, which are one input; gives back how many were no headers or blanks.
    fn judge(
        &self,
        lines: &[String],
        met: &mut BTreeSet<&'static str>,
        unknown: &mut Vec<Difference>,
    ) -> usize {
        let mut program = Theirs::compile(&self.program).expect("the program compiles");
        let text = lines.join("\n");
        let options = ParseOptions {
            arrival: ARRIVAL,
            ..ParseOptions::default()
        };
        let reading = ours::read(text.as_bytes(), Some(self.format), &options).expect("a format");
        let refused: BTreeMap<u64, &str> = reading
            .rejects
            .iter()
            .map(|r| (r.ordinal, r.detail.as_str()))
            .collect();
        let mut compared = 0;
        for (ordinal, line) in lines.iter().enumerate() {
            let ordinal = ordinal as u64;
            let mine = match (reading.rows.get(&ordinal), refused.get(&ordinal)) {
                (Some(row), _) => Ok((self.ours)(row)),
                (None, Some(detail)) => Err((*detail).to_owned()),
                // Neither: a header or a comment.
                (None, None) => continue,
            };
            compared += 1;
            let other = program
                .read(Bytes::copy_from_slice(line.as_bytes()))
                .map(|value| (self.theirs)(&value));
            for difference in differences(line, mine, other) {
                match self.known.iter().find(|known| (known.holds)(&difference)) {
                    Some(known) => {
                        met.insert(known.key);
                    }
                    None => unknown.push(difference),
                }
            }
        }
        compared
    }
}

fn differences(line: &str, mine: Result<Fields, String>, other: Result<Fields, String>) -> Vec<Difference> {
    let made = |field: &str, ours: Option<String>, theirs: Option<String>| Difference {
        line: line.to_owned(),
        field: field.to_owned(),
        ours,
        theirs,
    };
    match (mine, other) {
        (Ok(mine), Ok(other)) => {
            let fields: BTreeSet<&String> = mine.keys().chain(other.keys()).collect();
            let differing = fields
                .into_iter()
                .filter(|field| mine.get(*field) != other.get(*field));
            differing
                .map(|field| made(field, mine.get(field).cloned(), other.get(field).cloned()))
                .collect()
        }
        (Err(_), Err(_)) => Vec::new(),
        (Ok(_), Err(why)) => vec![made(
            RECORD,
            Some("read".to_owned()),
            Some(format!("refused: {why}")),
        )],
        (Err(why), Ok(_)) => vec![made(
            RECORD,
            Some(format!("refused: {why}")),
            Some("read".to_owned()),
        )],
    }
}

/// Undoes the escapes of Apache, nginx and load balancers: `\"`, `\\` and `\xHH`; bytes that are no
/// text become U+FFFD.
pub fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind
            .get(1..3)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let (byte, length) = match (first, behind.first(), hex) {
            (b'\\', Some(b'x'), Some(byte)) => (byte, 4),
            (b'\\', Some(&escaped @ (b'"' | b'\\')), _) => (escaped, 2),
            _ => (first, 1),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Keys of the rows of `differences.md` that begin with the name.
fn listed(name: &str) -> Vec<String> {
    let list = include_str!("../../differences.md");
    let keys = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    keys.filter(|key| key.split('.').next() == Some(name))
        .map(str::to_owned)
        .collect()
}

/// A file of the shared samples, unpacked, or `None`, said loudly, where they are not.
#[expect(clippy::disallowed_methods, reason = "samples of known size")]
fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("HAETAE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let full = root.join("data").join(path);
    match std::fs::read(&full) {
        Ok(bytes) if path.ends_with(".gz") => {
            let mut text = Vec::new();
            let unpacked = flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text);
            unpacked.expect("the sample is gzip");
            Some(text)
        }
        Ok(bytes) => Some(bytes),
        Err(e) => {
            eprintln!("SKIPPED: {} is not here ({e}); set HAETAE_SHARED", full.display());
            None
        }
    }
}
