//! Times that name no zone, read in the one that the input was given.

use crate::support::{Whole, read_as, read_with};
use haetae_event::Micros;
use haetae_parse::{Choice, Format, LocalZone, ParseOptions, ParserDefinition};
use proptest::prelude::*;

fn at(text: &str) -> Micros {
    Micros::parse_rfc3339(text).expect("a time")
}

fn options(zone: Option<&str>, arrival: &str) -> ParseOptions {
    ParseOptions {
        time_zone: zone.map(|name| name.parse().expect("a zone")),
        arrival: at(arrival),
        ..ParseOptions::default()
    }
}

fn lines(format: &str, text: &str, options: &ParseOptions) -> Whole {
    let format: Format = format.parse().expect("a format");
    read_as(text.as_bytes(), Some(format), options)
}

/// `ts` of one line.
fn time(format: &str, line: &str, options: &ParseOptions) -> String {
    let whole = lines(format, line, options);
    assert_eq!(whole.counts.events, 1, "{line:?} {:?}", whole.rejects);
    whole.cell(0, "ts").to_owned()
}

fn check(format: &str, zone: &str, arrival: &str, cases: &[(&str, &str)]) {
    let options = options(Some(zone), arrival);
    for (line, want) in cases {
        assert_eq!(time(format, line, &options), *want, "{line:?} in {zone}");
    }
}

#[test]
fn syslog_of_a_korean_host() {
    check(
        "syslog",
        "Asia/Seoul",
        "2026-03-01T03:00:00Z",
        &[
            ("<13>Mar  1 12:00:00 web1 app: x", "2026-03-01T03:00:00Z"),
            ("<13>Mar  1 08:59:59.250 web1 app: x", "2026-02-28T23:59:59.25Z"),
            ("<13>Mar  1 2026 12:00:00 web1 app: x", "2026-03-01T03:00:00Z"),
            ("<13>2026-03-01T12:00:00 web1 app: x", "2026-03-01T03:00:00Z"),
            ("2026-03-01 12:00:00,5 web1 app[3]: x", "2026-03-01T03:00:00.5Z"),
            (
                "<13>1 2026-03-01T12:00:00 web1 app - - - x",
                "2026-03-01T03:00:00Z",
            ),
            // Korea had summer time.
            ("<13>Jul  1 1988 12:00:00 web1 app: x", "1988-07-01T02:00:00Z"),
            // What names its zone keeps it.
            (
                "<13>1 2026-03-01T03:00:00Z web1 app - - - x",
                "2026-03-01T03:00:00Z",
            ),
            (
                "<13>2026-03-01T12:00:00+09:00 web1 app: x",
                "2026-03-01T03:00:00Z",
            ),
            (
                "<189>45: *Mar  1 03:00:00.000 UTC: %SYS-5-X: x",
                "2026-03-01T03:00:00Z",
            ),
            (
                "<189>45: *Mar  1 12:00:00.000 KST: %SYS-5-X: x",
                "2026-03-01T03:00:00Z",
            ),
            // A zone of unknown name is likelier the host's than UTC.
            (
                "<189>45: *Mar  1 12:00:00.000 HERE: %SYS-5-X: x",
                "2026-03-01T03:00:00Z",
            ),
        ],
    );
}

#[test]
fn the_year_changes_with_the_local_clock() {
    // In Seoul it is 2026 already, in UTC not yet.
    check(
        "syslog",
        "Asia/Seoul",
        "2025-12-31T15:30:00Z",
        &[
            ("<13>Jan  1 00:29:00 web1 app: x", "2025-12-31T15:29:00Z"),
            ("<13>Dec 31 23:59:00 web1 app: x", "2025-12-31T14:59:00Z"),
            // At most a day ahead, counted in instants.
            ("<13>Jan  2 00:30:00 web1 app: x", "2026-01-01T15:30:00Z"),
            ("<13>Jan  2 00:30:01 web1 app: x", "2025-01-01T15:30:01Z"),
            ("<13>Feb 29 09:00:00 web1 app: x", "2024-02-29T00:00:00Z"),
        ],
    );
    // West of UTC it is still the old year.
    check(
        "syslog",
        "America/Los_Angeles",
        "2026-01-01T07:30:00Z",
        &[
            ("<13>Dec 31 23:29:00 web1 app: x", "2026-01-01T07:29:00Z"),
            ("<13>Jan  1 00:10:00 web1 app: x", "2026-01-01T08:10:00Z"),
        ],
    );
}

