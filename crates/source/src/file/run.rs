//! Follows files: only complete lines go out, positions are kept by device and inode.

use super::config::FileConfig;
use super::identity::{self, HEAD_BYTES, head_hash, is_compressed};
use crate::inputs::matching_files;
use crate::position::{DeliveryPosition, FilePosition};
use crate::seam::{Delivery, LedgerError, Source, SourceContext, SourceError, SourceMessage, SourceProblem};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A last line without its end is delivered after this long without growth.
const IDLE_TAIL: Duration = Duration::from_secs(5);

/// A compressed file is read once it has not grown for this long.
const SETTLED: Duration = Duration::from_secs(1);

/// Most bytes of one delivery, so that commits stay small while a large file is caught up.
const STRETCH_BYTES_MAX: u64 = 64 << 20;

/// Bytes searched backwards at once for the last line end.
const TAIL_STEP: u64 = 64 << 10;

/// Files followed at most; more are reported and left.
const FILES_MAX: usize = 10_000;

/// One file being followed. The handle stays open, so that a rotated file is read to its end.
struct Followed {
    file: Arc<File>,
    path: PathBuf,
    position: FilePosition,
    /// What was handed to the driver; ahead of what is committed.
    sent: u64,
    length_seen: u64,
    grew_at: Instant,
    seen: bool,
}

/// Reads and follows the configured files.
pub struct FileSource {
    id: String,
    config: FileConfig,
    followed: HashMap<String, Followed>,
    told: HashSet<PathBuf>,
}

impl FileSource {
    pub fn new(config: FileConfig) -> Self {
        let id = format!("file:{}", config.paths.join(","));
        FileSource {
            id,
            config,
            followed: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// One look at every file. `false`: the driver is gone.
    fn look(&mut self, cx: &SourceContext) -> bool {
        let paths = matching_files(&self.config.paths);
        if paths.len() > FILES_MAX && self.told.insert(PathBuf::from("*")) {
            let message = format!("{} files match, the first {FILES_MAX} are followed", paths.len());
            self.problem(cx, "too_many_files", message, "narrow `paths`");
        }
        for followed in self.followed.values_mut() {
            followed.seen = false;
        }
        for path in paths.into_iter().take(FILES_MAX) {
            match self.open(cx, &path) {
                Ok(()) => {}
                Err(error) => {
                    let text = format!("{}: {error}", path.display());
                    if self.told.insert(path) {
                        self.problem(
                            cx,
                            "unreadable",
                            text,
                            "check that the file is readable by this user",
                        );
                    }
                }
            }
        }
        let mut keys: Vec<String> = self.followed.keys().cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(!self.followed[key].seen));
        for key in keys {
            if cx.stop.is_set() {
                return false;
            }
            match self.send_new(cx, &key) {
                Ok(true) => {
                    let path = &self.followed[&key].path;
                    self.told.remove(path);
                }
                Ok(false) => return false,
                Err(error) => {
                    let path = self.followed[&key].path.clone();
                    let text = format!("{}: {error}", path.display());
                    if self.told.insert(path) {
                        self.problem(cx, "unreadable", text, "check the disk");
                    }
                }
            }
        }
        // A name that is gone: its file is let go once it has been read and stands still.
        self.followed.retain(|_, followed| {
            followed.seen
                || followed.length_seen > followed.sent
                || followed.grew_at.elapsed() < IDLE_TAIL * 2
        });
        true
    }

    /// Files that were renamed while nobody followed them: found again by their inode.
    fn find_rotated(&mut self, cx: &SourceContext) -> Result<(), LedgerError> {
        for (key, value) in cx.ledger.all(&self.id)? {
            let Ok(stored) = serde_json::from_str::<FilePosition>(&value) else {
                continue;
            };
            let Some(folder) = Path::new(&stored.path).parent().filter(|_| !stored.done) else {
                continue;
            };
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let same = entry
                    .metadata()
                    .is_ok_and(|metadata| identity::key(&metadata) == key);
                if same && entry.path() != Path::new(&stored.path) {
                    // An unreadable one is reported by the next look, should its name match.
                    self.open(cx, &entry.path()).ok();
                }
            }
        }
        Ok(())
    }

