//! All rules of one dataset compiled together: items are told apart by (column, view, test) and
//! evaluated once per distinct value. What is true in which rows stands in bits ([`truth`]); rules are
//! conditions over those, 64 rows at once, and are looked at only where an item that they cannot do
//! without is true. Reading JSON text and the whole record for keywords is put off until a rule that
//! could hold needs it.

mod builder;
mod keywords;
mod run;
mod truth;

pub use super::record::KEYWORDS;
pub use builder::{Builder, MissingField};

use super::column::{ColumnProgram, ItemSpec};
use super::expr::{Compare, Expr, Kinds, Reading};
use super::lookup::{LookupPlan, Lookups};
use super::record::{PARTS, Record};
use super::value::Column;
use crate::fields;
use ahash::RandomState;
use haetae_event::EventBatch;
use haetae_event::inside::Wanted;
use keywords::Keywords;
use run::Pass;
use std::collections::BTreeSet;
use std::sync::Arc;
pub(super) use truth::Mask;
use truth::{ROWS, Truth};

struct RuleSpec {
    expr: Expr,
    id: u32,
    /// Items one of which must be true for the rule to hold; `None`: it can hold with all of them
    /// false.
    wakers: Option<Vec<u32>>,
    record: bool,
    /// It asks for fields that are looked up only where a rule needs them.
    late: bool,
}

/// Which rules to look at when.
struct Watch {
    rules: Arc<Vec<RuleSpec>>,
    /// Item → rules that it wakes.
    woken: Vec<Vec<u32>>,
    unconditional: Vec<u32>,
    /// By column: whether it is read in every row, since it wakes rules.
    waking: Vec<bool>,
    /// Some rule shows itself only by keywords.
    record_always: bool,
}

impl Watch {
    /// `asked`: items that are to be known in every row besides.
    fn of(kinds: &Kinds<'_>, rules: Vec<(Expr, u32)>, asked: &[u32]) -> Watch {
        let mut specs: Vec<RuleSpec> = Vec::new();
        let mut watch = Watch {
            rules: Arc::default(),
            woken: vec![Vec::new(); kinds.items.len()],
            unconditional: Vec::new(),
            waking: vec![false; kinds.names.len()],
            record_always: false,
        };
        let column = |item: u32| kinds.items[item as usize].column;
        asked.iter().for_each(|item| watch.waking[column(*item)] = true);
        for (index, (wakers, (expr, id))) in kinds.wakers(&rules).into_iter().zip(rules).enumerate() {
            let index = u32::try_from(index).expect("fewer rules than 2^32");
            for item in wakers.iter().flatten() {
                watch.woken[*item as usize].push(index);
                watch.waking[column(*item)] = true;
                watch.record_always |= kinds.reading(*item) == Reading::Record;
            }
            if wakers.is_none() {
                watch.unconditional.push(index);
                expr.each_item(&mut |item| watch.waking[column(item)] = true);
            }
            let mut record = false;
            kinds.reads(&expr, &mut |reading| record |= reading == Reading::Record);
            specs.push(RuleSpec {
                expr,
                id,
                wakers,
                record,
                late: false,
            });
        }
        for rule in &mut specs {
            rule.expr.order(&|item| watch.waking[column(item)]);
            rule.expr.each_item(&mut |item| {
                let is_lookup = matches!(kinds.reading(item), Reading::Lookup(_));
                rule.late |= is_lookup && !watch.waking[column(item)];
            });
        }
        watch.rules = Arc::new(specs);
        watch
    }

    /// Keywords without which no rule holds: where none of these is in a record, no others need be
    /// known.
    fn keywords(&self, kinds: &Kinds<'_>) -> BTreeSet<u32> {
        let mut waking = BTreeSet::new();
        for rule in self.rules.iter().filter(|rule| rule.record) {
            let is_record = |item: &u32| kinds.reading(*item) == Reading::Record;
            match &rule.wakers {
                Some(wakers) if wakers.iter().all(is_record) => waking.extend(wakers),
                _ => rule.expr.each_item(&mut |item| {
                    if is_record(&item) {
                        waking.insert(item);
                    }
                }),
            }
        }
        waking
    }
}

/// What is compiled for one dataset. Remembers distinct values between batches.
pub struct Program {
    items: Vec<ItemSpec>,
    columns: Vec<ColumnProgram>,
    readings: Vec<Reading>,
    plan: LookupPlan,
    wanted: Arc<Wanted>,
    /// Field of the plan → its column.
    looked_up: Vec<usize>,
    /// Fields that are looked up in every row.
    waking_fields: Vec<usize>,
    /// Fields whose absence satisfies an item.
    telling: Vec<usize>,
    /// By column that wakes no rule: the rows of which it is known what holds.
    known: Vec<Mask>,
    /// Column → the generation in which it was looked up.
    looked: Vec<u32>,
    generation: u32,
    compares: Vec<Compare>,
    watch: Watch,
    keywords: Option<Keywords>,
    hasher: RandomState,
    truth: Truth,
    /// Scratch: texts in lower case.
    scratch: Vec<u8>,
    /// Scratch: of the texts of a column, see [`super::column::sign_of`].
    signs: Vec<u64>,
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

    /// Values inside JSON that parsers may hand over.
    pub fn wanted(&self) -> &Arc<Wanted> {
        &self.wanted
    }

    /// Calls `hit(row, rule id)` for every match, rows in order.
    pub fn run(&mut self, batch: &EventBatch, mut hit: impl FnMut(usize, u32)) {
        self.columns.iter_mut().for_each(ColumnProgram::forget_when_full);
        let plain = self.readings.iter().zip(&self.columns);
        let plain = plain.map(|(reading, column)| match reading {
            Reading::Plain => Column::of(batch, &column.name),
            _ => Column::Absent,
        });
        let plan = std::mem::take(&mut self.plan);
        let mut pass = Pass {
            plain: plain.collect(),
            lookups: Lookups::new(&plan, batch),
            record: Record::of(batch),
            start: 0,
            rows: 0,
        };
        while pass.start < batch.rows() {
            pass.rows = (batch.rows() - pass.start).min(ROWS);
            self.judge_rows(&mut pass, &mut hit);
            pass.start += pass.rows;
        }
        drop(pass);
        self.plan = plan;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::Value;
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
            together in any::<bool>(),
        ) {
            let raws: Vec<String> = raws
                .into_iter()
                .map(|(text, json)| if json { format!("{{\"a\":\"{text}\"}}") } else { text })
                .collect();
            // Many rows are sought through together, few one by one.
            let rows = if together { 40 } else { raws.len() };
            let raws: Vec<String> = raws.iter().cycle().take(rows).cloned().collect();
            let uris: Vec<String> = uris.iter().cycle().take(rows).cloned().collect();
            let mut program = of_keywords(Dataset::Web);
            let batch = batch_of(Dataset::Web, &raws, is_request.then_some(&uris[..]));
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
