//! What holds for every enricher.

use super::batches::{batch, numbers, text};
use super::memory_files::MemoryFiles;
use super::shared::samples;
use arrow::array::{Array, ArrayRef};
use haetae_enrich::config::{GeoConfig, ListConfig};
use haetae_enrich::enricher::DERIVED;
use haetae_enrich::files::DiskFiles;
use haetae_enrich::native::NativeGeo;
use haetae_enrich::remote::{Answer, CachedLookup, NotTaken, RemoteConfig, RemoteLookup, RemoteScore};
use haetae_enrich::reputation::ListFormat;
use haetae_enrich::{EnrichConfig, Enricher, Enrichers, Knowledge};
use haetae_event::clock::ManualClock;
use haetae_event::schema::core_fields;
use haetae_event::{Dataset, EventBatch, Micros};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Rows with known, unknown, private, bad, repeated and absent addresses. Native columns agree
/// with the address, as a log's do.
fn sample(dataset: Dataset) -> EventBatch {
    let known = "203.0.113.7";
    let sources = [
        Some(known),
        None,
        Some("10.1.2.3"),
        Some("2001:218::1"),
        Some("not an address"),
        Some(known),
        Some("198.51.100.1"),
        Some("81.2.69.160"),
        Some("1.128.0.1"),
        Some("81.2.69.160"),
        None,
    ];
    let native = |source: &Option<&str>| (*source == Some(known)).then_some("KR");
    let countries: Vec<Option<&str>> = sources.iter().map(native).collect();
    let asns: Vec<Option<i64>> = countries.iter().map(|c| c.map(|_| 64_500)).collect();
    let mut more: Vec<(&str, ArrayRef)> = vec![("uri", text(&sources))];
    match dataset {
        Dataset::CloudFront => {
            more.push(("c_country", text(&countries)));
            more.push(("asn", numbers(&asns)));
        }
        Dataset::Waf => {
            more.push(("httprequest_country", text(&countries)));
            more.push(("clientasn", numbers(&asns)));
        }
        _ => {}
    }
    batch(dataset, &sources, more)
}

