//! A parser's definition, checked as a whole: what is wrong is said all at once.

use super::blueprint::CustomBlueprint;
use super::extractor::ExtractorFactory;
use super::yaml::{Document, File, Lines, Placed, TestLine};
use crate::format::Format;
use crate::mapping::{Diagnostic, Excerpt, FieldNames, Mapping, compile_pattern, nearest};
use crate::parser::Blueprint;
use haetae_event::{Dataset, Reason};
use regex::Regex;
use serde_saphyr::Spanned;
use std::sync::Arc;

/// Largest definition file in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Most patterns of one definition.
pub const PATTERNS_MAX: usize = 32;
/// Most tests of one definition.
pub const TESTS_MAX: usize = 1000;
const ID_BYTES_MAX: usize = 64;

/// How fields are found in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Kv,
    Cef,
    Regex,
    /// By a module that runs in the sandbox.
    Custom,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Json, Kind::Kv, Kind::Cef, Kind::Regex, Kind::Custom];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Json => "json",
            Kind::Kv => "kv",
            Kind::Cef => "cef",
            Kind::Regex => "regex",
            Kind::Custom => "custom",
        }
    }
}

/// One test of a definition: a line and what must become of it.
#[derive(Clone, Debug)]
pub(super) struct TestCase {
    /// Line of the definition file.
    pub at: u32,
    pub line: String,
    /// (column, its value as text; `None` is null).
    pub expect: Vec<(String, Option<String>)>,
    pub reject: Option<Reason>,
}

/// A definition without mistakes. Immutable: another version is another definition.
#[derive(Clone, Debug)]
pub struct ParserDefinition {
    file: String,
    id: String,
    version: u32,
    kind: Kind,
    dataset: Dataset,
    patterns: Vec<Regex>,
    module: Option<String>,
    detect: Option<Regex>,
    mapping: Arc<Mapping>,
    required: Vec<usize>,
    pub(super) tests: Vec<TestCase>,
}

impl ParserDefinition {
    /// Reads and checks a definition. `file_name` is what diagnostics call it.
    ///
    /// # Errors
    /// Every mistake found, in the order of the file where they have a place in it.
    pub fn parse(file_name: &str, yaml: &str) -> Result<ParserDefinition, Vec<Diagnostic>> {
        let document = Document {
            name: file_name,
            text: yaml,
        };
        if yaml.len() > FILE_BYTES_MAX {
            let message = format!("the definition is longer than {FILE_BYTES_MAX} bytes");
            return Err(vec![Excerpt::inline(file_name, "").wrong(
                "too_large",
                message,
                "",
            )]);
        }
        let file = document.read().map_err(|diagnostic| vec![diagnostic])?;
        let mut check = Check {
            document,
            diagnostics: Vec::new(),
        };
        let definition = check.definition(&file);
        let mut diagnostics = check.diagnostics;
        match definition {
            Some(definition) if diagnostics.is_empty() => Ok(definition),
            _ => {
                diagnostics.sort_by_key(|d| (d.line, d.column));
                Err(diagnostics)
            }
        }
    }

    /// `shop-api`.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    /// `shop-api@v1`.
    pub fn parser_id(&self) -> String {
        format!("{}@v{}", self.id, self.version)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// The file of a [`Kind::Custom`] parser's module, beside the definition.
    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// Number of its own tests.
    pub fn test_count(&self) -> usize {
        self.tests.len()
    }

    pub(super) fn patterns(&self) -> &[Regex] {
        &self.patterns
    }

    pub(super) fn detect(&self) -> Option<&Regex> {
        self.detect.as_ref()
    }

    pub(super) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    pub(super) fn required(&self) -> &[usize] {
        &self.required
    }

    /// What inputs are opened with. A [`Kind::Custom`] parser needs an `extractor`, others take
    /// none.
    ///
    /// # Errors
    /// When the extractor is missing, or not wanted.
    pub fn blueprint(
        &self,
        extractor: Option<Arc<dyn ExtractorFactory>>,
    ) -> Result<Arc<dyn Blueprint>, Vec<Diagnostic>> {
        let problem = match (self.kind, extractor.is_some()) {
            (Kind::Custom, false) => Some("a custom parser runs a module, and none was given"),
            (kind, true) if kind != Kind::Custom => Some("only a custom parser runs a module"),
            _ => None,
        };
        if let Some(message) = problem {
            return Err(vec![Excerpt::inline(&self.file, "").wrong(
                "extractor",
                message,
                "",
            )]);
        }
        Ok(Arc::new(CustomBlueprint::new(self, extractor)))
    }
}

struct Check<'a> {
    document: Document<'a>,
    diagnostics: Vec<Diagnostic>,
}

