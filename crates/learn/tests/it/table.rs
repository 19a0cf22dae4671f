//! Reading labelled CSV.

use haetae_learn::table::{Table, TableError};
use proptest::prelude::*;

#[test]
fn numbers_labels_and_holes() {
    let text = b"a, label ,b\n1,0,2.5\n,1,-3e2\nNaN,0.0,?\n\"7\",1.0,inf\n";
    let table = Table::from_csv(text, Some("label")).unwrap();
    assert_eq!(table.features, ["a", "b"]);
    assert_eq!(table.labels, [false, true, false, true]);
    assert_eq!(table.rows(), 4);
    let cells: Vec<String> = table.cells.iter().map(f64::to_string).collect();
    assert_eq!(cells, ["1", "2.5", "NaN", "-300", "NaN", "NaN", "7", "inf"]);
    let all = Table::from_csv(b"a,b\n1,2\n", None).unwrap();
    assert!(all.labels.is_empty());
    assert_eq!(all.cells, [1.0, 2.0]);
}

#[test]
fn what_is_wrong_is_named() {
    let read = |text: &str| Table::from_csv(text.as_bytes(), Some("label")).unwrap_err();
    assert!(matches!(read("a,b\n1,2\n"), TableError::NoLabel(name) if name == "label"));
    assert!(matches!(read("label\n1\n"), TableError::NoFeatures));
    assert!(matches!(
        read("a,label\n1,0\nx,0\n"),
        TableError::NotANumber { line: 3, .. }
    ));
    assert!(matches!(
        read("a,label\n1,2\n"),
        TableError::NotALabel { line: 2, .. }
    ));
    assert!(matches!(read("a,label\n1,0\n1\n"), TableError::Csv(_)));
    assert!(matches!(read(""), TableError::NoLabel(_)));
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Table::from_csv(&bytes, Some("label"));
        let _ = Table::from_csv(&bytes, None);
    }
}
