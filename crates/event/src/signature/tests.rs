//! Shapes and classes by hand.

use super::*;

fn check(payload: &str, expected: &str) {
    assert_eq!(param_sig(payload).as_deref(), Some(expected), "{payload}");
}

#[test]
fn shapes() {
    check("q=%EC%84%9C%EC%9A%B8&page=3", "page:int&q:word");
    check("page=17&q=%EB%B6%80%EC%82%B0", "page:int&q:word");
    check("q=%BC%AD%BF%EF+%BD%C3%C3%BB", "q:text");
    check("page=1%27+OR+1%3D1", "page:code");
    check("page=1%2527%2520OR", "page:code");
    check("id=1&id=2&id=x%3Cy", "id[]:int|code");
    check("a=&b", "a:empty&b:empty");
    check("sid=8f14e45fceea167a5a36dedd4bea2543", "sid:hex");
    check(
        "t=2026-01-02T03:04:05Z&u=a@b.kr&r=https://x.kr/a?b",
        "r:url&t:date&u:email",
    );
    check(
        "sort=createdAt&dir=desc&msg=Hello+dear+customer",
        "dir:word&msg:text&sort:word",
    );
    check("file=../../etc/passwd", "file:code");
    check("key=Zx9kQw7LpT3mVb", "key:token");
    check(
        r#"{"user":"kim","n":3,"tags":["a"],"ok":true,"no":null}"#,
        "n:int&no:empty&ok:bool&tags:json&user:word",
    );
    check("plain", "word");
    check("123=4&456=7", "*int[]:int");
    check("flag=%00%01%02", "flag:binary");
    check("name=O%27Brien", "name:word");
    check("_=1700000000000&%27=1", "*code:int&_:int");
    check("q=Wait...+what", "q:text");
    check("q=..", "q:code");
    check("q=....//a", "q:code");
    check(r#"{"q":"\uc11c\uc6b8","p":"\u0027 or 1"}"#, "p:code&q:word");
    check(r#" [{"a":"b=c&d=e"}]"#, "json");
    assert_eq!(param_sig(""), None);
    assert_eq!(param_sig("-"), None);
}

#[test]
fn prose_of_any_language_is_no_code() {
    for prose in [
        "BTS(방탄소년단)",
        "VIP(2매)",
        "공연...",
        "ㅠㅠ;;",
        "안녕^^",
        "<기생충>",
        "'봄' 축제",
        "서울->부산",
        "\"레베카\"(서울)",
        "서울;부산",
        "콘서트|뮤지컬",
        "$100 상품권",
        "\"A\"는 '나'의 것",
        "see you 👋",
    ] {
        let class = class_of(prose);
        let quoted_ascii = prose.contains("\"A\"");
        assert_eq!(class == ValueClass::Code, quoted_ascii, "{prose}: {class:?}");
    }
    for attack in [
        "서울' OR 1=1",
        "부산' AND sleep(3)",
        "서울;cat /etc/passwd",
        "서울|id",
        "서울; ls",
        "서울<script>",
        "서울'",
        "'서울' OR 'a'",
        "서울../../etc",
        "$(서울)",
        "서울\"",
        "<서울 onload=x>",
        "서울 sleep(5)",
        "서울 a(b,'가')",
    ] {
        assert_eq!(class_of(attack), ValueClass::Code, "{attack}");
    }
}

#[test]
fn many_parameters_are_bounded() {
    let query = (0..5000).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let sig = param_sig(&query).expect("a signature");
    assert!(
        sig.ends_with("&+nnnn") && sig.len() < PARAMETERS_MAX * 60,
        "{sig}"
    );
}

#[test]
fn entropy() {
    assert_eq!(payload_entropy(b""), None);
    assert_eq!(payload_entropy(b"aaaa"), Some(0.0));
    assert!((payload_entropy(b"abcd").expect("some") - 2.0).abs() < 1e-9);
    let all: Vec<u8> = (0..=255).collect();
    assert!((payload_entropy(&all).expect("some") - 8.0).abs() < 1e-9);
}
