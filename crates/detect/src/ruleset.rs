//! The rules an engine runs: built in, and added from folders.

mod files;

use crate::cost::CostOptions;
use crate::cost::prices::{PriceError, PriceTable};
use crate::detectors::{self, Detectors};
use crate::diagnostic::Diagnostic;
use crate::engine::program::Builder;
use crate::exceptions::{self, Exception};
use crate::inline::InlineSettings;
use crate::logsource::Pipeline;
use crate::sigma::document::{self, Document, LogSource, Rule};
use crate::sigma::filter::{self, Filter, Targets};
use crate::sigma::item::ItemProblem;
use crate::sigma::references::{self, Names};
use crate::sigma::yaml;
use crate::thresholds::{self, Override};
use files::text_of;
pub use files::{is_test_file, rule_files};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// The built-in rule files, by name. The one list.
pub const BUILTIN: &[(&str, &str)] = &[
    ("agents.yml", include_str!("../../../rules/agents.yml")),
    ("auth.yml", include_str!("../../../rules/auth.yml")),
    ("cloudtrail.yml", include_str!("../../../rules/cloudtrail.yml")),
    ("exploits.yml", include_str!("../../../rules/exploits.yml")),
    ("firewall.yml", include_str!("../../../rules/firewall.yml")),
    ("floods.yml", include_str!("../../../rules/floods.yml")),
    ("injection.yml", include_str!("../../../rules/injection.yml")),
    ("network.yml", include_str!("../../../rules/network.yml")),
    ("probing.yml", include_str!("../../../rules/probing.yml")),
    ("products.yml", include_str!("../../../rules/products.yml")),
    ("rates.yml", include_str!("../../../rules/rates.yml")),
    ("servers.yml", include_str!("../../../rules/servers.yml")),
    ("technology.yml", include_str!("../../../rules/technology.yml")),
];

/// Thresholds of the code detectors.
pub const BUILTIN_DETECTORS: &str = include_str!("../../../rules/detectors.yml");

/// One checked document and where it stands.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub document: Arc<Document>,
    pub file: Arc<str>,
    /// 1-based line of its `title`.
    pub line: Option<u64>,
    /// Whether it came with the program.
    pub builtin: bool,
}

/// A checked filter and where it stands.
#[derive(Clone, Debug)]
struct LoadedFilter {
    filter: Arc<Filter>,
    file: Arc<str>,
    line: Option<u64>,
    /// Ids of rules that have it.
    applied: BTreeSet<String>,
    /// It was said that it names a rule which is not there.
    told: bool,
}

/// Loaded rules, with the problems of those that could not be loaded.
#[derive(Clone, Debug)]
pub struct RuleSet {
    loaded: Vec<Loaded>,
    filters: Vec<LoadedFilter>,
    pipeline: Pipeline,
    detectors: Option<Detectors>,
    exceptions: Vec<Exception>,
    thresholds: Vec<Override>,
    /// `None`: the built-in ones.
    inline: Option<Arc<InlineSettings>>,
    diagnostics: Vec<Diagnostic>,
    notes: Vec<Diagnostic>,
}

