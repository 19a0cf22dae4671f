//! Modules that never get to run.

use super::guests::{echo, echo_but};
use super::support::wasm;
use haetae_sandbox::{LoadError, MODULE_BYTES_MAX, Parser, Quota, Runtime};
use std::time::Duration;

fn refused(module: &[u8]) -> LoadError {
    match Parser::load(&Runtime::new().unwrap(), "p", "1", module, Quota::default()) {
        Ok(_) => panic!("the module was loaded"),
        Err(error) => error,
    }
}

#[test]
fn imports_are_refused_by_name() {
    for (import, module, name) in [
        (
            r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
            "wasi_snapshot_preview1",
            "fd_write",
        ),
        (r#"(import "env" "memory2" (global i32))"#, "env", "memory2"),
        (r#"(import "env" "abort" (func (param i32)))"#, "env", "abort"),
        (r#"(import "env" "abort" (global i32))"#, "env", "abort"),
        (
            r#"(import "env" "abort" (func (param i32 i32 i32 i32)))(import "env" "seed" (func (result f64)))"#,
            "env",
            "seed",
        ),
    ] {
        match refused(&wasm(&echo(import, ""))) {
            LoadError::Import { module: m, name: n } => assert_eq!((&*m, &*n), (module, name)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn oversize_modules_are_not_compiled() {
    let mut module = wasm(&echo("", ""));
    module.resize(MODULE_BYTES_MAX + 1, 0);
    assert!(matches!(refused(&module), LoadError::TooLarge(len) if len == MODULE_BYTES_MAX + 1));
}

#[test]
fn what_is_no_module_is_refused() {
    let sound = wasm(&echo("", ""));
    for bad in [
        &b""[..],
        b"\0asm",
        b"not a module",
        &sound[..sound.len() - 5],
        echo("", "").as_bytes(),
    ] {
        assert!(matches!(refused(bad), LoadError::Invalid(_)));
    }
}

#[test]
fn features_that_are_off_are_refused() {
    for extra in ["(memory 1)", "(memory i64 1)", "(memory 1 1 shared)", "(tag)"] {
        assert!(
            matches!(refused(&wasm(&echo(extra, ""))), LoadError::Invalid(_)),
            "{extra}"
        );
    }
    let relaxed = echo(
        "",
        "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
    );
    assert!(matches!(refused(&wasm(&relaxed)), LoadError::Invalid(_)));
    let tail = echo("", "(return_call $look (local.get $at) (local.get $len))");
    assert!(matches!(refused(&wasm(&tail)), LoadError::Invalid(_)));
}

#[test]
fn exports_must_be_there_with_their_types() {
    let whole = echo("", "");
    for (from, to) in [
        (r#"(export "memory")"#, r#"(export "mem")"#),
        ("haetae_abi_version", "haetae_version"),
        ("haetae_alloc", "alloc"),
        ("haetae_parse", "parse"),
        (
            r#""haetae_abi_version") (result i32) (i32.const 1)"#,
            r#""haetae_abi_version") (result i64) (i64.const 1)"#,
        ),
    ] {
        let module = wasm(&whole.replacen(from, to, 1));
        assert!(matches!(refused(&module), LoadError::Export(_)), "{to}");
    }
}

#[test]
fn other_versions_are_refused() {
    let other = echo("", "").replacen("(result i32) (i32.const 1)", "(result i32) (i32.const 2)", 1);
    assert!(matches!(refused(&wasm(&other)), LoadError::AbiVersion(2)));
}

#[test]
fn a_module_that_does_not_start_is_refused() {
    let spin = echo("(start $s) (func $s (loop $l (br $l)))", "");
    let trap = echo("(start $s) (func $s (unreachable))", "");
    let large = echo("", "").replacen(
        r#"(memory (export "memory") 2)"#,
        r#"(memory (export "memory") 2000)"#,
        1,
    );
    for (module, code) in [(spin, "time_out"), (trap, "trap"), (large, "memory_limit")] {
        match refused(&wasm(&module)) {
            LoadError::Start { failure, .. } => assert_eq!(failure.code(), code),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_ticker_ends_with_the_last_user() {
    let runtime = Runtime::new().unwrap();
    let quota = Quota {
        record_deadline: Duration::from_millis(20),
        ..Quota::default()
    };
    let parser = Parser::load(&runtime, "p", "1", &wasm(&echo_but("(loop $l (br $l))")), quota).unwrap();
    let mut sandbox = parser.sandbox();
    drop((runtime, parser));
    // Still alive for the sandbox …
    assert_eq!(
        super::support::failure(&sandbox.run(&[b"!"]), 0).code(),
        "time_out"
    );
    // … and joined with it: a drop that hangs is how this fails.
    drop(sandbox);
}
