//! From text to program: names, arguments and types are checked before any record is read.

mod types;

use super::cell::{Cell, Home, Span};
use super::functions::{self, Function, Prepare, Prepared, Run};
use super::syntax::{self, Expr, ExprKind, Step};
use super::target::{self, Column};
use super::times::{DIRECTIVES, Format, Zone};
use super::{
    COLUMNS_MAX, Diagnostic, Entry, Excerpt, Mapping, NODES_MAX, Node, PATHS_MAX, PATTERN_BYTES_MAX,
};
use super::{Target, nearest};
use haetae_event::Dataset;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::ops::Range;

/// Names that `derive` knows beside the columns.
const DERIVED_NAMES: [&str; 3] = ["querystring", "path", "body"];
/// Where a body is looked for.
const BODY_KEYS: [&[&str]; 4] = [
    &["body"],
    &["request_body"],
    &["request", "body"],
    &["requestBody"],
];

/// What fields records can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// Any, objects in objects.
    Nested,
    /// Any, on one level.
    Flat,
    /// These only: the groups of patterns.
    Groups(Vec<String>),
}

/// The steps as one name; `None` when one is an index.
pub fn joined(steps: &[Step]) -> Option<String> {
    let keys: Option<Vec<&str>> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    keys.map(|keys| keys.join("."))
}

/// See [`Mapping::compile`].
pub fn compile(
    dataset: Dataset,
    names: &FieldNames,
    time_zone: Option<&Excerpt>,
    map: &[Entry],
    derive: &[Entry],
) -> Result<Mapping, Vec<Diagnostic>> {
    let mut checker = Checker {
        dataset,
        names: names.clone(),
        mapping: Mapping {
            targets: Vec::new(),
            paths: Vec::new(),
            literals: String::new(),
            zones: vec![Zone::utc()],
            zone_given: time_zone.is_some(),
        },
        path_places: HashMap::new(),
        later: Vec::new(),
        diagnostics: Vec::new(),
        nodes: 0,
    };
    if let Some(excerpt) = time_zone {
        match Zone::named(excerpt.text()) {
            Some(zone) => checker.mapping.zones[0] = zone,
            None => checker.diagnostics.push(excerpt.wrong(
                "unknown_zone",
                format!("the time zone `{}` is not known", excerpt.text()),
                "use an IANA name such as Asia/Seoul, or an offset such as +09:00",
            )),
        }
    }
    if let Some(entry) = map.iter().chain(derive).nth(COLUMNS_MAX) {
        let message = format!("more than {COLUMNS_MAX} columns");
        return Err(vec![entry.column.wrong("too_large", message, "")]);
    }
    for entry in map {
        checker.entry(entry, false);
    }
    for (at, entry) in derive.iter().enumerate() {
        checker.later = derive[at..]
            .iter()
            .map(|later| later.column.text().to_owned())
            .collect();
        checker.entry(entry, true);
    }
    match checker.diagnostics.is_empty() {
        true => Ok(checker.mapping),
        false => Err(checker.diagnostics),
    }
}

/// Compiles a pattern that is linear in the text and bounded in size.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .nest_limit(64)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("the pattern needs more than {limit} bytes"),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("it does not parse");
            last.trim_start_matches("error: ").to_owned()
        }
    })
}

struct Checker {
    dataset: Dataset,
    names: FieldNames,
    mapping: Mapping,
    path_places: HashMap<Vec<Step>, u16>,
    /// Columns that this line and later ones derive.
    later: Vec<String>,
    diagnostics: Vec<Diagnostic>,
    nodes: usize,
}

/// The expression at hand.
#[derive(Clone, Copy)]
struct Place<'e> {
    excerpt: &'e Excerpt,
    derives: bool,
}

impl Checker {
    fn error(
        &mut self,
        place: Place<'_>,
        span: Range<usize>,
        code: &'static str,
        message: String,
        hint: Option<String>,
    ) {
        let diagnostic = place.excerpt.diagnose(span, code, message, hint);
        self.diagnostics.push(diagnostic);
    }

