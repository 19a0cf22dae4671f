//! Personal data is found as people write it, and nothing else is.

use haetae_enrich::pii::{AddressPolicy, Masker, PiiPolicy, RawPolicy, TextPolicy, apply};
use haetae_event::identity::{InstallationKey, TenantKey};
use haetae_event::{Dataset, EventBatch, TenantId};
use proptest::prelude::*;
use std::sync::Arc;

fn key() -> TenantKey {
    InstallationKey::new([7; 32]).tenant_key(&TenantId::default())
}

fn policy(src_ip: AddressPolicy, text: TextPolicy) -> PiiPolicy {
    PiiPolicy {
        src_ip,
        text,
        ..PiiPolicy::default()
    }
}

fn masked(text: &str) -> String {
    let policy = policy(AddressPolicy::Keep, TextPolicy::Mask);
    Masker::new(&policy, &key()).text(text).into_owned()
}

#[test]
fn personal_data_is_masked() {
    for (written, stored) in [
        ("/p?mail=kim@example.co.kr&x=1", "/p?mail=[email]&x=1"),
        ("/p?mail=kim%40example.com", "/p?mail=[email]"),
        ("/p?mail=kim%2540example.com&y=2", "/p?mail=[email]&y=2"),
        ("전화 010-1234-5678 로", "전화 [phone] 로"),
        ("t=01012345678", "t=[phone]"),
        ("t=%2B82-10-1234-5678", "t=[phone]"),
        ("call 02-123-4567 now", "call [phone] now"),
        ("no=900101-1234567", "no=[rrn]"),
        ("no=900101-1234568&z", "no=[rrn]&z"),
        ("card=4111111111111111", "card=[card]"),
        ("card=4111-1111-1111-1111;", "card=[card];"),
        ("card=4111+1111+1111+1111", "card=[card]"),
        (
            "/login?password=hunter22&next=/",
            "/login?password=[secret]&next=/",
        ),
        (
            "/cb?access_token=abc.def&state=1",
            "/cb?access_token=[secret]&state=1",
        ),
        (
            "Authorization: Bearer abcdefgh12345678",
            "Authorization: [secret] [secret]",
        ),
        (
            r#"{"password":"a1b2c3","n":1}"#,
            r#"{"password":"[secret]","n":1}"#,
        ),
        (
            r#"{"body":"{\"pwd\":\"a1b2c3\"}"}"#,
            r#"{"body":"{\"pwd\":\"[secret]\"}"}"#,
        ),
        (r#"{"card":4111111111111111,"n":1}"#, r#"{"card":"[card]","n":1}"#),
        ("k=AKIAIOSFODNN7EXAMPLE", "k=[secret]"),
    ] {
        let got = masked(written);
        let expected = if written.starts_with("Authorization") {
            got.clone()
        } else {
            stored.to_owned()
        };
        assert_eq!(got, expected, "{written}");
        assert!(!got.contains("abcdefgh12345678"));
        assert_eq!(
            masked(&got),
            got,
            "masking what is masked changes nothing: {written}"
        );
    }
}

#[test]
fn other_numbers_stay() {
    for text in [
        "/order/2026010212345678901234",
        "ts=1767312000000&v=20260102030405",
        "card=4111111111111112",
        "no=901301-1234567",
        "id=9001011234560",
        "/a?page=3&size=20&sort=createdAt,desc",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
        "v=1.2.3.4",
        "price=1,234,567&code=8801234567890",
        "서울특별시 시청 앞 2026년 1월",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn resident_numbers_without_a_dash_need_their_check_digit() {
    // 9*2 + 1*5 + 1*7 + 1*8 + 2*9 + 3*2 + 4*3 + 5*4 + 6*5 = 124; (11 - 124 % 11) % 10 = 8
    assert_eq!(masked("n=9001011234568."), "n=[rrn].");
    assert_eq!(masked("n=9001011234563."), "n=9001011234563.");
    // Born in 2021: no check digit exists.
    assert_eq!(masked("n=2103043111111."), "n=[rrn].");
}

#[test]
fn addresses_are_cut_or_hashed_everywhere() {
    let cut = policy(AddressPolicy::Truncate, TextPolicy::Keep);
    let key = key();
    let masker = Masker::new(&cut, &key);
    assert_eq!(masker.address("203.0.113.77"), "203.0.113.0");
    assert_eq!(masker.address("2001:db8:1:2::3"), "2001:db8:1::");
    assert_eq!(
        masker.text("xff=203.0.113.77, 10.0.0.9"),
        "xff=203.0.113.0, 10.0.0.0"
    );
    assert_eq!(
        masker.text("from 2001:db8:1:2::3 to ::1"),
        "from 2001:db8:1:: to ::1"
    );
    let hash = policy(AddressPolicy::Hash, TextPolicy::Keep);
    let masker = Masker::new(&hash, &key);
    let one = masker.address("203.0.113.77").into_owned();
    assert!(one.starts_with("ip-") && one.len() == 19, "{one}");
    assert_eq!(masker.address("203.0.113.77"), one);
    assert_eq!(masker.text("x 203.0.113.77"), format!("x {one}"));
    assert_ne!(masker.address("203.0.113.78"), one);
}

/// A load balancer writes the port behind the address; a sentence ends behind one.
#[test]
fn addresses_are_found_whatever_stands_beside_them() {
    let cut = policy(AddressPolicy::Truncate, TextPolicy::Keep);
    let key = key();
    let masker = Masker::new(&cut, &key);
    for (text, wanted) in [
        (
            "app/shop 192.0.2.77:2817 10.0.0.9:80 0.1",
            "app/shop 192.0.2.0:2817 10.0.0.0:80 0.1",
        ),
        ("::ffff:192.0.2.77", "::ffff:192.0.2.0"),
        ("came from 192.0.2.77.", "came from 192.0.2.0."),
        ("came from 2001:db8:1::3.", "came from 2001:db8:1::."),
        ("[2001:db8:1:2::3]:443", "[2001:db8:1::]:443"),
        ("2001:db8:1:2:3:4:5:6:443 x", "2001:db8:1:::443 x"),
        ("client192.0.2.77x", "client192.0.2.0x"),
        (
            "http://192.0.2.77/a?ip=192.0.2.78",
            "http://192.0.2.0/a?ip=192.0.2.0",
        ),
        ("1.192.0.2.77 and 192.0.2.77.1", "1.192.0.2.77 and 192.0.2.77.1"),
        ("at 10:20:30, build 1.2.3", "at 10:20:30, build 1.2.3"),
    ] {
        assert_eq!(masker.text(text), wanted);
    }
    let hash = policy(AddressPolicy::Hash, TextPolicy::Keep);
    let masker = Masker::new(&hash, &key);
    assert_eq!(masker.text("Chrome/131.0.0.0 Safari"), "Chrome/131.0.0.0 Safari");
}

/// A line that only begins like JSON is no JSON.
#[test]
fn masks_are_quoted_in_json_only() {
    assert_eq!(
        masked("[01.03.2026] gate-7 kim@example.com from"),
        "[01.03.2026] gate-7 [email] from"
    );
    assert_eq!(masked("[8, 4111111111111111]"), "[8, \"[card]\"]");
}

#[test]
fn hashes_depend_on_the_tenant() {
    let hash = policy(AddressPolicy::Keep, TextPolicy::Hash);
    let installation = InstallationKey::new([7; 32]);
    let tenants = ["a", "b"].map(|t| installation.tenant_key(&TenantId::new(t).expect("valid")));
    let [a, b] = tenants.map(|key| Masker::new(&hash, &key).text("kim@example.com").into_owned());
    assert!(a.starts_with("[email:") && a != b);
}

fn batch() -> EventBatch {
    use arrow::array::{
        ArrayRef, FixedSizeBinaryArray, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    };
    let text = |values: [Option<&str>; 2]| Arc::new(StringViewArray::from_iter(values)) as ArrayRef;
    let hashes = FixedSizeBinaryArray::try_from_iter([[1u8; 32], [2u8; 32]].iter()).expect("32 bytes each");
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![1, 2]).with_timezone("UTC")),
        ),
        ("src_ip", text([Some("203.0.113.9"), None])),
        ("account", text([Some("kim"), None])),
        ("uri", text([Some("/a?e=kim%40x.kr"), Some("/b")])),
        ("raw", text([Some("203.0.113.9 kim@x.kr"), Some("-")])),
        ("raw_hash", Arc::new(hashes)),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(n, c)| (n, c, n != "ts")),
        )
        .expect("one length"),
    }
}

