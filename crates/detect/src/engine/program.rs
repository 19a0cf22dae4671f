//! All rules of one dataset compiled together: items are told apart by (column, view, test),
//! evaluated once per distinct value, and rules are looked at only when an item they cannot do
//! without is true. Looking into JSON and reading the whole record for keywords is put off until a
//! rule that could hold needs it.

mod builder;

pub use super::record::KEYWORDS;
pub use builder::{Builder, MissingField};

use super::column::{ColumnProgram, ItemSpec};
use super::expr::{Compare, Expr, Kinds, Reading};
use super::lookup::{Cell, CellOrColumn, LookupPlan, Lookups};
use super::record::{PARTS, Record};
use super::value::{Column, Value, lower};
use crate::fields;
use crate::sigma::item::Fields;
use ahash::RandomState;
use haetae_event::EventBatch;

struct RuleSpec {
    expr: Expr,
    id: u32,
    lookups: bool,
    record: bool,
}

/// Arrays of up to so many values need no memory of their own.
const FEW: usize = 8;

/// Which rules to look at when.
struct Watch {
    rules: Vec<RuleSpec>,
    /// Item → compiled rules that cannot hold without it (or another of the same set).
    woken: Vec<Vec<u32>>,
    unconditional: Vec<u32>,
    /// Some rule shows itself only by what is looked up, or by keywords.
    lookups_always: bool,
    record_always: bool,
}

impl Watch {
    fn of(kinds: &Kinds<'_>, rules: Vec<(Expr, u32)>) -> Watch {
        let mut watch = Watch {
            rules: Vec::new(),
            woken: vec![Vec::new(); kinds.items.len()],
            unconditional: Vec::new(),
            lookups_always: false,
            record_always: false,
        };
        for (index, (expr, id)) in rules.into_iter().enumerate() {
            let index = u32::try_from(index).expect("fewer rules than 2^32");
            match kinds.needed(&expr) {
                Some((_, items)) => {
                    for item in items {
                        watch.woken[item as usize].push(index);
                        watch.lookups_always |= matches!(kinds.reading(item), Reading::Lookup(_));
                        watch.record_always |= kinds.reading(item) == Reading::Record;
                    }
                }
                None => watch.unconditional.push(index),
            }
            let (mut lookups, mut record) = (false, false);
            kinds.reads(&expr, &mut |reading| match reading {
                Reading::Lookup(_) => lookups = true,
                Reading::Record => record = true,
                Reading::Plain => {}
            });
            watch.rules.push(RuleSpec {
                expr,
                id,
                lookups,
                record,
            });
        }
        watch
    }
}

/// What is compiled for one dataset. Remembers distinct values between batches.
pub struct Program {
    items: Vec<ItemSpec>,
    columns: Vec<ColumnProgram>,
    readings: Vec<Reading>,
    plan: LookupPlan,
    /// Field of the plan → its column.
    looked_up: Vec<usize>,
    /// Looked-up columns whose absence satisfies an item.
    telling: Vec<usize>,
    /// Column → the generation in which it was looked up.
    looked: Vec<u32>,
    compares: Vec<Compare>,
    watch: Watch,
    keywords: Option<Keywords>,
    hasher: RandomState,
    stamp: Vec<u32>,
    generation: u32,
}

/// How keywords are found.
struct Keywords {
    /// The column that stands for the whole record.
    column: usize,
    /// Items true where a literal of a keyword is in what a client sent encoded.
    in_requests: Vec<u32>,
    /// Scratch: a record without escapes.
    plain: String,
}

/// One row of a batch: what has been found true, and how to read the rest.
struct Row<'r, 'p, 'b> {
    stamp: &'r [u32],
    generation: u32,
    compares: &'r [Compare],
    readings: &'r [Reading],
    plain: &'r [Column<'b>],
    lookups: &'r Lookups<'p, 'b>,
    at: usize,
}

