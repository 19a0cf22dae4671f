//! One batch through a program: columns first, then what is looked up, then keywords, then the rules.

use super::truth::{Mask, ones};
use super::{Program, RuleSpec};
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
    pub(super) fn judge_rows(&mut self, pass: &mut Pass<'_, '_>, hit: &mut impl FnMut(usize, u32)) {
        self.truth.restart(pass.rows);
        // First, since it reads the block from its beginning to its end.
        let sifted = match self.watch.record_always {
            true => self.sift_records(&pass.record, pass.start, &Mask::first(pass.rows)),
            false => None,
        };
        self.read_plain(pass);
        let lookups = self.rows_of(pass, self.watch.lookups_always, |rule| rule.lookups);
        self.look_up(pass, &lookups);
        if self.keywords.is_some() {
            let rows = self.rows_of(pass, self.watch.record_always, |rule| rule.record);
            let sifted = sifted.or_else(|| self.sift_records(&pass.record, pass.start, &rows));
            self.look_at_records(&pass.record, pass.start, &rows, sifted);
            if !self.watch.lookups_always {
                let woken = self.rows_of(pass, false, |rule| rule.lookups);
                self.look_up(pass, &woken.without(&lookups));
            }
        }
        self.judge_rules(pass, hit);
    }

    /// What the columns of the batch say.
    fn read_plain(&mut self, pass: &Pass<'_, '_>) {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let source = &pass.plain[at];
            let silent = matches!(source, Column::Absent) && column.nothing == 0;
            if self.readings[at] != Reading::Plain || silent {
                continue;
            }
            match source {
                Column::Absent => {
                    for item in &column.truths[column.nothing as usize] {
                        self.truth.set_all(*item, &Mask::first(pass.rows));
                    }
                }
                Column::Text(texts) => {
                    let signs = &mut self.signs;
                    signs.clear();
                    let of = |at| {
                        if texts.is_valid(at) {
                            sign_of(texts.value(at))
                        } else {
                            0
                        }
                    };
                    signs.extend((pass.start..pass.start + pass.rows).map(of));
                    for (row, sign) in signs.iter().enumerate() {
                        let at = pass.start + row;
                        let entry = if texts.is_valid(at) {
                            column.entry_of_text((texts.value(at), *sign), &self.hasher, &self.items)
                        } else {
                            column.nothing
                        };
                        self.truth.set_each(&column.truths[entry as usize], row);
                    }
                }
                source => {
                    for row in 0..pass.rows {
                        let entry = column.entry(source.value(pass.start + row), &self.hasher, &self.items);
                        self.truth.set_each(&column.truths[entry as usize], row);
                    }
                }
            }
        }
    }

    /// Rows in which a rule may hold, as far as is known, that is one of `which`; with `always` all.
    fn rows_of(&self, pass: &Pass<'_, '_>, always: bool, which: fn(&RuleSpec) -> bool) -> Mask {
        let all = Mask::first(pass.rows);
        let mut unconditional = self.watch.unconditional.iter();
        if always || unconditional.any(|rule| which(&self.watch.rules[*rule as usize])) {
            return all;
        }
        let mut rows = Mask::NONE;
        for item in self.truth.touched() {
            let mut woken = self.watch.woken[*item as usize].iter();
            if woken.any(|rule| which(&self.watch.rules[*rule as usize])) {
                rows.or(self.truth.of(*item));
            }
        }
        rows
    }

    /// Looks all fields up in these rows.
    fn look_up(&mut self, pass: &mut Pass<'_, '_>, rows: &Mask) {
        if rows.is_empty() {
            return;
        }
        let in_text = pass.lookups.in_text(pass.start, rows, &mut self.scratch);
        let told = rows.without(&in_text);
        if !told.is_empty() {
            for field in 0..self.looked_up.len() {
                self.look_up_told(pass, field, &told);
            }
        }
        for row in in_text.rows() {
            pass.lookups.read(pass.start + row);
            self.look_at_text(&pass.lookups, row);
        }
    }

    /// One field in rows whose text need not be read.
    fn look_up_told(&mut self, pass: &Pass<'_, '_>, field: usize, rows: &Mask) {
        let column = &mut self.columns[self.looked_up[field]];
        let sources: Vec<Source<'_>> = pass.lookups.sources(field).collect();
        if sources.is_empty() {
            for item in &column.truths[column.nothing as usize] {
                self.truth.set_all(*item, rows);
            }
            return;
        }
        if let [Source::Json(json)] = sources.as_slice() {
            let signs = &mut self.signs;
            signs.clear();
            let of = |at| {
                if json.is_valid(at) {
                    sign_of_json(json.value(at))
                } else {
                    0
                }
            };
            signs.extend((pass.start..pass.start + pass.rows).map(of));
            for row in rows.rows() {
                let at = pass.start + row;
                let entry = if json.is_valid(at) {
                    let value = (json.value(at), signs[row]);
                    column.entry_of_json(value, &self.hasher, &self.items)
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
        for candidate in self.candidates() {
            let rule = &self.watch.rules[candidate as usize];
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
    fn holding(&self, expr: &Expr, word: usize, within: u64, pass: &mut Pass<'_, '_>) -> u64 {
        if within == 0 {
            return 0;
        }
        match expr {
            Expr::Item(item) => self.truth.word(*item, word) & within,
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
