//! One batch through a program: columns first, then what is looked up, then keywords, then the rules.

use super::Program;
use super::truth::{Mask, ones};
use crate::engine::column::{sign_of, sign_of_json};
use crate::engine::expr::{Compare, Expr, Reading};
use crate::engine::lookup::{Cell, CellOrColumn, Lookups, Source};
use crate::engine::record::Record;
use crate::engine::value::{Column, Value, lower};
use crate::sigma::item::Fields;
use arrow::array::Array;

/// Arrays of up to so many values need no memory of their own.
const FEW: usize = 8;

/// A batch, and the rows of it that are judged together.
pub(super) struct Pass<'p, 'b> {
    /// By column of the program.
    pub plain: Vec<Column<'b>>,
    pub lookups: Lookups<'p, 'b>,
    pub record: Record<'b>,
    pub start: usize,
    pub rows: usize,
}

impl Program {
    /// What wakes rules comes first, in all rows; all else only where a rule is awake.
    pub(super) fn judge_rows(&mut self, pass: &mut Pass<'_, '_>, hit: &mut impl FnMut(usize, u32)) {
        self.truth.restart(pass.rows);
        // First, since it reads the block from its beginning to its end.
        let sifted = match self.watch.record_always {
            true => self.sift_records(&pass.record, pass.start, &Mask::first(pass.rows)),
            false => None,
        };
        let all = Mask::first(pass.rows);
        for column in 0..self.columns.len() {
            if self.watch.waking[column] && self.readings[column] == Reading::Plain {
                self.read_plain(pass, column, &all);
            }
        }
        let read = match self.waking_fields.is_empty() {
            true => Mask::NONE,
            false => self.look_up(pass, &all),
        };
        if self.keywords.is_some() {
            let rows = self.record_rows(&all);
            let sifted = sifted.or_else(|| self.sift_records(&pass.record, pass.start, &rows));
            self.look_at_records(&pass.record, pass.start, &rows, sifted);
        }
        self.read_late(pass, &read);
        self.judge_rules(pass, hit);
    }

    /// What a column of the batch says in these rows.
    fn read_plain(&mut self, pass: &Pass<'_, '_>, at: usize, rows: &Mask) {
        let (column, source) = (&mut self.columns[at], &pass.plain[at]);
        match source {
            Column::Absent => {
                for item in &column.truths[column.nothing as usize] {
                    self.truth.set_all(*item, rows);
                }
            }
            Column::Text(texts) => {
                let many = rows.count() * FEW > pass.rows;
                self.signs.clear();
                if many {
                    let of = |at| match texts.is_valid(at) {
                        true => sign_of(texts.value(at)),
                        false => 0,
                    };
                    self.signs.extend((pass.start..pass.start + pass.rows).map(of));
                }
                for row in rows.rows() {
                    let at = pass.start + row;
                    let entry = if texts.is_valid(at) {
                        let text = texts.value(at);
                        let sign = self.signs.get(row).copied().unwrap_or_else(|| sign_of(text));
                        column.entry_of_text((text, sign), &self.hasher, &self.items)
                    } else {
                        column.nothing
                    };
                    self.truth.set_each(&column.truths[entry as usize], row);
                }
            }
            source => {
                for row in rows.rows() {
                    let entry = column.entry(source.value(pass.start + row), &self.hasher, &self.items);
                    self.truth.set_each(&column.truths[entry as usize], row);
                }
            }
        }
    }

    /// Reads the text of rows where a rule is awake that asks for more than is known; `read`: rows whose
    /// text was read before, of which all fields are known.
    fn read_late(&mut self, pass: &mut Pass<'_, '_>, read: &Mask) {
        let mut rows = Mask::NONE;
        for item in self.truth.touched() {
            let mut woken = self.watch.woken[*item as usize].iter();
            if woken.any(|rule| self.watch.rules[*rule as usize].late) {
                rows.or(self.truth.of(*item));
            }
        }
        let rows = rows.without(read);
        let mut read = *read;
        if !rows.is_empty() {
            read.or(self.read_texts(pass, &rows).words());
        }
        for (known, reading) in self.known.iter_mut().zip(&self.readings) {
            *known = match reading {
                Reading::Lookup(_) => read,
                Reading::Plain | Reading::Record => Mask::NONE,
            };
        }
    }

