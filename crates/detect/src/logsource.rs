//! Log sources of rules → datasets, conditions and fields, from pipeline files.
//!
//! The built-in file is `rules/pipeline.yml`; a `pipeline.yml` in a folder of rules adds to it. Its
//! parts:
//!
//! - `sources`: for a `logsource` (of the entries that fit the one with most keys counts, of equal
//!   ones the last) the `datasets` to look at, the `tables` of names, what happens to names in no
//!   table (`others: refuse`, or `attrs`: the keys a record had beside its columns, also below
//!   `prefixes`), and `when`: an event which has the field must have one of the values.
//! - `tables`: name in rules → column, `column|view`, or key; of a list the first with a value.
//! - `keys`: by dataset and column, the keys that parsers put into that column.
//! - `placeholders`: values for the modifier `expand`.

use crate::exceptions::nearest;
use crate::fields::{self, FieldRef, Met, Place, View};
use crate::sigma::document::LogSource;
use crate::sigma::item;
use crate::sigma::placeholder::Placeholders;
use haetae_event::Dataset;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The pipeline file compiled into the program.
pub const BUILTIN: &str = include_str!("../../../rules/pipeline.yml");

/// The JSON column of keys that have no column.
const ATTRS: &str = "attrs";

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    placeholders: BTreeMap<String, Vec<Value>>,
    tables: BTreeMap<String, BTreeMap<String, OneOrMany<String>>>,
    keys: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    sources: Vec<Source>,
}

/// What of a log source a rule must name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Named {
    category: Option<OneOrMany<String>>,
    product: Option<OneOrMany<String>>,
    service: Option<OneOrMany<String>>,
}

impl Named {
    fn keys(&self) -> [&Option<OneOrMany<String>>; 3] {
        [&self.category, &self.product, &self.service]
    }

    /// Each key as it is wanted, and as a rule gives it.
    fn beside<'a>(
        &'a self,
        source: &'a LogSource,
    ) -> [(&'a Option<OneOrMany<String>>, &'a Option<String>); 3] {
        let [category, product, service] = self.keys();
        [
            (category, &source.category),
            (product, &source.product),
            (service, &source.service),
        ]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Others {
    /// The rule does not load.
    #[default]
    Refuse,
    Attrs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    logsource: Named,
    datasets: Vec<String>,
    tables: Vec<String>,
    prefixes: Vec<String>,
    others: Others,
    when: BTreeMap<String, Value>,
}

impl Source {
    /// How many keys fit; `None` when one does not.
    fn fit(&self, source: &LogSource) -> Option<usize> {
        let pairs = self.logsource.beside(source);
        let mut count = 0;
        for (wanted, given) in pairs {
            let Some(wanted) = wanted else { continue };
            let given = given.as_ref()?;
            if !wanted.to_vec().contains(given) {
                return None;
            }
            count += 1;
        }
        Some(count)
    }

    /// Whether it names every key that the rule names, alike, and more.
    fn is_narrower(&self, source: &LogSource) -> bool {
        let pairs = self.logsource.beside(source);
        let alike = pairs.iter().all(|(wanted, given)| match (wanted, given) {
            (Some(wanted), Some(given)) => wanted.to_vec().contains(given),
            (None, Some(_)) => false,
            (_, None) => true,
        });
        alike
            && pairs
                .iter()
                .any(|(wanted, given)| wanted.is_some() && given.is_none())
    }
}

/// Shorter names are like many others.
const LIKE_BYTES_MIN: usize = 6;

/// Names in rules → targets, as tables have them.
type Table = BTreeMap<String, Vec<Target>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    view: View,
}

/// Keys that a dataset's parser puts into columns of other names: key → column.
type Swallowed = BTreeMap<String, String>;

/// Where the rules of one log source look, and how their fields are found.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    datasets: Vec<Dataset>,
    table: Table,
    prefixes: Vec<String>,
    open: bool,
    when: Vec<(String, Value)>,
    keys: Arc<BTreeMap<Dataset, Swallowed>>,
}

impl Mapping {
    /// Every field under its own name in `attrs` of [`Dataset::App`], and nothing else.
    pub fn bare() -> Mapping {
        Mapping {
            datasets: vec![Dataset::App],
            open: true,
            ..Mapping::default()
        }
    }

    /// The datasets that rules of this log source look at.
    pub fn datasets(&self) -> &[Dataset] {
        &self.datasets
    }