    fn problem(&self, cx: &SourceContext, code: &'static str, message: String, hint: &str) {
        let problem = SourceProblem {
            source: self.id.clone(),
            code,
            message,
            hint: hint.to_owned(),
            iam_action: None,
            retry_in: Some(LOOK_EVERY),
        };
        // When the driver is gone, the next delivery notices.
        cx.out.send(SourceMessage::Problem(problem)).ok();
    }

    /// Makes sure that the file under this name is followed.
    fn open(&mut self, cx: &SourceContext, path: &Path) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        let key = identity::key(&metadata);
        if let Some(followed) = self.followed.get_mut(&key) {
            followed.seen = true;
            path.clone_into(&mut followed.path);
            return Ok(());
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let stored = cx
            .ledger
            .positions(&self.id, std::slice::from_ref(&key))
            .map_err(io::Error::other)?;
        let stored = stored
            .into_iter()
            .next()
            .flatten()
            .and_then(|text| serde_json::from_str(&text).ok());
        let position = resume(&file, path, length, stored)?;
        let followed = Followed {
            sent: position.offset,
            position,
            path: path.to_owned(),
            file: Arc::new(file),
            length_seen: length,
            grew_at: Instant::now(),
            seen: true,
        };
        self.followed.insert(key, followed);
        Ok(())
    }

    /// Sends what is new in one file. `Ok(false)`: the driver is gone.
    fn send_new(&mut self, cx: &SourceContext, key: &str) -> io::Result<bool> {
        let followed = self.followed.get_mut(key).expect("a key of the map");
        let length = followed.file.metadata()?.len();
        let head = head_hash(&followed.file, followed.position.head_bytes).ok();
        let rewritten = length < followed.sent || head.as_ref() != Some(&followed.position.head_hash);
        if rewritten {
            followed.position = fresh(&followed.file, &followed.path, length)?;
            followed.sent = 0;
        }
        if length != followed.length_seen || rewritten {
            followed.length_seen = length;
            followed.grew_at = Instant::now();
        }
        if followed.position.done || length <= followed.sent {
            return Ok(true);
        }
        if is_compressed(&followed.file)? {
            return Ok(self.send_whole(cx, key, length));
        }
        self.send_lines(cx, key, length)
    }

    /// A compressed file: once it has stopped growing, whole.
    fn send_whole(&mut self, cx: &SourceContext, key: &str, length: u64) -> bool {
        let followed = self.followed.get_mut(key).expect("a key of the map");
        if !cx.once && followed.grew_at.elapsed() < SETTLED {
            return true;
        }
        let skip = followed.position.records_done;
        let before = followed.position.clone();
        followed.sent = length;
        let body = Stretch {
            file: followed.file.clone(),
            at: 0,
            end: length,
        };
        let path = followed.path.clone();
        let position = DeliveryPosition::File {
            key: key.to_owned(),
            before,
            end: length,
            whole: true,
            header_records: 0,
        };
        self.deliver(cx, &path, Box::new(body), position, skip)
    }