/// Whether the name can be part of paths and of ids such as `shop-api@v1`.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether the text can name a user's parser: `NAME` or `NAME@vN`.
pub fn is_parser_id(text: &str) -> bool {
    let (name, version) = text.split_once("@v").unwrap_or((text, "1"));
    is_name(name) && version.parse::<u32>().is_ok_and(|version| version >= 1)
}

impl Check<'_> {
    fn missing(&mut self, key: &str, hint: &str) {
        let message = format!("the key `{key}` is missing");
        let start = Excerpt::inline(self.document.name, "");
        self.diagnostics.push(start.wrong("missing_key", message, hint));
    }

    fn wrong(&mut self, value: &Excerpt, code: &'static str, message: String, hint: &str) {
        self.diagnostics.push(value.wrong(code, message, hint));
    }

    fn definition(&mut self, file: &File) -> Option<ParserDefinition> {
        let id = self.id(file.id.as_ref());
        let version = self.version(file.version.as_ref());
        let kind = self.kind(file.kind.as_ref());
        let dataset = self.dataset(file.dataset.as_ref());
        let patterns = self.patterns(file, kind);
        let module = self.module(file.module.as_ref(), kind);
        let detect = file.detect.as_ref().and_then(|placed| {
            let excerpt = self.document.excerpt(placed);
            self.pattern(&excerpt)
        });
        // Without kind or dataset every field and column would be wrong.
        let (kind, dataset) = (kind?, dataset?);
        let mapping = self.mapping(file, kind, dataset, &patterns);
        let mapping = mapping?;
        let required = self.required(file.required.as_deref(), &mapping);
        let tests = self.tests(file.tests.as_deref(), &mapping);
        Some(ParserDefinition {
            file: self.document.name.to_owned(),
            id: id?,
            version: version?,
            kind,
            dataset,
            patterns,
            module,
            detect,
            mapping: Arc::new(mapping),
            required,
            tests,
        })
    }

    fn id(&mut self, placed: Option<&Placed>) -> Option<String> {
        let Some(placed) = placed else {
            self.missing("id", "add id: NAME");
            return None;
        };
        let excerpt = self.document.excerpt(placed);
        let text = excerpt.text();
        if !is_name(text) {
            let message = format!("`{text}` is no id");
            self.wrong(&excerpt, "bad_id", message, "use 1 to 64 of a-z, 0-9, - and _");
            return None;
        }
        if text.parse::<Format>().is_ok() {
            let message = format!("`{text}` is the name of a built-in parser");
            self.wrong(&excerpt, "reserved_id", message, "choose another id");
            return None;
        }
        Some(text.to_owned())
    }

    fn version(&mut self, placed: Option<&Placed>) -> Option<u32> {
        let Some(placed) = placed else {
            self.missing("version", "add version: 1");
            return None;
        };
        let excerpt = self.document.excerpt(placed);
        let version = excerpt.text().parse().ok().filter(|version| *version >= 1);
        if version.is_none() {
            let message = format!("`{}` is no version", excerpt.text());
            self.wrong(&excerpt, "bad_version", message, "use a whole number from 1");
        }
        version
    }

    fn kind(&mut self, placed: Option<&Placed>) -> Option<Kind> {
        let names = || Kind::ALL.into_iter().map(Kind::as_str);
        let Some(placed) = placed else {
            let known: Vec<&str> = names().collect();
            self.missing("kind", &format!("add kind: one of {}", known.join(", ")));
            return None;
        };
        let excerpt = self.document.excerpt(placed);
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == excerpt.text());
        if kind.is_none() {
            let hint = nearest(excerpt.text(), names()).unwrap_or_default();
            let message = format!("there is no kind `{}`", excerpt.text());
            self.wrong(&excerpt, "unknown_kind", message, &hint);
        }
        kind
    }

    fn dataset(&mut self, placed: Option<&Placed>) -> Option<Dataset> {
        let Some(placed) = placed else {
            return Some(Dataset::App);
        };
        let excerpt = self.document.excerpt(placed);
        let dataset = Dataset::parse(excerpt.text());
        if dataset.is_none() {
            let names = Dataset::ALL.into_iter().map(Dataset::as_str);
            let hint = nearest(excerpt.text(), names).unwrap_or_default();
            let message = format!("there is no dataset `{}`", excerpt.text());
            self.wrong(&excerpt, "unknown_dataset", message, &hint);
        }
        dataset
    }

    fn pattern(&mut self, excerpt: &Excerpt) -> Option<Regex> {
        match compile_pattern(excerpt.text()) {
            Ok(regex) => Some(regex),
            Err(message) => {
                self.wrong(excerpt, "bad_pattern", message, "");
                None
            }
        }
    }

    fn patterns(&mut self, file: &File, kind: Option<Kind>) -> Vec<Regex> {
        let excerpts = file.pattern.as_ref().map(|list| self.document.many(list));
        match (kind, excerpts) {
            (Some(Kind::Regex), None) => {
                self.missing("pattern", "add pattern: '^(?<name>…)'");
                Vec::new()
            }
            (Some(Kind::Regex) | None, Some(excerpts)) => {
                if let Some(excerpt) = excerpts.get(PATTERNS_MAX) {
                    let message = format!("more than {PATTERNS_MAX} patterns");
                    self.wrong(excerpt, "too_large", message, "join some with |");
                }
                let read = excerpts.iter().take(PATTERNS_MAX);
                read.filter_map(|excerpt| self.pattern(excerpt)).collect()
            }
            (Some(_), Some(excerpts)) => {
                if let Some(first) = excerpts.first() {
                    let message = "`pattern` belongs to kind: regex".to_owned();
                    self.wrong(first, "misplaced_key", message, "remove it, or use kind: regex");
                }
                Vec::new()
            }
            (_, None) => Vec::new(),
        }
    }

    fn module(&mut self, placed: Option<&Placed>, kind: Option<Kind>) -> Option<String> {
        let Some(placed) = placed else {
            if kind == Some(Kind::Custom) {
                self.missing("module", "add module: FILE.wasm");
            }
            return None;
        };
        let excerpt = self.document.excerpt(placed);
        let name = excerpt.text();
        if kind.is_some_and(|kind| kind != Kind::Custom) {
            let message = "`module` belongs to kind: custom".to_owned();
            self.wrong(
                &excerpt,
                "misplaced_key",
                message,
                "remove it, or use kind: custom",
            );
            return None;
        }
        // A file beside the definition, never a path.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let good = name.len() <= 128 && name.bytes().all(plain) && !name.starts_with('.');
        if !good || name.len() <= 5 || !name.ends_with(".wasm") {
            let message = format!("`{name}` is no file name of a module");
            self.wrong(
                &excerpt,
                "bad_module",
                message,
                "name a .wasm file beside the definition",
            );
            return None;
        }
        Some(name.to_owned())
    }

    fn mapping(&mut self, file: &File, kind: Kind, dataset: Dataset, patterns: &[Regex]) -> Option<Mapping> {
        let written = file.pattern.as_ref().map_or(0, |list| list.value.0.len());
        let names = match kind {
            Kind::Json | Kind::Custom => FieldNames::Nested,
            Kind::Kv | Kind::Cef => FieldNames::Flat,
            // A wrong or missing pattern is told already; which groups there are is not known.
            Kind::Regex if patterns.is_empty() || patterns.len() != written => FieldNames::Flat,
            Kind::Regex => {
                let groups = patterns.iter().flat_map(|regex| regex.capture_names().flatten());
                FieldNames::Groups(groups.map(str::to_owned).collect())
            }
        };
        let time_zone = file
            .time_zone
            .as_ref()
            .map(|placed| self.document.excerpt(placed));
        let map = self.document.entries(file.map.as_ref());
        let derive = self.document.entries(file.derive.as_ref());
        if map.is_empty() {
            self.missing("map", "add map: with at least ts: $.time");
        }
        match Mapping::compile(dataset, &names, time_zone.as_ref(), &map, &derive) {
            Ok(mapping) => Some(mapping),
            Err(mut found) => {
                self.diagnostics.append(&mut found);
                None
            }
        }
    }

    fn required(&mut self, list: Option<&[Placed]>, mapping: &Mapping) -> Vec<usize> {
        let mut places = Vec::new();
        for placed in list.unwrap_or_default() {
            let excerpt = self.document.excerpt(placed);
            match mapping.position(excerpt.text()) {
                Some(place) => places.push(place),
                None => {
                    let hint = nearest(excerpt.text(), mapping.columns()).unwrap_or_default();
                    let message = format!("the required column `{}` is not mapped", excerpt.text());
                    self.wrong(&excerpt, "unknown_column", message, &hint);
                }
            }
        }
        places
    }

    fn tests(&mut self, list: Option<&[Spanned<TestLine>]>, mapping: &Mapping) -> Vec<TestCase> {
        let list = list.unwrap_or_default();
        if let Some(test) = list.get(TESTS_MAX) {
            let excerpt = self.document.excerpt(&test.value.line);
            self.wrong(&excerpt, "too_large", format!("more than {TESTS_MAX} tests"), "");
        }
        let tests = list.iter().take(TESTS_MAX);
        tests.filter_map(|test| self.test(&test.value, mapping)).collect()
    }

    fn test(&mut self, test: &TestLine, mapping: &Mapping) -> Option<TestCase> {
        let line = self.document.excerpt(&test.line);
        if test.expect.is_none() == test.reject.is_none() {
            let message = "a test has either `expect` or `reject`".to_owned();
            self.wrong(
                &line,
                "bad_test",
                message,
                "add expect: {column: value}, or reject: REASON",
            );
            return None;
        }
        let reject = match &test.reject {
            Some(placed) => Some(self.reason(placed)?),
            None => None,
        };
        Some(TestCase {
            at: line.place().0,
            expect: self.expected(test.expect.as_ref(), mapping),
            line: line.text().to_owned(),
            reject,
        })
    }

    fn reason(&mut self, placed: &Placed) -> Option<Reason> {
        let excerpt = self.document.excerpt(placed);
        let found = Reason::ALL
            .into_iter()
            .find(|reason| reason.code() == excerpt.text());
        if found.is_none() {
            let hint = nearest(excerpt.text(), Reason::ALL.into_iter().map(Reason::code)).unwrap_or_default();
            let message = format!("there is no reason `{}`", excerpt.text());
            self.wrong(&excerpt, "unknown_reason", message, &hint);
        }
        found
    }

    fn expected(&mut self, lines: Option<&Lines>, mapping: &Mapping) -> Vec<(String, Option<String>)> {
        let mut expected = Vec::new();
        for (column, value) in lines.map_or(&[][..], |lines| &lines.0) {
            let excerpt = self.document.excerpt(column);
            let name = excerpt.text();
            let house = ["raw", "warnings", "attrs", "ts"];
            if mapping.position(name).is_none() && !house.contains(&name) {
                let hint = nearest(name, mapping.columns().chain(house)).unwrap_or_default();
                let message = format!("the expected column `{name}` is not mapped");
                self.wrong(&excerpt, "unknown_column", message, &hint);
                continue;
            }
            expected.push((name.to_owned(), value.value.0.clone()));
        }
        expected
    }
}
