//! Which files of a folder are rules, and their texts.

use std::collections::BTreeSet;
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
    let yaml = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"));
    yaml && !is_hidden(path) && !is_test_file(path)
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

/// Every rule file under a folder, sorted. Links are followed, as mounted configuration consists of
/// them; each folder is read once, and hidden ones (`.git`, `.github`) are not.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn rule_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    const DEPTH_MAX: usize = 16;
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if !seen.insert(folder.canonicalize()?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            // A link to nowhere is no file.
            let Ok(meta) = std::fs::metadata(&path) else {
                continue;
            };
            if !meta.is_dir() {
                files.extend(is_rule_file(&path).then_some(path));
            } else if depth < DEPTH_MAX && !is_hidden(&path) {
                folders.push((path, depth + 1));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
