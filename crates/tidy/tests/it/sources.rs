//! Sizes, docs and leftovers of the source files.

use super::measure::{functions, without_tests};
use super::text::blank_literals;
use super::{fail_on, root};
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Longer than the limits, with the reason: (path, function or "" for the file, reason).
const LONGER: [(&str, &str, &str); 0] = [];

/// Where `unsafe` may stand, with the place of its proof.
const UNSAFE: [(&str, &str); 2] = [
    (
        "crates/parse/src/separators.rs",
        "module doc: SSE2 is part of every x86-64",
    ),
    (
        "crates/parse/src/sheet.rs",
        "module doc: every view is made from a checked range",
    ),
];

/// Never in code, tests included. In two parts, so that this file does not hold them.
const LEFTOVERS: [(&str, &str); 4] = [
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[ign", "ore"),
];

/// Never in a tracked text: places on somebody's machine.
const PLACES: [(&str, &str); 4] = [("/wo", "rk/"), ("/ho", "me/"), ("/ro", "ot/"), ("/Use", "rs/")];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "manager"];

struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

fn rust_sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root().join("crates"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(read(path));
        }
    });
    assert!(found.len() > 20, "the sources are not where they were");
    found
}

fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hidden = name.starts_with('.') && name != ".ci" && name != ".gitignore";
        if path.is_dir()
            && !hidden
            && !["target", "node_modules", "haetae-data", "haetae-demo"].contains(&name.as_str())
        {
            walk(&path, each);
        } else if path.is_file() {
            each(&path);
        }
    }
}

fn read(path: &Path) -> Source {
    let relative = path
        .strip_prefix(root())
        .expect("below the root")
        .to_string_lossy()
        .replace('\\', "/");
    Source {
        path: relative,
        text: fs::read_to_string(path).expect("UTF-8"),
    }
}

/// Tests and examples may be as long as they like.
fn is_measured(path: &str) -> bool {
    let test_file = path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/examples/");
    !test_file && !path.contains("/benches/")
}

fn is_excused(path: &str, function: &str) -> bool {
    LONGER.iter().any(|(p, f, _)| *p == path && *f == function)
}

#[test]
fn files_are_short() {
    let long = rust_sources()
        .into_iter()
        .filter(|s| is_measured(&s.path) && !is_excused(&s.path, ""));
    let lengths = long.map(|s| (s.text.lines().count(), s.path));
    fail_on(
        lengths
            .filter(|(n, _)| *n > FILE_LINES_MAX)
            .map(|(n, p)| format!("{p}: {n} lines"))
            .collect(),
    );
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for source in rust_sources().into_iter().filter(|s| is_measured(&s.path)) {
        for f in functions(&source.text) {
            if f.lines > FUNCTION_LINES_MAX && !is_excused(&source.path, &f.name) {
                problems.push(format!(
                    "{}:{}: {} is {} lines",
                    source.path, f.line, f.name, f.lines
                ));
            }
        }
    }
    fail_on(problems);
}

#[test]
fn exceptions_are_still_needed() {
    let sources = rust_sources();
    let exists = |path: &str| sources.iter().any(|s| s.path == path);
    let listed = LONGER
        .iter()
        .map(|(p, _, _)| *p)
        .chain(UNSAFE.iter().map(|(p, _)| *p));
    fail_on(
        listed
            .filter(|p| !exists(p))
            .map(|p| format!("{p} is excused but gone"))
            .collect(),
    );
}

#[test]
fn every_crate_says_what_it_is() {
    let mut problems = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("readable") {
        let folder = entry.expect("readable").path();
        let main = ["src/lib.rs", "src/main.rs"]
            .map(|f| folder.join(f))
            .into_iter()
            .find(|f| f.is_file());
        let Some(source) = main.as_deref().map(read) else {
            continue;
        };
        let docs = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        if docs < 2 {
            problems.push(format!(
                "{}: the crate doc says what is here and what is not",
                source.path
            ));
        }
    }
    fail_on(problems);
}

#[test]
fn nothing_is_left_over() {
    let mut problems = Vec::new();
    for source in rust_sources() {
        for (number, line) in blank_literals(&source.text).lines().enumerate() {
            let words = LEFTOVERS.iter().map(|(a, b)| format!("{a}{b}"));
            problems.extend(
                words
                    .filter(|w| line.contains(w))
                    .map(|w| format!("{}:{}: {w}", source.path, number + 1)),
            );
        }
    }
    fail_on(problems);
}

#[test]
fn unsafe_is_listed() {
    let mut problems = Vec::new();
    for source in rust_sources()
        .iter()
        .filter(|s| !UNSAFE.iter().any(|(p, _)| *p == s.path))
    {
        let code = without_tests(&blank_literals(&source.text));
        for word in ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"] {
            if code.contains(word) {
                problems.push(format!("{}: {word}", source.path));
            }
        }
    }
    fail_on(problems);
}

#[test]
fn names_say_something() {
    let mut problems = Vec::new();
    for source in rust_sources() {
        let parts = source.path.split('/').map(|part| part.trim_end_matches(".rs"));
        problems.extend(
            parts
                .filter(|p| EMPTY_NAMES.contains(p))
                .map(|p| format!("{}: {p}", source.path)),
        );
    }
    fail_on(problems);
}

#[test]
fn no_text_names_a_machine() {
    let mut problems = Vec::new();
    walk(&root(), &mut |path| {
        let Ok(text) = fs::read_to_string(path) else {
            return;
        };
        let shown = path
            .strip_prefix(root())
            .expect("below the root")
            .display()
            .to_string();
        // Rules hold what attackers ask for, such places among it.
        if shown.starts_with("rules/") {
            return;
        }
        for (number, line) in text.lines().enumerate() {
            let words = PLACES.iter().map(|(a, b)| format!("{a}{b}"));
            problems.extend(
                words
                    .filter(|w| line.contains(w))
                    .map(|w| format!("{shown}:{}: {w}", number + 1)),
            );
        }
    });
    fail_on(problems);
}
