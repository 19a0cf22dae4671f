//! `rules/tests/*.yml`: events and the rules they must and must not trip.

use crate::batches::*;
use haetae_detect::RuleSet;
use haetae_event::{Dataset, Level};
use serde::Deserialize;
use std::collections::BTreeSet;

/// One case: rows, and the names of rules that speak and stay silent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(default = "web")]
    dataset: String,
    events: Vec<Events>,
    #[serde(default)]
    told: Vec<String>,
    #[serde(default)]
    silent: Vec<String>,
    /// No finding above this.
    level_max: Option<Level>,
}

fn web() -> String {
    "web".into()
}

/// Rows; `{n}` in texts is the running number of a repetition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Events {
    repeat: u32,
    /// Seconds between repetitions.
    every: f64,
    port_step: i32,
    row: Row,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            repeat: 1,
            every: 1.0,
            port_step: 0,
            row: Row::default(),
        }
    }
}

impl Events {
    fn rows(&self, dataset: Dataset) -> impl Iterator<Item = Row> + '_ {
        (0..self.repeat).map(move |n| {
            let fill = |text: &Option<String>| text.as_ref().map(|t| t.replace("{n}", &n.to_string()));
            let or = |text: Option<String>, other: &str| text.or_else(|| Some(other.to_owned()));
            let mut row = self.row.clone();
            row.at += f64::from(n) * self.every;
            row.src = or(fill(&row.src), "198.51.100.7");
            row.dstaddr = fill(&row.dstaddr);
            row.dstport = row
                .dstport
                .map(|port| port + self.port_step * i32::try_from(n).expect("small"));
            for text in row.text.values_mut() {
                *text = text.replace("{n}", &n.to_string());
            }
            if let Some(port) = row.number.get_mut("dst_port") {
                *port += self.port_step * i32::try_from(n).expect("small");
            }
            if dataset.is_web() {
                // `none` stands for a URI that is not there.
                row.uri = or(fill(&row.uri), "/").filter(|uri| uri != "none");
                row.method = or(row.method.clone(), "GET");
                row.status = row.status.or(Some(200));
                // `none` stands for a request without user agent.
                row.ua = match fill(&row.ua) {
                    Some(ua) if ua == "none" => None,
                    ua => or(ua, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0"),
                };
            }
            row
        })
    }
}

#[test]
fn the_cases_beside_the_rules() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/tests");
    let rules = RuleSet::builtin();
    let name_of = |id: &str| {
        rules
            .loaded()
            .iter()
            .map(|loaded| loaded.document.attributes())
            .find(|attributes| attributes.id == id)
            .and_then(|attributes| attributes.name.clone())
            .unwrap_or_else(|| id.to_owned())
    };
    let (mut failed, mut seen_told, mut seen_silent) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("rules/tests")
        .map(|f| f.expect("entry").path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let cases: Vec<Case> =
            serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in cases {
            let dataset = Dataset::parse(&case.dataset).expect("dataset name");
            let rows: Vec<Row> = case
                .events
                .iter()
                .flat_map(|events| events.rows(dataset))
                .collect();
            let found = episodes(dataset, &rows);
            let told: BTreeSet<String> = found.iter().map(|e| name_of(&e.rule_id)).collect();
            let missing: Vec<_> = case.told.iter().filter(|name| !told.contains(*name)).collect();
            let loud: Vec<_> = case.silent.iter().filter(|name| told.contains(*name)).collect();
            let high = found
                .iter()
                .filter(|e| case.level_max.is_some_and(|max| e.level > max));
            let high: Vec<String> = high.map(|e| name_of(&e.rule_id)).collect();
            if !missing.is_empty() || !loud.is_empty() || !high.is_empty() {
                failed.push(format!(
                    "{}: missing {missing:?}, loud {loud:?}, too high {high:?}",
                    case.case
                ));
            }
            seen_told.extend(case.told);
            seen_silent.extend(case.silent);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let speaking = rules
        .loaded()
        .iter()
        .map(|l| l.document.attributes())
        .filter(|a| !a.title.contains("(base"));
    for attributes in speaking {
        let name = attributes.name.clone().expect("built-in rules have names");
        assert!(seen_told.contains(&name), "no positive case for {name}");
        assert!(seen_silent.contains(&name), "no negative case for {name}");
        assert!(!attributes.description.is_empty());
    }
}
