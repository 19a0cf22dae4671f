//! The rules an engine runs: built in, and added from folders.

use crate::detectors::Detectors;
use crate::diagnostic::Diagnostic;
use crate::engine::program::Builder;
use crate::exceptions::{self, Exception};
use crate::fields;
use crate::sigma::document::{self, Document, Rule};
use crate::sigma::item::ItemProblem;
use crate::sigma::references::{self, Names};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rule files larger than this are refused.
const FILE_BYTES_MAX: u64 = 1 << 20;

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
}

/// Loaded rules, with the problems of those that could not be loaded.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    loaded: Vec<Loaded>,
    detectors: Option<Detectors>,
    exceptions: Vec<Exception>,
    diagnostics: Vec<Diagnostic>,
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
        rules.load_detectors("rules/detectors.yml", BUILTIN_DETECTORS);
        rules.link();
        rules
    }

    /// Adds every `*.yml` and `*.yaml` under `path`, sub-folders included, in name order;
    /// sections of a `detectors.yml` replace those of the code detectors. Returns how many rules
    /// were added; problems with rules are in [`RuleSet::diagnostics`].
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn load_dir(&mut self, path: &Path) -> std::io::Result<usize> {
        let before = self.loaded.len();
        // They name rules, which are all loaded by then.
        let mut excepted = Vec::new();
        for file in rule_files(path)? {
            let name = file.display().to_string();
            if std::fs::metadata(&file)?.len() > FILE_BYTES_MAX {
                self.report(
                    &name,
                    None,
                    "sigma-file",
                    "the file is larger than 1 MiB",
                    "split it",
                );
                continue;
            }
            let bytes = std::fs::read(&file)?;
            let Ok(text) = String::from_utf8(bytes) else {
                self.report(&name, None, "sigma-file", "the file is not UTF-8", "");
                continue;
            };
            match file.file_name().and_then(|name| name.to_str()) {
                Some("detectors.yml") => self.load_detectors(&name, &text),
                Some("exceptions.yml") => excepted.push((name, text)),
                _ => self.read(&name, &text),
            }
        }
        self.link();
        for (name, text) in excepted {
            self.load_exceptions(&name, &text);
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
                let known = self.detectors.take().unwrap_or_default();
                self.detectors = Some(known.overlaid(detectors));
            }
            Err(error) => self.yaml_problem(file, "detectors-yaml", &error),
        }
    }

    /// Adds exceptions; a file with any mistake adds none.
    pub fn load_exceptions(&mut self, file: &str, text: &str) {
        let known = |id: &str| {
            let loaded = self.loaded.iter().any(|l| l.document.attributes().id == id);
            // Code detectors' rules are named `detector.dataset`.
            loaded || id.contains('.')
        };
        match exceptions::parse(file, text, known) {
            Ok(more) => self.exceptions.extend(more),
            Err(problems) => self.diagnostics.extend(problems),
        }
    }

    /// What is not to be told, in load order.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Problems found so far, in load order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
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
        let values: Vec<serde_json::Value> = match serde_saphyr::from_multiple(text) {
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
            let checked = document::read(value).and_then(|document| match document {
                Document::Rule(rule) => check_fields(&rule).map(|()| Document::Rule(rule)),
                other => Ok(other),
            });
            match checked {
                Ok(document) => {
                    self.loaded.push(Loaded {
                        document: Arc::new(document),
                        file: shared.clone(),
                        line,
                    });
                }
                Err(problem) => self.report(file, line, problem.code, &problem.message, problem.hint),
            }
        }
    }

    /// Drops correlations whose references do not hold, and repeated ids.
    fn link(&mut self) {
        let mut problems = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.loaded.retain(|loaded| {
            let id = &loaded.document.attributes().id;
            let fresh = seen.insert(id.clone());
            if !fresh {
                let message = format!("the id {id} is used twice");
                problems.push((loaded.clone(), "sigma-id", message));
            }
            fresh
        });
        for (loaded, code, message) in problems {
            self.report(
                &loaded.file,
                loaded.line,
                code,
                &message,
                "give each rule an id of its own",
            );
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

/// Whether a file holds tests of rules, not rules: `NAME.test.yml`.
pub fn is_test_file(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.ends_with(".test.yml") || name.ends_with(".test.yaml")
}

fn rule_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    const DEPTH_MAX: usize = 16;
    let mut files = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") && !is_test_file(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
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
    let datasets = fields::datasets(&rule.source);
    if datasets.is_empty() {
        let part = |value: &Option<String>| value.clone().unwrap_or_else(|| "any".into());
        return Err(ItemProblem {
            code: "sigma-logsource",
            message: format!(
                "no dataset here is log source category={} product={} service={}",
                part(&rule.source.category),
                part(&rule.source.product),
                part(&rule.source.service)
            ),
            hint: "webserver, proxy, firewall, application, and aws vpcflow/cloudfront/waf are",
        });
    }
    let mut missing = None;
    for dataset in datasets {
        match Builder::new(dataset).add(rule, 0) {
            Ok(()) => return Ok(()),
            Err(field) => missing = Some(field.0),
        }
    }
    Err(ItemProblem {
        code: "sigma-field",
        message: format!(
            "no dataset of this log source has the field `{}`",
            missing.unwrap_or_default()
        ),
        hint: "",
    })
}
