//! Names of accounts: what is told of them, and what a restart makes of the stored rows.

use crate::support::*;
use haetae_detect::Closing;
use haetae_enrich::pii::TextPolicy::{self, Hash, Keep, Mask};
use haetae_event::Finding;
use haetae_event::commit::CommitUnit;

/// Twelve addresses guess at `kimchulsoo`, one gets in from two places; one address tries ten names.
fn attack(from_s: i64) -> Vec<(i64, String, String, String)> {
    let mut rows = Vec::new();
    for n in 0..12 {
        rows.push((
            from_s + n * 20,
            format!("203.0.113.{n}"),
            "kimchulsoo".into(),
            "failure".into(),
        ));
    }
    for n in 0..2 {
        rows.push((
            from_s + 260 + n * 20,
            format!("203.0.113.{n}"),
            "kimchulsoo".into(),
            "success".into(),
        ));
    }
    for n in 0..10 {
        rows.push((
            from_s + n * 30,
            "198.51.100.9".into(),
            format!("leeyounghee{n}"),
            "failure".into(),
        ));
    }
    rows.push((
        from_s + 330,
        "198.51.100.9".into(),
        "parkminsu".into(),
        "success".into(),
    ));
    rows
}

fn batch(rows: &[(i64, String, String, String)]) -> haetae_event::EventBatch {
    let rows: Vec<Login<'_>> = rows.iter().map(|r| (r.0, &*r.1, &*r.2, &*r.3)).collect();
    logins(&rows)
}

fn told(account: TextPolicy) -> Vec<Finding> {
    let dir = tempfile::tempdir().expect("folder");
    let store = store(dir.path());
    let mut detection = detection(account);
    take(&mut detection, &store, account, &batch(&attack(0)));
    settle(&mut detection, &store, &Closing::everything());
    findings(&store)
}

#[test]
fn findings_name_no_account_that_may_not_be_told() {
    let clear = told(Keep);
    assert!(
        clear
            .iter()
            .any(|f| f.entity.kind == "account" && f.entity.value == "kimchulsoo")
    );
    let rules = |found: &[Finding]| {
        let mut rules: Vec<String> = found.iter().map(|f| f.rule_id.clone()).collect();
        rules.sort();
        rules
    };
    for policy in [Hash, Mask] {
        let found = told(policy);
        assert_eq!(rules(&found), rules(&clear), "the same is found under {policy:?}");
        for finding in &found {
            let text = serde_json::to_string(finding).expect("writes");
            for name in ["kimchulsoo", "leeyounghee", "parkminsu"] {
                assert!(!text.contains(name), "{policy:?} tells {name}: {text}");
            }
        }
        let accounts = found.iter().filter(|f| f.entity.kind == "account");
        let mut values: Vec<&str> = accounts.map(|f| f.entity.value.as_str()).collect();
        values.dedup();
        assert!(
            values.iter().all(|value| value.starts_with("account-")),
            "{values:?}"
        );
        assert_eq!(values.len(), 1, "one account, one name: {values:?}");
    }
}

#[test]
fn stored_rows_name_no_account_either() {
    for (policy, mark) in [(Hash, "account-"), (Mask, "[account]")] {
        let dir = tempfile::tempdir().expect("folder");
        let store = store(dir.path());
        take(&mut detection(policy), &store, policy, &batch(&attack(0)));
        let hot = store.hot(haetae_event::Dataset::Syslog);
        assert_eq!(hot.len(), 1);
        for column in ["account", "message"] {
            let texts = hot[0].str(column).expect("a column");
            let hidden = |text: &str| text.contains(mark) && !text.contains("kimchulsoo");
            assert!(
                texts.iter().flatten().all(hidden),
                "{policy:?} {column}: {texts:?}"
            );
        }
    }
}

/// Under a mask all stored rows carry the same word: a site of many people is no account.
#[test]
fn a_restart_does_not_make_all_accounts_one() {
    for policy in [Mask, Hash] {
        let dir = tempfile::tempdir().expect("folder");
        let store = store(dir.path());
        let mut before = detection(policy);
        let rows: Vec<_> = (0..40)
            .map(|n| {
                (
                    n * 10,
                    format!("203.0.113.{n}"),
                    format!("person{n}"),
                    "failure".to_owned(),
                )
            })
            .collect();
        take(&mut before, &store, policy, &batch(&rows));
        take(
            &mut before,
            &store,
            policy,
            &batch(&[(401, "192.0.2.1".into(), "last".into(), "success".into())]),
        );
        settle(&mut before, &store, &Closing::everything());
        let told = |store: &_| {
            findings(store)
                .into_iter()
                .filter(|f| f.entity.kind == "account")
                .count()
        };
        assert_eq!(told(&store), 0);
        let mut after = detection(policy);
        after.warm(&store).expect("warms");
        settle(&mut after, &store, &Closing::everything());
        assert_eq!(told(&store), 0, "{policy:?}");
    }
}

#[test]
fn an_attack_goes_on_under_its_name_after_a_restart() {
    let dir = tempfile::tempdir().expect("folder");
    let store = store(dir.path());
    let guess = |from: i64, count: i64| -> Vec<_> {
        (0..count)
            .map(|n| {
                (
                    from + n * 20,
                    format!("203.0.113.{}", n % 8),
                    "kimchulsoo".to_owned(),
                    "failure".to_owned(),
                )
            })
            .collect()
    };
    let mut before = detection(Hash);
    take(&mut before, &store, Hash, &batch(&guess(0, 12)));
    settle(&mut before, &store, &Closing::at(START + 300 * SECOND));
    let of_account = |store: &_| -> Vec<Finding> {
        let found = findings(store).into_iter();
        found
            .filter(|f| f.entity.kind == "account" && f.detector == "login_guessing")
            .collect()
    };
    let first = of_account(&store);
    assert_eq!(first.len(), 1, "{first:?}");

    let mut after = detection(Hash);
    after.warm(&store).expect("warms");
    settle(&mut after, &store, &Closing::at(START + 300 * SECOND));
    assert_eq!(of_account(&store), first, "told before");
    take(&mut after, &store, Hash, &batch(&guess(300, 6)));
    let found = settle(&mut after, &store, &Closing::at(START + 600 * SECOND));
    let now = of_account(&store);
    assert_eq!(now.len(), 1, "the same attack: {now:?}");
    assert_eq!((now[0].id.clone(), now[0].count), (first[0].id.clone(), 18));
    assert_eq!(withdrawn(&found), 0);
}

/// A policy that was set after rows were stored: their names are clear, and no more told.
#[test]
fn rows_of_before_the_policy_are_not_told_clear() {
    let dir = tempfile::tempdir().expect("folder");
    let store = store(dir.path());
    take(&mut detection(Keep), &store, Keep, &batch(&attack(0)));
    store.commit(CommitUnit::default()).expect("commits");
    let mut after = detection(Hash);
    after.warm(&store).expect("warms");
    settle(&mut after, &store, &Closing::everything());
    let found = findings(&store);
    assert!(found.iter().any(|f| f.entity.kind == "account"));
    for finding in &found {
        let text = serde_json::to_string(finding).expect("writes");
        assert!(!text.contains("kimchulsoo"), "{text}");
    }
}