    /// The complete lines since the last delivery.
    fn send_lines(&mut self, cx: &SourceContext, key: &str, length: u64) -> io::Result<bool> {
        loop {
            let followed = self.followed.get_mut(key).expect("a key of the map");
            let start = followed.sent;
            let limit = length.min(start.saturating_add(STRETCH_BYTES_MAX));
            let idle = cx.once || followed.grew_at.elapsed() >= IDLE_TAIL;
            let end = match last_line_end(&followed.file, start, limit)? {
                _ if idle && limit == length => limit,
                Some(end) => end,
                // No line end in a full stretch: one absurdly long record, for the parser to reject.
                None if limit < length => limit,
                None => start,
            };
            if end <= start {
                return Ok(true);
            }
            // The layout line at the beginning of the file is needed to read the rest of it.
            let header = if start > 0 {
                layout_header(&followed.file)?
            } else {
                Vec::new()
            };
            let header_records = header.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let skip = followed.position.records_done + header_records;
            let mut before = FilePosition {
                offset: start,
                records_done: 0,
                ..followed.position.clone()
            };
            if before.head_bytes < HEAD_BYTES {
                before.head_bytes = length.min(HEAD_BYTES);
                before.head_hash = head_hash(&followed.file, before.head_bytes)?;
            }
            followed.position = FilePosition {
                offset: end,
                ..before.clone()
            };
            followed.sent = end;
            let stretch = Stretch {
                file: followed.file.clone(),
                at: start,
                end,
            };
            let path = followed.path.clone();
            let position = DeliveryPosition::File {
                key: key.to_owned(),
                before,
                end,
                whole: false,
                header_records,
            };
            let body = io::Cursor::new(header).chain(stretch);
            if !self.deliver(cx, &path, Box::new(body), position, skip) {
                return Ok(false);
            }
        }
    }

    fn deliver(
        &self,
        cx: &SourceContext,
        path: &Path,
        body: Box<dyn Read + Send>,
        position: DeliveryPosition,
        skip_records: u64,
    ) -> bool {
        let delivery = Delivery {
            source: self.id.clone(),
            tenant: self.config.tenant.clone(),
            origin: path.display().to_string(),
            forced_format: self.config.format.clone(),
            dataset: None,
            flow_format: self.config.flow_format.clone(),
            time_zone: self.config.time_zone.clone(),
            body,
            position,
            skip_records,
            received_at: None,
            refused: Vec::new(),
            duplicates: 0,
            mark: None,
            cleanup: None,
        };
        cx.out.send(SourceMessage::Delivery(delivery)).is_ok()
    }
}

impl Source for FileSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&mut self, cx: &SourceContext) -> Result<(), SourceError> {
        self.find_rotated(cx)?;
        loop {
            let alive = self.look(cx);
            if cx.once || !alive || cx.stop.sleep(LOOK_EVERY) {
                return Ok(());
            }
        }
    }
}

/// Bytes `at..end` of a file, whatever others do with the handle.
struct Stretch {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn resume(file: &File, path: &Path, length: u64, stored: Option<FilePosition>) -> io::Result<FilePosition> {
    if let Some(stored) = stored
        && length >= stored.offset
        && head_hash(file, stored.head_bytes).ok().as_ref() == Some(&stored.head_hash)
    {
        return Ok(FilePosition {
            path: path.display().to_string(),
            ..stored
        });
    }
    fresh(file, path, length)
}

fn fresh(file: &File, path: &Path, length: u64) -> io::Result<FilePosition> {
    let head_bytes = length.min(HEAD_BYTES);
    Ok(FilePosition {
        path: path.display().to_string(),
        offset: 0,
        records_done: 0,
        head_bytes,
        head_hash: head_hash(file, head_bytes)?,
        done: false,
    })
}

/// Offset behind the last line feed in `start..end`.
fn last_line_end(file: &File, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut upper = end;
    while upper > start {
        let lower = upper.saturating_sub(TAIL_STEP).max(start);
        let mut bytes = vec![0u8; usize::try_from(upper - lower).unwrap_or(0)];
        file.read_exact_at(&mut bytes, lower)?;
        if let Some(at) = bytes.iter().rposition(|&byte| byte == b'\n') {
            return Ok(Some(lower + at as u64 + 1));
        }
        upper = lower;
    }
    Ok(None)
}

/// The leading lines of a file that say how its rows are laid out (`#Fields`, field names of a
/// flow log), to be put before a later stretch. They are skipped there, not counted again.
fn layout_header(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0u8; 8 << 10];
    let filled = file.read_at(&mut head, 0)?;
    head.truncate(filled);
    let mut end = 0;
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        let is_layout =
            line.starts_with(b"#") || line.starts_with(b"version ") || line.starts_with(b"account-id ");
        if !is_layout || !line.ends_with(b"\n") {
            break;
        }
        end += line.len();
    }
    head.truncate(end);
    Ok(head)
}
