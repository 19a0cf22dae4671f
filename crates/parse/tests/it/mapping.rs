//! The mapping language: what it means, and where it says a mistake is.

use haetae_event::Dataset;
use haetae_parse::mapping::{Entry, FUNCTIONS, FieldNames, evaluate, functions_reference};
use haetae_parse::{Diagnostic, Mapping, ParserDefinition};
use proptest::prelude::*;

fn gives(expression: &str) -> String {
    match evaluate(expression) {
        Ok(value) => value.unwrap_or_else(|| "∅".to_owned()),
        Err(found) => panic!("{expression}: {}", found[0]),
    }
}

/// The only mistake in mapping `column` by `expression`.
fn mistake(column: &str, expression: &str) -> Diagnostic {
    mistakes(&[(column, expression)], &[]).swap_remove(0)
}

fn mistakes(map: &[(&str, &str)], derive: &[(&str, &str)]) -> Vec<Diagnostic> {
    let entries = |lines: &[(&str, &str)]| -> Vec<Entry> {
        lines
            .iter()
            .map(|(column, text)| Entry::inline(column, text))
            .collect()
    };
    let compiled = Mapping::compile(
        Dataset::Web,
        &FieldNames::Nested,
        None,
        &entries(map),
        &entries(derive),
    );
    compiled.expect_err("there is a mistake")
}

#[test]
fn every_example_of_the_reference_gives_what_it_says() {
    for function in FUNCTIONS {
        assert_eq!(gives(function.example), function.result, "{}", function.example);
        assert!(function.doc.ends_with('.'), "{}", function.name);
    }
}

#[test]
fn the_reference_names_every_function() {
    let reference = functions_reference();
    for function in FUNCTIONS {
        assert!(
            reference.contains(&format!("`{}`", function.signature)),
            "{}",
            function.name
        );
    }
    assert!(reference.contains("| `%Y` | year of four digits |"));
    let mut names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FUNCTIONS.len());
}

