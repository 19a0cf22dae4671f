use super::*;

fn mark(name: &str, at: i64) -> DeliveryMark {
    DeliveryMark {
        tenant_id: TenantId::default(),
        mark: name.into(),
        body_sha256: "x".into(),
        reply: "{}".into(),
        accepted_at: Micros(at),
    }
}

fn settle(marks: &Marks, name: &str, at: i64) {
    let mark = mark(name, at);
    let key = (mark.tenant_id.clone(), mark.mark.clone());
    let slot = marks.slot(&key);
    let first = marks.first(&mark);
    marks.settled(&key, &first, Micros(at));
    *slot.try_lock().unwrap() = Some(first);
    marks.released(&key, slot);
}

#[test]
fn marks_are_bounded_and_expire() {
    let marks = Marks::rebuilt(Vec::new(), 10, Micros(0));
    for n in 0..(MARKS_MAX as i64 + 500) {
        settle(&marks, &format!("key:{n}"), n);
    }
    assert_eq!(marks.len(), (MARKS_MAX, MARKS_MAX));
    settle(&marks, "key:late", KEY_WINDOW_US * 3);
    assert_eq!(marks.len(), (1, 1));
}

#[test]
fn one_accepted_anew_after_its_window_has_one_place() {
    let marks = Marks::rebuilt(Vec::new(), 10, Micros(0));
    settle(&marks, "body:a", 0);
    settle(&marks, "body:a", 5);
    assert_eq!(marks.len(), (1, 1));
    settle(&marks, "body:b", 16);
    assert_eq!(marks.len(), (1, 1));
}

#[test]
fn abandoned_slots_leave_nothing_and_waiters_keep_theirs() {
    let marks = Marks::rebuilt(vec![mark("body:old", 0)], 10, Micros(100));
    assert_eq!(marks.len(), (0, 0));
    let key = (TenantId::default(), "key:k".to_owned());
    let (one, two) = (marks.slot(&key), marks.slot(&key));
    marks.released(&key, one);
    assert_eq!(marks.len().0, 1, "somebody still waits");
    marks.released(&key, two);
    assert_eq!(marks.len(), (0, 0));
}
