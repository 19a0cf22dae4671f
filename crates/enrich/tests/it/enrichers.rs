//! The list of enrichers: whose value stays.

use super::batches::{asns, batch, countries, numbers, scores, text, web};
use arrow::array::{ArrayRef, Int32Array};
use haetae_enrich::native::NativeGeo;
use haetae_enrich::{Enricher, Enrichers};
use haetae_event::{Dataset, EventBatch};
use std::sync::Arc;

struct Says(Vec<(&'static str, ArrayRef)>);

impl Enricher for Says {
    fn name(&self) -> &'static str {
        "says"
    }

    fn enrich(&mut self, _: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        self.0.clone()
    }
}

fn says(columns: Vec<(&'static str, ArrayRef)>) -> Box<dyn Enricher> {
    Box::new(Says(columns))
}

fn points(values: &[Option<i32>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Int32Array>())
}

const TWO: [Option<&str>; 2] = [Some("203.0.113.1"), Some("203.0.113.2")];

#[test]
fn the_source_wins_unless_null() {
    let rows = batch(
        Dataset::Web,
        &TWO,
        vec![
            ("src_country", text(&[Some("KR"), None])),
            ("ti_score", points(&[Some(5), None])),
        ],
    );
    let mut list = Enrichers::new(vec![says(vec![
        ("src_country", text(&[Some("US"), Some("US")])),
        ("ti_score", points(&[Some(90), Some(90)])),
    ])]);
    let after = list.apply(rows);
    assert_eq!(countries(&after), [Some("KR"), Some("US")]);
    assert_eq!(scores(&after), [Some(5), Some(90)]);
}

#[test]
fn the_first_enricher_wins_but_the_highest_score() {
    let mut list = Enrichers::new(vec![
        says(vec![
            ("src_asn", numbers(&[Some(1), None])),
            ("ti_score", points(&[Some(0), Some(60)])),
        ]),
        says(vec![
            ("src_asn", numbers(&[Some(2), Some(2)])),
            ("ti_score", points(&[Some(40), None])),
        ]),
    ]);
    let after = list.apply(web(&TWO));
    assert_eq!(asns(&after), [Some(1), Some(2)]);
    assert_eq!(scores(&after), [Some(40), Some(60)]);
}

#[test]
fn columns_that_do_not_fit_are_dropped_and_counted() {
    let mut list = Enrichers::new(vec![says(vec![
        ("uri", text(&[Some("/"), Some("/")])),
        ("src_country", numbers(&[Some(1), Some(1)])),
        ("src_asn", numbers(&[Some(1)])),
        ("ti_score", points(&[Some(1), Some(2)])),
    ])]);
    let after = list.apply(web(&TWO));
    assert_eq!(list.misfits(), 3);
    assert_eq!(after.records.num_columns(), 3);
    assert_eq!(scores(&after), [Some(1), Some(2)]);
}

#[test]
fn native_columns_come_first_and_only_for_the_peer_itself() {
    let sources = [
        Some("203.0.113.1"),
        Some("203.0.113.2"),
        Some("2001:db8::1"),
        None,
    ];
    let rows = batch(
        Dataset::CloudFront,
        &sources,
        vec![
            (
                "peer_ip",
                text(&[
                    Some("203.0.113.1"),
                    Some("198.51.100.9"),
                    Some("2001:DB8:0::1"),
                    None,
                ]),
            ),
            (
                "c_country",
                text(&[Some("kr"), Some("US"), Some("-"), Some("JP")]),
            ),
            ("asn", numbers(&[Some(3786), Some(1), Some(0), Some(2)])),
        ],
    );
    let geo = says(vec![(
        "src_country",
        text(&[Some("XX"), Some("DE"), Some("FR"), None]),
    )]);
    let after = Enrichers::new(vec![Box::new(NativeGeo), geo]).apply(rows);
    assert_eq!(countries(&after), [Some("KR"), Some("DE"), Some("FR"), None]);
    assert_eq!(asns(&after), [Some(3786), None, None, None]);
}
