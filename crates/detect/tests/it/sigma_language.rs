//! The detection language, modifier by modifier: rules on JSON events, and what must be refused.

use haetae_detect::sigma::document::{self, Document, Rule};
use haetae_detect::{RuleMatcher, RuleSet};
use serde_json::Value;

fn read(detection: &str) -> Result<Rule, String> {
    let text = format!("title: t\nlogsource: {{product: any}}\ndetection:\n{detection}\n");
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    match document::read(&value, &Default::default()) {
        Ok(Document::Rule(rule)) => Ok(rule),
        Ok(_) => Err("no rule".into()),
        Err(problem) => Err(format!("{}: {}", problem.code, problem.message)),
    }
}

/// Which of the events a detection matches.
fn matching(detection: &str, events: &[&str]) -> Vec<usize> {
    let rule = read(detection).unwrap_or_else(|error| panic!("{detection}: {error}"));
    let mut matcher = RuleMatcher::of_json([&rule]);
    let batch = matcher.json_batch(events);
    let mut rows = Vec::new();
    matcher.run(&batch, |row, _| rows.push(row));
    rows
}

/// Each row: an item of one selection, events it matches, events it does not.
fn check(rows: &[(&str, &[&str], &[&str])]) {
    for (item, yes, no) in rows {
        let detection = format!("  s:\n    {item}\n  condition: s");
        let events: Vec<&str> = yes.iter().chain(*no).copied().collect();
        let wanted: Vec<usize> = (0..yes.len()).collect();
        assert_eq!(matching(&detection, &events), wanted, "{item} on {events:#?}");
    }
}