impl Default for RuleSet {
    fn default() -> RuleSet {
        RuleSet {
            loaded: Vec::new(),
            filters: Vec::new(),
            pipeline: Pipeline::builtin().clone(),
            detectors: None,
            exceptions: Vec::new(),
            thresholds: Vec::new(),
            inline: None,
            diagnostics: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl RuleSet {
    /// No rule and no detector at all.
    pub fn empty() -> RuleSet {
        RuleSet::default()
    }

    /// The rules and detectors compiled into the program.
    pub fn builtin() -> RuleSet {
        let mut rules = RuleSet::default();
        for (file, text) in BUILTIN {
            rules.read(&format!("rules/{file}"), text);
        }
        rules.loaded.iter_mut().for_each(|loaded| loaded.builtin = true);
        rules.load_detectors("rules/detectors.yml", BUILTIN_DETECTORS);
        rules.link();
        rules
    }

    /// Adds every `*.yml` and `*.yaml` under `path`, sub-folders included, in name order;
    /// sections of a `detectors.yml` replace those of the code detectors, `pipeline.yml` adds to the
    /// built-in one ([`crate::logsource`]) for the rules that follow and those of its own folder,
    /// `inline.yml` replaces the seed rules of `POST /detect`, `exceptions.yml` says what is not to be
    /// told, `thresholds.yml` gives correlations other thresholds. Returns how many rules were added;
    /// problems are in [`RuleSet::diagnostics`].
    ///
    /// A file that cannot be read is a problem as its mistakes are.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn load_dir(&mut self, path: &Path) -> std::io::Result<usize> {
        let before = self.loaded.len();
        // Exceptions and thresholds name rules, which are all loaded by then.
        let (mut excepted, mut changed) = (Vec::new(), Vec::new());
        let mut files = rule_files(path)?;
        // Names must be known before the rules that use them.
        files.sort_by_key(|file| file.file_name().is_none_or(|name| name != "pipeline.yml"));
        for file in files {
            let name = file.display().to_string();
            let text = match text_of(&file) {
                Ok(text) => text,
                Err((message, hint)) => {
                    self.report(&name, None, "sigma-file", &message, hint);
                    continue;
                }
            };
            match file.file_name().and_then(|name| name.to_str()) {
                Some("detectors.yml") => self.load_detectors(&name, &text),
                Some("pipeline.yml") => self.load_pipeline(&name, &text),
                Some("prices.yml") => self.load_prices(&name, &text),
                Some("inline.yml") => self.load_inline(&name, &text),
                Some("exceptions.yml") => excepted.push((name, text)),
                Some("thresholds.yml") => changed.push((name, text)),
                _ => self.read(&name, &text),
            }
        }
        self.link();
        for (name, text) in excepted {
            self.load_exceptions(&name, &text);
        }
        for (name, text) in changed {
            self.load_thresholds(&name, &text);
        }
        Ok(self.loaded.len().saturating_sub(before))
    }

    /// Adds the documents of one YAML text; returns how many rules were added.
    pub fn load_text(&mut self, file: &str, text: &str) -> usize {
        let before = self.loaded.len();
        self.read(file, text);
        self.link();
        self.loaded.len().saturating_sub(before)
    }

    /// Replaces the thresholds of the code detectors, section by section.
    pub fn load_detectors(&mut self, file: &str, text: &str) {
        match serde_saphyr::from_str::<Detectors>(text) {
            Ok(detectors) => {
                let blocking = detectors.blocking.as_ref();
                if let Some(name) = blocking.and_then(|blocking| blocking.unknown()) {
                    let message = format!("`blocking.except` names `{name}`, which no detector tells");
                    let hint = "the ids of `haetae rules list`, without the dataset: [macro]";
                    self.report(file, None, "detectors-blocking", &message, hint);
                    return;
                }
                let known = self.detectors.take().unwrap_or_default();
                self.detectors = Some(known.overlaid(detectors));
            }
            Err(error) => self.yaml_problem(file, "detectors-yaml", &error),
        }
    }

    /// Adds exceptions; a file with any mistake adds none.
    pub fn load_exceptions(&mut self, file: &str, text: &str) {
        let known = |rule: &str| -> Result<String, String> {
            let mut attributes = self.loaded.iter().map(|l| l.document.attributes());
            let of = attributes.find(|a| a.id == rule || a.name.as_deref() == Some(rule));
            if let Some(attributes) = of {
                return Ok(attributes.id.clone());
            }
            if detectors::has_rule(rule) {
                return Ok(rule.to_owned());
            }
            let id = rule;
            let mut ids = detectors::rules_like(id);
            ids.extend(self.loaded.iter().map(|l| l.document.attributes().id.clone()));
            Err(exceptions::nearest(id, &ids).unwrap_or_default().to_owned())
        };
        match exceptions::parse(file, text, known) {
            Ok(more) => self.exceptions.extend(more),
            Err(problems) => self.diagnostics.extend(problems),
        }
    }

    /// Gives correlations that are loaded other thresholds; a file with any mistake changes none.
    pub fn load_thresholds(&mut self, file: &str, text: &str) {
        match thresholds::parse(file, text, &self.loaded, &self.thresholds) {
            Ok((changes, notes)) => {
                for change in &changes {
                    let of = |l: &&mut Loaded| l.document.attributes().id == change.rule;
                    let Some(loaded) = self.loaded.iter_mut().find(of) else {
                        continue;
                    };
                    if let Some(document) = change.applied(&loaded.document) {
                        loaded.document = document;
                    }
                }
                self.thresholds.extend(changes);
                self.notes.extend(notes);
            }
            Err(problems) => self.diagnostics.extend(problems),
        }
    }

    /// Thresholds that are not the rules' own, in load order.
    pub fn thresholds(&self) -> &[Override] {
        &self.thresholds
    }

    /// What is not to be told, in load order.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Adds a pipeline file; it counts for the rules that are loaded after it.
    pub fn load_pipeline(&mut self, file: &str, text: &str) {
        if let Err(problem) = self.pipeline.add(text) {
            self.diagnostics.push(Diagnostic {
                code: "pipeline-yaml".into(),
                file: file.into(),
                line: problem.line,
                column: problem.column,
                message: problem.message,
                hint: "the rules of this folder are read without it".into(),
            });
        }
    }

    /// Replaces the price table of the cost meter.
    pub fn load_prices(&mut self, file: &str, text: &str) {
        match PriceTable::parse(text) {
            Ok(table) => {
                self.detectors.get_or_insert_default().prices = Some(Arc::new(table));
            }
            Err(PriceError::Yaml(error)) => self.yaml_problem(file, "prices-yaml", &error),
            Err(PriceError::Content(message)) => self.report(file, None, "prices", &message, ""),
        }
    }

    /// Replaces the seed rules of `POST /detect`.
    pub fn load_inline(&mut self, file: &str, text: &str) {
        match InlineSettings::parse(text) {
            Ok(settings) => self.inline = Some(Arc::new(settings)),
            Err(message) => {
                let hint = "copy the whole of the built-in rules/inline.yml and change what you need";
                self.report(file, None, "inline-yaml", &message, hint);
            }
        }
    }

    /// The seed rules of `POST /detect`.
    pub fn inline(&self) -> InlineSettings {
        self.inline.as_deref().cloned().unwrap_or_default()
    }

    /// Says how the site is billed.
    pub fn set_cost(&mut self, options: CostOptions) {
        self.detectors.get_or_insert_default().cost = options;
    }

    /// Problems found so far, in load order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// What loaded but may be meant otherwise.
    pub fn notes(&self) -> &[Diagnostic] {
        &self.notes
    }

    pub fn loaded(&self) -> &[Loaded] {
        &self.loaded
    }

    pub fn detectors(&self) -> Option<&Detectors> {
        self.detectors.as_ref()
    }

    /// Rules and correlations that loaded.
    pub fn len(&self) -> usize {
        self.loaded.len()
    }

    pub fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    fn read(&mut self, file: &str, text: &str) {
        let values = match yaml::documents(text) {
            Ok(values) => values,
            Err(error) => return self.yaml_problem(file, "sigma-yaml", &error),
        };
        let shared: Arc<str> = file.into();
        let mut line_from = 0;
        for value in values.iter().filter(|value| !value.is_null()) {
            let title = value
                .get("title")
                .and_then(|title| title.as_str())
                .unwrap_or_default();
            let line = line_of(text, line_from, title);
            line_from = line.unwrap_or(line_from);
            let place = (&shared, line);
            if let Some(map) = value.as_object().filter(|map| map.contains_key("filter")) {
                match filter::read(map, self.pipeline.placeholders()) {
                    Ok(filter) => self.keep_filter(filter, place),
                    Err(problem) => self.report(file, line, problem.code, &problem.message, problem.hint),
                }
                continue;
            }
            match self.checked(value) {
                Ok(document) => {
                    self.note_source(&document, place);
                    self.loaded.push(Loaded {
                        document: Arc::new(document),
                        file: shared.clone(),
                        line,
                        builtin: false,
                    });
                }
                Err(problem) => self.report(file, line, problem.code, &problem.message, problem.hint),
            }
        }
    }

    fn checked(&self, value: &serde_json::Value) -> Result<Document, ItemProblem> {
        let mut document = document::read(value, self.pipeline.placeholders())?;
        if let Document::Rule(rule) = &mut document {
            rule.mapping = Arc::new(self.pipeline.mapping(&rule.source));
            check_fields(rule)?;
        }
        Ok(document)
    }

    /// The rule loads: other tools may send such logs as JSON.
    fn note_source(&mut self, document: &Document, (file, line): (&Arc<str>, Option<u64>)) {
        let Document::Rule(rule) = document else { return };
        if let Some((given, meant)) = self.pipeline.unknown(&rule.source) {
            self.notes.push(Diagnostic {
                code: "sigma-logsource".into(),
                file: file.to_string(),
                line,
                column: None,
                message: format!("no log source here is called `{given}`; only JSON records are looked at"),
                hint: format!("did you mean `{meant}`?"),
            });
        }
    }

    fn keep_filter(&mut self, filter: Filter, (file, line): (&Arc<str>, Option<u64>)) {
        if filter.ambiguous {
            self.notes.push(Diagnostic {
                code: "sigma-filter-sign".into(),
                file: file.to_string(),
                line,
                column: None,
                message: format!(
                    "the condition of the filter `{}` is negated as a whole: read as pySigma does, so that \
                     what its selections describe is excluded",
                    filter.attributes.title
                ),
                hint: "write `condition: selection`, or say `haetae: {filter: keep}` or `{filter: exclude}`"
                    .into(),
            });
        }
        self.filters.push(LoadedFilter {
            filter: Arc::new(filter),
            file: file.clone(),
            line,
            applied: BTreeSet::new(),
            told: false,
        });
    }

    /// Puts every filter on the rules it names that do not have it yet. Filters never apply to
    /// correlations.
    fn apply_filters(&mut self) {
        let mut filters = std::mem::take(&mut self.filters);
        for (number, loaded_filter) in filters.iter_mut().enumerate() {
            let filter = loaded_filter.filter.clone();
            let mut problems = Vec::new();
            for loaded in &mut self.loaded {
                let Document::Rule(rule) = loaded.document.as_ref() else {
                    continue;
                };
                let id = rule.attributes.id.clone();
                let meant = match &filter.targets {
                    Targets::Any => true,
                    Targets::Named(names) => names.iter().any(|name| loaded.document.answers_to(name)),
                };
                if !meant || !filter.fits(&rule.source) || loaded_filter.applied.contains(&id) {
                    continue;
                }
                let filtered = filter.apply(rule, number);
                match check_fields(&filtered) {
                    Ok(()) => loaded.document = Arc::new(Document::Rule(filtered)),
                    Err(problem) => problems.push(problem),
                }
                loaded_filter.applied.insert(id);
            }
            for problem in problems {
                let place = (&*loaded_filter.file, loaded_filter.line);
                self.report(place.0, place.1, problem.code, &problem.message, problem.hint);
            }
            self.tell_missing(loaded_filter);
        }
        self.filters = filters;
    }

    /// A filter that does not reach a rule it names is told, once.
    fn tell_missing(&mut self, loaded: &mut LoadedFilter) {
        let Targets::Named(names) = &loaded.filter.targets else {
            return;
        };
        let reached = |name: &String| {
            self.loaded.iter().any(|rule| {
                rule.document.answers_to(name) && loaded.applied.contains(&rule.document.attributes().id)
            })
        };
        let missing: Vec<String> = names.iter().filter(|name| !reached(name)).cloned().collect();
        if missing.is_empty() || loaded.told {
            return;
        }
        loaded.told = true;
        self.notes.push(Diagnostic {
            code: "sigma-filter-target".into(),
            file: loaded.file.to_string(),
            line: loaded.line,
            column: None,
            message: format!(
                "the filter names `{}`: no rule of that name or id with this log source is loaded so far",
                missing.join("`, `")
            ),
            hint: String::new(),
        });
    }

    /// Drops correlations whose references do not hold, and repeated ids.
    fn link(&mut self) {
        self.apply_filters();
        let mut problems = Vec::new();
        // By id, and by name: references know both.
        let mut seen: HashMap<String, String> = HashMap::new();
        self.loaded.retain(|loaded| {
            let attributes = loaded.document.attributes();
            let place = match loaded.line {
                Some(line) => format!("{}:{line}", loaded.file),
                None => loaded.file.to_string(),
            };
            let called = std::iter::once(("id", &attributes.id))
                .chain(attributes.name.as_ref().map(|name| ("name", name)));
            let twice = called.clone().find_map(|(what, text)| {
                let before = seen.get(text.as_str())?;
                Some((what, format!("the {what} {text} is used by {before} too")))
            });
            if let Some((what, message)) = twice {
                let (code, hint) = match what {
                    "id" => ("sigma-id", "give each rule an id of its own"),
                    _ => (
                        "sigma-name",
                        "give each rule a name of its own: correlations mean rules by it",
                    ),
                };
                problems.push((loaded.clone(), code, message, hint));
                return false;
            }
            for (_, text) in called {
                seen.insert(text.clone(), place.clone());
            }
            true
        });
        for (loaded, code, message, hint) in problems {
            self.report(&loaded.file, loaded.line, code, &message, hint);
        }
        self.drop_broken();
    }

    /// What hung on a dropped correlation is dropped in the next round.
    fn drop_broken(&mut self) {
        loop {
            let names = Names::new(self.loaded.iter().map(|loaded| loaded.document.as_ref()));
            let checked = (0..self.loaded.len()).map(|at| references::check(&names, at).err());
            let broken: Vec<_> = checked.collect();
            if broken.iter().all(Option::is_none) {
                return;
            }
            let all = std::mem::take(&mut self.loaded);
            for (loaded, broken) in all.into_iter().zip(broken) {
                match broken {
                    None => self.loaded.push(loaded),
                    Some(why) => {
                        self.report(&loaded.file, loaded.line, why.code, &why.message, why.hint);
                    }
                }
            }
        }
    }

    fn yaml_problem(&mut self, file: &str, code: &str, error: &serde_saphyr::Error) {
        let location = error.location();
        self.diagnostics.push(Diagnostic {
            code: code.into(),
            file: file.into(),
            line: location.map(|l| l.line()),
            column: location.map(|l| l.column()),
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
            hint: String::new(),
        });
    }

    fn report(&mut self, file: &str, line: Option<u64>, code: &str, message: &str, hint: &str) {
        self.diagnostics.push(Diagnostic {
            code: code.into(),
            file: file.into(),
            line,
            column: None,
            message: message.into(),
            hint: hint.into(),
        });
    }
}

/// 1-based line of `title:` with this text at or after line `from`.
fn line_of(text: &str, from: u64, title: &str) -> Option<u64> {
    (1u64..)
        .zip(text.lines())
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
        .find(|(_, line)| line.starts_with("title:") && line.contains(title))
        .map(|(number, _)| number)
}

fn check_fields(rule: &Rule) -> Result<(), ItemProblem> {
    let datasets = rule.mapping.datasets();
    if datasets.is_empty() {
        return Err(ItemProblem {
            code: "sigma-logsource",
            message: format!("no dataset here is log source {}", said(&rule.source)),
            hint: "give one in a pipeline.yml beside the rules",
        });
    }
    let mut missing = None;
    for dataset in datasets {
        match Builder::new(*dataset).add(rule, 0) {
            Ok(()) => return Ok(()),
            Err(field) => missing = Some(field.0),
        }
    }
    Err(ItemProblem {
        code: "sigma-field",
        message: format!(
            "no dataset of the log source {} has the field `{}`",
            said(&rule.source),
            missing.unwrap_or_default()
        ),
        hint: "name a column for it in a pipeline.yml beside the rules",
    })
}

fn said(source: &LogSource) -> String {
    let parts = [
        ("category", &source.category),
        ("product", &source.product),
        ("service", &source.service),
    ];
    let given: Vec<String> = parts
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
        .collect();
    given.join(" ")
}