impl Row<'_, '_, '_> {
    fn holds(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Item(item) => self.stamp[*item as usize] == self.generation,
            Expr::Compare(at) => self.compares(&self.compares[*at as usize]),
            Expr::Not(inner) => !self.holds(inner),
            Expr::And(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.holds(part)),
        }
    }

    fn texts(&self, column: usize, cased: bool) -> Vec<String> {
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
            Reading::Plain => add(self.plain[column].value(self.at)),
            Reading::Lookup(field) => match self.lookups.cell(field) {
                CellOrColumn::Cell(cell) => cell.each(&mut add),
                CellOrColumn::Value(value) => add(value),
            },
            Reading::Record => {}
        }
        texts
    }

    /// What is absent equals nothing, not even another absent field.
    fn compares(&self, compare: &Compare) -> bool {
        let Fields {
            all, relation, cased, ..
        } = compare.fields;
        let left = self.texts(compare.left, cased);
        let mut each = compare.others.iter().map(|other| {
            let right = self.texts(*other, cased);
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

impl Program {
    pub fn is_empty(&self) -> bool {
        self.watch.rules.is_empty()
    }

    /// Columns of a batch that the rules read; [`KEYWORDS`] among them when there are keywords.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        self.columns.iter().flat_map(|column| match column.name.as_str() {
            KEYWORDS => PARTS
                .iter()
                .chain(&["raw", "attrs", KEYWORDS])
                .map(|name| (*name).to_owned())
                .collect(),
            name => fields::stored(name),
        })
    }

    /// Calls `hit(row, rule id)` for every match, rows in order.
    pub fn run(&mut self, batch: &EventBatch, mut hit: impl FnMut(usize, u32)) {
        let (plain, entries) = self.read_plain(batch);
        let plan = std::mem::take(&mut self.plan);
        let mut lookups = Lookups::new(&plan, batch);
        let record = Record::of(batch);
        let mut candidates: Vec<u32> = Vec::new();
        for row in 0..batch.rows() {
            self.next_generation();
            candidates.clear();
            candidates.extend(&self.watch.unconditional);
            for (column, entries) in &entries {
                let entry = entries[row] as usize;
                if entry == 0 {
                    continue;
                }
                for &item in &self.columns[*column].truths[entry] {
                    self.stamp[item as usize] = self.generation;
                    candidates.extend(&self.watch.woken[item as usize]);
                }
            }
            self.read_late(row, &mut lookups, &record, &mut candidates);
            if candidates.len() > 1 {
                candidates.sort_unstable();
                candidates.dedup();
            }
            let view = Row {
                stamp: &self.stamp,
                generation: self.generation,
                compares: &self.compares,
                readings: &self.readings,
                plain: &plain,
                lookups: &lookups,
                at: row,
            };
            for &rule in &candidates {
                let rule = &self.watch.rules[rule as usize];
                if view.holds(&rule.expr) {
                    hit(row, rule.id);
                }
            }
        }
        drop(lookups);
        self.plan = plan;
    }

    /// The columns of the batch, and the entry of every row for those of the plain ones in which
    /// some row has one that says anything (entry 0 does not).
    fn read_plain<'b>(&mut self, batch: &'b EventBatch) -> (Vec<Column<'b>>, Vec<(usize, Vec<u32>)>) {
        let mut plain = Vec::with_capacity(self.columns.len());
        let mut telling = Vec::new();
        for (at, (column, reading)) in self.columns.iter_mut().zip(&self.readings).enumerate() {
            column.forget_when_full();
            let source = match reading {
                Reading::Plain => Column::of(batch, &column.name),
                _ => Column::Absent,
            };
            let silent = matches!(source, Column::Absent) && column.nothing == 0;
            if *reading == Reading::Plain && !silent {
                let entry = |row| column.entry(source.value(row), &self.hasher, &self.items);
                let entries: Vec<u32> = (0..batch.rows()).map(entry).collect();
                if entries.iter().any(|entry| *entry != 0) {
                    telling.push((at, entries));
                }
            }
            plain.push(source);
        }
        (plain, telling)
    }

    /// Looks into JSON and at the whole record, where a rule needs it that could still hold or
    /// that shows itself no other way.
    fn read_late(
        &mut self,
        row: usize,
        lookups: &mut Lookups<'_, '_>,
        record: &Record<'_>,
        candidates: &mut Vec<u32>,
    ) {
        let asks = |watch: &Watch, candidates: &[u32], of: fn(&RuleSpec) -> bool| {
            candidates.iter().any(|rule| of(&watch.rules[*rule as usize]))
        };
        if self.watch.lookups_always || asks(&self.watch, candidates, |rule| rule.lookups) {
            lookups.read(row);
            self.look(lookups, candidates);
        }
        if self.watch.record_always || asks(&self.watch, candidates, |rule| rule.record) {
            self.look_at_record(record, row, candidates);
            if asks(&self.watch, candidates, |rule| rule.lookups) {
                lookups.read(row);
                self.look(lookups, candidates);
            }
        }
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.stamp.fill(0);
            self.looked.fill(0);
            self.generation = 1;
        }
    }

    /// Marks the items true for the looked-up fields of the row just read.
    fn look(&mut self, lookups: &Lookups<'_, '_>, candidates: &mut Vec<u32>) {
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
            for &item in &column.truths[entry as usize] {
                self.stamp[item as usize] = self.generation;
                candidates.extend(&self.watch.woken[item as usize]);
            }
        }
        // Absence says something to some items.
        for &at in &self.telling {
            if self.looked[at] == self.generation {
                continue;
            }
            self.looked[at] = self.generation;
            let column = &self.columns[at];
            for &item in &column.truths[column.nothing as usize] {
                self.stamp[item as usize] = self.generation;
                candidates.extend(&self.watch.woken[item as usize]);
            }
        }
    }

    /// Marks the keywords that are in the row. Records hardly repeat: nothing is remembered.
    fn look_at_record(&mut self, record: &Record<'_>, row: usize, candidates: &mut Vec<u32>) {
        if self.holds_no_keyword(record, row) {
            return;
        }
        let Some(keywords) = &self.keywords else { return };
        let texts = record.texts(row);
        let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        let column = &mut self.columns[keywords.column];
        column.judge(&values, !values.is_empty(), &self.items);
        for &item in column.held() {
            self.stamp[item as usize] = self.generation;
            candidates.extend(&self.watch.woken[item as usize]);
        }
    }

    /// Whether no literal of a keyword is in the row, without putting its texts together.
    fn holds_no_keyword(&mut self, record: &Record<'_>, row: usize) -> bool {
        let Some(keywords) = &mut self.keywords else {
            return true;
        };
        let mut in_requests = keywords.in_requests.iter();
        if in_requests.any(|item| self.stamp[*item as usize] == self.generation) {
            return false;
        }
        let Some((raw, plain)) = record.at_first_sight(row, &mut keywords.plain) else {
            return false;
        };
        let column = &mut self.columns[keywords.column];
        column.is_silent(raw) && plain.is_none_or(|plain| column.is_silent(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::View;
    use crate::ruleset::RuleSet;
    use crate::sigma::document::Document;
    use haetae_event::Dataset;
    use proptest::prelude::*;

    /// An item without literals is evaluated for every distinct URI.
    #[test]
    fn nearly_every_builtin_item_has_literals_to_look_for() {
        let mut builder = Builder::new(Dataset::CloudFront);
        for loaded in RuleSet::builtin().loaded() {
            if let Document::Rule(rule) = loaded.document.as_ref() {
                // Firewall rules have other fields.
                let _ = builder.add(rule, 0);
            }
        }
        let program = builder.build();
        let uri = program
            .columns
            .iter()
            .find(|column| column.name == "uri")
            .expect("rules on uri");
        // Scores are found once for a value, however many items ask for them.
        let view = |item: &&u32| program.items[**item as usize].view;
        let costly = uri
            .always
            .iter()
            .filter(|item| !matches!(view(item), View::Score(_)))
            .count();
        assert!(costly <= 1, "{costly} items");
    }

    const KEYWORDS_TRIED: &str = "title: t\nid: t\nlogsource: {category: webserver}\ndetection:\n  \
        keywords: [\"<a b\", 'k\\\\', '\\u0041x', \"'1'='1\", kelvin, 한글, \"%41\", aaaa%2fb]\n  condition: keywords\n";

    fn of_keywords(dataset: Dataset) -> Program {
        let mut rules = RuleSet::empty();
        rules.load_text("t.yml", KEYWORDS_TRIED);
        let mut builder = Builder::new(dataset);
        for loaded in rules.loaded() {
            if let Document::Rule(rule) = loaded.document.as_ref() {
                assert!(builder.add(rule, 0).is_ok());
            }
        }
        builder.build()
    }

    fn batch_of(dataset: Dataset, raws: &[String], uris: Option<&[String]>) -> EventBatch {
        use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
        let texts =
            |texts: &[String]| -> ArrayRef { std::sync::Arc::new(StringViewArray::from_iter_values(texts)) };
        let mut columns = vec![("raw", texts(raws))];
        columns.extend(uris.map(|uris| ("uri", texts(uris))));
        EventBatch {
            tenant: haetae_event::TenantId::default(),
            dataset,
            records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<a b",
            "k\\",
            "K\u{212a}ELVIN",
            "\u{212a}elvin",
            "\\u212aelvin",
            "\\u003ca b",
            "%3Ca%20b",
            "%3Ca+b",
            "&lt;a b",
            "%2541",
            "'1'='1",
            "%271%27%3D%271",
            "한글",
            "\\ud55c\\uae00",
            "{",
            "\"",
            "\\\"",
            "\\u0041x",
            "%",
            "+",
            "?",
            "&",
            "aaaa%2Fb",
            "x",
            " ",
            "}",
        ]);
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_500))]

        /// What is told at first sight is what all texts of the record say.
        #[test]
        fn no_keyword_is_overlooked(
            raws in prop::collection::vec((pieces(), any::<bool>()), 1..6),
            uris in prop::collection::vec(pieces(), 6),
            is_request in any::<bool>(),
        ) {
            let raws: Vec<String> = raws
                .into_iter()
                .map(|(text, json)| if json { format!("{{\"a\":\"{text}\"}}") } else { text })
                .collect();
            let mut program = of_keywords(Dataset::Web);
            let batch = batch_of(Dataset::Web, &raws, is_request.then(|| &uris[..raws.len()]));
            let mut found = Vec::new();
            program.run(&batch, |row, _| found.push(row));
            let column = program.keywords.as_ref().map(|keywords| keywords.column).expect("there are some");
            let record = Record::of(&batch);
            for row in 0..raws.len() {
                let texts = record.texts(row);
                let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
                program.columns[column].judge(&values, true, &program.items);
                let holds = !program.columns[column].held().is_empty();
                prop_assert_eq!(holds, found.contains(&row), "{:?} {:?}", raws[row], uris[row]);
            }
        }
    }
}
