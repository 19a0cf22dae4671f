//! Which columns a parser builds: the projection, resolved once per input.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use haetae_event::dataset::NativeType;
use haetae_event::inside::{self, Wanted};
use haetae_event::{Columns, Dataset, schema};
use std::collections::HashMap;
use std::sync::Arc;

/// How a column is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ts,
    Text,
    I32,
    I64,
    F64,
    Bool,
    Warnings,
}

/// Index of a wanted column, or [`Slot::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

impl Slot {
    /// Not wanted: whatever is put there costs nothing and goes nowhere.
    pub const NONE: Slot = Slot(u16::MAX);

    #[inline]
    pub fn wanted(self) -> bool {
        self != Slot::NONE
    }

    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The schema of a parser's batches: wanted ∩ (core columns the format can fill + native ones).
#[derive(Clone, Debug)]
pub struct Plan {
    schema: SchemaRef,
    kinds: Vec<Kind>,
    inside: Option<Inside>,
}

/// Values inside JSON that get columns of their own, see [`inside`].
#[derive(Clone, Debug)]
struct Inside {
    wanted: Arc<Wanted>,
    /// By column: the mark of the wishes that are fulfilled.
    marks: HashMap<String, String>,
}

impl Plan {
    /// `core` names the core columns the format can fill; `ts` is always in.
    pub fn new(dataset: Dataset, core: &[&str], wanted: &Columns) -> Self {
        let mut fields: Vec<Field> = schema::core_fields()
            .into_iter()
            .filter(|field| {
                let name = field.name().as_str();
                name == "ts" || (core.contains(&name) && wanted.wants(name))
            })
            .collect();
        for native in dataset.native_fields() {
            let kind = match native.kind {
                NativeType::Utf8 => DataType::Utf8View,
                NativeType::Int32 => DataType::Int32,
                NativeType::Int64 => DataType::Int64,
                NativeType::Float64 => DataType::Float64,
                NativeType::Boolean => DataType::Boolean,
                NativeType::Core(_) => continue,
            };
            if wanted.wants(native.column) {
                fields.push(Field::new(native.column, kind, true));
            }
        }
        let kinds = fields.iter().map(|field| kind_of(field.data_type())).collect();
        Plan {
            schema: Arc::new(Schema::new(fields)),
            kinds,
            inside: None,
        }
    }

    /// Fulfils the wishes inside those columns that `reads` says the parser looks into.
    pub fn with_inside(mut self, wanted: Option<&Arc<Wanted>>, reads: impl Fn(&str) -> bool) -> Plan {
        let Some(wanted) = wanted else { return self };
        let read = (0..).zip(&wanted.trees);
        let read = read.filter(|(_, tree)| self.slot(&tree.column).wanted() && reads(&tree.column));
        let marks: HashMap<String, String> = read
            .map(|(at, tree)| (tree.column.clone(), wanted.mark(at).to_owned()))
            .collect();
        if !marks.is_empty() {
            let wanted = wanted.clone();
            self.inside = Some(Inside { marks, wanted });
        }
        self
    }

    /// The wishes inside JSON that the parser fulfils: those of the trees of columns that
    /// [`Plan::reads_inside`].
    pub fn inside(&self) -> Option<&Arc<Wanted>> {
        self.inside.as_ref().map(|inside| &inside.wanted)
    }

    pub fn reads_inside(&self, column: &str) -> bool {
        self.inside
            .as_ref()
            .is_some_and(|inside| inside.marks.contains_key(column))
    }

    /// The schema with the column of what was found inside JSON.
    pub fn schema_with_inside(&self, found: DataType) -> SchemaRef {
        let marks = self.inside.as_ref().map(|inside| inside.marks.clone());
        let field = Field::new(inside::COLUMN, found, false).with_metadata(marks.unwrap_or_default());
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(field));
        Arc::new(Schema::new(fields))
    }

    pub fn slot(&self, column: &str) -> Slot {
        match self.schema.index_of(column) {
            Ok(index) => Slot(index as u16),
            Err(_) => Slot::NONE,
        }
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}

fn kind_of(kind: &DataType) -> Kind {
    match kind {
        DataType::Timestamp(..) => Kind::Ts,
        DataType::Int32 => Kind::I32,
        DataType::Int64 => Kind::I64,
        DataType::Float64 => Kind::F64,
        DataType::Boolean => Kind::Bool,
        DataType::List(_) => Kind::Warnings,
        _ => Kind::Text,
    }
}
