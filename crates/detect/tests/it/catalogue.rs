//! The page of detections is the one that the rules make.

use haetae_detect::{RuleSet, catalogue};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/detections.md");
const FIX: &str = "docs/detections.md is not what the rules say: cargo run -p haetae -- rules list --output markdown > docs/detections.md";

#[test]
fn the_page_of_detections_is_up_to_date() {
    let entries = catalogue::entries(&RuleSet::builtin()).expect("the built-in sections are YAML");
    let made = catalogue::markdown(&entries);
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let differs = made.lines().zip(page.lines()).find(|(made, page)| made != page);
    assert!(made == page, "{FIX}\nfirst difference (made, page): {differs:?}");
}
