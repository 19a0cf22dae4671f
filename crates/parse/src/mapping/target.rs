//! The columns that users may fill.

use haetae_event::Dataset;
use haetae_event::dataset::NativeType;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ts,
    Text,
    /// An address in canonical text.
    Ip,
    I32,
    I64,
    F64,
    Bool,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ts => "a time",
            Kind::Text => "text",
            Kind::Ip => "an address",
            Kind::I32 | Kind::I64 => "a whole number",
            Kind::F64 => "a number",
            Kind::Bool => "a truth value",
        }
    }
}

/// A column of Core v1 or of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub core: bool,
}

/// Core v1 columns that come from records.
const CORE: &[(&str, Kind)] = &[
    ("ts", Kind::Ts),
    ("region", Kind::Text),
    ("src_ip", Kind::Ip),
    ("dst_host", Kind::Text),
    ("peer_ip", Kind::Text),
    ("method", Kind::Text),
    ("uri", Kind::Text),
    ("status", Kind::I32),
    ("ua", Kind::Text),
    ("bytes_in", Kind::I64),
    ("bytes_out", Kind::I64),
    ("blocked", Kind::Bool),
    ("rule_id", Kind::Text),
    ("session_id", Kind::Text),
    ("account", Kind::Text),
    ("ja4", Kind::Text),
    ("request_id", Kind::Text),
    ("trace_id", Kind::Text),
    ("ip_bucket", Kind::Text),
    ("param_sig", Kind::Text),
    ("payload_entropy", Kind::F64),
];

/// Core v1 columns that the house fills: a record must not choose them.
pub const RESERVED: &[&str] = &[
    "ingested_at",
    "src_key",
    "raw",
    "raw_hash",
    "ts_epoch",
    "src_country",
    "src_asn",
    "ti_score",
    "warnings",
    "attrs",
    "tenant",
    "tenant_id",
    "dataset",
];

fn core(name: &str) -> Option<Column> {
    let (name, kind) = CORE.iter().find(|(core, _)| *core == name)?;
    Some(Column {
        name,
        kind: *kind,
        core: true,
    })
}

fn native_kind(kind: NativeType) -> Option<Kind> {
    Some(match kind {
        NativeType::Utf8 => Kind::Text,
        NativeType::Int32 => Kind::I32,
        NativeType::Int64 => Kind::I64,
        NativeType::Float64 => Kind::F64,
        NativeType::Boolean => Kind::Bool,
        NativeType::Core(_) => return None,
    })
}

/// The column of that name: Core v1 first, then the dataset's, by stored or vendor name.
pub fn resolve(dataset: Dataset, name: &str) -> Option<Column> {
    if let Some(column) = core(name) {
        return Some(column);
    }
    let fields = dataset.native_fields();
    let field = fields
        .iter()
        .find(|field| field.column == name)
        .or_else(|| fields.iter().find(|field| field.vendor == name))?;
    match field.kind {
        NativeType::Core(name) => core(name),
        kind => Some(Column {
            name: field.column,
            kind: native_kind(kind)?,
            core: false,
        }),
    }
}

/// The names that may be filled, for suggestions.
pub fn names(dataset: Dataset) -> Vec<&'static str> {
    let natives = dataset.native_fields().iter().map(|field| field.column);
    CORE.iter().map(|(name, _)| *name).chain(natives).collect()
}

/// `cast_failed:<column>` of every column there is.
static CAST_FAILED: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    Dataset::ALL
        .into_iter()
        .flat_map(names)
        .map(|name| (name, format!("cast_failed:{name}")))
        .collect()
});

/// The warning of a record whose value does not fit the column.
pub fn cast_failed(column: Column) -> &'static str {
    CAST_FAILED.get(column.name).map_or("cast_failed", |code| code)
}