fn check_columns(name: &str, batch: &EventBatch, columns: &[(&'static str, ArrayRef)]) {
    let sources = batch.str("src_ip").unwrap();
    for (column, values) in columns {
        assert!(DERIVED.contains(column), "{name} adds {column}");
        let field = core_fields().into_iter().find(|f| f.name() == column).unwrap();
        assert_eq!(values.data_type(), field.data_type(), "{name}.{column}");
        assert_eq!(values.len(), batch.rows(), "{name}.{column}");
        let mut seen: HashMap<&str, ArrayRef> = HashMap::new();
        for row in 0..batch.rows() {
            if sources.is_null(row) {
                assert!(values.is_null(row), "{name}.{column}: a value without an address");
                continue;
            }
            let value = values.slice(row, 1);
            let first = seen.entry(sources.value(row)).or_insert_with(|| value.clone());
            assert_eq!(
                &value,
                first,
                "{name}.{column}: two answers for {}",
                sources.value(row)
            );
        }
    }
}

/// The contract. `answers` are the rows of the sample for which it must know something.
fn check(mut enricher: Box<dyn Enricher>, dataset: Dataset, answers: usize) {
    let name = enricher.name();
    let rows = sample(dataset);
    let before = rows.records.clone();
    let columns = enricher.enrich(&rows);
    assert_eq!(rows.records, before);
    check_columns(name, &rows, &columns);
    for (column, values) in &columns {
        let known = values.len() - values.null_count();
        assert!(known >= answers, "{name}.{column} knows {known} rows");
    }
    assert!(!columns.is_empty(), "{name} says nothing of the sample");
    assert_eq!(
        columns,
        enricher.enrich(&rows),
        "{name}: other answers the second time"
    );

    // Order: the reversed batch gets the reversed values.
    let backwards: Vec<usize> = (0..rows.rows()).rev().collect();
    let order = arrow::array::UInt64Array::from_iter_values(backwards.iter().map(|&r| r as u64));
    let mut turned = rows.clone();
    turned.records = arrow::compute::take_record_batch(&rows.records, &order).unwrap();
    let turned_columns = enricher.enrich(&turned);
    for ((_, values), (_, turned)) in columns.iter().zip(&turned_columns) {
        assert_eq!(
            &arrow::compute::take(values, &order, None).unwrap(),
            turned,
            "{name}"
        );
    }

    // Nothing, and rows without any address.
    let mut none = rows.clone();
    none.records = rows.records.slice(0, 0);
    check_columns(name, &none, &enricher.enrich(&none));
    let mut nulls = rows.clone();
    nulls.records = rows.records.slice(1, 1);
    check_columns(name, &nulls, &enricher.enrich(&nulls));
    let mut bare = rows.clone();
    bare.records = rows.records.project(&[0]).unwrap();
    assert!(
        enricher.enrich(&bare).is_empty(),
        "{name}: values without a src_ip column"
    );

    let mut list = Enrichers::new(vec![enricher]);
    let after = list.apply(rows);
    assert_eq!(list.misfits(), 0, "{name}");
    assert_eq!(after.rows(), before.num_rows());
    for field in before.schema().fields() {
        let kept = (after.column(field.name()), before.column_by_name(field.name()));
        assert_eq!(kept.0, kept.1, "{name} changed {}", field.name());
    }
}

#[test]
fn native_columns() {
    check(Box::new(NativeGeo), Dataset::CloudFront, 2);
    check(Box::new(NativeGeo), Dataset::Waf, 2);
}

fn knowledge(config: &EnrichConfig, files: Arc<dyn haetae_enrich::files::Files>) -> Knowledge {
    let knowledge = Knowledge::new(config, files, Arc::new(ManualClock::at(Micros(1)))).unwrap();
    knowledge.refresh();
    assert_eq!(knowledge.alarms(), Vec::<String>::new());
    knowledge
}

#[test]
fn databases() {
    let Some(folder) = samples("mmdb") else { return };
    let config = EnrichConfig {
        geo: GeoConfig {
            country: Some(folder.join("GeoLite2-Country-Test.mmdb")),
            asn: Some(folder.join("GeoLite2-ASN-Test.mmdb")),
            city: None,
        },
        ..EnrichConfig::default()
    };
    let knowledge = knowledge(&config, Arc::new(DiskFiles));
    let databases = knowledge.databases().clone();
    check(Box::new(haetae_enrich::geo::Geo::new(databases)), Dataset::Web, 1);
}

#[test]
fn lists() {
    let files = MemoryFiles::default();
    files.put("a", 1, "203.0.113.0/24\n2001:218::/32\n");
    let config = EnrichConfig {
        reputation: vec![ListConfig {
            name: "a".into(),
            path: "a".into(),
            format: ListFormat::Auto,
            score: 70,
            max_age_h: None,
        }],
        ..EnrichConfig::default()
    };
    let knowledge = knowledge(&config, Arc::new(files));
    let reputation = knowledge.reputation().clone();
    let clock = Arc::new(ManualClock::at(Micros(1)));
    let enricher = haetae_enrich::reputation::ReputationScore::new(reputation, clock);
    check(Box::new(enricher), Dataset::Web, 8);
}

/// Knows every address at once.
struct Instant(Vec<IpAddr>);

impl RemoteLookup<u8> for Instant {
    fn request(&mut self, address: IpAddr) -> Result<(), NotTaken> {
        self.0.push(address);
        Ok(())
    }

    fn answers(&mut self, _: Duration) -> Vec<(IpAddr, Answer<u8>)> {
        self.0
            .drain(..)
            .map(|address| (address, Answer::Found(33)))
            .collect()
    }
}

#[test]
fn remote_scores() {
    let make = || {
        let clock = Arc::new(ManualClock::at(Micros(1)));
        RemoteScore::new(CachedLookup::new(
            Box::new(Instant(Vec::new())),
            clock,
            RemoteConfig::default(),
        ))
    };
    check(Box::new(make()), Dataset::Web, 7);
    check(Box::new(Arc::new(Mutex::new(make()))), Dataset::Web, 7);
}
