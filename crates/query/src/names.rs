//! The names a query may use: tables, vendor columns and the other spellings of them.

use haetae_event::Dataset;
use haetae_event::dataset::NativeField;

/// The view over every dataset.
pub(crate) const EVENTS: &str = "events";

pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    std::iter::once(EVENTS).chain(Dataset::ALL.into_iter().map(Dataset::as_str))
}

/// The vendor's name for another spelling, if the vendor's name is one of `valid`.
/// Spellings: the listed aliases, the stored column name, any letter case of these.
pub(crate) fn vendor_name(spelling: &str, valid: &[&str]) -> Option<&'static str> {
    let means = |field: &&NativeField| {
        field.vendor.eq_ignore_ascii_case(spelling)
            || field.column.eq_ignore_ascii_case(spelling)
            || field
                .aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(spelling))
    };
    native_fields()
        .filter(means)
        .map(|field| field.vendor)
        .find(|vendor| *vendor != spelling && valid.contains(vendor))
}

fn native_fields() -> impl Iterator<Item = &'static NativeField> {
    Dataset::ALL
        .into_iter()
        .flat_map(|dataset| dataset.native_fields())
}

pub(crate) fn column_hint<'a>(wrong: &str, valid: impl Iterator<Item = &'a str>) -> Option<String> {
    let valid: Vec<&str> = valid.collect();
    // `cs-uri-stem` without quotes reads as cs minus uri minus stem.
    let dashed = valid.iter().find(|name| {
        name.strip_prefix(wrong)
            .is_some_and(|rest| rest.starts_with(['-', '(']))
    });
    if let Some(name) = dashed {
        return Some(format!(
            "names with - ( or . need double quotes, as in \"{name}\""
        ));
    }
    let (name, _) = valid
        .iter()
        .map(|name| {
            (
                *name,
                strsim::jaro_winkler(&name.to_lowercase(), &wrong.to_lowercase()),
            )
        })
        .filter(|(_, likeness)| *likeness > 0.7)
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("did you mean {}?", quoted(name)))
}

pub(crate) fn table_hint(wrong: &str) -> String {
    let nearest =
        tables().max_by(|a, b| strsim::jaro_winkler(a, wrong).total_cmp(&strsim::jaro_winkler(b, wrong)));
    let all = tables().collect::<Vec<_>>().join(", ");
    match nearest.filter(|name| strsim::jaro_winkler(name, wrong) > 0.8) {
        Some(name) => format!("did you mean {name}? tables: {all}"),
        None => format!("tables: {all}"),
    }
}

/// The name as it must stand in SQL.
fn quoted(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