    /// What an event that has the field must hold: (field, with modifiers as in rules; values).
    pub fn when(&self) -> &[(String, Value)] {
        &self.when
    }

    /// Where `dataset` has what a rule calls `name`; `None` when it has it nowhere.
    pub fn resolve(&self, dataset: Dataset, name: &str) -> Option<FieldRef> {
        let own = vec![Target {
            name: name.to_owned(),
            view: View::Whole,
        }];
        let targets = self.table.get(&name.to_lowercase()).unwrap_or(&own);
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let mut view = None;
        for target in targets {
            match self.column(dataset, &target.name) {
                Some(Met::Vendor(column)) => {
                    view.get_or_insert(target.view);
                    first.push(Place::Column(column.into()));
                    continue;
                }
                Some(Met::Alias(column)) => {
                    view.get_or_insert(target.view);
                    last.push(Place::Column(column.into()));
                }
                None => {}
            }
            first.extend(fields::inside_of(dataset, &target.name));
            if self.open {
                first.extend(self.attributes(&target.name));
                let swallowed = self.keys.get(&dataset).and_then(|keys| keys.get(&target.name));
                last.extend(swallowed.map(|column| Place::Column(column.clone())));
            }
        }
        first.append(&mut last);
        let mut places: Vec<Place> = Vec::new();
        for place in first {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        FieldRef::looked_up(&places, view.unwrap_or(View::Whole))
    }

    /// The bare mapping has no columns.
    fn column(&self, dataset: Dataset, name: &str) -> Option<Met> {
        let bare = self.keys.is_empty() && self.open;
        if bare {
            None
        } else {
            fields::column_of(dataset, name)
        }
    }

    fn attributes(&self, name: &str) -> impl Iterator<Item = Place> {
        let under = |prefix: &str| Place::Json {
            column: ATTRS.into(),
            path: format!("{prefix}{name}"),
        };
        let own = under("");
        let more: Vec<Place> = self.prefixes.iter().map(|prefix| under(prefix)).collect();
        std::iter::once(own).chain(more)
    }
}

/// Every pipeline file in force, in order.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    sources: Vec<Source>,
    tables: BTreeMap<String, Table>,
    keys: Arc<BTreeMap<Dataset, Swallowed>>,
    placeholders: Placeholders,
}

/// Why a pipeline file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineProblem {
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub message: String,
}

impl PipelineProblem {
    fn new(message: String) -> PipelineProblem {
        PipelineProblem {
            line: None,
            column: None,
            message,
        }
    }
}