    fn entry(&mut self, entry: &Entry, derives: bool) {
        let column = self.column(&entry.column);
        let place = Place {
            excerpt: &entry.expression,
            derives,
        };
        let expr = match syntax::parse(entry.expression.text()) {
            Ok(expr) => expr,
            Err(fault) => {
                let hint = fault.hint.map(str::to_owned);
                self.error(place, fault.span, fault.code, fault.message, hint);
                return;
            }
        };
        let before = self.diagnostics.len();
        let node = self.node(place, &expr);
        let Some(column) = column else { return };
        if self.diagnostics.len() == before {
            self.fits(place, &expr, column);
        }
        // A wrong line still names its column, so that later lines that use it are not wrong too.
        self.mapping.targets.push(Target {
            column,
            node: node.unwrap_or(Node::Const(Cell::Missing)),
            cast_failed: target::cast_failed(column),
        });
        if self.nodes > NODES_MAX {
            let message = format!("the mapping has more than {NODES_MAX} values, paths and calls");
            self.error(place, expr.span, "too_large", message, None);
        }
    }

    fn column(&mut self, name: &Excerpt) -> Option<Column> {
        let text = name.text();
        if target::RESERVED.contains(&text) {
            let message = format!("the column `{text}` is filled by the house, not by a record");
            self.diagnostics
                .push(name.wrong("reserved_column", message, "leave it out"));
            return None;
        }
        let Some(column) = target::resolve(self.dataset, text) else {
            let hint = nearest(text, target::names(self.dataset));
            let message = format!("the dataset {} has no column `{text}`", self.dataset);
            let whole = 0..text.len();
            self.diagnostics
                .push(name.diagnose(whole, "unknown_column", message, hint));
            return None;
        };
        if self.mapping.position(column.name).is_some() {
            let message = format!("the column `{}` is filled twice", column.name);
            self.diagnostics
                .push(name.wrong("duplicate_column", message, "write a || b in one line"));
            return None;
        }
        Some(column)
    }

    fn node(&mut self, place: Place<'_>, expr: &Expr) -> Option<Node> {
        self.nodes += 1;
        match &expr.kind {
            ExprKind::Path(steps) => self.path(place, expr, steps).map(Node::Path),
            ExprKind::Name(name) => self.name(place, expr, name),
            ExprKind::Int(number) => Some(Node::Const(Cell::Int(*number))),
            ExprKind::Float(number) => Some(Node::Const(Cell::Float(*number))),
            ExprKind::Bool(value) => Some(Node::Const(Cell::Bool(*value))),
            ExprKind::Text(text) => Some(Node::Const(self.literal(text))),
            ExprKind::First(choices) => self.first(place, choices),
            ExprKind::Default(main, other) => {
                let (main, other) = (self.node(place, main), self.node(place, other));
                Some(Node::First(vec![main?, other?]))
            }
            ExprKind::Call {
                name,
                name_span,
                args,
            } => match functions::find(name) {
                Some(function) => self.call(place, expr, function, args),
                None => {
                    let hint = nearest(name, functions::FUNCTIONS.iter().map(|f| f.name));
                    let message = format!("there is no function `{name}`");
                    self.error(place, name_span.clone(), "unknown_function", message, hint);
                    None
                }
            },
        }
    }

    fn literal(&mut self, text: &str) -> Cell {
        let start = self.mapping.literals.len();
        self.mapping.literals.push_str(text);
        Cell::Text(Span::new(Home::Literals, start..self.mapping.literals.len()))
    }

    fn path(&mut self, place: Place<'_>, expr: &Expr, steps: &[Step]) -> Option<u16> {
        if let Some(known) = self.path_places.get(steps) {
            return Some(*known);
        }
        if let Some((code, message, hint)) = self.unreachable(steps) {
            self.error(place, expr.span.clone(), code, message, hint);
            return None;
        }
        let number = self.mapping.paths.len();
        if number >= PATHS_MAX {
            let message = format!("the mapping has more than {PATHS_MAX} different paths");
            self.error(place, expr.span.clone(), "too_large", message, None);
            return None;
        }
        self.mapping.paths.push(steps.to_vec());
        self.path_places.insert(steps.to_vec(), number as u16);
        Some(number as u16)
    }

