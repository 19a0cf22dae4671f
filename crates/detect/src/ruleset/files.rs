//! Which files of a folder are rules, and their texts.

use std::path::{Path, PathBuf};

/// Rule files larger than this are refused.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Whether a file holds tests of rules, not rules: `NAME.test.yml`.
pub fn is_test_file(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.ends_with(".test.yml") || name.ends_with(".test.yaml")
}

/// Whether a path is named as rules are. Editors keep locks and copies under names with a dot before.
fn is_rule_file(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|e| e == "yml" || e == "yaml");
    yaml && !hidden && !is_test_file(path)
}

/// The text of a rule file; else what is wrong with it, and what to do.
pub(super) fn text_of(file: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| (format!("the file cannot be read: {error}"), "");
    if std::fs::metadata(file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(("the file is larger than 1 MiB".to_owned(), "split it"));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| ("the file is not UTF-8".to_owned(), ""))
}

pub(super) fn rule_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    const DEPTH_MAX: usize = 16;
    let mut files = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if is_rule_file(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