impl Pipeline {
    /// The one compiled into the program.
    pub fn builtin() -> &'static Pipeline {
        static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| {
            let mut pipeline = Pipeline::default();
            pipeline
                .add(BUILTIN)
                .expect("the built-in pipeline file is checked by a test");
            pipeline
        });
        &PIPELINE
    }

    /// Adds a file: its sources come before those known when they fit as well, its names replace
    /// those of a table of the same name.
    ///
    /// # Errors
    /// What is wrong with the file; nothing of it is taken then.
    pub fn add(&mut self, text: &str) -> Result<(), PipelineProblem> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| PipelineProblem {
            line: error.location().map(|l| l.line()),
            column: error.location().map(|l| l.column()),
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
        })?;
        let mut next = self.clone();
        for (name, values) in &file.placeholders {
            let values = values.iter().filter_map(text_of).collect();
            next.placeholders.insert(name.clone(), values);
        }
        for (name, table) in &file.tables {
            let known = next.tables.entry(name.clone()).or_default();
            for (field, targets) in table {
                let targets: Result<Vec<Target>, _> = targets.to_vec().iter().map(|t| target(t)).collect();
                known.insert(field.to_lowercase(), targets?);
            }
        }
        let mut keys = (*next.keys).clone();
        for (dataset, columns) in &file.keys {
            let swallowed = keys.entry(dataset_named(dataset)?).or_default();
            for (column, names) in columns {
                swallowed.extend(names.iter().map(|name| (name.clone(), column.clone())));
            }
        }
        next.keys = Arc::new(keys);
        for source in &file.sources {
            for dataset in &source.datasets {
                dataset_named(dataset)?;
            }
            for (key, wanted) in &source.when {
                item::read(key, wanted, &next.placeholders)
                    .map_err(|problem| PipelineProblem::new(format!("when `{key}`: {}", problem.message)))?;
            }
            if let Some(unknown) = source.tables.iter().find(|name| !next.tables.contains_key(*name)) {
                return Err(PipelineProblem::new(format!("there is no table `{unknown}`")));
            }
        }
        next.sources.extend(file.sources);
        *self = next;
        Ok(())
    }

    pub fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// Where rules of this log source look; without datasets when nowhere. A key that the rule does
    /// not name means any: what narrower entries look at is looked at too.
    pub fn mapping(&self, source: &LogSource) -> Mapping {
        let fitting = self
            .sources
            .iter()
            .filter_map(|entry| entry.fit(source).map(|keys| (keys, entry)));
        let mut mapping = match fitting.max_by_key(|(keys, _)| *keys) {
            Some((_, entry)) => self.mapping_of(entry),
            None => Mapping::default(),
        };
        let narrower = self.sources.iter().filter(|entry| entry.is_narrower(source));
        for more in narrower.map(|entry| self.mapping_of(entry)) {
            let before = mapping.datasets.len();
            for dataset in more.datasets {
                if !mapping.datasets.contains(&dataset) {
                    mapping.datasets.push(dataset);
                }
            }
            if mapping.datasets.len() > before {
                for (field, targets) in more.table {
                    mapping.table.entry(field).or_insert(targets);
                }
            }
        }
        mapping
    }

    /// What the log source says that no entry knows, and an entry's word that may be meant: a slip of
    /// the pen would have the rule look where its events never are.
    pub fn unknown(&self, source: &LogSource) -> Option<(String, String)> {
        let given = [&source.category, &source.product, &source.service];
        let wanted = |key: usize| {
            let of = move |entry: &Source| {
                let wanted = entry.logsource.keys()[key];
                wanted.as_ref().map(OneOrMany::to_vec).unwrap_or_default()
            };
            self.sources.iter().flat_map(of).collect::<Vec<String>>()
        };
        given.iter().enumerate().find_map(|(key, given)| {
            let given = given.as_ref().filter(|given| given.len() >= LIKE_BYTES_MIN)?;
            let known = wanted(key);
            if known.contains(given) {
                return None;
            }
            Some((given.clone(), nearest(given, &known)?.to_owned()))
        })
    }

    fn mapping_of(&self, entry: &Source) -> Mapping {
        let mut table = Table::new();
        for name in &entry.tables {
            let known = self.tables.get(name).into_iter().flatten();
            known.for_each(|(field, targets)| {
                table.entry(field.clone()).or_insert_with(|| targets.clone());
            });
        }
        Mapping {
            datasets: entry.datasets.iter().filter_map(|d| Dataset::parse(d)).collect(),
            table,
            prefixes: entry.prefixes.clone(),
            open: entry.others == Others::Attrs,
            when: entry
                .when
                .iter()
                .map(|(field, wanted)| (field.clone(), wanted.clone()))
                .collect(),
            keys: self.keys.clone(),
        }
    }

    /// For names no rule stands behind: every table of the sources that look at `dataset`.
    pub fn general(&self, dataset: Dataset) -> Mapping {
        let mut whole = Mapping {
            datasets: vec![dataset],
            keys: self.keys.clone(),
            ..Mapping::default()
        };
        let entries = self
            .sources
            .iter()
            .filter(|entry| entry.datasets.iter().any(|name| name == dataset.as_str()));
        for mapping in entries.map(|entry| self.mapping_of(entry)) {
            for (field, targets) in mapping.table {
                whole.table.entry(field).or_insert(targets);
            }
            for prefix in mapping.prefixes {
                if !whole.prefixes.contains(&prefix) {
                    whole.prefixes.push(prefix);
                }
            }
            whole.open |= mapping.open;
        }
        whole
    }
}

fn dataset_named(name: &str) -> Result<Dataset, PipelineProblem> {
    Dataset::parse(name).ok_or_else(|| PipelineProblem::new(format!("there is no dataset `{name}`")))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn target(text: &str) -> Result<Target, PipelineProblem> {
    let (name, view) = match text.split_once('|') {
        None => (text, View::Whole),
        Some((name, view)) => match View::named(view) {
            Some(view) => (name, view),
            None => return Err(PipelineProblem::new(format!("`{view}` is no view of a column"))),
        },
    };
    Ok(Target {
        name: name.to_owned(),
        view,
    })
}
