//! The rules built into the program, for both engines.
//!
//! Every detection rule is asked as it stands, those that only correlations count among them. rsigma
//! gets the columns that our parser made, under the names of the rules: what a line of a log means
//! (who logged in, whether it failed) is nothing that it reads. Left out on both sides are rules about
//! what no parser says, but our engine makes of a URI when a rule asks: its spelling with every
//! encoding undone, and the scores of the payload classifier.

use crate::loads::Load;
use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use haetae_detect::ruleset::BUILTIN;
use haetae_detect::sigma::yaml;
use haetae_event::{Dataset, EventBatch};
use haetae_oracle::samples::Sample;
use serde_json::{Map, Value, json};

/// Views of a URI that only our engine has.
const OWN_VIEWS: [&str; 5] = [
    "uri_decoded",
    "uri_sqli_score",
    "uri_xss_score",
    "uri_lfi_score",
    "uri_rce_score",
];

/// The rules that both can read, and all, one a sample.
pub fn rules() -> (Vec<Sample>, Vec<Sample>) {
    let mut all = Vec::new();
    for (file, text) in BUILTIN {
        let documents = yaml::documents(text).expect("built in");
        let rules = documents
            .into_iter()
            .filter(|document| document.get("detection").is_some());
        all.extend(rules.map(|rule| Sample {
            name: format!("{file}: {}", rule["name"]),
            // The name of a search that is a word of conditions to rsigma.
            text: rule.to_string().replace("\"any\"", "\"any_at_all\""),
        }));
    }
    let is_own = |rule: &&Sample| {
        OWN_VIEWS
            .iter()
            .any(|view| rule.text.contains(&format!("\"{view}")))
    };
    let both = all.iter().filter(|rule| !is_own(rule)).cloned().collect();
    (both, all)
}

/// Name in rules and column.
type Names = &'static [(&'static str, &'static str)];

const WEB: Names = &[
    ("cs-method", "method"),
    ("sc-status", "status"),
    ("status", "status"),
    ("uri", "uri"),
    ("cs-uri-stem", "uri"),
    ("cs-user-agent", "ua"),
    ("cs-referer", "http_referer"),
    ("protocol", "protocol"),
    ("request", "request"),
    ("src_ip", "src_ip"),
];

const SYSLOG: Names = &[
    ("event_action", "event_action"),
    ("event_category", "event_category"),
    ("event_outcome", "event_outcome"),
    ("event_service", "event_service"),
    ("account", "account"),
    ("src_ip", "src_ip"),
    ("src_port", "src_port"),
    ("dst_port", "dst_port"),
];

/// The events of a load with the fields that built-in rules name; `batches` have all columns.
pub fn objects(load: &Load, batches: &[EventBatch]) -> Vec<Value> {
    let names = match load.dataset {
        Dataset::Web => WEB,
        Dataset::Syslog => SYSLOG,
        _ => return load.objects.clone(),
    };
    let rows = batches
        .iter()
        .flat_map(|batch| (0..batch.rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| object(batch, row, names)).collect()
}

fn object(batch: &EventBatch, row: usize, names: Names) -> Value {
    let mut object = Map::new();
    for (name, column) in names {
        let value = match (value(batch, column, row), *name) {
            (Value::Null, _) => continue,
            (Value::String(uri), "cs-uri-stem") => json!(uri.split('?').next()),
            (value, _) => value,
        };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object)
}

fn value(batch: &EventBatch, column: &str, row: usize) -> Value {
    let Some(column) = batch.column(column).filter(|column| column.is_valid(row)) else {
        return Value::Null;
    };
    match column.data_type() {
        DataType::Utf8View => json!(column.as_string_view().value(row)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        _ => Value::Null,
    }
}
