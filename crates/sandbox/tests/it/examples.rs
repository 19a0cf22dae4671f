//! The example parsers, built here where their compilers are, against one list of records.

use haetae_sandbox::{Batch, Kind, Outcome, Parser, Quota, Runtime};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/parsers")
        .join(name)
        .canonicalize()
        .expect("the examples are there")
}

/// A folder of the build for what the examples become.
fn built(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parsers");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn skip(name: &str, missing: &str) -> Option<Vec<u8>> {
    eprintln!("\n*** example parser {name} NOT BUILT, NOT TESTED: {missing} ***\n");
    None
}

fn build(command: &mut Command, module: &Path) -> Option<Vec<u8>> {
    let output = command.output().expect("the compiler runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
    Some(std::fs::read(module).expect("the compiler has written the module"))
}

fn rust() -> Option<Vec<u8>> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let folder = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if !folder.is_ok_and(|folder| Path::new(&folder).is_dir()) {
        return skip("rust", "rustup target add wasm32-unknown-unknown");
    }
    let folder = built("rust");
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args([
        "build",
        "--release",
        "--offline",
        "--locked",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    // Flags meant for the host's compiler are not for this one.
    command
        .arg(&folder)
        .current_dir(example("rust"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    build(
        &mut command,
        &folder.join(TARGET).join("release/turnstile_parser.wasm"),
    )
}

fn c() -> Option<Vec<u8>> {
    if !is_there("clang") || !is_there("wasm-ld") {
        return skip("c", "clang and wasm-ld (Debian: clang lld)");
    }
    let module = built("c.wasm");
    build(Command::new(example("c").join("build")).arg(&module), &module)
}

fn assemblyscript() -> Option<Vec<u8>> {
    let folder = example("assemblyscript");
    let asc = folder.join("node_modules/.bin/asc");
    if !is_there("node") || !asc.exists() {
        return skip("assemblyscript", "node, and npm ci in its folder");
    }
    let module = built("assemblyscript.wasm");
    let mut command = Command::new(asc);
    command
        .args(["assembly/turnstile.ts", "--runtime", "stub", "-O3", "--outFile"])
        .arg(&module);
    build(command.current_dir(folder), &module)
}

fn parsers() -> &'static [(&'static str, Parser)] {
    static PARSERS: OnceLock<Vec<(&str, Parser)>> = OnceLock::new();
    PARSERS.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let modules = [("rust", rust()), ("c", c()), ("assemblyscript", assemblyscript())];
        let there = modules
            .into_iter()
            .filter_map(|(name, module)| Some((name, module?)));
        there
            .map(|(name, module)| {
                let parser = Parser::load(&runtime, name, "0.1.0", &module, Quota::default());
                (name, parser.unwrap_or_else(|error| panic!("{name}: {error}")))
            })
            .collect()
    })
}

fn outcome(batch: &Batch, index: usize) -> Result<Vec<(&str, Kind, &str)>, &str> {
    match batch.get(index).expect("one outcome for each record") {
        Outcome::Fields(fields) => Ok(fields.iter().map(|f| (f.key, f.kind, f.value)).collect()),
        Outcome::Rejected(text) => Err(text),
        Outcome::Failed(failure, detail) => panic!("{failure}: {detail}"),
    }
}

