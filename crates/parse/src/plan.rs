//! Which columns a parser builds: the projection, resolved once per input.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use haetae_event::dataset::NativeType;
use haetae_event::{Columns, Dataset, schema};
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
        }
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
