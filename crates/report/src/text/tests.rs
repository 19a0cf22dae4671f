use super::*;
use crate::escape::is_active;
use crate::report::fixture;
use haetae_incident::Language;
use unicode_width::UnicodeWidthStr;

/// Compares with the file beside; `UPDATE_FIXTURES=1` writes it.
fn check(name: &str, shown: &str) {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, shown).expect("writable");
    }
    let expected = std::fs::read_to_string(&path).expect("fixture");
    assert_eq!(
        shown, expected,
        "{name}: run with UPDATE_FIXTURES=1 and read the diff"
    );
}

#[test]
fn reports_read_as_expected() {
    for (language, name) in [(Language::Ko, "report.ko.txt"), (Language::En, "report.en.txt")] {
        check(name, &fixture::report(language).to_text(&TextOptions::default()));
    }
}

#[test]
fn empty_and_skipped_reports_say_so() {
    let mut report = fixture::empty(Language::En);
    assert!(report.to_text(&TextOptions::default()).contains("Nothing found"));
    report.detection_skipped = true;
    let text = report.to_text(&TextOptions::default());
    assert!(
        text.contains("--no-detect") && !text.contains("Nothing found"),
        "{text}"
    );
}

#[test]
fn trouble_and_advice_stand_before_figures() {
    let text = fixture::report(Language::En).to_text(&TextOptions::default());
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in {text}"));
    assert!(at("SQL injection attempts") < at("What to do"));
    assert!(at("What to do") < at("Figures"));
    assert!(at("Figures") < at("Observations"));
}

#[test]
fn lines_keep_to_the_width_in_columns() {
    for width in [60, 80, 120] {
        for language in [Language::Ko, Language::En] {
            let options = TextOptions {
                width,
                ..TextOptions::default()
            };
            for line in fixture::report(language).to_text(&options).lines() {
                assert!(line.width() <= width, "{} > {width}: {line}", line.width());
            }
        }
    }
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let text = fixture::hostile(Language::Ko).to_text(&TextOptions::default());
    assert!(text.chars().all(|c| c == '\n' || !is_active(c)), "{text:?}");
    let coloured = TextOptions {
        colour: Colour::Ansi,
        ..TextOptions::default()
    };
    let text = fixture::hostile(Language::Ko).to_text(&coloured);
    let own = [
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[2m",
        "\x1b[1;31m",
        "\x1b[1;32m",
        "\x1b[1;33m",
    ];
    let rest = own.iter().fold(text, |text, code| text.replace(code, ""));
    assert!(rest.chars().all(|c| c == '\n' || !is_active(c)), "{rest:?}");
}
