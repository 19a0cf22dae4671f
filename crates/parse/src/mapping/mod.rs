//! The mapping language: expressions over a record's fields that fill columns.
//!
//! `ts: $.time || $.@timestamp` · `status: int($.code)` · `blocked: $.waf.blocked ?: 0`
//!
//! What is here: the grammar, the functions, the check that a definition makes sense before any
//! record is read, and the evaluation, which runs each expression over all records of a chunk.
//! Texts are spans of the record wherever a function leaves them as they are.
//!
//! What is not here: how fields are found in records (see [`crate::custom`]).
//!
//! A value is *present* when it exists and is neither null, nor empty, nor `-`. `a || b` is the
//! first that is present, `a ?: literal` a default; any other function of a missing value is
//! missing. A value that does not fit its column is a warning, `cast_failed:<column>`, and null.

pub(crate) mod cell;
mod check;
mod diagnostic;
pub(crate) mod eval;
mod functions;
pub(crate) mod syntax;
pub(crate) mod target;
mod times;

pub use check::FieldNames;
pub(crate) use check::{joined, pattern as compile_pattern};
pub use diagnostic::{Diagnostic, Excerpt, nearest};
pub(crate) use functions::json_cell;
pub use functions::{FUNCTIONS, Function, functions_reference};
pub use syntax::{
    EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_NODES_MAX, KEY_BYTES_MAX, PATH_STEPS_MAX,
};
pub(crate) use times::{Zone, offset_seconds};

use cell::Cell;
use eval::{Machine, Table};
use functions::{Prepared, RowFn};
use haetae_event::{Dataset, Micros};
use syntax::Step;
use target::Column;

/// Most columns of one mapping, mapped and derived together.
pub const COLUMNS_MAX: usize = 256;
/// Most different paths of one mapping.
pub const PATHS_MAX: usize = 512;
/// Most values, paths and calls of one mapping.
pub const NODES_MAX: usize = 8192;
/// Largest compiled pattern in bytes.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// One line of `map` or `derive`.
#[derive(Clone, Debug)]
pub struct Entry {
    pub column: Excerpt,
    pub expression: Excerpt,
}

impl Entry {
    /// A line that is not taken from a file.
    pub fn inline(column: &str, expression: &str) -> Entry {
        Entry {
            column: Excerpt::inline("inline", column),
            expression: Excerpt::inline("inline", expression),
        }
    }
}

/// One step of the compiled program; gives one cell a record.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Const(Cell),
    Path(u16),
    /// The first path that is present.
    Paths(Box<[u16]>),
    /// A column of an earlier target, by its place.
    Column(u16),
    First(Vec<Node>),
    /// Condition, value, other.
    If(Box<[Node; 3]>),
    Call {
        run: RowFn,
        args: Vec<Node>,
        prepared: Prepared,
    },
}

/// A column and how it is made.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub column: Column,
    pub node: Node,
    /// Warning of a value that does not fit.
    pub cast_failed: &'static str,
}

/// A compiled mapping: immutable, shared by all inputs.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) targets: Vec<Target>,
    pub(crate) paths: Vec<Vec<Step>>,
    pub(crate) literals: String,
    /// The first one is the default zone.
    pub(crate) zones: Vec<Zone>,
    /// Whether the definition says which its default zone is; else it is the input's.
    pub(crate) zone_given: bool,
}

impl Mapping {
    /// Compiles `map` and then `derive` for a dataset, over records with the fields `names`.
    /// `time_zone` is that of times without an offset; `None` leaves it to the input
    /// ([`crate::ParseOptions::time_zone`]).
    ///
    /// # Errors
    /// Every mistake found, in the order of the lines.
    pub fn compile(
        dataset: Dataset,
        names: &FieldNames,
        time_zone: Option<&Excerpt>,
        map: &[Entry],
        derive: &[Entry],
    ) -> Result<Mapping, Vec<Diagnostic>> {
        check::compile(dataset, names, time_zone, map, derive)
    }

    /// Columns that are filled, in the order they are made.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.targets.iter().map(|target| target.column.name)
    }

    pub(crate) fn position(&self, column: &str) -> Option<usize> {
        self.targets
            .iter()
            .position(|target| target.column.name == column)
    }
}

/// What an expression without paths gives, as text; `None` when it is missing.
///
/// # Errors
/// The mistakes in the expression.
pub fn evaluate(expression: &str) -> Result<Option<String>, Vec<Diagnostic>> {
    // A text column takes whatever there is.
    let entry = Entry::inline("message", expression);
    let mapping = Mapping::compile(Dataset::App, &FieldNames::Nested, None, &[entry], &[])?;
    let mut machine = Machine::new(&mapping, None);
    let mut table = Table::new(mapping.paths.len());
    table.add_row();
    let shares = [eval::share(0)];
    machine.run(&mapping, &table, "", "", &shares, Micros(0));
    let cell = machine.cell(&table, 0, 0);
    Ok(machine
        .texts(&mapping, "", "")
        .text(cell)
        .map(|text| text.into_owned()))
}
