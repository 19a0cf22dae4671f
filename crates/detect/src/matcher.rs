//! Detection rules by themselves: which rule matches which event, without windows and episodes.
//!
//! For tests of rules and for comparing engines. The machinery is that of [`crate::Engine`].

use crate::engine::program::Builder;
use crate::logsource::Mapping;
use crate::sigma::document::Rule;
use arrow::array::{ArrayRef, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_event::inside::Inside;
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;

/// Rules compiled for one kind of event.
pub struct RuleMatcher {
    program: crate::engine::program::Program,
    dataset: Dataset,
    /// By number: rules that the dataset lacks a field for.
    left_out: Vec<usize>,
}

impl RuleMatcher {
    /// Rules on JSON objects, each field under the name the rule gives it; log sources do not
    /// matter. Rules are numbered as they come.
    pub fn of_json<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> RuleMatcher {
        let mapping = Arc::new(Mapping::bare());
        let bare = rules.into_iter().map(|rule| Rule {
            mapping: mapping.clone(),
            ..rule.clone()
        });
        RuleMatcher::new(Dataset::App, bare)
    }

    /// Rules on batches of `dataset`, with the fields that the pipeline gives them.
    pub fn of_batches<'r>(dataset: Dataset, rules: impl IntoIterator<Item = &'r Rule>) -> RuleMatcher {
        RuleMatcher::new(dataset, rules.into_iter().cloned())
    }

    fn new(dataset: Dataset, rules: impl Iterator<Item = Rule>) -> RuleMatcher {
        let mut builder = Builder::new(dataset);
        let mut left_out = Vec::new();
        for (number, rule) in rules.enumerate() {
            let id = u32::try_from(number).expect("fewer rules than 2^32");
            let meant = rule.mapping.datasets().contains(&dataset);
            if !meant || builder.add(&rule, id).is_err() {
                left_out.push(number);
            }
        }
        RuleMatcher {
            program: builder.build(),
            dataset,
            left_out,
        }
    }

    /// Numbers of rules that never match here: of other log sources, or with fields not there.
    pub fn left_out(&self) -> &[usize] {
        &self.left_out
    }

    /// Values inside JSON that a parser may hand over beside the columns, see [`Engine::inside`].
    ///
    /// [`Engine::inside`]: crate::Engine::inside
    pub fn inside(&self) -> Inside {
        Inside::new([(self.dataset, self.program.wanted().clone())])
    }

    /// Calls `hit(row, rule number)` for every match.
    pub fn run(&mut self, batch: &EventBatch, mut hit: impl FnMut(usize, usize)) {
        self.program.run(batch, |row, rule| hit(row, rule as usize));
    }

    /// A batch whose rows are these JSON objects, for [`RuleMatcher::of_json`].
    ///
    /// # Panics
    /// Never: the columns are of one length.
    pub fn json_batch(&self, events: &[impl AsRef<str>]) -> EventBatch {
        let texts: StringViewArray = events.iter().map(|event| Some(event.as_ref())).collect();
        let ts = TimestampMicrosecondArray::from(vec![0; events.len()]).with_timezone("UTC");
        let columns: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(ts)), ("attrs", Arc::new(texts))];
        EventBatch {
            tenant: TenantId::default(),
            dataset: self.dataset,
            records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
        }
    }
}