    /// Why no record can have a field at this path.
    fn unreachable(&self, steps: &[Step]) -> Option<(&'static str, String, Option<String>)> {
        let index = steps.iter().any(|step| matches!(step, Step::Index(_)));
        match &self.names {
            FieldNames::Nested => None,
            FieldNames::Flat | FieldNames::Groups(_) if index => {
                let message = "these records have no lists".to_owned();
                Some((
                    "flat_record",
                    message,
                    Some("use split_part(text, ',', 1)".to_owned()),
                ))
            }
            FieldNames::Flat => None,
            FieldNames::Groups(groups) => {
                let name = joined(steps)?;
                let known = name.is_empty() || groups.contains(&name);
                let hint = nearest(&name, groups.iter().map(String::as_str));
                let hint = hint.or_else(|| Some("name groups in the pattern: (?<name>…)".to_owned()));
                (!known).then(|| ("unknown_field", format!("no pattern has a group `{name}`"), hint))
            }
        }
    }

    fn first(&mut self, place: Place<'_>, choices: &[Expr]) -> Option<Node> {
        let nodes: Vec<Option<Node>> = choices.iter().map(|choice| self.node(place, choice)).collect();
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        let paths: Option<Box<[u16]>> = nodes
            .iter()
            .map(|node| match node {
                Node::Path(path) => Some(*path),
                _ => None,
            })
            .collect();
        Some(paths.map_or(Node::First(nodes), Node::Paths))
    }

    fn name(&mut self, place: Place<'_>, expr: &Expr, name: &str) -> Option<Node> {
        if !place.derives {
            let message = format!("`{name}` is neither a path nor a literal");
            let hint = format!("write $.{name} for the record's field, '{name}' for the text");
            self.error(place, expr.span.clone(), "bare_name", message, Some(hint));
            return None;
        }
        let column = target::resolve(self.dataset, name).map_or(name, |column| column.name);
        if let Some(at) = self.mapping.position(column) {
            return Some(Node::Column(at as u16));
        }
        match name {
            "querystring" | "path" => return self.part_of_uri(place, expr, name),
            "body" => return self.body(place, expr),
            _ => {}
        }
        if self.later.iter().any(|later| later == name) {
            let message = format!("the column `{name}` is not derived yet");
            let hint = "move its line further up".to_owned();
            self.error(place, expr.span.clone(), "not_yet_derived", message, Some(hint));
            return None;
        }
        let mapped: Vec<&str> = self.mapping.columns().chain(DERIVED_NAMES).collect();
        let hint = nearest(name, mapped);
        let message = format!("no column `{name}` is mapped");
        self.error(place, expr.span.clone(), "unknown_name", message, hint);
        None
    }

    fn part_of_uri(&mut self, place: Place<'_>, expr: &Expr, name: &str) -> Option<Node> {
        let Some(uri) = self.mapping.position("uri") else {
            let message = format!("`{name}` is a part of the column uri, which is not mapped");
            let hint = Some("map uri first".to_owned());
            self.error(place, expr.span.clone(), "unknown_name", message, hint);
            return None;
        };
        let function = functions::find(if name == "path" { "url_path" } else { "url_query" })?;
        let Run::Row(run) = function.run else { return None };
        Some(Node::Call {
            run,
            args: vec![Node::Column(uri as u16)],
            prepared: Prepared::Nothing,
        })
    }

    fn body(&mut self, place: Place<'_>, expr: &Expr) -> Option<Node> {
        let mut paths = Vec::new();
        for keys in BODY_KEYS {
            let steps: Vec<Step> = keys.iter().map(|key| Step::Key((*key).to_owned())).collect();
            if self.unreachable(&steps).is_none() {
                paths.push(self.path(place, expr, &steps)?);
            }
        }
        if paths.is_empty() {
            let message = "the records have no body".to_owned();
            self.error(place, expr.span.clone(), "unknown_name", message, None);
            return None;
        }
        Some(Node::Paths(paths.into()))
    }

