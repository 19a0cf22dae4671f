//! The tables people see, as plans over the stored ones.

use crate::names::EVENTS;
use crate::segments::Snapshot;
use crate::table::{SegmentTable, TENANT};
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::prelude::SessionContext;
use haetae_event::dataset::NativeType;
use haetae_event::{Dataset, Micros, schema};
use std::collections::HashSet;
use std::sync::Arc;

/// Event times a query may see: start inclusive, end exclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub start: Option<Micros>,
    pub end: Option<Micros>,
}

/// Registers one view per dataset of `snapshots`, and `events` over all of them.
///
/// # Errors
/// When a hot batch breaks the schema.
pub(crate) fn register(
    context: &SessionContext,
    snapshots: Vec<(Dataset, Snapshot)>,
    bounds: Bounds,
) -> Result<()> {
    let mut everything: Option<LogicalPlanBuilder> = None;
    for (dataset, snapshot) in snapshots {
        let table = Arc::new(SegmentTable::new(dataset, snapshot)?);
        let mut rows = LogicalPlanBuilder::scan("stored", provider_as_source(table), None)?;
        for condition in conditions(bounds) {
            rows = rows.filter(condition)?;
        }
        let rows = rows.build()?;
        let core = LogicalPlanBuilder::from(rows.clone()).project(core_columns(dataset))?;
        let native = LogicalPlanBuilder::from(rows).project(native_columns(dataset))?;
        add(context, dataset.as_str(), native.build()?)?;
        everything = Some(match everything {
            Some(before) => before.union(core.build()?)?,
            None => core,
        });
    }
    match everything {
        Some(plan) => add(context, EVENTS, plan.build()?),
        None => Ok(()),
    }
}

fn add(context: &SessionContext, name: &str, plan: LogicalPlan) -> Result<()> {
    context.register_table(name, Arc::new(ViewTable::new(plan, None)))?;
    Ok(())
}

fn conditions(bounds: Bounds) -> Vec<Expr> {
    let time = |at: Micros| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    let from = bounds.start.map(|start| column("ts").gt_eq(time(start)));
    let until = bounds.end.map(|end| column("ts").lt(time(end)));
    from.into_iter().chain(until).collect()
}

/// A column by its exact name: neither dots nor capitals mean anything.
fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Core v1 as queries show it. `ts` first: it is what people look for.
fn core_columns(dataset: Dataset) -> Vec<Expr> {
    let mut shown = vec![
        column("ts").alias("ts"),
        column(TENANT).alias(TENANT),
        lit(ScalarValue::Utf8View(Some(dataset.as_str().to_owned()))).alias("dataset"),
    ];
    let rest = schema::core_fields();
    shown.extend(
        rest.iter()
            .filter(|field| field.name() != "ts")
            .map(|field| column(field.name()).alias(field.name())),
    );
    shown
}

/// Core v1, then the vendor's names. A vendor field called like a Core column is that column.
fn native_columns(dataset: Dataset) -> Vec<Expr> {
    let mut shown = core_columns(dataset);
    let mut taken: HashSet<String> = schema::core_fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    taken.extend([TENANT.to_owned(), "dataset".to_owned()]);
    for native in dataset.native_fields() {
        if taken.insert(native.vendor.to_owned()) {
            let stored = match native.kind {
                NativeType::Core(core) => core,
                _ => native.column,
            };
            shown.push(column(stored).alias(native.vendor));
        }
    }
    shown
}