#[test]
fn hours_that_are_skipped_or_repeated() {
    // The order of the lines is that of the file: what came before must not matter.
    let text = "<13>Mar  8 01:59:59 h a: x\n<13>Mar  8 02:30:00 h a: x\n<13>Mar  8 03:00:00 h a: x\n\
                <13>Nov  1 00:59:59 h a: x\n<13>Nov  1 01:30:00 h a: x\n<13>Nov  1 02:00:00 h a: x\n\
                <13>Mar  8 02:30:00 h a: x\n<13>Nov  1 01:30:00 h a: x\n";
    let whole = lines(
        "syslog",
        text,
        &options(Some("America/New_York"), "2026-12-01T00:00:00Z"),
    );
    let found: Vec<&str> = (0..whole.rows.len()).map(|row| whole.cell(row, "ts")).collect();
    assert_eq!(
        found,
        [
            "2026-03-08T06:59:59Z",
            "2026-03-08T07:30:00Z",
            "2026-03-08T07:00:00Z",
            "2026-11-01T04:59:59Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T07:00:00Z",
            "2026-03-08T07:30:00Z",
            "2026-11-01T05:30:00Z",
        ]
    );
}

#[test]
fn cef_and_leef() {
    check(
        "cef",
        "Asia/Seoul",
        "2026-03-02T00:00:00Z",
        &[
            (
                "CEF:0|V|P|1|7|n|5|rt=Mar 01 2026 12:00:00 act=x",
                "2026-03-01T03:00:00Z",
            ),
            ("CEF:0|V|P|1|7|n|5|rt=Mar 01 12:00:00.5", "2026-03-01T03:00:00.5Z"),
            ("CEF:0|V|P|1|7|n|5|rt=2026-03-01T12:00:00", "2026-03-01T03:00:00Z"),
            (
                "CEF:0|V|P|1|7|n|5|rt=Mar 01 2026 03:00:00 UTC",
                "2026-03-01T03:00:00Z",
            ),
            ("CEF:0|V|P|1|7|n|5|rt=1772334000000", "2026-03-01T03:00:00Z"),
            (
                "Mar  1 12:00:00 waf CEF:0|V|P|1|7|n|5|act=x",
                "2026-03-01T03:00:00Z",
            ),
        ],
    );
    check(
        "leef",
        "+09:00",
        "2026-03-02T00:00:00Z",
        &[
            (
                "LEEF:1.0|V|P|1|7|devTime=Mar 01 2026 12:00:00",
                "2026-03-01T03:00:00Z",
            ),
            (
                "LEEF:1.0|V|P|1|7|devTime=01.03.2026 12:00\tdevTimeFormat=dd.MM.yyyy HH:mm",
                "2026-03-01T03:00:00Z",
            ),
            (
                "LEEF:1.0|V|P|1|7|devTime=01.03.2026 12:00 +0100\tdevTimeFormat=dd.MM.yyyy HH:mm Z",
                "2026-03-01T11:00:00Z",
            ),
            (
                "<13>Mar  1 12:00:00 fw LEEF:1.0|V|P|1|7|a=b",
                "2026-03-01T03:00:00Z",
            ),
        ],
    );
}

