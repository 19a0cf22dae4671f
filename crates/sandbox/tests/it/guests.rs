//! Guests written as text. Their requests always lie at [`REQUEST`].

/// Where the guests below have their requests.
pub const REQUEST: usize = 1024;

const FRAME: &str = r#"
  (memory (export "memory") 2)
  (func (export "haetae_abi_version") (result i32) (i32.const 1))
  (func $reserve (param $end i32) (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable))))))
  (func (export "haetae_alloc") (param $size i32) (result i32)
    (call $reserve (i32.add (i32.const 1024) (local.get $size)))
    (i32.const 1024))
"#;

/// Gives each record as field `raw`; `$look` sees it first (pointer, length).
pub fn echo(extra: &str, look: &str) -> String {
    format!(
        r#"(module {extra} {FRAME}
  (data (i32.const 16) "raw")
  (func $look (param $at i32) (param $len i32) {look})
  (func (export "haetae_parse") (param $at i32) (param $len i32) (result i64)
    (local $count i32) (local $i i32) (local $src i32) (local $dst i32) (local $out i32) (local $n i32)
    (local.set $count (i32.load (local.get $at)))
    (local.set $out (i32.add (local.get $at) (local.get $len)))
    (call $reserve (i32.add (i32.add (local.get $out) (local.get $len))
      (i32.add (i32.const 4) (i32.mul (local.get $count) (i32.const 17)))))
    (i32.store (local.get $out) (local.get $count))
    (local.set $dst (i32.add (local.get $out) (i32.const 4)))
    (local.set $src (i32.add (local.get $at) (i32.mul (i32.add (local.get $count) (i32.const 1)) (i32.const 4))))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $i) (local.get $count)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $n (i32.load (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 4)))))
      (call $look (local.get $src) (local.get $n))
      (i32.store (local.get $dst) (i32.add (local.get $n) (i32.const 13)))
      (i32.store8 offset=4 (local.get $dst) (i32.const 0))
      (i32.store16 offset=5 (local.get $dst) (i32.const 1))
      (i32.store8 offset=7 (local.get $dst) (i32.const 0))
      (i32.store16 offset=8 (local.get $dst) (i32.const 3))
      (i32.store offset=10 (local.get $dst) (local.get $n))
      (memory.copy (i32.add (local.get $dst) (i32.const 14)) (i32.const 16) (i32.const 3))
      (memory.copy (i32.add (local.get $dst) (i32.const 17)) (local.get $src) (local.get $n))
      (local.set $src (i32.add (local.get $src) (local.get $n)))
      (local.set $dst (i32.add (local.get $dst) (i32.add (local.get $n) (i32.const 17))))
      (br $next)))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $out)) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $dst) (local.get $out))))))"#
    )
}

/// The echo that does `then` on records that begin with `!`.
pub fn echo_but(then: &str) -> String {
    echo(
        "(table $t 1 funcref)",
        &format!(
            r#"(if (i32.eqz (local.get $len)) (then (return)))
               (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then {then}))"#
        ),
    )
}

/// A guest whose first record says what to give: 8 bytes of packed place and length, then bytes of any
/// kind, which begin at [`puppet_body`].
pub fn puppet() -> String {
    format!(
        r#"(module {FRAME}
  (func (export "haetae_parse") (param $at i32) (param $len i32) (result i64)
    (i64.load (i32.add (local.get $at) (i32.mul (i32.add (i32.load (local.get $at)) (i32.const 1)) (i32.const 4))))))"#
    )
}

/// Where the bytes behind the first 8 of the puppet's first record of `count` lie.
pub fn puppet_body(count: usize) -> usize {
    REQUEST + 4 * (count + 1) + 8
}
