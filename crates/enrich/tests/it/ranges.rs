//! Ranges of crawlers from a folder.

use crate::memory_files::MemoryFiles;
use haetae_enrich::crawlers::{RangesFolder, RangesNews, Standing, Table};
use haetae_event::Micros;
use haetae_event::clock::ManualClock;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const MINUTE: i64 = 60_000_000;

struct Scene {
    files: Arc<MemoryFiles>,
    clock: Arc<ManualClock>,
    folder: RangesFolder,
}

fn scene() -> Scene {
    let files = Arc::new(MemoryFiles::default());
    let clock = Arc::new(ManualClock::at(Micros(0)));
    Scene {
        folder: RangesFolder::new(
            "/ranges".into(),
            Table::builtin(),
            60,
            files.clone(),
            clock.clone(),
        ),
        files,
        clock,
    }
}

impl Scene {
    fn later(&mut self) -> RangesNews {
        self.clock.advance_us(MINUTE);
        self.folder.refresh()
    }
}

fn of(table: &Table, claim: &str, address: &str) -> Option<Standing> {
    table.check_offline(claim, address.parse().unwrap())
}

const GOOGLE: &str = r#"{"creationTime": "2026-11-20T15:46:03.000000", "prefixes": [
    {"ipv6Prefix": "2001:4860:4801:10::/64"}, {"ipv4Prefix": "66.249.66.0/27"}]}"#;
const DOUBT: Option<Standing> = Some(Standing::Fake { documented: false });

#[test]
fn files_are_known_by_the_name_they_are_published_under() {
    let mut scene = scene();
    scene.files.put("/ranges/googlebot.json", 1, GOOGLE);
    scene.files.put(
        "/ranges/duckduckbot.txt",
        1,
        "# single addresses\n20.191.45.212\n",
    );
    scene.files.put("/ranges/.googlebot.json.part", 1, "{");
    scene.files.put("/ranges/README.md", 1, "nothing");
    let news = scene.folder.refresh();
    assert_eq!((news.troubles.len(), news.notes.len()), (0, 2), "{news:?}");
    let table = news.table.expect("ranges");
    assert_eq!(of(&table, "Googlebot", "66.249.66.31"), Some(Standing::Verified));
    assert_eq!(
        of(&table, "Googlebot", "2001:4860:4801:10::5"),
        Some(Standing::Verified)
    );
    assert_eq!(
        of(&table, "Googlebot", "66.249.66.32"),
        None,
        "its name is asked for"
    );
    assert_eq!(
        of(&table, "DuckDuckBot", "20.191.45.212"),
        Some(Standing::Verified)
    );
    assert_eq!(of(&table, "DuckDuckBot", "20.191.45.213"), DOUBT);
    assert_eq!(of(&table, "Bingbot", "66.249.66.1"), None, "another's range");
}

#[test]
fn of_several_files_all_count_and_none_may_be_wanting_for_a_doubt() {
    let mut scene = scene();
    let ranges = |net: &str| format!(r#"{{"prefixes": [{{"ipv4Prefix": "{net}"}}]}}"#);
    scene
        .files
        .put("/ranges/gptbot.json", 1, ranges("20.42.10.176/28"));
    let table = scene.folder.refresh().table.expect("ranges");
    assert_eq!(of(&table, "GPTBot", "20.42.10.177"), Some(Standing::Verified));
    assert_eq!(
        of(&table, "GPTBot", "23.98.142.177"),
        Some(Standing::Unverified),
        "two lists are not here"
    );
    scene
        .files
        .put("/ranges/searchbot.json", 1, ranges("20.42.10.192/28"));
    scene
        .files
        .put("/ranges/chatgpt-user.json", 1, ranges("23.98.142.176/28"));
    let table = scene.later().table.expect("ranges");
    for inside in ["20.42.10.177", "20.42.10.193", "23.98.142.177"] {
        assert_eq!(of(&table, "GPTBot", inside), Some(Standing::Verified), "{inside}");
    }
    assert_eq!(of(&table, "GPTBot", "45.77.1.1"), DOUBT);
    scene.files.delete("/ranges/searchbot.json");
    let table = scene.later().table.expect("ranges");
    assert_eq!(of(&table, "GPTBot", "20.42.10.193"), Some(Standing::Unverified));
}

#[test]
fn files_are_read_again_when_they_change_and_bad_ones_change_nothing() {
    let mut scene = scene();
    scene.files.put("/ranges/googlebot.json", 1, GOOGLE);
    assert!(scene.folder.refresh().table.is_some());
    let reads = scene.files.reads.load(Ordering::SeqCst);
    scene.files.put(
        "/ranges/googlebot.json",
        2,
        GOOGLE.replace("66.249.66", "66.249.70"),
    );
    assert!(scene.folder.refresh().table.is_none(), "not due");
    let table = scene.later().table.expect("changed");
    assert_eq!(of(&table, "Googlebot", "66.249.70.1"), Some(Standing::Verified));
    assert_eq!(of(&table, "Googlebot", "66.249.66.1"), None);
    for (at, bad) in [
        "",
        "{}",
        "<html>404</html>",
        // What Google's old address answers since April 2026, with status 200.
        r#"{"Action needed": "update the location you're fetching from"}"#,
        r#"{"prefixes": []}"#,
        r#"{"prefixes": [{"ipv4Prefix": "66.249.66.0/99"}]}"#,
        "{\"prefixes\": [",
    ]
    .into_iter()
    .enumerate()
    {
        scene.files.put("/ranges/googlebot.json", 10 + at as i64, bad);
        let news = scene.later();
        assert_eq!((news.table.is_some(), news.troubles.len()), (false, 1), "{bad}");
        assert!(scene.later().troubles.is_empty(), "said once: {bad}");
    }
    // Another file's change must not forget what the broken one said.
    scene.files.put("/ranges/bingbot.json", 1, GOOGLE);
    let table = scene.later().table.expect("changed");
    assert_eq!(of(&table, "Googlebot", "66.249.70.1"), Some(Standing::Verified));
    scene.files.put("/ranges/gogglebot.json", 1, GOOGLE);
    let news = scene.later();
    assert!(news.troubles[0].contains("gogglebot.json"), "{news:?}");
    assert!(scene.files.reads.load(Ordering::SeqCst) <= reads + 10);
}

#[test]
fn a_folder_that_is_not_there_is_said_once() {
    let mut scene = scene();
    let news = scene.folder.refresh();
    assert_eq!((news.table.is_some(), news.troubles.len()), (false, 1));
    assert!(scene.later().troubles.is_empty());
    scene.files.put("/ranges/googlebot.json", 1, GOOGLE);
    assert!(scene.later().table.is_some());
}
