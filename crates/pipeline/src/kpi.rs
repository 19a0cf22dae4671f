//! The KPI summary: figures over everything committed since the last one.

use crate::driver::DriverOptions;
use haetae_event::commit::CommitUnit;
use haetae_event::{Columns, Dataset, Micros};
use haetae_incident::Outgoing;
use haetae_report::{Kpi, KpiAccumulator, KpiContext, kpi_message};
use haetae_store::{ScanRequest, Store, StoreError};
use std::ops::ControlFlow;
use std::time::Duration;

/// Up to which arrival time summaries have been sent.
const KPI_LAST_KEY: &str = "kpi_last_at";

/// Figures of the rows that came in after `after`, up to and including `until`, and the mean
/// time from event to arrival in µs (`None` without rows).
///
/// # Errors
/// The store's.
pub fn kpi_between(store: &Store, after: Micros, until: Micros) -> Result<(Kpi, Option<i64>), StoreError> {
    let mut figures = KpiAccumulator::new();
    let (mut rows, mut delay_us) = (0i128, 0i128);
    for dataset in Dataset::ALL {
        let columns = KpiAccumulator::columns().union(Columns::only(["ts", "ingested_at"]));
        let request = ScanRequest {
            columns,
            ingested: Some((after, until)),
            ..ScanRequest::of(dataset)
        };
        store.scan(&request, &mut |batch| {
            let arrived = batch.column("ingested_at").and_then(|column| {
                column
                    .as_any()
                    .downcast_ref::<arrow::array::TimestampMicrosecondArray>()
            });
            if let Some(arrived) = arrived {
                for (ts, at) in batch.ts().values().iter().zip(arrived.values()) {
                    delay_us += i128::from(at.saturating_sub(*ts));
                }
                rows += batch.rows() as i128;
            }
            figures.observe(&batch);
            ControlFlow::Continue(())
        })?;
    }
    let mean = (rows > 0).then(|| i64::try_from(delay_us / rows).unwrap_or(i64::MAX));
    Ok((figures.finish(), mean))
}

/// Adds the summary to the unit when one is due. The first one is due `every` after the first
/// start, or at once with `once`: then it covers what this run brought. Time without any
/// record sends nothing.
///
/// # Errors
/// The store's.
pub fn due(
    store: &Store,
    every: Duration,
    now: Micros,
    options: &DriverOptions,
    unit: &mut CommitUnit,
) -> Result<(), StoreError> {
    let last = store
        .setting(KPI_LAST_KEY)?
        .and_then(|text| text.parse().ok())
        .map(Micros);
    let every_us = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
    let after = match last {
        Some(last) if now < last.saturating_add(every_us) => return Ok(()),
        Some(last) => last,
        None if options.once => Micros::MIN,
        None => {
            unit.settings.push((KPI_LAST_KEY.to_owned(), now.0.to_string()));
            return Ok(());
        }
    };
    let (kpi, log_delay_us) = kpi_between(store, after, now)?;
    unit.settings.push((KPI_LAST_KEY.to_owned(), now.0.to_string()));
    if log_delay_us.is_none() {
        return Ok(());
    }
    let context = KpiContext {
        language: options.fold.language,
        tz: options.fold.tz.clone(),
        demo: options.fold.demo,
        log_delay_us,
        ..KpiContext::default()
    };
    let message = Outgoing {
        id: format!("kpi-{}", now.0),
        message: kpi_message(&kpi, &context),
    };
    unit.outbox.extend(message.rows(&options.channels, now));
    Ok(())
}
