//! One bad record costs only itself.

use super::guests::{echo, echo_but};
use super::support::*;
use haetae_sandbox::{Failure, Outcome, Parser, Quota};
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const SPIN: &str = "(loop $l (br $l))";
const TRAP: &str = "(unreachable)";
const BOMB: &str = "(drop (memory.grow (i32.const 2000)))";

#[test]
fn honest_records_come_back() {
    let records = vec![
        Vec::new(),
        b"x".to_vec(),
        "가나다".as_bytes().to_vec(),
        vec![b'a'; 100_000],
    ];
    let mut sandbox = load(&echo("", ""), Quota::default()).sandbox();
    let batch = sandbox.run(&slices(&records));
    only_culprits(&batch, &records, &[], Failure::Trap);
    assert!(sandbox.run(&[]).is_empty());
}

#[test]
fn one_trap_among_a_thousand_is_found() {
    let records = records(1000, &[(617, "!")]);
    let mut sandbox = load(&echo_but(TRAP), Quota::default()).sandbox();
    let batch = sandbox.run(&slices(&records));
    only_culprits(&batch, &records, &[617], Failure::Trap);
    let Some(Outcome::Failed(_, detail)) = batch.get(617) else {
        panic!()
    };
    assert!(detail.contains("unreachable"), "{detail}");
}

#[test]
fn several_traps_are_found_at_the_edges_too() {
    let places = [0, 1, 2, 500, 998, 999];
    let records = records(1000, &places.map(|at| (at, "!")));
    let mut sandbox = load(&echo_but(TRAP), Quota::default()).sandbox();
    only_culprits(&sandbox.run(&slices(&records)), &records, &places, Failure::Trap);
}

#[test]
fn a_batch_of_nothing_but_traps_ends() {
    let records = vec![b"!".to_vec(); 300];
    let all: Vec<usize> = (0..300).collect();
    let mut sandbox = load(&echo_but(TRAP), Quota::default()).sandbox();
    only_culprits(&sandbox.run(&slices(&records)), &records, &all, Failure::Trap);
}

#[test]
fn a_spinning_record_runs_into_its_deadline() {
    let records = records(100, &[(40, "!")]);
    let mut sandbox = load(&echo_but(SPIN), impatient()).sandbox();
    let begin = Instant::now();
    let batch = sandbox.run(&slices(&records));
    let took = begin.elapsed();
    only_culprits(&batch, &records, &[40], Failure::TimeOut);
    // 300 ms for the batch and 150 ms for each of 7 halvings; the rest is the machine's.
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_deadline_is_kept_for_one_record() {
    let mut sandbox = load(&echo_but(SPIN), Quota::default()).sandbox();
    let begin = Instant::now();
    assert_eq!(failure(&sandbox.run(&[b"!"]), 0), Failure::TimeOut);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_memory_bomb_is_stopped() {
    let records = records(64, &[(63, "!")]);
    let mut sandbox = load(&echo_but(BOMB), Quota::default()).sandbox();
    only_culprits(
        &sandbox.run(&slices(&records)),
        &records,
        &[63],
        Failure::MemoryLimit,
    );
}

#[test]
fn a_table_bomb_is_stopped() {
    let bomb = "(drop (table.grow $t (ref.null func) (i32.const 1000000)))";
    let mut sandbox = load(&echo_but(bomb), Quota::default()).sandbox();
    assert_eq!(failure(&sandbox.run(&[b"!"]), 0), Failure::MemoryLimit);
}

#[test]
fn a_batch_larger_than_the_memory_is_halved_until_it_fits() {
    // The echo needs a little over twice the request.
    let quota = Quota {
        memory_bytes_max: 1 << 20,
        ..Quota::default()
    };
    let records = vec![vec![b'x'; 40_000]; 40];
    let mut sandbox = load(&echo("", ""), quota).sandbox();
    only_culprits(
        &sandbox.run(&slices(&records)),
        &records,
        &[],
        Failure::MemoryLimit,
    );
    let huge = vec![b'x'; 2 << 20];
    assert_eq!(failure(&sandbox.run(&[&huge]), 0), Failure::MemoryLimit);
}

#[test]
fn deep_recursion_is_a_trap() {
    let extra = "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
    let guest = echo(
        extra,
        "(if (i32.eq (local.get $len) (i32.const 9)) (then (drop (call $deep (i32.const 0)))))",
    );
    let mut sandbox = load(&guest, Quota::default()).sandbox();
    let batch = sandbox.run(&[b"12345678", b"123456789", b"1"]);
    assert_eq!(raw(&batch, 0), "12345678");
    assert_eq!(failure(&batch, 1), Failure::Trap);
    assert_eq!(raw(&batch, 2), "1");
}

#[test]
fn abort_is_a_trap_with_its_place() {
    let guest = echo(
        r#"(import "env" "abort" (func $abort (param i32 i32 i32 i32)))"#,
        "(if (i32.eqz (local.get $len)) (then (call $abort (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 3))))",
    );
    let mut sandbox = load(&guest, Quota::default()).sandbox();
    let batch = sandbox.run(&[b"a", b"", b"b"]);
    assert_eq!((raw(&batch, 0), raw(&batch, 2)), ("a", "b"));
    let Some(Outcome::Failed(Failure::Trap, detail)) = batch.get(1) else {
        panic!("{batch:?}")
    };
    assert!(detail.contains("abort called at 7:3"), "{detail}");
}

/// A guest that keeps state breaks its instance with `P`: every later call traps.
const POISON: &str = r#"
  (if (global.get $poisoned) (then (unreachable)))
  (if (i32.eqz (local.get $len)) (then (return)))
  (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 80)) (then (global.set $poisoned (i32.const 1))))"#;