    /// Sees to it that an item is known in these rows of a word: what wakes no rule is read where one
    /// asks for it.
    fn know(&mut self, item: u32, word: usize, rows: u64, pass: &Pass<'_, '_>) {
        let column = self.items[item as usize].column;
        let unknown = rows & !self.known[column].words()[word];
        if self.watch.waking[column] || unknown == 0 {
            return;
        }
        let known = self.known[column].words()[word] | unknown;
        self.known[column].set_word(word, known);
        let mut rows = Mask::NONE;
        rows.set_word(word, unknown);
        match self.readings[column] {
            Reading::Plain => self.read_plain(pass, column, &rows),
            Reading::Lookup(field) => self.look_up_told(pass, field, &rows),
            Reading::Record => {}
        }
    }

    /// Rows in which a rule about the record may hold, as far as is known.
    fn record_rows(&self, all: &Mask) -> Mask {
        let is_such = |rule: &u32| self.watch.rules[*rule as usize].record;
        if self.watch.record_always || self.watch.unconditional.iter().any(is_such) {
            return *all;
        }
        let mut rows = Mask::NONE;
        for item in self.truth.touched() {
            if self.watch.woken[*item as usize].iter().any(is_such) {
                rows.or(self.truth.of(*item));
            }
        }
        rows
    }

    /// Looks the fields up that wake rules; gives back the rows whose text was read for it.
    fn look_up(&mut self, pass: &mut Pass<'_, '_>, rows: &Mask) -> Mask {
        let read = self.read_texts(pass, rows);
        let told = rows.without(&read);
        if !told.is_empty() {
            for at in 0..self.waking_fields.len() {
                self.look_up_told(pass, self.waking_fields[at], &told);
            }
        }
        read
    }

    /// All fields of those of these rows whose text has to be read.
    fn read_texts(&mut self, pass: &mut Pass<'_, '_>, rows: &Mask) -> Mask {
        let in_text = pass.lookups.in_text(pass.start, rows, &mut self.scratch);
        for row in in_text.rows() {
            pass.lookups.read(pass.start + row);
            self.look_at_text(&pass.lookups, row);
        }
        in_text
    }

    /// One field in rows whose text need not be read.
    fn look_up_told(&mut self, pass: &Pass<'_, '_>, field: usize, rows: &Mask) {
        if rows.is_empty() {
            return;
        }
        let column = &mut self.columns[self.looked_up[field]];
        let sources: Vec<Source<'_>> = pass.lookups.sources(field).collect();
        if sources.is_empty() {
            for item in &column.truths[column.nothing as usize] {
                self.truth.set_all(*item, rows);
            }
            return;
        }
        if let [Source::Json(json)] = sources.as_slice() {
            self.signs.clear();
            if rows.count() * FEW > pass.rows {
                let of = |at| match json.is_valid(at) {
                    true => sign_of_json(json.value(at)),
                    false => 0,
                };
                self.signs.extend((pass.start..pass.start + pass.rows).map(of));
            }
            for row in rows.rows() {
                let at = pass.start + row;
                let entry = if json.is_valid(at) {
                    let json = json.value(at);
                    let sign = self.signs.get(row).copied().unwrap_or_else(|| sign_of_json(json));
                    column.entry_of_json((json, sign), &self.hasher, &self.items)
                } else {
                    column.nothing
                };
                self.truth.set_each(&column.truths[entry as usize], row);
            }
            return;
        }
        for row in rows.rows() {
            let at = pass.start + row;
            let mut entry = column.nothing;
            for source in &sources {
                match source {
                    Source::Json(json) if json.is_valid(at) => {
                        let json = json.value(at);
                        entry = column.entry_of_json((json, sign_of_json(json)), &self.hasher, &self.items);
                        break;
                    }
                    Source::Json(_) => {}
                    Source::Column(of) => match pass.lookups.column(*of).value(at) {
                        Value::Null => {}
                        value => {
                            entry = column.entry(value, &self.hasher, &self.items);
                            break;
                        }
                    },
                }
            }
            self.truth.set_each(&column.truths[entry as usize], row);
        }
    }