    fn call(&mut self, place: Place<'_>, expr: &Expr, function: &Function, args: &[Expr]) -> Option<Node> {
        let (least, most) = (function.args_min, function.args_max);
        if args.len() < least || args.len() > most {
            let wants = match least == most {
                true => format!("{least}"),
                false => format!("{least} to {most}"),
            };
            let message = format!(
                "{} takes {wants} arguments, here are {}",
                function.name,
                args.len()
            );
            let hint = Some(format!("write {}", function.signature));
            self.error(place, expr.span.clone(), "argument_count", message, hint);
            return None;
        }
        let before = self.diagnostics.len();
        for at in function.numbers {
            if let Some(arg) = args.get(*at)
                && !matches!(arg.kind, ExprKind::Int(_))
            {
                let message = format!("{} wants a whole number here, written out", function.name);
                let hint = Some(format!("write {}", function.example));
                self.error(place, arg.span.clone(), "type_mismatch", message, hint);
            }
        }
        let prepared = self.prepare(place, function, args);
        // Prepared arguments are constants; they are evaluated for nothing, which costs little.
        let kept = match function.prepare {
            Prepare::Nothing => args,
            _ => &args[..1],
        };
        let nodes: Vec<Option<Node>> = kept.iter().map(|arg| self.node(place, arg)).collect();
        let mut nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        if self.diagnostics.len() > before {
            return None;
        }
        match function.run {
            Run::Row(run) => Some(Node::Call {
                run,
                args: nodes,
                prepared: prepared?,
            }),
            Run::First => Some(Node::First(nodes)),
            Run::If => {
                nodes.resize(3, Node::Const(Cell::Missing));
                let parts: Box<[Node; 3]> = Box::new(nodes.try_into().ok()?);
                Some(Node::If(parts))
            }
        }
    }

    /// The literal text of an argument.
    fn text_argument<'e>(&mut self, place: Place<'_>, function: &Function, arg: &'e Expr) -> Option<&'e str> {
        if let ExprKind::Text(text) = &arg.kind {
            return Some(text);
        }
        let message = format!("{} wants a text here, written out", function.name);
        let hint = Some(format!("write {}", function.example));
        self.error(place, arg.span.clone(), "type_mismatch", message, hint);
        None
    }

    fn prepare(&mut self, place: Place<'_>, function: &Function, args: &[Expr]) -> Option<Prepared> {
        let Some(arg) = args.get(1) else {
            return Some(match function.prepare {
                Prepare::Time => Prepared::Time(None, 0),
                _ => Prepared::Nothing,
            });
        };
        match function.prepare {
            Prepare::Nothing => Some(Prepared::Nothing),
            Prepare::Regex => {
                let text = self.text_argument(place, function, arg)?;
                match pattern(text) {
                    Ok(regex) => Some(Prepared::Regex(regex)),
                    Err(message) => {
                        self.error(place, arg.span.clone(), "bad_pattern", message, None);
                        None
                    }
                }
            }
            Prepare::Path => {
                let text = self.text_argument(place, function, arg)?;
                match syntax::parse_path(text) {
                    Ok(steps) => Some(Prepared::Path(steps)),
                    Err(fault) => {
                        let hint = fault.hint.map(str::to_owned);
                        self.error(place, arg.span.clone(), fault.code, fault.message, hint);
                        None
                    }
                }
            }
            Prepare::Time => self.prepare_time(place, function, args),
        }
    }

    fn prepare_time(&mut self, place: Place<'_>, function: &Function, args: &[Expr]) -> Option<Prepared> {
        let format_arg = args.get(1)?;
        let text = self.text_argument(place, function, format_arg)?;
        let format = match Format::new(text) {
            Ok(format) => format,
            Err((at, message)) => {
                // Inside the quotes; an escape before it would move it by one.
                let start = format_arg.span.start + 1 + at;
                let end = start + text[at..].chars().take(2).map(char::len_utf8).sum::<usize>();
                let known: String = DIRECTIVES.iter().map(|(c, _)| format!(" %{c}")).collect();
                let hint = Some(format!("known directives:{known}"));
                self.error(place, start..end, "bad_time_format", message, hint);
                return None;
            }
        };
        let Some(zone_arg) = args.get(2) else {
            return Some(Prepared::Time(Some(format), 0));
        };
        let name = self.text_argument(place, function, zone_arg)?;
        let Some(zone) = Zone::named(name) else {
            let message = format!("the time zone `{name}` is not known");
            let hint = Some("use an IANA name such as Asia/Seoul, or an offset such as +09:00".to_owned());
            self.error(place, zone_arg.span.clone(), "unknown_zone", message, hint);
            return None;
        };
        self.mapping.zones.push(zone);
        Some(Prepared::Time(Some(format), self.mapping.zones.len() - 1))
    }
}
