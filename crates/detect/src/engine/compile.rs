//! From a rule set to programs (per dataset) and tracks.

use super::chain::Link;
use super::measure::{Measure, Test};
use super::program::{Builder, Program};
use super::track::Track;
use super::windows::Mode;
use crate::fields::{self, FieldRef};
use crate::ruleset::{Loaded, RuleSet};
use crate::sigma::correlation::{Condition, Correlation, Kind};
use crate::sigma::document::{Attributes, Document, Rule};
use crate::sigma::references::{Names, place};
use haetae_event::inside::Inside;
use haetae_event::{Columns, Dataset, Level, Risk};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// For facts: what is measured, where that is a number of its own.
    pub measured: Option<String>,
    /// Rows without the key fields are still told, under their dataset.
    pub dataset_as_key: bool,
    /// Tells nothing by itself.
    pub silent: bool,
    /// The correlations that watch this one.
    pub links: Vec<Link>,
    pub risk: Risk,
    /// For facts: what a rule that is not ours says of itself, where our sentences would be guesses.
    pub says: Option<String>,
}

/// Where the matches of one rule in one dataset go.
#[derive(Clone, Debug)]
pub struct Feed {
    pub track: usize,
    /// Index of its (key space, columns) in the dataset's extractors.
    pub extractor: usize,
    /// Fields whose tuple is counted, or the one that is measured; empty when events are counted.
    pub values: Vec<FieldRef>,
    /// Place of the rule among those of its correlation.
    pub rule: u8,
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
    /// Place among the rules of its correlation.
    rule: u8,
}

#[derive(Default)]
struct Spaces(Vec<(Vec<String>, String)>);

impl Spaces {
    fn of(&mut self, group_by: &[String], kind: String) -> u16 {
        let same = |known: &(Vec<String>, String)| known.0 == group_by && known.1 == kind;
        let index = self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push((group_by.to_vec(), kind));
            self.0.len() - 1
        });
        u16::try_from(index).expect("fewer group-by lists than 2^16")
    }
}

fn is_source(name: &str) -> bool {
    Dataset::ALL
        .iter()
        .any(|dataset| fields::resolve(*dataset, name).is_some_and(|field| field.column == "src_ip"))
}

fn kind_of(group_by: &[String]) -> String {
    match group_by {
        [] => "tenant".into(),
        [one] if is_source(one) => "ip".into(),
        many => many.join(","),
    }
}

/// An alias whose every meaning is the client's address is one too.
fn kind_of_correlation(correlation: &Correlation) -> String {
    if let [one] = correlation.group_by.as_slice()
        && let Some(by_rule) = correlation.aliases.get(one)
        && by_rule.values().all(|field| is_source(field))
    {
        return "ip".into();
    }
    kind_of(&correlation.group_by)
}

/// Consumers of matches by the id of the rule.
type Wishes = BTreeMap<String, Vec<Wish>>;