#[test]
fn values_and_defaults() {
    for (expression, result) in [
        ("'a' || 'b'", "a"),
        ("$.a || 'b'", "b"),
        ("$.a ?: 7", "7"),
        ("$.a || $.b ?: -1.5", "-1.5"),
        ("($.a ?: 'x')", "x"),
        ("$.a", "∅"),
        ("int('abc') ?: 3", "3"),
        ("concat('a', $.missing)", "∅"),
        ("concat('a', $.missing ?: '')", "a"),
        (r"'it\'s'", "it's"),
        (r#""double ""#, "double "),
        ("true", "true"),
        ("if($.a, 1)", "∅"),
        ("if(true, $.a || 'yes', 'no')", "yes"),
        ("not(equals('a', 'b'))", "true"),
        ("int(12.0)", "12"),
        ("int('12.5')", "∅"),
        ("int(' 12 ')", "12"),
        ("float('1e3')", "1000"),
        ("bool('Off')", "false"),
        ("bool('perhaps')", "∅"),
        ("upper('straße')", "STRASSE"),
        ("len(upper('ß'))", "2"),
        ("split_part('a,b', ',', 3)", "∅"),
        ("split_part('', ',', 1)", "∅"),
        ("substring('한글날', 1, 1)", "글"),
        ("substring('ab', 9)", "∅"),
        ("before('ab', ':')", "∅"),
        ("replace('aaa', 'a', 'bb')", "bbbbbb"),
        ("url_path('https://h')", "∅"),
        ("url_path('/a?x=1')", "/a"),
        ("url_query('/a')", "∅"),
        ("url_host('http://[2001:db8::1]:8080/x')", "2001:db8::1"),
        ("url_host('/only/path')", "∅"),
        ("url_decode('%zz%41')", "%zzA"),
        ("ip('::ffff:192.0.2.1')", "192.0.2.1"),
        ("ip('nobody')", "∅"),
        ("truncate('2001:db8:1:2::9', 24)", "2001:db8:1::/48"),
        ("truncate('2001:db8:1:2::9', 24, 64)", "2001:db8:1:2::/64"),
        ("truncate('192.0.2.77', 0)", "0.0.0.0/0"),
        ("extract('a1b2', '[0-9]')", "1"),
        ("matches('abc', '^b')", "false"),
        (r#"json_get('{"a":"x\\u0041"}', '$.a')"#, r"xA"),
        (r#"json_get('{"a":"{\"b\":1}"}', 'a.b')"#, "∅"),
        (r#"json_get('nonsense', 'a')"#, "∅"),
        (r#"json_get('{"a":{"b c":null}}', "a['b c']")"#, "∅"),
        ("mime('{\"a\":1}')", "application/json"),
        ("mime('a=1&b=2')", "application/x-www-form-urlencoded"),
        ("mime('iVBORw0KGgoAAAA')", "image/png"),
        ("summary('a=1')", "a=1"),
        ("all(true, 'yes', 1)", "true"),
        ("greater('x', 1)", "∅"),
    ] {
        assert_eq!(gives(expression), result, "{expression}");
    }
}

#[test]
fn times_are_recognised_and_read_by_format() {
    for (expression, result) in [
        ("time('2026-01-02T03:04:05Z')", "2026-01-02T03:04:05Z"),
        (
            "time('2026-01-02 03:04:05.123456789+09:00')",
            "2026-01-01T18:04:05.123456Z",
        ),
        ("time('2026/01/02 03:04:05')", "2026-01-02T03:04:05Z"),
        ("time('2026-01-02T03:04:05,5')", "2026-01-02T03:04:05.5Z"),
        ("time(1767323045)", "2026-01-02T03:04:05Z"),
        ("time('1767323045.25')", "2026-01-02T03:04:05.25Z"),
        ("time('1767323045123')", "2026-01-02T03:04:05.123Z"),
        ("time('1767323045123456')", "2026-01-02T03:04:05.123456Z"),
        ("time('1767323045123456789')", "2026-01-02T03:04:05.123456Z"),
        ("time('[02/Jan/2026:03:04:05 +0000]')", "2026-01-02T03:04:05Z"),
        ("time('Jan  2 2026 03:04:05')", "2026-01-02T03:04:05Z"),
        ("time('Feb 30 2026 03:04:05')", "∅"),
        ("time('2026-02-30T00:00:00Z')", "∅"),
        ("time('soon')", "∅"),
        ("time('20260102', '%Y%m%d')", "2026-01-02T00:00:00Z"),
        (
            "time('02/01/26 3:04:05 PM', '%d/%m/%y %I:%M:%S %p')",
            "2026-01-02T15:04:05Z",
        ),
        ("time('2026-002 03:04', '%Y-%j %R')", "2026-01-02T03:04:00Z"),
        ("time('1767323045.5', '%s.%f')", "2026-01-02T03:04:05.5Z"),
        (
            "time('2026-01-02 03:04:05', '%F %T', '+09:00')",
            "2026-01-01T18:04:05Z",
        ),
        // A summer and a winter time of one zone.
        (
            "time('2026-07-01 12:00:00', '%F %T', 'America/New_York')",
            "2026-07-01T16:00:00Z",
        ),
        (
            "time('2026-01-01 12:00:00', '%F %T', 'America/New_York')",
            "2026-01-01T17:00:00Z",
        ),
        // In the hour that is skipped the offset before it holds.
        (
            "time('2026-03-08 02:30:00', '%F %T', 'America/New_York')",
            "2026-03-08T07:30:00Z",
        ),
        ("time('2026-01-02 extra', '%F')", "∅"),
        ("time('12:00', '%R')", "∅"),
    ] {
        assert_eq!(gives(expression), result, "{expression}");
    }
}

/// (column of the file, code, offending text) of a mistake in an expression for `status`.
#[test]
fn mistakes_are_placed_inside_the_expression() {
    for (expression, column, code, text) in [
        ("", 1, "syntax", ""),
        ("$.a ||", 7, "syntax", ""),
        ("$.a | $.b", 5, "syntax", "|"),
        ("$.a ? 1", 5, "syntax", "?"),
        ("$.", 3, "syntax", ""),
        ("$['a'", 6, "syntax", ""),
        ("$[x]", 3, "syntax", "x"),
        ("int($.code", 11, "syntax", ""),
        ("'open", 1, "syntax", "'open"),
        ("$.a $.b", 5, "syntax", "$"),
        ("12ab", 1, "bad_number", "12ab"),
        ("$.a[99999999999]", 5, "bad_number", "99999999999"),
        ("$.a || itn($.code)", 8, "unknown_function", "itn"),
        ("int($.a, $.b)", 1, "argument_count", "int($.a, $.b)"),
        ("$.a || len()", 8, "argument_count", "len()"),
        ("code", 1, "bare_name", "code"),
        ("int(code)", 5, "bare_name", "code"),
        ("if(true, 1, 'x')", 13, "type_mismatch", "'x'"),
        ("$.a ?: 'none'", 8, "type_mismatch", "'none'"),
        ("true", 1, "type_mismatch", "true"),
        ("99999999999", 1, "type_mismatch", "99999999999"),
        ("time($.a)", 1, "type_mismatch", "time($.a)"),
        ("int(substring($.a, 'x'))", 20, "type_mismatch", "'x'"),
        ("len(extract($.a, $.b))", 18, "type_mismatch", "$.b"),
        ("len(extract($.a, '(x'))", 18, "bad_pattern", "'(x'"),
        ("int(text(time($.a, '%Y %Q')))", 24, "bad_time_format", "%Q"),
        (
            "int(text(time($.a, '%Y', 'Asia/Soul')))",
            26,
            "unknown_zone",
            "'Asia/Soul'",
        ),
        ("int(json_get($.a, 'x['))", 19, "syntax", "'x['"),
        ("한글($.a)", 1, "unknown_function", "한글"),
        ("'한글' || nope(1)", 9, "unknown_function", "nope"),
    ] {
        let found = mistake("status", expression);
        assert_eq!(
            (found.line, found.column, found.code, found.text.as_str()),
            (1, column, code, text),
            "{expression}: {found}"
        );
    }
}

#[test]
fn near_names_are_suggested() {
    let hint = |diagnostic: Diagnostic| diagnostic.hint.unwrap_or_default();
    assert_eq!(hint(mistake("status", "itn($.a)")), "did you mean `int`?");
    assert_eq!(hint(mistake("scr_ip", "$.a")), "did you mean `src_ip`?");
    assert_eq!(
        hint(mistake("request_tim", "$.a")),
        "did you mean `request_time`?"
    );
    assert_eq!(mistake("scr_ip", "$.a").code, "unknown_column");
    assert_eq!(mistake("raw", "$.a").code, "reserved_column");
    assert_eq!(mistake("src_key", "$.a").code, "reserved_column");
    let found = mistakes(&[("uri", "$.u")], &[("param_sig", "sig(qerystring)")]);
    assert_eq!(found[0].code, "unknown_name");
    assert_eq!(
        (found[0].column, found[0].hint.as_deref()),
        (5, Some("did you mean `querystring`?"))
    );
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = mistakes(
        &[
            ("status", "itn($.a)"),
            ("uri", "$.u ||"),
            ("nope", "$.x"),
            ("status", "1"),
        ],
        &[
            ("ip_bucket", "truncate(param_sig, 24)"),
            ("param_sig", "sig(querystring)"),
        ],
    );
    let codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(
        codes,
        [
            "unknown_function",
            "syntax",
            "unknown_column",
            "duplicate_column",
            "not_yet_derived",
            "unknown_name"
        ]
    );
    // `remote_addr` is stored as the core column.
    let twice = mistakes(&[("peer_ip", "$.a"), ("remote_addr", "$.b")], &[]);
    assert_eq!(twice[0].code, "duplicate_column");
}

#[test]
fn sizes_are_bounded() {
    let code = |expression: &str| mistake("uri", expression).code;
    assert_eq!(code(&"lower(".repeat(25)), "too_deep");
    assert_eq!(code(&"(".repeat(5000)), "too_large");
    assert_eq!(code(&"(".repeat(4000)), "too_deep");
    assert_eq!(code(&vec!["$.a"; 257].join("||")), "too_large");
    assert!(evaluate(&vec!["$.a"; 256].join("||")).is_ok());
    assert_eq!(code(&format!("${}", ".a".repeat(17))), "too_large");
    assert_eq!(code(&format!("$.{}", "k".repeat(257))), "too_large");
    assert_eq!(code(r"extract($.a, '\w{100}{100}{100}')"), "bad_pattern");
    let many: Vec<(String, String)> = (0..257).map(|at| (format!("c{at}"), "$.a".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(mistakes(&many, &[])[0].code, "too_large");
}

/// (line, column, code) of the mistakes in a definition.
fn places(yaml: &str) -> Vec<(u32, u32, &'static str)> {
    let found = ParserDefinition::parse("shop.yaml", yaml).expect_err("there is a mistake");
    assert!(found.iter().all(|d| d.file == "shop.yaml"));
    found.iter().map(|d| (d.line, d.column, d.code)).collect()
}

#[test]
fn mistakes_have_their_place_in_the_file_whatever_the_quotes() {
    let head = "id: shop\nversion: 1\nkind: json\nmap:\n";
    for (rest, line, column) in [
        ("  uri: $.a || nope(1)\n", 5, 15),
        ("  uri: '$.a || nope(1)'\n", 5, 16),
        ("  uri: \"$.a || nope(1)\"\n", 5, 16),
        ("  uri: '''x'' || nope(1)'\n", 5, 18),
        ("  uri: \"\\\"\\u0041\\\" || nope(1)\"\n", 5, 23),
        ("  uri: $.a ||\n    nope(1)\n", 6, 5),
        ("  uri: >-\n    $.a ||\n    nope(1)\n", 7, 5),
        ("  uri: |\n    $.a || nope(1)\n", 6, 12),
        ("  uri: nope(1) ?: 'x: y' # why: not\n", 5, 8),
        ("  ua: $.b\n  uri: $.a ?: nope(1)\n", 6, 15),
        ("  uri: '$.한글 || nope(1)'\n", 5, 17),
    ] {
        let yaml = format!("{head}{rest}");
        assert_eq!(places(&yaml), [(line, column, "unknown_function")], "{rest}");
        let crlf = yaml.replace('\n', "\r\n");
        assert_eq!(places(&crlf), [(line, column, "unknown_function")], "CRLF {rest}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        let _ = evaluate(&text);
    }

    #[test]
    fn arbitrary_tokens_never_panic_and_mistakes_lie_inside(
        tokens in proptest::collection::vec(
            proptest::sample::select(vec![
                "$", ".a", "['k']", "[0]", "||", "?:", "(", ")", ",", "'x'", "\"y\"", "12", "-1.5", "true",
                "int", "if", "concat", "time", "'%Y'", "matches", "substring", "json_get", "split_part",
                "nope", " ", "한", "\\", "'", "sig", "summary", "truncate", "'192.0.2.1'", "replace",
            ]),
            0..24,
        ),
    ) {
        let text = tokens.concat();
        match evaluate(&text) {
            Ok(_) => {}
            Err(found) => {
                for diagnostic in found {
                    prop_assert_eq!(diagnostic.line, 1);
                    prop_assert!(diagnostic.column as usize <= text.chars().count() + 1);
                    prop_assert!(!diagnostic.message.is_empty());
                }
            }
        }
    }

    #[test]
    fn arbitrary_definitions_never_panic(text in "\\PC{0,80}", column in "[a-z_]{1,10}") {
        let yaml = format!("id: a\nversion: 1\nkind: kv\nmap:\n  {column}: {text}\n");
        let _ = ParserDefinition::parse("f", &yaml);
        let _ = ParserDefinition::parse("f", &text);
    }
}
