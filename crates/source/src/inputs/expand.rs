//! From arguments to things that can be opened.

use crate::s3::{ObjectStream, S3Config};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// One thing to read.
pub struct Input {
    /// For people.
    pub name: String,
    /// Bytes as stored, where known.
    pub size: Option<u64>,
    place: Place,
}

enum Place {
    Stdin,
    File(PathBuf),
    Object(ObjectStream),
}

/// An argument that names nothing.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{0}: no such file, folder or pattern match")]
    Missing(String),
    #[error("{name}: {why}")]
    Unreadable { name: String, why: String },
}

impl Input {
    /// Opens it. Standard input can be opened once.
    ///
    /// # Errors
    /// The file's or the object store's own.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::Stdin => Ok(Box::new(io::stdin())),
            Place::File(path) => Ok(Box::new(File::open(path)?)),
            Place::Object(object) => object.open(),
        }
    }
}

/// Resolves the arguments in their order; folders and globs in name order.
///
/// # Errors
/// The first argument that matches nothing, or a bucket that cannot be listed.
pub fn expand(arguments: &[String]) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == "-" {
            inputs.push(Input {
                name: "stdin".to_owned(),
                size: None,
                place: Place::Stdin,
            });
        } else if let Some(config) = S3Config::from_url(argument) {
            let objects = crate::s3::list_blocking(&config).map_err(|problem| InputError::Unreadable {
                name: argument.clone(),
                why: problem.to_string(),
            })?;
            inputs.extend(objects.into_iter().map(|object| Input {
                name: object.name(),
                size: Some(object.size()),
                place: Place::Object(object),
            }));
        } else {
            inputs.extend(local(argument)?);
        }
    }
    Ok(inputs)
}

fn local(argument: &str) -> Result<Vec<Input>, InputError> {
    let path = Path::new(argument);
    let paths = if path.is_file() {
        vec![path.to_owned()]
    } else {
        matching_files(&[argument.to_owned()])
    };
    if paths.is_empty() && !path.exists() {
        return Err(InputError::Missing(argument.to_owned()));
    }
    let input = |path: PathBuf| Input {
        name: path.display().to_string(),
        size: std::fs::metadata(&path).ok().map(|metadata| metadata.len()),
        place: Place::File(path),
    };
    Ok(paths.into_iter().map(input).collect())
}

/// Deepest nesting of folders that is followed.
const DEPTH_MAX: usize = 16;

/// Every file that the names, folders (whole trees) and globs mean, sorted, each once. Names
/// starting with a dot, and the simulator's `labels.json`, are passed over inside folders.
pub fn matching_files(patterns: &[String]) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        let path = Path::new(pattern);
        if path.is_file() {
            found.insert(path.to_owned());
        } else if path.is_dir() {
            walk(path, 0, &mut |file| {
                found.insert(file);
            });
        } else if let Ok(glob) = globset::GlobBuilder::new(pattern).literal_separator(true).build() {
            let matcher = glob.compile_matcher();
            walk(&fixed_part(path), 0, &mut |file| {
                if matcher.is_match(&file) || file.strip_prefix("./").is_ok_and(|file| matcher.is_match(file))
                {
                    found.insert(file);
                }
            });
        }
    }
    found.into_iter().collect()
}

/// The folder a glob starts in: everything before its first special character.
fn fixed_part(pattern: &Path) -> PathBuf {
    let special = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?', '[', '{']);
    let fixed: PathBuf = pattern.iter().take_while(|part| !special(part)).collect();
    if fixed.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        fixed
    }
}

fn walk(dir: &Path, depth: usize, each: &mut impl FnMut(PathBuf)) {
    if depth > DEPTH_MAX {
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let passed_over = name.to_string_lossy().starts_with('.') || name == "labels.json";
        if passed_over {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            walk(&path, depth + 1, each);
        } else if path.is_file() {
            each(path);
        }
    }
}
