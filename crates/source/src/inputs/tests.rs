#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test inputs are small and known"
)]

use super::*;
use std::fs;
use std::io::Read;

fn names(arguments: &[String]) -> Vec<String> {
    expand(arguments)
        .expect("present")
        .into_iter()
        .map(|input| input.name)
        .collect()
}

#[test]
fn files_folders_and_globs_in_name_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    fs::create_dir_all(root.join("sub/deep")).expect("made");
    for name in ["b.log", "a.log", "sub/deep/c.log", "sub/d.txt", ".hidden"] {
        fs::write(root.join(name), name).expect("written");
    }
    let at = |name: &str| root.join(name).display().to_string();
    let whole = names(&[at("")]);
    assert_eq!(
        whole,
        [at("a.log"), at("b.log"), at("sub/d.txt"), at("sub/deep/c.log")]
    );
    assert_eq!(names(&[at("*.log")]), [at("a.log"), at("b.log")]);
    assert_eq!(
        names(&[at("**/*.log")]),
        [at("a.log"), at("b.log"), at("sub/deep/c.log")]
    );
    assert_eq!(
        names(&[at("b.log"), at("a.log")]),
        [at("b.log"), at("a.log")],
        "arguments keep their order"
    );
    let inputs = expand(&[at("sub/d.txt")]).expect("present");
    let mut text = String::new();
    inputs[0]
        .open()
        .expect("readable")
        .read_to_string(&mut text)
        .expect("text");
    assert_eq!((text.as_str(), inputs[0].size), ("sub/d.txt", Some(9)));
}

#[test]
fn what_is_missing_is_named() {
    for missing in ["/no/such/file.log", "/no/such/*.gz"] {
        let error = expand(&[missing.to_owned()]).err().expect("missing");
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn a_file_that_vanishes_fails_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.log", "b.log"] {
        fs::write(folder.path().join(name), name).expect("written");
    }
    let inputs = expand(&[folder.path().display().to_string()]).expect("present");
    fs::remove_file(folder.path().join("a.log")).expect("removed");
    let opened: Vec<bool> = inputs.iter().map(|input| input.open().is_ok()).collect();
    assert_eq!(opened, [false, true]);
}

#[test]
fn standard_input_has_its_sign() {
    assert_eq!(names(&["-".to_owned()]), ["stdin"]);
}