#[test]
fn logfmt_and_what_leads_its_lines() {
    check(
        "logfmt",
        "Asia/Seoul",
        "2026-03-02T00:00:00Z",
        &[
            ("time=\"2026-03-01 12:00:00.123\" a=b", "2026-03-01T03:00:00.123Z"),
            ("time=2026-03-01T12:00:00Z a=b", "2026-03-01T12:00:00Z"),
            ("ts=1772334000 a=b", "2026-03-01T03:00:00Z"),
            ("2026-03-01 12:00:00,123 INFO a=b c=d", "2026-03-01T03:00:00.123Z"),
            (
                "[Sun Mar 01 12:00:00.5 2026] [error] a=b c=d",
                "2026-03-01T03:00:00.5Z",
            ),
            ("Mar  1 12:00:00 a=b c=d", "2026-03-01T03:00:00Z"),
            ("date=2026-03-01 time=12:00:00 a=b", "2026-03-01T03:00:00Z"),
            (
                "date=2026-03-01 time=12:00:00 tz=\"+0000\" a=b",
                "2026-03-01T12:00:00Z",
            ),
        ],
    );
}

#[test]
fn json_without_a_zone_is_local() {
    let cases = [
        (r#"{"time":"2026-03-01 12:00:00","a":1}"#, "2026-03-01T03:00:00Z"),
        (
            r#"{"time":"2026-03-01T12:00:00.123456","a":1}"#,
            "2026-03-01T03:00:00.123456Z",
        ),
        (
            r#"{"asctime":0,"timestamp":"2026-03-01 12:00:00,123"}"#,
            "2026-03-01T03:00:00.123Z",
        ),
        (r#"{"time":"2026-03-01T12:00:00Z","a":1}"#, "2026-03-01T12:00:00Z"),
        (
            r#"{"time":"2026-03-01T12:00:00+01:00","a":1}"#,
            "2026-03-01T11:00:00Z",
        ),
        (
            r#"{"time":"01/Mar/2026:12:00:00 +0100","a":1}"#,
            "2026-03-01T11:00:00Z",
        ),
        (r#"{"time":1772334000,"a":1}"#, "2026-03-01T03:00:00Z"),
    ];
    check("json", "Asia/Seoul", "2026-03-02T00:00:00Z", &cases);
    let utc = options(None, "2026-03-02T00:00:00Z");
    assert_eq!(time("json", cases[0].0, &utc), "2026-03-01T12:00:00Z");
    let whole = lines("json", r#"{"time":"2026-03-01 12:00:00 o'clock"}"#, &utc);
    assert_eq!(whole.codes(), ["bad_field"]);
}

#[test]
fn formats_that_say_utc_are_not_touched() {
    let seoul = options(Some("Asia/Seoul"), "2026-03-02T00:00:00Z");
    let utc = options(None, "2026-03-02T00:00:00Z");
    let iis = "#Software: Microsoft Internet Information Services 10.0\r\n\
               #Fields: date time c-ip cs-method cs-uri-stem sc-status\r\n\
               2026-03-01 12:00:00 192.0.2.1 GET / 200\r\n";
    let combined = "192.0.2.1 - - [01/Mar/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n";
    let gelf = "{\"version\":\"1.1\",\"host\":\"h\",\"short_message\":\"x\",\"timestamp\":1772366400}\n";
    for (format, text) in [("iis", iis), ("combined", combined), ("gelf", gelf)] {
        let found = lines(format, text, &seoul);
        assert_eq!(found.cell(0, "ts"), "2026-03-01T12:00:00Z", "{format}");
        assert_eq!(found, lines(format, text, &utc), "{format}");
    }
}

#[test]
fn a_definition_without_a_zone_takes_the_inputs() {
    let read = |kind: &str, zone: &str, line: &str| {
        let yaml = format!("id: mine\nversion: 1\ndataset: app\n{kind}{zone}map:\n  ts: $.at\n");
        let definition = ParserDefinition::parse("test.yaml", &yaml).expect("a definition");
        let blueprint = definition.blueprint(None).expect("no extractor is needed");
        let options = options(Some("Asia/Seoul"), "2026-03-02T00:00:00Z");
        let whole = read_with(line.as_bytes(), Choice::Blueprint(blueprint), &options);
        whole.cell(0, "ts").to_owned()
    };
    let kinds = [
        ("kind: json\n", r#"{"at":"2026-03-01 12:00:00"}"#),
        ("kind: kv\n", r#"at="2026-03-01 12:00:00" a=b"#),
        ("kind: cef\n", "CEF:0|V|P|1|7|n|5|at=2026/03/01 12:00:00"),
        ("kind: regex\npattern: '^(?<at>.*)$'\n", "Mar  1 12:00:00"),
    ];
    for (kind, line) in kinds {
        assert_eq!(read(kind, "", line), "2026-03-01T03:00:00Z", "{kind}");
        // Its own wins, also when that is UTC.
        assert_eq!(
            read(kind, "time_zone: UTC\n", line),
            "2026-03-01T12:00:00Z",
            "{kind}"
        );
        assert_eq!(
            read(kind, "time_zone: '-05:00'\n", line),
            "2026-03-01T17:00:00Z",
            "{kind}"
        );
    }
}

#[test]
fn a_year_beyond_all_calendars_is_no_time() {
    let line = "LEEF:1.0|V|P|1|7|devTime=999999999-01-01\tdevTimeFormat=yyyy-MM-dd";
    for zone in [None, Some("Asia/Seoul"), Some("+09:00")] {
        let whole = lines("leef", line, &options(zone, "2026-03-02T00:00:00Z"));
        assert_eq!(whole.cell(0, "ts"), "2026-03-02T00:00:00Z", "{zone:?}");
        assert_eq!(whole.cell(0, "warnings"), "bad_time,ts_missing", "{zone:?}");
    }
}

/// A line with the date and time in it, by number of the form.
fn written(form: usize, clock: &str) -> (&'static str, String) {
    match form {
        0 => ("syslog", format!("<13>{clock} web1 app: x")),
        1 => ("syslog", format!("<13>1 {clock} web1 app - - - x")),
        2 => ("cef", format!("CEF:0|V|P|1|7|n|5|rt={clock}")),
        3 => ("leef", format!("LEEF:1.0|V|P|1|7|devTime={clock}")),
        4 => ("logfmt", format!("time=\"{clock}\" a=b")),
        5 => ("logfmt", format!("{clock} INFO a=b c=d")),
        _ => ("json", format!("{{\"time\":\"{clock}\",\"a\":1}}")),
    }
}

proptest! {
    #[test]
    fn a_fixed_offset_is_utc_shifted(
        form in 0..7usize,
        second in 0i64..4_000_000_000,
        minutes in -18 * 60i64..18 * 60,
    ) {
        let clock = Micros::from_seconds(second).to_string();
        let (format, line) = written(form, clock.trim_end_matches('Z'));
        let sign = if minutes < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        let arrival = "2026-03-02T00:00:00Z";
        let utc = at(&time(format, &line, &options(None, arrival)));
        prop_assert_eq!(utc, Micros::from_seconds(second), "{}", &line);
        let local = at(&time(format, &line, &options(Some(&zone), arrival)));
        prop_assert_eq!(local, Micros::from_seconds(second - minutes * 60), "{} in {}", &line, &zone);
        // The same words with the offset behind them mean the same.
        let (_, told) = written(form, &format!("{}{zone}", clock.trim_end_matches('Z')));
        prop_assert_eq!(at(&time(format, &told, &options(None, arrival))), local, "{}", &told);
    }

    #[test]
    fn a_local_clock_shows_the_instant(second in 0i64..4_000_000_000, place in 0..4usize) {
        let name = ["Asia/Seoul", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"][place];
        let zone: LocalZone = name.parse().expect("a zone");
        let instant = Micros::from_seconds(second);
        let shown = jiff_clock(instant, name);
        let options = ParseOptions { time_zone: Some(zone), arrival: instant, ..ParseOptions::default() };
        for form in 0..7 {
            let (format, line) = written(form, &shown);
            let found = at(&time(format, &line, &options));
            // Of an hour that is repeated it is the first one.
            prop_assert_eq!(jiff_clock(found, name), shown.clone(), "{} in {}", &line, name);
            prop_assert!(found <= instant, "{} in {}", &line, name);
        }
    }
}

/// What a clock in the zone shows.
fn jiff_clock(instant: Micros, zone: &str) -> String {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).expect("a zone");
    instant.timestamp().to_zoned(zone).datetime().to_string()
}