    /// The fields of the row whose text was read last.
    fn look_at_text(&mut self, lookups: &Lookups<'_, '_>, row: usize) {
        self.next_generation();
        for field in lookups.present() {
            let at = self.looked_up[field as usize];
            if self.looked[at] == self.generation {
                continue;
            }
            self.looked[at] = self.generation;
            let column = &mut self.columns[at];
            let entry = match lookups.cell(field as usize) {
                CellOrColumn::Value(value) => column.entry(value, &self.hasher, &self.items),
                CellOrColumn::Cell(cell @ (Cell::List(_) | Cell::Object)) => {
                    let mut few = [Value::Null; FEW];
                    let mut count = 0;
                    cell.each(&mut |value| {
                        if let Some(place) = few.get_mut(count) {
                            *place = value;
                        }
                        count += 1;
                    });
                    match few.get(..count) {
                        Some(values) => column.entry_of(values, &self.hasher, &self.items),
                        None => {
                            let mut values = Vec::with_capacity(count);
                            cell.each(&mut |value| values.push(value));
                            column.entry_of(&values, &self.hasher, &self.items)
                        }
                    }
                }
                CellOrColumn::Cell(cell) => {
                    let mut single = Value::Null;
                    cell.each(&mut |value| single = value);
                    column.entry(single, &self.hasher, &self.items)
                }
            };
            self.truth.set_each(&column.truths[entry as usize], row);
        }
        // Absence says something to some items.
        for field in &self.telling {
            let at = self.looked_up[*field];
            if self.looked[at] != self.generation {
                let column = &self.columns[at];
                for item in &column.truths[column.nothing as usize] {
                    self.truth.set(*item, row);
                }
            }
        }
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.looked.fill(0);
            self.generation = 1;
        }
    }

    /// Rules that may hold somewhere, in order.
    fn candidates(&self) -> Vec<u32> {
        let touched = self.truth.touched().iter();
        let woken = touched.flat_map(|item| &self.watch.woken[*item as usize]);
        let mut candidates: Vec<u32> = woken.chain(&self.watch.unconditional).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    fn judge_rules(&mut self, pass: &mut Pass<'_, '_>, hit: &mut impl FnMut(usize, u32)) {
        let all = Mask::first(pass.rows);
        let mut found: Vec<(u32, Mask)> = Vec::new();
        let rules = self.watch.rules.clone();
        for candidate in self.candidates() {
            let rule = &rules[candidate as usize];
            let mut rows = all;
            if let Some(wakers) = &rule.wakers {
                rows = Mask::NONE;
                let wakers = wakers.iter().filter(|item| self.truth.is_touched(**item));
                wakers.for_each(|item| rows.or(self.truth.of(*item)));
            }
            let mut held = Mask::NONE;
            for word in 0..self.truth.words() {
                let held_here = self.holding(&rule.expr, word, rows.words()[word], pass);
                held.set_word(word, held_here);
            }
            if !held.is_empty() {
                found.push((rule.id, held));
            }
        }
        for word in 0..self.truth.words() {
            let any = found.iter().fold(0, |any, (_, held)| any | held.words()[word]);
            for bit in ones(any) {
                for (rule, _) in found
                    .iter()
                    .filter(|(_, held)| held.words()[word] >> bit & 1 == 1)
                {
                    hit(pass.start + word * 64 + bit, *rule);
                }
            }
        }
    }

    /// Of the rows `within` a word those in which the condition holds.
    fn holding(&mut self, expr: &Expr, word: usize, within: u64, pass: &mut Pass<'_, '_>) -> u64 {
        if within == 0 {
            return 0;
        }
        match expr {
            Expr::Item(item) => {
                self.know(*item, word, within, pass);
                self.truth.word(*item, word) & within
            }
            Expr::Compare(at) => {
                let compare = &self.compares[*at as usize];
                let rows = ones(within).filter(|bit| self.compares(compare, word * 64 + bit, pass));
                rows.fold(0, |held, bit| held | 1 << bit)
            }
            Expr::Not(inner) => within & !self.holding(inner, word, within, pass),
            Expr::And(parts) => parts
                .iter()
                .fold(within, |held, part| self.holding(part, word, held, pass)),
            Expr::Or(parts) => parts.iter().fold(0, |held, part| {
                held | self.holding(part, word, within & !held, pass)
            }),
        }
    }

    fn texts(&self, column: usize, cased: bool, row: usize, pass: &mut Pass<'_, '_>) -> Vec<String> {
        let mut texts = Vec::new();
        let mut add = |value: Value<'_>| {
            texts.extend(value.text().map(|text| {
                if cased {
                    text.into_owned()
                } else {
                    lower(&text).into_owned()
                }
            }));
        };
        match self.readings[column] {
            Reading::Plain => add(pass.plain[column].value(pass.start + row)),
            Reading::Lookup(field) => pass.lookups.values(field, pass.start + row, &mut add),
            Reading::Record => {}
        }
        texts
    }

    /// What is absent equals nothing, not even another absent field.
    fn compares(&self, compare: &Compare, row: usize, pass: &mut Pass<'_, '_>) -> bool {
        let Fields {
            all, relation, cased, ..
        } = compare.fields;
        let left = self.texts(compare.left, cased, row, pass);
        let mut each = compare.others.iter().map(|other| {
            let right = self.texts(*other, cased, row, pass);
            left.iter()
                .any(|text| right.iter().any(|other| relation.holds(text, other)))
        });
        if all {
            each.all(|holds| holds)
        } else {
            each.any(|holds| holds)
        }
    }
}