#[test]
fn sound_records_become_fields() {
    let records: [&[u8]; 2] = [
        b"1767225600|gate-7|00c0FFee|open|-3.5|vip,late_2",
        b"0|a|-|deny|0|",
    ];
    let wanted = [
        [
            ("time", Kind::Number, "1767225600"),
            ("gate", Kind::Text, "gate-7"),
            ("card", Kind::Text, "00c0FFee"),
            ("opened", Kind::Bool, "true"),
            ("celsius", Kind::Number, "-3.5"),
            ("tags", Kind::Json, r#"["vip","late_2"]"#),
        ],
        [
            ("time", Kind::Number, "0"),
            ("gate", Kind::Text, "a"),
            ("card", Kind::Null, ""),
            ("opened", Kind::Bool, "false"),
            ("celsius", Kind::Number, "0"),
            ("tags", Kind::Json, "[]"),
        ],
    ];
    for (name, parser) in parsers() {
        let batch = parser.sandbox().run(&records);
        for (i, wanted) in wanted.iter().enumerate() {
            assert_eq!(outcome(&batch, i), Ok(wanted.to_vec()), "{name}");
        }
    }
}

#[test]
fn bad_records_are_rejected_with_the_part() {
    let bad = [
        ("", "six parts expected"),
        ("1|g|-|open|1", "six parts expected"),
        ("1|g|-|open|1|t|", "six parts expected"),
        ("|g|-|open|1|t", "time"),
        ("01|g|-|open|1|t", "time"),
        ("1234567890123|g|-|open|1|t", "time"),
        ("1||-|open|1|t", "gate"),
        ("1|Gate|-|open|1|t", "gate"),
        ("1|ggggggggggggggggggggggggggggggggg|-|open|1|t", "gate"),
        ("1|가|-|open|1|t", "gate"),
        ("1|g||open|1|t", "card"),
        ("1|g|0123456g|open|1|t", "card"),
        ("1|g|-|Open|1|t", "verdict"),
        ("1|g|-|openx|1|t", "verdict"),
        ("1|g|-|open||t", "temperature"),
        ("1|g|-|open|-|t", "temperature"),
        ("1|g|-|open|1.|t", "temperature"),
        ("1|g|-|open|.5|t", "temperature"),
        ("1|g|-|open|1.234|t", "temperature"),
        ("1|g|-|open|00|t", "temperature"),
        ("1|g|-|open|1.2.3|t", "temperature"),
        ("1|g|-|open|1|,", "tags"),
        ("1|g|-|open|1|a,", "tags"),
        ("1|g|-|open|1|\"", "tags"),
    ];
    let records: Vec<&[u8]> = bad.iter().map(|(record, _)| record.as_bytes()).collect();
    for (name, parser) in parsers() {
        let batch = parser.sandbox().run(&records);
        for (i, (record, wanted)) in bad.iter().enumerate() {
            assert_eq!(outcome(&batch, i), Err(*wanted), "{name}: {record}");
        }
        let batch = parser.sandbox().run(&[b"1|g\xff|-|open|1|t"]);
        assert_eq!(outcome(&batch, 0), Err("gate"), "{name}");
    }
}

#[test]
fn large_batches_fit() {
    let tags = "tag,".repeat(10_000) + "end";
    let wanted = format!("[\"{}\"]", tags.replace(',', "\",\""));
    let records = vec![format!("1|g|-|open|1|{tags}").into_bytes(); 200];
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    for (name, parser) in parsers() {
        let mut sandbox = parser.sandbox();
        for _ in 0..3 {
            let batch = sandbox.run(&records);
            for i in 0..records.len() {
                let fields = outcome(&batch, i).unwrap_or_else(|text| panic!("{name}: {text}"));
                assert!(fields[5] == ("tags", Kind::Json, wanted.as_str()), "{name}");
            }
        }
        assert!(sandbox.alarm().is_none());
    }
}

proptest! {
    /// The three agree on any record near the format, whatever stands before it in the batch.
    #[test]
    fn all_examples_agree(
        records in proptest::collection::vec(
            "[01]{0,2}\\|?(g|G-|)\\|(-|0123abCD|0)\\|(open|deny|)\\|-?[01]{0,2}(\\.[0-9]{0,3})?\\|[a,_\"]{0,4}", 1..20),
        noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..5),
    ) {
        let noise = noise.iter().map(Vec::as_slice);
        let records: Vec<&[u8]> = records.iter().map(String::as_bytes).chain(noise).collect();
        let batches: Vec<Batch> = parsers().iter().map(|(_, parser)| parser.sandbox().run(&records)).collect();
        for pair in batches.windows(2) {
            for i in 0..records.len() {
                prop_assert_eq!(outcome(&pair[0], i), outcome(&pair[1], i));
            }
        }
    }
}