/// Compiles every loaded rule.
pub fn compile(rules: &RuleSet) -> Compiled {
    let mut spaces = Spaces::default();
    let (mut specs, mut wishes, silent) = correlations(rules, &mut spaces);
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
    let causes = crate::risk::causes(rules);
    let said: HashMap<&str, String> = rules
        .loaded()
        .iter()
        .filter_map(|loaded| Some((loaded.document.attributes().id.as_str(), says(loaded)?)))
        .collect();
    for spec in &mut specs {
        if let Some(cause) = causes.get(&spec.id) {
            spec.risk.cause.clone_from(cause);
        }
        spec.says = said.get(spec.id.as_str()).cloned();
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

/// Tracks of all correlations, what they wish of rules, and the ids of those that do not speak.
fn correlations(rules: &RuleSet, spaces: &mut Spaces) -> (Vec<TrackSpec>, Wishes, BTreeSet<String>) {
    let names = Names::new(rules.loaded().iter().map(|loaded| loaded.document.as_ref()));
    let (mut specs, mut wishes) = (Vec::<TrackSpec>::new(), Wishes::new());
    let (mut silent, mut generated) = (BTreeSet::new(), BTreeSet::new());
    let mut tracks: BTreeMap<usize, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = (0..rules.loaded().len())
        .map(|at| (names.depth(at), at))
        .collect();
    // What is watched comes before its watchers.
    order.sort_unstable();
    for (_, at) in order {
        let Document::Correlation(attributes, correlation) = names.document(at) else {
            continue;
        };
        let bases = correlation.rules.iter().filter_map(|rule| names.find(rule));
        let bases: Vec<usize> = bases.collect();
        let watched = bases.iter().filter_map(|base| tracks.get(base));
        let watched = watched.map(|track| &specs[*track]);
        let mode = mode_of(&names, at, correlation, &bases, watched);
        let track = specs.len();
        specs.push(correlation_spec(attributes, correlation, mode));
        tracks.insert(at, track);
        for (rule, base) in bases.iter().enumerate() {
            let (rule, base) = (u8::try_from(rule).unwrap_or(u8::MAX), *base);
            let wish = correlation_wish(&names, track, correlation, (base, rule), spaces);
            let id = &names.document(base).attributes().id;
            match (names.document(base), tracks.get(&base)) {
                (Document::Correlation(_, lower), Some(below)) => {
                    if let Some(link) = link_of(&wish, lower) {
                        specs[*below].mode.watched = true;
                        specs[*below].links.push(link);
                    }
                }
                _ => wishes.entry(id.clone()).or_default().push(wish),
            }
            let heard = if correlation.generate {
                &mut generated
            } else {
                &mut silent
            };
            heard.insert(id.clone());
        }
    }
    // A rule that any correlation asks to generate alerts by itself.
    silent.retain(|id| !generated.contains(id));
    for spec in &mut specs {
        spec.silent = silent.contains(&spec.id);
    }
    (specs, wishes, silent)
}

fn as_rule(document: &Document) -> Option<&Rule> {
    match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
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
        measured: None,
        dataset_as_key: false,
        silent: false,
        links: Vec::new(),
        risk: Risk {
            score: attributes.custom.risk,
            cause: attributes.id.clone(),
            final_score: false,
        },
        says: None,
    }
}

/// What a user's rule says it looks for. Our sentences by title and technique are about requests to a
/// site; of other logs the same words mean something else ("login profile", "bucket enumeration").
fn says(loaded: &Loaded) -> Option<String> {
    let of_requests = |rule: &Rule| {
        let datasets = rule.mapping.datasets();
        !datasets.is_empty() && datasets.iter().all(|dataset| dataset.is_web())
    };
    if loaded.builtin || as_rule(&loaded.document).is_some_and(of_requests) {
        return None;
    }
    Some(loaded.document.attributes().description.trim().to_owned())
}

fn single(rule: &Rule, track: usize, spaces: &mut Spaces) -> (TrackSpec, Wish) {
    let custom = &rule.attributes.custom;
    let gap_us = custom.gap_us.unwrap_or(GAP_US);
    let group_by = if custom.entity.is_empty() {
        vec!["src_ip".to_owned()]
    } else {
        custom.entity.clone()
    };
    let mut spec = spec(&rule.attributes, Mode::single(gap_us), "events".into());
    spec.dataset_as_key = true;
    let space = spaces.of(&group_by, kind_of(&group_by));
    (
        spec,
        Wish {
            track,
            group_by,
            values: Vec::new(),
            space,
            rule: 0,
        },
    )
}

/// Columns that hold no negative numbers, so that sums of them only grow.
const UNSIGNED: [&str; 13] = [
    "bytes_in",
    "bytes_out",
    "status",
    "srcport",
    "dstport",
    "packets",
    "bytes",
    "time_taken",
    "time_to_first_byte",
    "sc_content_len",
    "objectsize",
    "totaltime",
    "request_time",
];

fn mode_of<'a>(
    names: &Names<'_>,
    at: usize,
    correlation: &Correlation,
    bases: &[usize],
    watched: impl Iterator<Item = &'a TrackSpec>,
) -> Mode {
    let rules = u8::try_from(bases.len()).unwrap_or(u8::MAX);
    let measure = match correlation.kind {
        Kind::EventCount => Measure::Events,
        Kind::ValueCount => Measure::Distinct,
        Kind::Temporal => Measure::Rules,
        Kind::TemporalOrdered => Measure::Chain(rules),
        Kind::Sum => Measure::Sum,
        Kind::Average => Measure::Mean,
        Kind::Percentile(parts) => Measure::Percentile(parts),
    };
    let (test, rising) = match &correlation.condition {
        Condition::Number(threshold) => (Test::Number(threshold.clone()), threshold.monotone()),
        Condition::Seen(seen) => (Test::Seen(seen.clone()), seen.monotone()),
    };
    let (mut chained, mut firm) = (false, true);
    for spec in watched {
        chained = true;
        firm &= spec.mode.monotone;
    }
    let growing = match measure {
        // Two stretches of a watched correlation may become one.
        Measure::Events => !chained,
        Measure::Distinct | Measure::Rules | Measure::Chain(_) => firm,
        Measure::Sum => !chained && unsigned(names, correlation, bases),
        Measure::Mean | Measure::Percentile(_) => false,
    };
    Mode {
        measure,
        test,
        window_us: correlation.span_us,
        join_us: correlation.span_us,
        reach_us: names.reach_us(at),
        monotone: rising && growing,
        chained,
        watched: false,
    }
}

