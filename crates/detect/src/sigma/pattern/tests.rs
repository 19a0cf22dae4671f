use super::*;

fn hit(pattern: &str, text: &str) -> bool {
    let lower = text.to_lowercase();
    Matcher::of_glob(Glob::parse(pattern), false).matches(Spelling {
        logged: text,
        lower: &lower,
    })
}

#[test]
fn wildcards_and_escapes_follow_the_specification() {
    for (pattern, text, expected) in [
        (r"a\b", r"a\b", true),
        (r"a\\b", r"a\b", true),
        (r"\*", "*", true),
        (r"\*", "x", false),
        (r"\\*", r"\anything", true),
        (r"\\\*", r"\*", true),
        (r"\\\\", r"\\", true),
        (r"C:\Windows\*", r"C:\Windows*", true),
        (r"C:\Windows\*", r"C:\Windows\x", false),
        ("a?c", "abc", true),
        ("a?c", "a한c", true),
        ("a?c", "ac", false),
        ("*a*b", "xaab", true),
        ("*a*b", "xaabc", false),
        ("a*b*c?", "aXXbYYcZ", true),
        ("", "", true),
        ("", "x", false),
        ("GET", "get", true),
    ] {
        assert_eq!(hit(pattern, text), expected, "{pattern} on {text}");
    }
}

#[test]
fn blocks_hold_their_addresses() {
    let block = Block::parse("10.0.0.0/8").expect("valid");
    assert!(block.holds("10.255.0.1".parse().expect("valid")));
    assert!(!block.holds("11.0.0.1".parse().expect("valid")));
    assert!(
        Block::parse("0.0.0.0/0")
            .expect("valid")
            .holds("1.2.3.4".parse().expect("valid"))
    );
    assert!(
        Block::parse("2001:db8::/32")
            .expect("valid")
            .holds("2001:db8::1".parse().expect("valid"))
    );
    for bad in ["10.0.0.0/33", "x", "", "1.2.3.4/-1"] {
        assert!(Block::parse(bad).is_none(), "{bad}");
    }
}
