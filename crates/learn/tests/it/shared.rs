//! Accuracy on data that lies outside the repository; loudly skipped when it is not there.

use flate2::read::MultiGzDecoder;
use haetae_event::Micros;
use haetae_learn::metrics::auroc;
use haetae_learn::table::Table;
use haetae_learn::{Forest, Matrix, Params};
use std::io::Read;
use std::path::PathBuf;

#[expect(
    clippy::disallowed_methods,
    reason = "a known set of small files: no expansion bomb among them"
)]
fn shared(path: &str) -> Option<Table> {
    let root = std::env::var("HAETAE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(root).join("data").join(path);
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there; set HAETAE_SHARED", path.display());
        return None;
    };
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    Some(Table::from_csv(&bytes, Some("label")).expect("numbers and labels"))
}

/// Mean area over ten seeds: fitted on all rows without their labels, all rows scored.
fn mean_auroc(table: &Table) -> f64 {
    let data = Matrix::new(&table.cells, table.features.len()).expect("made for this test");
    let area = |seed| {
        let params = Params {
            seed,
            ..Params::default()
        };
        let forest = Forest::fit(data, &table.features, params, Micros(0)).expect("made for this test");
        auroc(&forest.score(data).expect("made for this test"), &table.labels).expect("made for this test")
    };
    (0..10).map(area).sum::<f64>() / 10.0
}

#[test]
fn adbench_http() {
    let Some(table) = shared("adbench_http/http.csv.gz") else {
        return;
    };
    assert_eq!(table.rows(), 567_498);
    assert_eq!(table.labels.iter().filter(|l| **l).count(), 2_211);
    let area = mean_auroc(&table);
    eprintln!("adbench_http: mean AUROC {area:.5}");
    assert!(area >= 0.999, "{area}");
}

#[test]
fn adbench_shuttle() {
    let Some(table) = shared("adbench_shuttle/shuttle.csv.gz") else {
        return;
    };
    assert_eq!((table.rows(), table.features.len()), (49_097, 9));
    let area = mean_auroc(&table);
    eprintln!("adbench_shuttle: mean AUROC {area:.5}");
    assert!(area >= 0.996, "{area}");
}