/// Whether the field measured is never negative, in every dataset of every rule.
fn unsigned(names: &Names<'_>, correlation: &Correlation, bases: &[usize]) -> bool {
    bases.iter().all(|&base| {
        let Document::Rule(rule) = names.document(base) else {
            return false;
        };
        rule.mapping.datasets().iter().all(|&dataset| {
            correlation.fields.iter().all(|name| {
                let field = rule
                    .mapping
                    .resolve(dataset, names.meant(correlation, name, base));
                field.is_none_or(|field| UNSIGNED.contains(&field.column.as_ref()))
            })
        })
    })
}

fn correlation_spec(attributes: &Attributes, correlation: &Correlation, mode: Mode) -> TrackSpec {
    let fields = correlation.fields.join(", ");
    let lowest = matches!(&correlation.condition, Condition::Number(threshold) if threshold.downward());
    let side = if lowest { "lowest" } else { "highest" };
    let (counted, measured) = match correlation.kind {
        Kind::ValueCount => (format!("distinct {fields}"), None),
        Kind::Sum => ("events".into(), Some(format!("{side} sum of {fields}"))),
        Kind::Average => ("events".into(), Some(format!("{side} mean of {fields}"))),
        Kind::Percentile(parts) => {
            let percentile = f64::from(parts) / 10_000.0;
            let what = format!("{side} percentile {percentile} of {fields}");
            ("events".into(), Some(what))
        }
        Kind::EventCount | Kind::Temporal | Kind::TemporalOrdered => ("events".into(), None),
    };
    TrackSpec {
        measured,
        ..spec(attributes, mode, counted)
    }
}

fn correlation_wish(
    names: &Names<'_>,
    track: usize,
    correlation: &Correlation,
    (base, rule): (usize, u8),
    spaces: &mut Spaces,
) -> Wish {
    let meant = |name: &String| names.meant(correlation, name, base).to_owned();
    let group_by: Vec<String> = correlation.group_by.iter().map(meant).collect();
    Wish {
        track,
        values: correlation.fields.iter().map(meant).collect(),
        // One key space for all rules of the correlation, whatever their fields are called.
        space: spaces.of(&correlation.group_by, kind_of_correlation(correlation)),
        group_by,
        rule,
    }
}

/// The way from a watched correlation to its watcher.
fn link_of(wish: &Wish, lower: &Correlation) -> Option<Link> {
    let places = |names: &[String]| -> Option<Vec<usize>> {
        names.iter().map(|name| place(&lower.group_by, name)).collect()
    };
    Some(Link {
        track: wish.track,
        space: wish.space,
        group: places(&wish.group_by)?,
        values: places(&wish.values)?,
        rule: wish.rule,
    })
}

fn resolved(rule: &Rule, dataset: Dataset, names: &[String]) -> Option<Vec<FieldRef>> {
    names
        .iter()
        .map(|name| rule.mapping.resolve(dataset, name))
        .collect()
}

fn plan(dataset: Dataset, rules: &RuleSet, wishes: &Wishes) -> Option<(Dataset, Plan)> {
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
            let (Some(fields), Some(values)) = (
                resolved(rule, dataset, &wish.group_by),
                resolved(rule, dataset, &wish.values),
            ) else {
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
                rule: wish.rule,
            });
        }
        let id = u32::try_from(feeds.len()).expect("fewer rules than 2^32");
        if !own.is_empty() && rule.mapping.datasets().contains(&dataset) && builder.add(rule, id).is_ok() {
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
            names.extend(keys.chain(values).flat_map(FieldRef::stored));
            // What summaries tell, and whom a row without an address is about.
            let more: &[&str] = match dataset {
                Dataset::VpcFlow => &["srcaddr", "dstaddr", "srcport", "dstport", "action"],
                Dataset::CloudTrail => &super::summary::CALL,
                Dataset::App | Dataset::Gelf => &["account", "message", "raw"],
                Dataset::Syslog | Dataset::Cef | Dataset::Leef => &["account", "hostname", "message", "raw"],
                _ => &[],
            };
            names.extend(more.iter().map(|name| (*name).to_owned()));
        }
        Columns::Only(names)
    }

    /// Values inside JSON that parsers may hand over.
    pub fn inside(&self) -> Inside {
        let wanted = self
            .plans
            .iter()
            .map(|(dataset, plan)| (*dataset, plan.program.wanted()));
        let any = wanted.filter(|(_, wanted)| !wanted.trees.is_empty());
        Inside::new(any.map(|(dataset, wanted)| (dataset, wanted.clone())))
    }

    pub fn tracks(&self) -> Vec<Track> {
        self.specs
            .iter()
            .map(|spec| Track::new(spec.mode.clone()))
            .collect()
    }
}
