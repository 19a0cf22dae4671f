//! The one-shot report.

use crate::kpi::Kpi;
use crate::text::TextOptions;
use haetae_event::{Counts, Finding, Level, Micros};
use haetae_incident::{Family, Language};
use jiff::tz::TimeZone;
use serde::Serialize;

/// Everything a report shows, in whatever form.
#[derive(Clone, Debug)]
pub struct Report {
    pub kpi: Kpi,
    pub findings: Vec<Finding>,
    pub counts: Counts,
    /// What the reader should know of how the figures came about; one sentence each.
    pub warnings: Vec<String>,
    /// Names of the inputs.
    pub inputs: Vec<String>,
    pub generated_at: Micros,
    /// Of the times shown to people.
    pub tz: TimeZone,
    pub language: Language,
    /// Detection was not asked for: no findings does not mean that nothing is wrong.
    pub detection_skipped: bool,
}

/// The contract's JSON: the figures, then counts and findings.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    kpi: &'a Kpi,
    counts: Counts,
    findings: &'a [Finding],
}

impl Report {
    /// One JSON object with the contract's keys, pretty, ending in a line feed.
    pub fn to_json(&self) -> String {
        let document = Document {
            kpi: &self.kpi,
            counts: self.counts,
            findings: &self.findings,
        };
        let mut text = serde_json::to_string_pretty(&document).expect("strings and numbers always serialise");
        text.push('\n');
        text
    }

    /// What an operator reads: first what is wrong and what to do, then the figures.
    pub fn to_text(&self, options: &TextOptions) -> String {
        crate::text::render(self, options)
    }

    /// One file without scripts, links or anything from a network.
    pub fn to_html(&self) -> String {
        crate::html::render(self)
    }

    /// Findings above informational, by family, worst first.
    pub(crate) fn troubles(&self) -> Vec<Trouble<'_>> {
        grouped(self.findings.iter().filter(|f| f.level > Level::Informational))
    }

    /// Informational findings, by family.
    pub(crate) fn observations(&self) -> Vec<Trouble<'_>> {
        grouped(self.findings.iter().filter(|f| f.level == Level::Informational))
    }
}

/// Findings of one family: they share advice.
pub(crate) struct Trouble<'a> {
    pub family: Family,
    pub level: Level,
    /// Worst first.
    pub findings: Vec<&'a Finding>,
}

fn grouped<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Trouble<'a>> {
    let mut groups: std::collections::BTreeMap<Family, Vec<&'a Finding>> = Default::default();
    for finding in findings {
        groups.entry(Family::of(finding)).or_default().push(finding);
    }
    let mut troubles: Vec<Trouble<'a>> = groups
        .into_iter()
        .map(|(family, mut findings)| {
            findings.sort_by(|a, b| {
                b.level
                    .cmp(&a.level)
                    .then(b.count.cmp(&a.count))
                    .then(a.ts.cmp(&b.ts))
                    .then(a.id.cmp(&b.id))
            });
            Trouble {
                family,
                level: findings[0].level,
                findings,
            }
        })
        .collect();
    troubles.sort_by(|a, b| b.level.cmp(&a.level).then(a.family.cmp(&b.family)));
    troubles
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
