//! From a rule set to programs (per dataset) and tracks.

use super::program::{Builder, Program};
use super::track::{Mode, Track};
use crate::fields::{self, FieldRef};
use crate::ruleset::{RuleSet, named};
use crate::sigma::correlation::{Correlation, Counted};
use crate::sigma::document::{Attributes, Document, Rule};
use haetae_event::{Columns, Dataset, Level};
use std::collections::{BTreeMap, BTreeSet};

/// Matches of a rule that stands alone are one episode up to this far apart.
pub const GAP_US: i64 = 10 * haetae_event::time::MINUTE_US;

/// What an episode of a track says of itself.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    pub id: String,
    pub title: String,
    pub level: Level,
    pub attack: Vec<String>,
    pub mode: Mode,
    pub proxy_aware: bool,
    /// For facts: what is counted.
    pub counted: String,
    /// Rows without the key fields are still told, under their dataset.
    pub dataset_as_key: bool,
}

/// Where the matches of one rule in one dataset go.
#[derive(Clone, Debug)]
pub struct Feed {
    pub track: usize,
    /// Index of its (key space, columns) in the dataset's extractors.
    pub extractor: usize,
    /// Fields whose tuple is counted; empty when events are.
    pub values: Vec<FieldRef>,
}

/// How group keys are read from rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extractor {
    pub space: u16,
    pub fields: Vec<FieldRef>,
}

/// Everything one dataset runs.
pub struct Plan {
    pub program: Program,
    pub extractors: Vec<Extractor>,
    /// Rule id of the program → feeds.
    pub feeds: Vec<Vec<Feed>>,
}

/// The compiled rule set.
pub struct Compiled {
    pub plans: BTreeMap<Dataset, Plan>,
    pub specs: Vec<TrackSpec>,
    /// Entity kind of each key space.
    pub spaces: Vec<String>,
}

/// One consumer of a rule's matches, before columns are known.
struct Wish {
    track: usize,
    group_by: Vec<String>,
    values: Vec<String>,
    space: u16,
}

#[derive(Default)]
struct Spaces(Vec<(Vec<String>, String)>);

impl Spaces {
    fn of(&mut self, group_by: &[String]) -> u16 {
        let index = self
            .0
            .iter()
            .position(|(known, _)| known == group_by)
            .unwrap_or_else(|| {
                self.0.push((group_by.to_vec(), kind_of(group_by)));
                self.0.len() - 1
            });
        u16::try_from(index).expect("fewer group-by lists than 2^16")
    }
}

fn kind_of(group_by: &[String]) -> String {
    let is_source = |name: &String| {
        Dataset::ALL
            .iter()
            .any(|dataset| fields::resolve(*dataset, name).is_some_and(|field| field.column == "src_ip"))
    };
    match group_by {
        [] => "tenant".into(),
        [one] if is_source(one) => "ip".into(),
        many => many.join(","),
    }
}

/// Compiles every loaded rule.
pub fn compile(rules: &RuleSet) -> Compiled {
    let mut spaces = Spaces::default();
    let mut specs = Vec::new();
    let mut wishes: BTreeMap<String, Vec<Wish>> = BTreeMap::new();
    let mut silent = BTreeSet::new();
    for loaded in rules.loaded() {
        if let Document::Correlation(attributes, correlation) = loaded.document.as_ref() {
            let track = specs.len();
            specs.push(correlation_spec(attributes, correlation));
            for base in rules.loaded() {
                let Some(reference) = correlation
                    .rules
                    .iter()
                    .find(|reference| named(&base.document, reference))
                else {
                    continue;
                };
                let id = base.document.attributes().id.clone();
                if !correlation.generate {
                    silent.insert(id.clone());
                }
                let wish = correlation_wish(track, correlation, reference, &mut spaces);
                wishes.entry(id).or_default().push(wish);
            }
        }
    }
    // A rule that any correlation asks to generate alerts by itself.
    for loaded in rules.loaded() {
        if let Document::Correlation(_, correlation) = loaded.document.as_ref()
            && correlation.generate
        {
            silent.retain(|id| {
                !rules.loaded().iter().any(|base| {
                    base.document.attributes().id == *id
                        && correlation.rules.iter().any(|r| named(&base.document, r))
                })
            });
        }
    }
    for rule in rules
        .loaded()
        .iter()
        .filter_map(|loaded| as_rule(&loaded.document))
    {
        if !silent.contains(&rule.attributes.id) {
            let (spec, wish) = single(rule, specs.len(), &mut spaces);
            specs.push(spec);
            wishes.entry(rule.attributes.id.clone()).or_default().push(wish);
        }
    }
    let plans = Dataset::ALL
        .into_iter()
        .filter_map(|dataset| plan(dataset, rules, &wishes))
        .collect();
    Compiled {
        plans,
        specs,
        spaces: spaces.0.into_iter().map(|(_, kind)| kind).collect(),
    }
}

fn as_rule(document: &Document) -> Option<&Rule> {
    match document {
        Document::Rule(rule) => Some(rule),
        Document::Correlation(..) => None,
    }
}