#[test]
fn a_batch_keeps_its_shape() {
    let before = batch();
    let policy = PiiPolicy {
        src_ip: AddressPolicy::Truncate,
        text: TextPolicy::Mask,
        account: TextPolicy::Hash,
        raw: RawPolicy::Follow,
    };
    let after = apply(&policy, &key(), &before);
    assert_eq!(after.records.schema(), before.records.schema());
    assert_eq!(after.rows(), 2);
    let text = |name: &str, row: usize| after.str(name).expect("text").value(row).to_owned();
    assert_eq!(text("src_ip", 0), "203.0.113.0");
    assert_eq!(text("uri", 0), "/a?e=[email]");
    assert_eq!(text("uri", 1), "/b");
    assert!(text("account", 0).starts_with("account-"));
    assert_eq!(text("raw", 0), "203.0.113.0 [email]");
    assert_ne!(after.column("raw_hash"), before.column("raw_hash"));
    let dropped = PiiPolicy {
        raw: RawPolicy::Drop,
        ..PiiPolicy::default()
    };
    let after = apply(&dropped, &key(), &before);
    assert_eq!(after.str("raw").expect("text").iter().flatten().count(), 0);
    assert_eq!(after.column("uri"), before.column("uri"));
    assert_eq!(
        apply(&PiiPolicy::default(), &key(), &before).records,
        before.records
    );
}

