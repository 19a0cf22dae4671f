//! One JSON record, read once: its members, and those of the objects in it.
//!
//! The members of each object lie next to each other, so that every object is a slice, and nothing
//! is scanned a second time to look into a nested one. Of arrays only the objects and arrays in
//! them are kept.

use crate::json_scan::{Fault, Inside, Kind, Member, Scanner, Value};
use std::ops::{Deref, Range};

/// Members that memory is kept for from record to record.
const KEPT_MAX: usize = 4096;

/// The members of a record; memory is used again for the next one.
#[derive(Default)]
pub struct Record {
    members: Vec<Member>,
    nested: Nested,
}

/// What stands in the objects and arrays of a record.
#[derive(Default)]
struct Nested {
    /// Of everything closed; behind them those of the innermost open one, unless it is apart.
    members: Vec<Member>,
    /// By [`Value::inside`]: where the members lie.
    levels: Vec<Range<u32>>,
    /// Members of what is open and apart, outermost first.
    apart: Vec<Member>,
    /// What is open, outermost first.
    open: Vec<Open>,
}

/// An object or array that is not closed yet.
struct Open {
    /// It has something nested in it, so that its members have to wait for the end of that.
    apart: bool,
    /// Where its own members begin.
    start: usize,
}

impl Record {
    /// Reads the object at the scanner's place. Without `inside` nested objects are only checked.
    ///
    /// # Errors
    /// As [`Scanner::object`]; what was read up to there means nothing.
    pub fn read(&mut self, scanner: &mut Scanner<'_>, inside: bool) -> Result<(), Fault> {
        self.nested.clear();
        self.members.shrink_to(KEPT_MAX);
        if inside {
            scanner.object_with(&mut self.members, &mut self.nested)
        } else {
            scanner.object(&mut self.members)
        }
    }

    /// The members of an object of this record in order, duplicates kept. Of an array the objects
    /// and arrays, under empty keys. Nothing for anything else, and where inside was not asked for.
    pub fn inside(&self, value: &Value) -> &[Member] {
        self.nested
            .levels
            .get(value.inside as usize)
            .and_then(|level| self.nested.members.get(level.start as usize..level.end as usize))
            .unwrap_or_default()
    }

    /// As [`Record::inside`], nothing for anything but an object.
    pub fn members_of(&self, value: &Value) -> &[Member] {
        match value.kind {
            Kind::Object => self.inside(value),
            _ => &[],
        }
    }

    /// As [`Record::inside`], nothing for anything but an array.
    pub fn items_of(&self, value: &Value) -> &[Member] {
        match value.kind {
            Kind::Array => self.inside(value),
            _ => &[],
        }
    }
}

/// The record's own members.
impl Deref for Record {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        &self.members
    }
}

impl Nested {
    fn clear(&mut self) {
        self.members.clear();
        self.members.shrink_to(KEPT_MAX);
        self.levels.clear();
        self.levels.shrink_to(KEPT_MAX);
        self.apart.clear();
        self.apart.shrink_to(KEPT_MAX);
        self.open.clear();
    }
}

impl Inside for Nested {
    #[inline]
    fn open(&mut self, kind: Kind, key: Option<Value>, start: usize) {
        // The outermost is a member of the record, which is put together elsewhere.
        if let Some(around) = self.open.last_mut() {
            if !around.apart {
                let first = self.apart.len();
                self.apart.extend(self.members.drain(around.start..));
                *around = Open {
                    apart: true,
                    start: first,
                };
            }
            self.apart.push(Member {
                key: key.unwrap_or(Value::new(Kind::Null, start..start)),
                value: Value::new(kind, start..start),
            });
        }
        self.open.push(Open {
            apart: false,
            start: self.members.len(),
        });
    }

    #[inline]
    fn scalar(&mut self, key: Option<Value>, value: Value) {
        let Some(key) = key else {
            return;
        };
        match self.open.last() {
            Some(around) if around.apart => self.apart.push(Member { key, value }),
            _ => self.members.push(Member { key, value }),
        }
    }

    #[inline]
    fn close(&mut self, end: usize) -> u32 {
        let mut first = self.members.len();
        match self.open.pop() {
            Some(itself) if itself.apart => self.members.extend(self.apart.drain(itself.start..)),
            Some(itself) => first = itself.start,
            None => {}
        }
        let level = self.levels.len() as u32;
        self.levels.push(first as u32..self.members.len() as u32);
        if !self.open.is_empty()
            && let Some(itself) = self.apart.last_mut()
        {
            itself.value.span.end = end;
            itself.value.inside = level;
        }
        level
    }
}

#[cfg(test)]
mod tests;