#[test]
fn what_a_guest_kept_dies_with_its_instance() {
    let guest = echo("(global $poisoned (mut i32) (i32.const 0))", POISON);
    let mut sandbox = load(&guest, Quota::default()).sandbox();
    assert_eq!(raw(&sandbox.run(&[b"P"]), 0), "P");
    // The instance is poisoned now: the call fails, and the search blames nobody.
    let innocent = records(50, &[]);
    only_culprits(&sandbox.run(&slices(&innocent)), &innocent, &[], Failure::Trap);
    assert_eq!(raw(&sandbox.run(&[b"P"]), 0), "P");
    assert_eq!(raw(&sandbox.run(&[b"single"]), 0), "single");
}

#[test]
fn an_instance_serves_until_it_fails() {
    // Traps at its third call: only an instance that is kept gets there.
    let guest = echo(
        "(global $calls (mut i32) (i32.const 0))",
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.eq (global.get $calls) (i32.const 3)) (then (unreachable)))",
    );
    let parser = load(
        &guest,
        Quota {
            failure_budget: Duration::ZERO,
            ..Quota::default()
        },
    );
    let mut sandbox = parser.sandbox();
    for _ in 0..2 {
        assert_eq!(raw(&sandbox.run(&[b"a"]), 0), "a");
        assert!(!parser.is_suspended());
    }
    assert_eq!(failure(&sandbox.run(&[b"a"]), 0), Failure::Suspended);
}

#[test]
fn sandboxes_of_one_parser_run_side_by_side() {
    let parser = load(&echo_but(TRAP), Quota::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut sandbox = parser.sandbox();
            scope.spawn(move || {
                let records = records(200, &[(thread * 40, "!")]);
                for _ in 0..5 {
                    let batch = sandbox.run(&slices(&records));
                    only_culprits(&batch, &records, &[thread * 40], Failure::Trap);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Outcomes depend neither on how records are cut into runs nor on how the sandbox cuts them into calls.
    #[test]
    fn cuts_change_nothing(
        texts in proptest::collection::vec("[!ab]{0,3}", 1..60),
        cuts in proptest::collection::vec(1usize..20, 1..20),
        which in 0usize..4,
    ) {
        let records: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
        let parsers = differently_cut();
        let whole = parsers[0].sandbox().run(&slices(&records));
        let mut sandbox = parsers[which].sandbox();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            if at == records.len() {
                break;
            }
            let end = (at + cut).min(records.len());
            let part = sandbox.run(&slices(&records[at..end]));
            for i in at..end {
                prop_assert_eq!(part.get(i - at), whole.get(i));
            }
            at = end;
        }
        for (i, text) in texts.iter().enumerate() {
            let failed = matches!(whole.get(i), Some(Outcome::Failed(Failure::Trap, _)));
            prop_assert_eq!(failed, text.starts_with('!'));
        }
    }
}

/// The trapping echo with four ways to cut a batch; compiling is slow, so once for all cases.
fn differently_cut() -> &'static [Parser] {
    static PARSERS: OnceLock<Vec<Parser>> = OnceLock::new();
    PARSERS.get_or_init(|| {
        let cuts = [(4096, 4 << 20), (1, 4 << 20), (7, 4 << 20), (4096, 5)];
        let quotas = cuts.map(|(batch_records_max, batch_bytes_max)| Quota {
            batch_records_max,
            batch_bytes_max,
            ..Quota::default()
        });
        quotas.map(|quota| load(&echo_but(TRAP), quota)).into()
    })
}