#[test]
fn plain_values_are_whole_and_without_case() {
    check(&[
        (
            "f: Abc",
            &[r#"{"f":"abc"}"#, r#"{"f":"ABC"}"#],
            &[r#"{"f":"abcd"}"#, r#"{"f":" abc"}"#, r#"{"F":"abc"}"#, "{}"],
        ),
        ("f: [a, b]", &[r#"{"f":"A"}"#, r#"{"f":"b"}"#], &[r#"{"f":"c"}"#]),
        ("f: ΑΣΑ", &[r#"{"f":"ασα"}"#], &[r#"{"f":"αςα"}"#]),
        ("f|contains: ΑΣ", &[r#"{"f":"xασα"}"#], &[]),
        ("f: 한글", &[r#"{"f":"한글"}"#], &[r#"{"f":"한"}"#]),
        (
            "f: ''",
            &[r#"{"f":""}"#],
            &[r#"{"f":null}"#, r#"{"f":" "}"#, "{}"],
        ),
        (
            "f: null",
            &[r#"{"f":null}"#, "{}"],
            &[r#"{"f":""}"#, r#"{"f":0}"#, r#"{"f":[]}"#, r#"{"f":{}}"#],
        ),
        ("f: '*'", &[r#"{"f":""}"#, r#"{"f":5}"#], &[r#"{"f":null}"#, "{}"]),
        (
            "f: true",
            &["{\"f\":true}", r#"{"f":"True"}"#],
            &["{\"f\":false}", r#"{"f":1}"#, r#"{"f":"yes"}"#],
        ),
        (
            "f: 'true'",
            &["{\"f\":true}", r#"{"f":"TRUE"}"#],
            &["{\"f\":false}"],
        ),
    ]);
}

#[test]
fn wildcards_and_escapes() {
    check(&[
        (r"f: 'a\b'", &[r#"{"f":"a\\b"}"#], &[r#"{"f":"ab"}"#]),
        (r"f: 'a\\b'", &[r#"{"f":"a\\b"}"#], &[r#"{"f":"a\\\\b"}"#]),
        (r"f: '\*'", &[r#"{"f":"*"}"#], &[r#"{"f":"x"}"#, r#"{"f":"\\x"}"#]),
        (r"f: '\?'", &[r#"{"f":"?"}"#], &[r#"{"f":"x"}"#]),
        (
            r"f: '\\*'",
            &[r#"{"f":"\\x"}"#, r#"{"f":"\\"}"#],
            &[r#"{"f":"*"}"#],
        ),
        (r"f: '\\\*'", &[r#"{"f":"\\*"}"#], &[r#"{"f":"\\x"}"#]),
        (r"f: '\\\\'", &[r#"{"f":"\\\\"}"#], &[r#"{"f":"\\"}"#]),
        (
            r"f: 'C:\Windows\*'",
            &[r#"{"f":"c:\\windows*"}"#],
            &[r#"{"f":"c:\\windows\\x"}"#],
        ),
        (r"f: 'end\'", &[r#"{"f":"end\\"}"#], &[r#"{"f":"end"}"#]),
        (r"f|endswith: '\'", &[r#"{"f":"end\\"}"#], &[r#"{"f":"end"}"#]),
        (
            "f: 'a?c'",
            &[r#"{"f":"abc"}"#, r#"{"f":"a한c"}"#, "{\"f\":\"a\\nc\"}"],
            &[r#"{"f":"ac"}"#, r#"{"f":"abbc"}"#],
        ),
        (
            "f: 'a*b*c'",
            &[r#"{"f":"abc"}"#, r#"{"f":"a1b2b3c"}"#, "{\"f\":\"a\\nb\\nc\"}"],
            &[r#"{"f":"abcd"}"#, r#"{"f":"acb"}"#],
        ),
        ("f|contains: 'a*c'", &[r#"{"f":"xabcx"}"#], &[r#"{"f":"ca"}"#]),
    ]);
}

#[test]
fn open_ends_lists_and_case() {
    check(&[
        (
            "f|contains: Bc",
            &[r#"{"f":"aBCd"}"#, r#"{"f":"bc"}"#],
            &[r#"{"f":"b c"}"#],
        ),
        ("f|startswith: ab", &[r#"{"f":"ABc"}"#], &[r#"{"f":"xab"}"#]),
        (
            "f|endswith: [.exe, .dll]",
            &[r#"{"f":"x.EXE"}"#, r#"{"f":".dll"}"#],
            &[r#"{"f":".exe.txt"}"#],
        ),
        ("f|contains|all: [a, b]", &[r#"{"f":"xbxa"}"#], &[r#"{"f":"a"}"#]),
        ("f|all|contains: [a, b]", &[r#"{"f":"ba"}"#], &[r#"{"f":"b"}"#]),
        ("f|all: ['*a*', 'b*']", &[r#"{"f":"bxa"}"#], &[r#"{"f":"abx"}"#]),
        (
            "f|cased: Abc",
            &[r#"{"f":"Abc"}"#],
            &[r#"{"f":"abc"}"#, r#"{"f":"ABC"}"#],
        ),
        ("f|contains|cased: Bc", &[r#"{"f":"aBcd"}"#], &[r#"{"f":"abcd"}"#]),
        ("f|cased|endswith: É", &[r#"{"f":"xÉ"}"#], &[r#"{"f":"xé"}"#]),
        (
            "f|startswith: 12",
            &[r#"{"f":123}"#, r#"{"f":"12"}"#],
            &[r#"{"f":21}"#],
        ),
    ]);
}

#[test]
fn presence_and_negation() {
    check(&[
        (
            "f|exists: true",
            &[r#"{"f":""}"#, r#"{"f":[]}"#, r#"{"f":{"a":1}}"#, r#"{"f":false}"#],
            &["{}", r#"{"f":null}"#],
        ),
        ("f|exists: false", &["{}", r#"{"f":null}"#], &[r#"{"f":""}"#]),
        (
            "f|neq: a",
            &["{}", r#"{"f":"b"}"#, r#"{"f":null}"#],
            &[r#"{"f":"A"}"#],
        ),
        (
            "f|neq: [a, b]",
            &[r#"{"f":"c"}"#],
            &[r#"{"f":"a"}"#, r#"{"f":"b"}"#],
        ),
        ("f|contains|neq: a", &[r#"{"f":"xyz"}"#], &[r#"{"f":"xaz"}"#]),
        (
            "f|contains|all|neq: [a, b]",
            &[r#"{"f":"a"}"#],
            &[r#"{"f":"ab"}"#],
        ),
        ("f|neq: null", &[r#"{"f":""}"#], &["{}", r#"{"f":null}"#]),
        (
            "f|cidr|neq: 10.0.0.0/8",
            &[r#"{"f":"11.0.0.1"}"#, r#"{"f":"x"}"#],
            &[r#"{"f":"10.1.1.1"}"#],
        ),
        (
            "f|fieldref|neq: g",
            &[r#"{"f":"a","g":"b"}"#, "{}"],
            &[r#"{"f":"a","g":"A"}"#],
        ),
    ]);
}

#[test]
fn numbers_compare_as_numbers_and_as_texts() {
    check(&[
        (
            "f: 4625",
            &[
                r#"{"f":4625}"#,
                r#"{"f":"4625"}"#,
                r#"{"f":4625.0}"#,
                r#"{"f":"4625.0"}"#,
            ],
            &[r#"{"f":46250}"#, r#"{"f":"x4625"}"#, r#"{"f":true}"#],
        ),
        (
            "f: '4625'",
            &[r#"{"f":4625}"#, r#"{"f":"4625"}"#],
            &[r#"{"f":"04625"}"#],
        ),
        (
            "f: 1.5",
            &[r#"{"f":1.5}"#, r#"{"f":"1.5"}"#, r#"{"f":"1.50"}"#],
            &[r#"{"f":15}"#],
        ),
        ("f: -3", &[r#"{"f":-3}"#, r#"{"f":"-3"}"#], &[r#"{"f":3}"#]),
        (
            "f: 9007199254740993",
            &[r#"{"f":9007199254740993}"#],
            &[r#"{"f":9007199254740992}"#],
        ),
        ("f: '46*'", &[r#"{"f":4625}"#, r#"{"f":46}"#], &[r#"{"f":1462}"#]),
        (
            "f|lt: 5",
            &[r#"{"f":4}"#, r#"{"f":"4.9"}"#, r#"{"f":-1}"#],
            &[r#"{"f":5}"#, r#"{"f":"x"}"#, "{}", r#"{"f":null}"#],
        ),
        ("f|lte: 5", &[r#"{"f":5}"#], &[r#"{"f":5.1}"#]),
        (
            "f|gt: '5'",
            &[r#"{"f":6}"#, r#"{"f":"5.5"}"#],
            &[r#"{"f":5}"#, r#"{"f":"6x"}"#, r#"{"f":true}"#],
        ),
        ("f|gte: 5.5", &[r#"{"f":5.5}"#], &[r#"{"f":5}"#]),
        ("f|gt: [5, 100]", &[r#"{"f":6}"#], &[r#"{"f":5}"#]),
    ]);
}

#[test]
fn arrays_match_by_any_element_and_paths_go_through_them() {
    check(&[
        (
            "f: b",
            &[r#"{"f":["a","B"]}"#, r#"{"f":[["b"]]}"#],
            &[r#"{"f":["ab"]}"#, r#"{"f":[]}"#, r#"{"f":{"g":"b"}}"#],
        ),
        ("f: 5", &[r#"{"f":[4,5]}"#, r#"{"f":["5"]}"#], &[r#"{"f":[45]}"#]),
        (
            "f|contains|all: [a, b]",
            &[r#"{"f":["xa","xb"]}"#],
            &[r#"{"f":["xa"]}"#],
        ),
        ("f|gt: 5", &[r#"{"f":[1,9]}"#], &[r#"{"f":[1,5]}"#]),
        ("f|neq: a", &[r#"{"f":["b"]}"#], &[r#"{"f":["b","a"]}"#]),
        (
            "a.b: x",
            &[
                r#"{"a":{"b":"x"}}"#,
                r#"{"a.b":"x"}"#,
                r#"{"a":[{"b":"y"},{"b":"X"}]}"#,
                r#"{"a":{"b":["x"]}}"#,
            ],
            &[r#"{"a":{"c":{"b":"x"}}}"#, r#"{"b":"x"}"#],
        ),
        (
            "a.b.c: x",
            &[
                r#"{"a":{"b":{"c":"x"}}}"#,
                r#"{"a.b":{"c":"x"}}"#,
                r#"{"a":{"b.c":"x"}}"#,
                r#"{"a.b.c":"x"}"#,
            ],
            &[r#"{"a":{"b":"x"}}"#],
        ),
        (
            "a.b: x",
            &[r#"{"a":{"b":"y"},"a.b":"x"}"#],
            &[r#"{"a":{"b":"x"},"a.b":"y"}"#],
        ),
        (
            "a.b: null",
            &["{}", r#"{"a":{}}"#, r#"{"a":{"b":null}}"#],
            &[r#"{"a":{"b":"x"}}"#],
        ),
    ]);
}

#[test]
fn regular_expressions_are_sought_with_case_and_flags() {
    check(&[
        ("f|re: 'b+c'", &[r#"{"f":"abbcd"}"#], &[r#"{"f":"aBBC"}"#]),
        (
            "f|re: '^ab$'",
            &[r#"{"f":"ab"}"#],
            &[r#"{"f":"xab"}"#, "{\"f\":\"ab\\ncd\"}"],
        ),
        ("f|re|i: 'AB'", &[r#"{"f":"xaby"}"#], &[]),
        ("f|re|ignorecase: 'AB'", &[r#"{"f":"xaby"}"#], &[]),
        ("f|re: '(?i)AB'", &[r#"{"f":"xaby"}"#], &[]),
        ("f|re|m: '^cd$'", &["{\"f\":\"ab\\ncd\"}"], &[r#"{"f":"abcd"}"#]),
        ("f|re|multiline: '^cd$'", &["{\"f\":\"ab\\ncd\"}"], &[]),
        ("f|re: 'a.c'", &[r#"{"f":"abc"}"#], &["{\"f\":\"a\\nc\"}"]),
        ("f|re|s: 'a.c'", &["{\"f\":\"a\\nc\"}"], &[]),
        ("f|re|dotall|i: 'A.C'", &["{\"f\":\"a\\nc\"}"], &[]),
        (r"f|re: '\d{3}'", &[r#"{"f":1234}"#], &[r#"{"f":12}"#]),
        (r"f|re: 'a\\b'", &[r#"{"f":"a\\b"}"#], &[r#"{"f":"ab"}"#]),
        ("f|re|contains: 'ab'", &[r#"{"f":"xabx"}"#], &[]),
        ("f|re|startswith: 'a|b'", &[r#"{"f":"bx"}"#], &[r#"{"f":"xb"}"#]),
        ("f|re|endswith: 'a|b'", &[r#"{"f":"xb"}"#], &[r#"{"f":"bx"}"#]),
        ("f|re: ['x+', 'y+']", &[r#"{"f":"y"}"#], &[r#"{"f":"z"}"#]),
        ("f|re|all: ['x+', 'y+']", &[r#"{"f":"xy"}"#], &[r#"{"f":"y"}"#]),
    ]);
}

#[test]
fn encodings_hide_what_they_encode() {
    check(&[
        (
            "f|base64: foobar",
            &[r#"{"f":"Zm9vYmFy"}"#],
            &[r#"{"f":"Zm9vYmF"}"#, r#"{"f":"xZm9vYmFy"}"#],
        ),
        ("f|base64|contains: foobar", &[r#"{"f":"xZm9vYmFyx"}"#], &[]),
        (
            "f|base64offset|contains: foobar",
            &[
                r#"{"f":"..Zm9vYmFy.."}"#,
                r#"{"f":"..Zvb2Jhc.."}"#,
                r#"{"f":"..mb29iYX.."}"#,
            ],
            &[r#"{"f":"Zm9vYmF"}"#, r#"{"f":"foobar"}"#],
        ),
        (
            "f|base64offset|contains: 'http://'",
            &[
                r#"{"f":"aHR0cDovL"}"#,
                r#"{"f":"h0dHA6Ly"}"#,
                r#"{"f":"odHRwOi8v"}"#,
            ],
            &[r#"{"f":"aHR0cDov"}"#],
        ),
        (
            "f|base64offset|contains: /bin/bash",
            &[
                r#"{"f":"L2Jpbi9iYXNo"}"#,
                r#"{"f":"9iaW4vYmFza"}"#,
                r#"{"f":"vYmluL2Jhc2"}"#,
            ],
            &[],
        ),
        (
            "f|base64offset|contains|cased: foobar",
            &[r#"{"f":"Zm9vYmFy"}"#],
            &[r#"{"f":"zm9vymfy"}"#],
        ),
        (
            "f|base64offset|contains|all: [foobar, /bin/bash]",
            &[r#"{"f":"Zm9vYmFy L2Jpbi9iYXNo"}"#],
            &[r#"{"f":"Zm9vYmFy"}"#],
        ),
        // UTF-16 first, Base64 of its bytes then.
        (
            "f|utf16le|base64offset|contains: ping",
            &[r#"{"f":"cABpAG4AZw"}"#, r#"{"f":"AAaQBuAGcA cABpAG4AZw"}"#],
            &[r#"{"f":"cGluZw"}"#],
        ),
        (
            "f|wide|base64offset|contains: ping",
            &[r#"{"f":"cABpAG4AZw"}"#],
            &[],
        ),
        ("f|utf16be|base64: ab", &[r#"{"f":"AGEAYg=="}"#], &[]),
        ("f|utf16|base64: ab", &[r#"{"f":"//5hAGIA"}"#], &[]),
        (
            "f|utf16le: ab",
            &["{\"f\":\"a\\u0000b\\u0000\"}"],
            &[r#"{"f":"ab"}"#],
        ),
        ("f|wide|contains: ab", &["{\"f\":\"xa\\u0000b\\u0000x\"}"], &[]),
        ("f|base64: 'a\\*b'", &[r#"{"f":"YSpi"}"#], &[]),
        (
            "f|windash|base64: ' -x'",
            &[r#"{"f":"IC14"}"#, r#"{"f":"IC94"}"#],
            &[r#"{"f":"IC55"}"#],
        ),
    ]);
}

#[test]
fn dashes_of_options_in_any_spelling() {
    check(&[
        (
            "f|windash|contains: ' -s'",
            &[
                r#"{"f":"a -S b"}"#,
                r#"{"f":"a /s"}"#,
                r#"{"f":"a –s"}"#,
                r#"{"f":"a —s"}"#,
                r#"{"f":"a ―s"}"#,
            ],
            &[r#"{"f":"a _s"}"#, r#"{"f":"a s"}"#],
        ),
        ("f|contains|windash: ' /s'", &[r#"{"f":"a -s"}"#], &[]),
        // Inside a word nothing is an option.
        (
            "f|windash|contains: 'a-b'",
            &[r#"{"f":"a-b"}"#],
            &[r#"{"f":"a/b"}"#],
        ),
        (
            "f|windash|contains: '-a-b -c'",
            &[r#"{"f":"/a-b /c"}"#, r#"{"f":"-a-b ―c"}"#],
            &[r#"{"f":"/a/b /c"}"#],
        ),
        ("f|windash: '-x*y'", &[r#"{"f":"/x 1 y"}"#], &[r#"{"f":"x 1 y"}"#]),
        (
            "f|windash|contains|all: [' -a', ' -b']",
            &[r#"{"f":"x /b -a"}"#],
            &[r#"{"f":"x /b"}"#],
        ),
        // A dash before no word stays.
        (
            "f|windash|contains: '- '",
            &[r#"{"f":"a - b"}"#],
            &[r#"{"f":"a / b"}"#],
        ),
    ]);
}

#[test]
fn blocks_of_addresses() {
    check(&[
        (
            "f|cidr: 10.0.0.0/8",
            &[r#"{"f":"10.1.2.3"}"#],
            &[
                r#"{"f":"11.0.0.1"}"#,
                r#"{"f":"10.0.0.0/8"}"#,
                r#"{"f":"x"}"#,
                "{}",
            ],
        ),
        (
            "f|cidr: ['192.168.0.0/16', 'fe80::/10']",
            &[r#"{"f":"192.168.9.9"}"#, r#"{"f":"fe80::1"}"#],
            &[r#"{"f":"::1"}"#],
        ),
        ("f|cidr: 0.0.0.0/0", &[r#"{"f":"1.2.3.4"}"#], &[r#"{"f":"::1"}"#]),
        (
            "f|cidr: '::1/128'",
            &[r#"{"f":"::1"}"#, r#"{"f":"0:0:0:0:0:0:0:1"}"#],
            &[r#"{"f":"::2"}"#],
        ),
    ]);
}

#[test]
fn parts_of_a_time_as_it_is_written() {
    check(&[
        (
            "f|hour: 23",
            &[
                r#"{"f":"2026-03-01T23:10:00Z"}"#,
                r#"{"f":"2026-03-01T23:10:00+09:00"}"#,
                r#"{"f":"2026-03-01 23:10:00.5"}"#,
                r#"{"f":1772406600}"#,
                r#"{"f":1772406600000}"#,
            ],
            &[
                r#"{"f":"2026-03-01T14:10:00Z"}"#,
                r#"{"f":"2026-03-01"}"#,
                r#"{"f":"x"}"#,
                "{}",
            ],
        ),
        (
            "f|minute: 10",
            &[r#"{"f":"2026-03-01T23:10:00Z"}"#],
            &[r#"{"f":"2026-03-01T10:23:00Z"}"#],
        ),
        ("f|day: 1", &[r#"{"f":"2026-03-01"}"#], &[r#"{"f":"2026-03-11"}"#]),
        (
            "f|week: 9",
            &[r#"{"f":"2026-03-01"}"#],
            &[r#"{"f":"2026-03-02"}"#],
        ),
        (
            "f|week: 53",
            &[r#"{"f":"2027-01-01"}"#, r#"{"f":"2026-12-31"}"#],
            &[r#"{"f":"2027-01-04"}"#],
        ),
        (
            "f|week: 1",
            &[r#"{"f":"2024-12-30"}"#, r#"{"f":"2025-01-05"}"#],
            &[r#"{"f":"2024-12-29"}"#],
        ),
        (
            "f|month: 3",
            &[r#"{"f":"2026-03-01"}"#],
            &[r#"{"f":"2026-01-03"}"#],
        ),
        (
            "f|year: 2026",
            &[r#"{"f":"2026-03-01"}"#],
            &[r#"{"f":"2025-03-01"}"#, r#"{"f":"2026"}"#],
        ),
        (
            "f|hour|gte: 22",
            &[r#"{"f":"2026-03-01T23:10:00Z"}"#],
            &[r#"{"f":"2026-03-01T21:10:00Z"}"#],
        ),
        (
            "f|hour|lt: 6",
            &[r#"{"f":"2026-03-01T05:59:59Z"}"#],
            &[r#"{"f":"2026-03-01T06:00:00Z"}"#],
        ),
        (
            "f|hour: [1, 2]",
            &[r#"{"f":"2026-03-01T02:00:00Z"}"#],
            &[r#"{"f":"2026-03-01T03:00:00Z"}"#],
        ),
    ]);
}

#[test]
fn fields_compare_with_fields() {
    check(&[
        (
            "f|fieldref: g",
            &[
                r#"{"f":"a","g":"A"}"#,
                r#"{"f":5,"g":"5"}"#,
                r#"{"f":["x","a"],"g":"a"}"#,
            ],
            &[
                r#"{"f":"a","g":"b"}"#,
                r#"{"f":"a"}"#,
                "{}",
                r#"{"f":null,"g":null}"#,
            ],
        ),
        (
            "f|fieldref|cased: g",
            &[r#"{"f":"a","g":"a"}"#],
            &[r#"{"f":"a","g":"A"}"#],
        ),
        (
            "f|fieldref: [g, h.i]",
            &[r#"{"f":"a","h":{"i":"a"}}"#],
            &[r#"{"f":"a","g":"b"}"#],
        ),
        (
            "f|fieldref|all: [g, h]",
            &[r#"{"f":"a","g":"a","h":"A"}"#],
            &[r#"{"f":"a","g":"a","h":"b"}"#],
        ),
        (
            "f|fieldref|startswith: g",
            &[r#"{"f":"abc","g":"AB"}"#],
            &[r#"{"f":"xab","g":"ab"}"#],
        ),
        (
            "f|fieldref|endswith: g",
            &[r#"{"f":"abc","g":"bc"}"#],
            &[r#"{"f":"bcd","g":"bc"}"#],
        ),
        (
            "f|fieldref|contains: g",
            &[r#"{"f":"abc","g":"b"}"#],
            &[r#"{"f":"abc","g":"x"}"#],
        ),
    ]);
}

#[test]
fn keywords_are_sought_in_the_whole_event() {
    let events = [
        r#"{"a":"some Needle here","b":"x"}"#,
        r#"{"a":{"deep":["thread","x-needle"]},"b":7}"#,
        r#"{"needle":"key only","c":"path\\to\\file"}"#,
        r#"{"a":"thread","n":404}"#,
    ];
    for (detection, wanted) in [
        ("  k: [needle]\n  condition: k", vec![0, 1]),
        ("  k: needle\n  condition: k", vec![0, 1]),
        ("  k: ['nee*ere']\n  condition: k", vec![0]),
        ("  k: {'|all': [needle, thread]}\n  condition: k", vec![1]),
        ("  k: {'|cased': [Needle]}\n  condition: k", vec![0]),
        ("  k: {'|re': 'need.?e h'}\n  condition: k", Vec::new()),
        ("  k: {'|re|i': 'need.?e h'}\n  condition: k", vec![0]),
        ("  k: {'|contains': [thread]}\n  condition: k", vec![1, 3]),
        (
            r"  k: ['to\file']
  condition: k",
            vec![2],
        ),
        ("  k: [404]\n  condition: k", vec![3]),
        (
            "  k:\n    - thread\n    - a|startswith: some\n  condition: k",
            vec![0, 1, 3],
        ),
        (
            "  k:\n    - a: thread\n    - {b: x, a|contains: needle}\n  condition: k",
            vec![0, 3],
        ),
    ] {
        assert_eq!(matching(detection, &events), wanted, "{detection}");
    }
}

#[test]
fn conditions_of_every_form() {
    let searches = "  a: {f: a}\n  sel_1: {g: a}\n  sel_2: {g|exists: true}\n  _hidden: {h: x}";
    let events = [
        r#"{"f":"a"}"#,
        r#"{"f":"a","g":"a"}"#,
        r#"{"g":"b"}"#,
        r#"{"h":"x"}"#,
        "{}",
    ];
    for (condition, wanted) in [
        ("a", vec![0, 1]),
        ("not a", vec![2, 3, 4]),
        ("not not a", vec![0, 1]),
        ("a and sel_1", vec![1]),
        ("a AND NOT sel_1", vec![0]),
        ("a or sel_2", vec![0, 1, 2]),
        ("not a and not sel_2", vec![3, 4]),
        ("not (a or sel_2)", vec![3, 4]),
        ("a or sel_1 and sel_2", vec![0, 1]),
        ("(a or sel_2) and not sel_1", vec![0, 2]),
        ("1 of sel_*", vec![1, 2]),
        ("any of sel_*", vec![1, 2]),
        ("all of sel_*", vec![1]),
        ("not 1 of sel_*", vec![0, 3, 4]),
        ("1 of them", vec![0, 1, 2]),
        ("all of them", vec![1]),
        ("1 of _*", vec![3]),
        ("1 of *", vec![0, 1, 2]),
        ("1 of sel_1", vec![1]),
        ("_hidden", vec![3]),
        ("[a, _hidden]", vec![0, 1, 3]),
        ("['a and sel_1', '1 of _*']", vec![1, 3]),
    ] {
        let detection = format!("{searches}\n  condition: {condition}");
        assert_eq!(matching(&detection, &events), wanted, "{condition}");
    }
}

#[test]
fn what_means_nothing_is_refused() {
    for (item, code) in [
        ("f|contains|startswith: a", "sigma-modifier"),
        ("f|contains|re: a", "sigma-modifier"),
        ("f|i: a", "sigma-modifier"),
        ("f|contains|base64: a", "sigma-modifier"),
        ("f|base64|base64: a", "sigma-modifier"),
        ("f|base64|utf16le: a", "sigma-modifier"),
        ("f|utf16|wide|base64: a", "sigma-modifier"),
        ("f|gt|lt: 1", "sigma-modifier"),
        ("f|gt|contains: 1", "sigma-modifier"),
        ("f|hour|day: 1", "sigma-modifier"),
        ("f|exists|all: true", "sigma-modifier"),
        ("f|neq|exists: true", "sigma-modifier"),
        ("f|re|cidr: a", "sigma-modifier"),
        ("f|contains|fieldref: g", "sigma-modifier"),
        ("f|fieldref|windash: g", "sigma-modifier"),
        ("f|near: 1", "sigma-modifier"),
        ("'|exists': true", "sigma-modifier"),
        ("'|cidr': 10.0.0.0/8", "sigma-modifier"),
        ("'|gt': 1", "sigma-modifier"),
        ("f|exists: maybe", "sigma-value"),
        ("f|all: a", "sigma-value"),
        ("f|gt: x", "sigma-value"),
        ("f|gt: inf", "sigma-value"),
        ("f|hour: noon", "sigma-value"),
        ("f|base64: 'a*b'", "sigma-value"),
        ("f|base64offset: ''", "sigma-value"),
        ("f|utf16: ab", "sigma-value"),
        ("f|fieldref: 'g*'", "sigma-value"),
        ("f|fieldref: 5", "sigma-value"),
        ("f|cidr: 10.0.0.0/40", "sigma-value"),
        ("f|contains: null", "sigma-value"),
        ("f: [a, null]", "sigma-value"),
        ("f: []", "sigma-value"),
        ("f: {g: h}", "sigma-value"),
        ("f: [[a]]", "sigma-value"),
        ("f|re: '(?=a)'", "sigma-regex"),
        ("f|re: '(a)\\1'", "sigma-regex"),
        ("f|re: '('", "sigma-regex"),
        ("f|expand: '%unknown%'", "sigma-placeholder"),
    ] {
        let problem = read(&format!("  s:\n    {item}\n  condition: s")).err();
        assert!(
            problem.as_ref().is_some_and(|p| p.starts_with(code)),
            "{item}: {problem:?}"
        );
    }
    for (condition, part) in [
        ("s | count() by f > 5", "obsolete"),
        ("s near s", "obsolete"),
        ("1 of nothing*", "matches no"),
        ("2 of s*", "quantifier"),
        ("t", "does not define"),
        ("s and", "too early"),
        ("(s", "not closed"),
        ("s)", "unexpected"),
        ("[s, 5]", "no text"),
        ("[]", "needs a"),
        ("''", "too early"),
    ] {
        let problem = read(&format!("  s: {{f: a}}\n  condition: {condition}")).err();
        assert!(
            problem.as_ref().is_some_and(|p| p.contains(part)),
            "{condition}: {problem:?}"
        );
    }
    for (detection, code) in [
        ("  s: {}\n  condition: s", "sigma-value"),
        ("  s: []\n  condition: s", "sigma-value"),
        ("  s:\n  condition: s", "sigma-value"),
        ("  s: {f: a}\n  timeframe: 5m\n  condition: s", "sigma-timeframe"),
        ("  s: {f: a}", "sigma-condition"),
    ] {
        let problem = read(detection).err();
        assert!(
            problem.as_ref().is_some_and(|p| p.starts_with(code)),
            "{detection}: {problem:?}"
        );
    }
}

const RULES: &str = "
title: one
id: 00000000-0000-4000-8000-000000000001
name: one
logsource: {product: windows, category: process_creation}
detection:
  selection_a: {Image|endswith: '\\x.exe'}
  condition: 1 of selection*
---
title: two
name: two
logsource: {product: linux}
detection: {selection: {Image: a}, condition: selection}
";

fn found_with(filter: &str, event: &str) -> (Vec<usize>, RuleSet) {
    let mut rules = RuleSet::empty();
    rules.load_text("rules.yml", &format!("{RULES}---\ntitle: f\n{filter}\n"));
    let loaded: Vec<Rule> = rules
        .loaded()
        .iter()
        .filter_map(|loaded| match loaded.document.as_ref() {
            Document::Rule(rule) => Some(rule.clone()),
            _ => None,
        })
        .collect();
    let mut matcher = RuleMatcher::of_json(&loaded);
    let batch = matcher.json_batch(&[event]);
    let mut hits = Vec::new();
    matcher.run(&batch, |_, rule| hits.push(rule));
    (hits, rules)
}

#[test]
fn filters_exclude_whichever_sign_they_have() {
    let admin = r#"{"Image":"c:\\x.exe","User":"adm_1"}"#;
    let other = r#"{"Image":"c:\\x.exe","User":"eve"}"#;
    let head = "logsource: {category: process_creation, product: windows}\nfilter:\n  rules: [one]\n  selection: {User|startswith: adm_}\n";
    for (filter, notes) in [
        (format!("{head}  condition: selection"), 0),
        (format!("{head}  condition: not selection"), 1),
        (
            format!("haetae: {{filter: keep}}\n{head}  condition: not selection"),
            0,
        ),
        (
            format!("haetae: {{filter: exclude}}\n{head}  condition: selection"),
            0,
        ),
        (
            head.replace("rules: [one]", "rules: any") + "  condition: selection",
            0,
        ),
        (
            head.replace("rules: [one]", "rules: one") + "  condition: 1 of selection*",
            0,
        ),
        (
            head.replace("[one]", "[00000000-0000-4000-8000-000000000001]") + "  condition: selection",
            0,
        ),
        (
            head.replace("category: process_creation, ", "") + "  condition: selection",
            0,
        ),
    ] {
        let (hits, rules) = found_with(&filter, admin);
        assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
        assert_eq!(hits, Vec::<usize>::new(), "{filter}");
        assert_eq!(rules.notes().len(), notes, "{filter}: {:?}", rules.notes());
        assert_eq!(found_with(&filter, other).0, [0], "{filter}");
    }
    // Said the other way round, it does the other thing.
    let turned = format!("haetae: {{filter: keep}}\n{head}  condition: selection");
    assert_eq!(found_with(&turned, admin).0, [0]);
    assert!(found_with(&turned, other).0.is_empty());
    // Another log source is not touched, and is told.
    let linux = head.replace("windows", "linux") + "  condition: selection";
    let (hits, rules) = found_with(&linux, admin);
    assert_eq!(hits, [0]);
    assert_eq!(rules.notes()[0].code, "sigma-filter-target");
}

#[test]
fn a_filter_reaches_rules_that_are_loaded_after_it() {
    let mut rules = RuleSet::empty();
    rules.load_text(
        "filter.yml",
        "title: f\nlogsource: {product: windows}\nfilter: {rules: [one], s: {User: adm}, condition: s}\n",
    );
    rules.load_text("rules.yml", RULES);
    rules.load_text(
        "more.yml",
        "title: three\nlogsource: {}\ndetection: {s: {a: b}, condition: s}\n",
    );
    let Document::Rule(rule) = rules.loaded()[0].document.as_ref() else {
        panic!("a rule");
    };
    assert_eq!(rule.searches.len(), 2, "once, not twice");
}

#[test]
fn filters_that_mean_nothing_are_refused() {
    for (filter, code) in [
        ("logsource: {}\nfilter: {s: {a: b}, condition: s}", "sigma-filter"),
        (
            "logsource: {}\nfilter: {rules: [], s: {a: b}, condition: s}",
            "sigma-filter",
        ),
        (
            "logsource: {}\nfilter: {rules: [1], s: {a: b}, condition: s}",
            "sigma-filter",
        ),
        ("logsource: {}\nfilter: [a]", "sigma-filter"),
        ("filter: {rules: any, s: {a: b}, condition: s}", "sigma-logsource"),
        (
            "logsource: {}\nfilter: {rules: any, s: {a: b}, condition: t}",
            "sigma-condition",
        ),
        (
            "logsource: {}\nfilter: {rules: any, s: {a|b: c}, condition: s}",
            "sigma-modifier",
        ),
        (
            "logsource: {}\nhaetae: {filter: maybe}\nfilter: {rules: any, s: {a: c}, condition: s}",
            "sigma-custom",
        ),
    ] {
        let (_, rules) = found_with(filter, "{}");
        let codes: Vec<&str> = rules.diagnostics().iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, [code], "{filter}");
    }
}

#[test]
fn a_pipeline_file_adds_sources_names_and_placeholders() {
    let folder = std::env::temp_dir().join(format!("haetae-sigma-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).expect("folder");
    let rule = "title: r\nid: r\nlogsource: {category: webserver, product: mine}\ndetection: {s: {who|expand: ['%Admins%', 'x%Admins%y', '\\%Admins\\%']}, condition: s}\n";
    std::fs::write(folder.join("a.yml"), rule).expect("written");
    let mut rules = RuleSet::empty();
    rules.load_dir(&folder).expect("read");
    assert_eq!(rules.diagnostics()[0].code, "sigma-placeholder");
    let pipeline = "placeholders: {Admins: [root, 'adm_*']}\ntables: {mine: {who: account}}\nsources:\n  - logsource: {product: mine}\n    datasets: [web]\n    tables: [mine]\n";
    std::fs::write(folder.join("sub/pipeline.yml"), pipeline).expect("written");
    let mut rules = RuleSet::empty();
    assert_eq!(
        rules.load_dir(&folder).expect("read"),
        1,
        "{:?}",
        rules.diagnostics()
    );
    let Document::Rule(rule) = rules.loaded()[0].document.as_ref() else {
        panic!("a rule");
    };
    assert_eq!(rule.mapping.datasets(), [haetae_event::Dataset::Web]);
    let mut matcher = RuleMatcher::of_json([rule]);
    let events = [
        r#"{"who":"ROOT"}"#,
        r#"{"who":"adm_7"}"#,
        r#"{"who":"xrooty"}"#,
        r#"{"who":"%Admins%"}"#,
        r#"{"who":"eve"}"#,
    ];
    let batch = matcher.json_batch(&events);
    let mut hits = Vec::new();
    matcher.run(&batch, |row, _| hits.push(row));
    assert_eq!(hits, [0, 1, 2, 3]);
    for broken in [
        "sources: [{datasets: [nowhere]}]",
        "sources: [{tables: [nowhere]}]",
        "tables: {a: {b: 'uri|sideways'}}",
        "sources: [{when: {f|gt: x}}]",
        "unknown: 1",
        "sources: [",
    ] {
        let mut rules = RuleSet::empty();
        rules.load_pipeline("pipeline.yml", broken);
        assert_eq!(rules.diagnostics()[0].code, "pipeline-yaml", "{broken}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