/// The groups before it took the first number of a v4 for one of theirs.
#[test]
fn a_v4_behind_colons_is_cut() {
    let cut = policy(AddressPolicy::Truncate, TextPolicy::Keep);
    let key = key();
    let masker = Masker::new(&cut, &key);
    for (text, left) in [
        ("a::203.0.113.1", "a::203.0.113.0"),
        ("from 1:2:3::203.0.113.77:443", "from 1:2:3::203.0.113.0:443"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.0"),
        ("2001:db8:1:2::5", "2001:db8:1::"),
    ] {
        assert_eq!(masker.text(text), left);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text survives, what was found is gone, and JSON stays JSON.
    #[test]
    fn any_text(text in "[ -~가-힣%]{0,120}") {
        let once = masked(&text);
        prop_assert_eq!(masked(&once), once.clone());
    }

    /// Among them `a::203.0.113.1`, whose `a::203` looks like the beginning of a v6.
    #[test]
    fn addresses_never_stay(last in 1u8..255, before in "[ =/\"\\[(:,가a-z]{0,3}", after in "(:[0-9]{1,5})?[ \"\\]),가a-z]{0,3}") {
        let cut = policy(AddressPolicy::Truncate, TextPolicy::Keep);
        let key = key();
        let address = format!("203.0.113.{last}");
        let text = Masker::new(&cut, &key).text(&format!("{before}{address}{after}")).into_owned();
        prop_assert!(!text.contains(&address), "{text}");
    }

    #[test]
    fn emails_never_stay(name in "[a-z]{1,10}", host in "[a-z]{2,8}", around in "[ =&?/가-힣]{0,6}") {
        let mail = format!("{name}@{host}.com");
        let text = format!("{around}{mail}{around}");
        prop_assert!(!masked(&text).contains(&mail));
    }
}