fn spec(attributes: &Attributes, mode: Mode, counted: String) -> TrackSpec {
    TrackSpec {
        id: attributes.id.clone(),
        title: attributes.title.clone(),
        level: attributes.level,
        attack: attributes.attack.clone(),
        mode,
        proxy_aware: attributes.custom.proxy_aware,
        counted,
        dataset_as_key: false,
    }
}

fn single(rule: &Rule, track: usize, spaces: &mut Spaces) -> (TrackSpec, Wish) {
    let custom = &rule.attributes.custom;
    let gap_us = custom.gap_us.unwrap_or(GAP_US);
    let group_by = if custom.entity.is_empty() {
        vec!["src_ip".to_owned()]
    } else {
        custom.entity.clone()
    };
    let mut spec = spec(&rule.attributes, Mode::Single { gap_us }, "events".into());
    spec.dataset_as_key = true;
    let space = spaces.of(&group_by);
    (
        spec,
        Wish {
            track,
            group_by,
            values: Vec::new(),
            space,
        },
    )
}

fn correlation_spec(attributes: &Attributes, correlation: &Correlation) -> TrackSpec {
    let (span_us, threshold) = (correlation.span_us, correlation.threshold.clone());
    match &correlation.counted {
        Counted::Events => spec(attributes, Mode::Events { span_us, threshold }, "events".into()),
        Counted::Values(fields) => spec(
            attributes,
            Mode::Values { span_us, threshold },
            format!("distinct {}", fields.join(", ")),
        ),
    }
}

fn correlation_wish(track: usize, correlation: &Correlation, reference: &str, spaces: &mut Spaces) -> Wish {
    let meant = |name: &String| {
        correlation
            .aliases
            .get(name)
            .and_then(|by_rule| by_rule.get(reference))
            .unwrap_or(name)
            .clone()
    };
    let values = match &correlation.counted {
        Counted::Events => Vec::new(),
        Counted::Values(fields) => fields.iter().map(meant).collect(),
    };
    let group_by: Vec<String> = correlation.group_by.iter().map(meant).collect();
    // One key space for all rules of the correlation, whatever their fields are called.
    let space = spaces.of(if correlation.aliases.is_empty() {
        &group_by
    } else {
        &correlation.group_by
    });
    Wish {
        track,
        group_by,
        values,
        space,
    }
}

fn resolved(dataset: Dataset, names: &[String]) -> Option<Vec<FieldRef>> {
    names.iter().map(|name| fields::resolve(dataset, name)).collect()
}

fn plan(dataset: Dataset, rules: &RuleSet, wishes: &BTreeMap<String, Vec<Wish>>) -> Option<(Dataset, Plan)> {
    let mut builder = Builder::new(dataset);
    let mut extractors: Vec<Extractor> = Vec::new();
    let mut feeds: Vec<Vec<Feed>> = Vec::new();
    for rule in rules
        .loaded()
        .iter()
        .filter_map(|loaded| as_rule(&loaded.document))
    {
        let mut own = Vec::new();
        for wish in wishes.get(&rule.attributes.id).into_iter().flatten() {
            let (Some(fields), Some(values)) =
                (resolved(dataset, &wish.group_by), resolved(dataset, &wish.values))
            else {
                continue;
            };
            let extractor = Extractor {
                space: wish.space,
                fields,
            };
            let index = extractors
                .iter()
                .position(|known| *known == extractor)
                .unwrap_or_else(|| {
                    extractors.push(extractor);
                    extractors.len() - 1
                });
            own.push(Feed {
                track: wish.track,
                extractor: index,
                values,
            });
        }
        let id = u32::try_from(feeds.len()).expect("fewer rules than 2^32");
        if !own.is_empty()
            && fields::datasets(&rule.source).contains(&dataset)
            && builder.add(rule, id).is_ok()
        {
            feeds.push(own);
        }
    }
    let program = builder.build();
    (!program.is_empty()).then_some((
        dataset,
        Plan {
            program,
            extractors,
            feeds,
        },
    ))
}

impl Compiled {
    /// Columns that matching, keys, summaries and detectors read.
    pub fn columns(&self) -> Columns {
        let mut names: BTreeSet<String> = [
            "ts", "src_ip", "dst_host", "method", "uri", "status", "ua", "blocked",
        ]
        .map(String::from)
        .into();
        for (dataset, plan) in &self.plans {
            for column in plan.program.columns() {
                if column == super::program::KEYWORDS {
                    names.extend(["raw", "message"].map(String::from));
                } else {
                    names.insert(column.to_owned());
                }
            }
            let keys = plan.extractors.iter().flat_map(|e| &e.fields);
            let values = plan.feeds.iter().flatten().flat_map(|feed| &feed.values);
            names.extend(keys.chain(values).map(|field| field.column.clone().into_owned()));
            if *dataset == Dataset::VpcFlow {
                names.extend(["srcaddr", "dstaddr", "srcport", "dstport", "action"].map(String::from));
            }
        }
        Columns::Only(names)
    }

    pub fn tracks(&self) -> Vec<Track> {
        self.specs
            .iter()
            .map(|spec| Track::new(spec.mode.clone()))
            .collect()
    }
}
