//! Columns of a batch whose type is asked once, for loops over all rows.
//!
//! What is not here: columns as rules see them ([`crate::engine::value`]).

use crate::fields;
use arrow::array::{Array, AsArray, BooleanArray, Int32Array, Int64Array, StringViewArray};
use arrow::datatypes::DataType;
use haetae_event::EventBatch;

/// A column of texts; one of another type, or none, has no values.
#[derive(Clone, Copy)]
pub struct Texts<'a>(Option<&'a StringViewArray>);

impl<'a> Texts<'a> {
    pub fn of(batch: &'a EventBatch, name: &str) -> Texts<'a> {
        let column = batch.column(name);
        let texts = column.filter(|column| *column.data_type() == DataType::Utf8View);
        Texts(texts.map(|column| column.as_string_view()))
    }

    /// What keeps accounts apart: a keyed hash where names may not be told, else the name.
    pub fn accounts(batch: &'a EventBatch) -> Texts<'a> {
        let keys = Texts::of(batch, fields::ACCOUNT_KEY);
        if keys.0.is_some() {
            keys
        } else {
            Texts::of(batch, "account")
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.0
            .filter(|texts| texts.is_valid(row))
            .map(|texts| texts.value(row))
    }
}

/// A column of whole numbers, or of texts that are such.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    None,
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Text(&'a StringViewArray),
}

impl<'a> Numbers<'a> {
    pub fn of(batch: &'a EventBatch, name: &str) -> Numbers<'a> {
        let Some(column) = batch.column(name) else {
            return Numbers::None;
        };
        match column.data_type() {
            DataType::Int32 => Numbers::Int32(column.as_primitive()),
            DataType::Int64 => Numbers::Int64(column.as_primitive()),
            DataType::Utf8View => Numbers::Text(column.as_string_view()),
            _ => Numbers::None,
        }
    }

    /// The number; `None` too for a text that is none.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::Int32(numbers) => numbers.is_valid(row).then(|| i64::from(numbers.value(row))),
            Numbers::Int64(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
            Numbers::Text(texts) => texts.is_valid(row).then(|| texts.value(row).parse().ok())?,
            Numbers::None => None,
        }
    }

    /// The same of columns that hold numbers, without a look at texts.
    #[inline]
    pub fn exact(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::Text(_) => None,
            numbers => numbers.get(row),
        }
    }
}

/// A column of flags.
#[derive(Clone, Copy)]
pub struct Flags<'a>(Option<&'a BooleanArray>);

impl<'a> Flags<'a> {
    pub fn of(batch: &'a EventBatch, name: &str) -> Flags<'a> {
        let column = batch.column(name);
        let flags = column.filter(|column| *column.data_type() == DataType::Boolean);
        Flags(flags.map(|column| column.as_boolean()))
    }

    /// Whether it is set; not where there is no value.
    #[inline]
    pub fn is_set(&self, row: usize) -> bool {
        self.0
            .is_some_and(|flags| flags.is_valid(row) && flags.value(row))
    }
}
