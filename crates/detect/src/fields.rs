//! From the names rules use to where the values are: columns of a batch, and JSON inside them.
//!
//! Which names mean what is data: see [`crate::logsource`].

use crate::logsource::Pipeline;
use crate::payload::Class;
use haetae_event::Dataset;
use haetae_event::dataset::NativeType;
use std::borrow::Cow;

/// Which part of a column's text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// The value as logged.
    Whole,
    /// With every encoding undone ([`haetae_event::decode`]).
    Decoded,
    /// As logged or decoded, whichever matches.
    Both,
    /// Path of a URI, as logged or decoded.
    Stem,
    /// Query of a URI, as logged or decoded, or the whole URI: rules write path parts into
    /// `cs-uri-query`.
    Query,
    /// What follows the last dot of the path's last segment.
    Extension,
    /// How much a URI looks like an attack of a class, 0 to 100 ([`crate::payload`]).
    Score(Class),
}

impl View {
    /// As a pipeline file writes it behind `column|`.
    pub fn named(name: &str) -> Option<View> {
        Some(match name {
            "whole" => View::Whole,
            "decoded" => View::Decoded,
            "both" => View::Both,
            "stem" => View::Stem,
            "query" => View::Query,
            "extension" => View::Extension,
            "sqli_score" => View::Score(Class::Sqli),
            "xss_score" => View::Score(Class::Xss),
            "lfi_score" => View::Score(Class::Lfi),
            "rce_score" => View::Score(Class::Rce),
            _ => return None,
        })
    }
}

/// A column that stands beside `account` in memory where names may not be told: the same hash for
/// the same account, before and after the row was stored.
pub const ACCOUNT_KEY: &str = "account_key";

/// A column and the part of it. A column whose name begins with [`LOOKUP`] is none of a batch: it
/// spells out the places to look at, in order; [`crate::engine::value::Column::of`] reads such
/// names too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    pub column: Cow<'static, str>,
    pub view: View,
}

/// Begins each place in the name of a field that is looked up.
pub const LOOKUP: char = '\u{2}';
/// Stands between a column of JSON text and the path in it.
const INSIDE: char = '\u{3}';

/// A place where a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Column(String),
    /// A dotted path in a column of JSON text: nested objects, or keys with dots; `*` is any key.
    Json {
        column: String,
        path: String,
    },
}

impl FieldRef {
    pub fn plain(column: &'static str, view: View) -> FieldRef {
        FieldRef {
            column: Cow::Borrowed(column),
            view,
        }
    }

    /// The first of `places` that holds a value counts; `None` without any place.
    pub fn looked_up(places: &[Place], view: View) -> Option<FieldRef> {
        let column = match places {
            [] => return None,
            [Place::Column(column)] => column.clone(),
            many => many.iter().map(spelled).collect(),
        };
        Some(FieldRef {
            column: column.into(),
            view,
        })
    }

    /// Columns of the batch that it reads.
    pub fn stored(&self) -> Vec<String> {
        stored(&self.column)
    }
}

fn spelled(place: &Place) -> String {
    match place {
        Place::Column(column) => format!("{LOOKUP}{column}"),
        Place::Json { column, path } => format!("{LOOKUP}{column}{INSIDE}{path}"),
    }
}

/// The places of a column's name; `None` for a column of the batch.
pub fn places(column: &str) -> Option<Vec<Place>> {
    let places = column.strip_prefix(LOOKUP)?;
    let place = |text: &str| match text.split_once(INSIDE) {
        Some((column, path)) => Place::Json {
            column: column.to_owned(),
            path: path.to_owned(),
        },
        None => Place::Column(text.to_owned()),
    };
    Some(places.split(LOOKUP).map(place).collect())
}

/// Columns of the batch behind a column's name.
pub fn stored(column: &str) -> Vec<String> {
    let Some(places) = places(column) else {
        return vec![column.to_owned()];
    };
    let mut columns: Vec<String> = places
        .into_iter()
        .map(|place| match place {
            Place::Column(column) | Place::Json { column, .. } => column,
        })
        .collect();
    columns.sort();
    columns.dedup();
    columns
}

/// Columns of Core v1 that rules may name.
const CORE: [&str; 22] = [
    "src_ip",
    "dst_host",
    "peer_ip",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_in",
    "bytes_out",
    "blocked",
    "rule_id",
    "session_id",
    "account",
    "ja4",
    "request_id",
    "trace_id",
    "region",
    "raw",
    "ts",
    "src_country",
    "src_asn",
    "ti_score",
];

/// How a name meets a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// By the vendor's own name: nothing else fills the column.
    Vendor(&'static str),
    /// By another spelling, or as a column of Core v1.
    Alias(&'static str),
}

/// The column of `dataset` that is called `name`, case aside.
pub fn column_of(dataset: Dataset, name: &str) -> Option<Met> {
    let natives = dataset.native_fields();
    let column = |kind: NativeType, own: &'static str| match kind {
        NativeType::Core(core) => core,
        _ => own,
    };
    if let Some(field) = natives.iter().find(|f| f.vendor.eq_ignore_ascii_case(name)) {
        return Some(Met::Vendor(column(field.kind, field.column)));
    }
    if let Some(core) = CORE.iter().find(|core| core.eq_ignore_ascii_case(name)) {
        return Some(Met::Alias(core));
    }
    // Referers have one vendor name per dataset.
    let wanted = match name.to_ascii_lowercase().as_str() {
        "cs-referer" | "cs-referrer" | "referer" | "referrer" => "referer".to_owned(),
        other => other.to_owned(),
    };
    natives
        .iter()
        .find(|field| {
            field.column == wanted
                || field
                    .aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(&wanted))
        })
        .map(|field| Met::Alias(column(field.kind, field.column)))
}

/// The column of JSON text whose inside is meant by `name`, and the path in it:
/// `requestParameters.bucketName`.
pub fn inside_of(dataset: Dataset, name: &str) -> Option<Place> {
    let text = |field: &&haetae_event::dataset::NativeField| matches!(field.kind, NativeType::Utf8);
    dataset
        .native_fields()
        .iter()
        .filter(text)
        .filter_map(|field| {
            let path = name.strip_prefix(field.vendor)?.strip_prefix('.')?;
            Some((field, path))
        })
        .max_by_key(|(field, _)| field.vendor.len())
        .map(|(field, path)| Place::Json {
            column: field.column.to_owned(),
            path: path.to_owned(),
        })
}

/// What is meant by `name` in `dataset` where no rule's log source says more: group keys shared by
/// rules, detectors.
pub fn resolve(dataset: Dataset, name: &str) -> Option<FieldRef> {
    Pipeline::builtin().general(dataset).resolve(dataset, name)
}
