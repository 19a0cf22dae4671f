//! Acknowledged throughput and latency of the journal, beside SQLite and a bare file.
//!
//! `cargo run --release -p haetae-journal --example journal_speed [folder]`

use haetae_event::disk::{Disk, DiskFile, RealDisk};
use haetae_journal::{Journal, JournalOptions, SegmentJournal};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RUN_FOR: Duration = Duration::from_secs(3);

/// The real disk, counting and timing what it is asked to make durable.
#[derive(Clone, Default)]
struct Counted(Arc<Syncs>);

#[derive(Default)]
struct Syncs {
    count: AtomicU64,
    micros: AtomicU64,
}

struct CountedFile(Box<dyn DiskFile>, Arc<Syncs>);

impl DiskFile for CountedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let at = Instant::now();
        let done = self.0.sync();
        self.1.count.fetch_add(1, Ordering::Relaxed);
        let micros = at.elapsed().as_micros() as u64;
        self.1.micros.fetch_add(micros, Ordering::Relaxed);
        done
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl Disk for Counted {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.create(path)?;
        Ok(Box::new(CountedFile(file, Arc::clone(&self.0))))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        RealDisk.read_at(path, offset, length)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk::len(&RealDisk, path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        RealDisk.truncate(path, length)
    }
    fn exists(&self, path: &Path) -> bool {
        RealDisk.exists(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(path)
    }
    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list_dirs(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl Counted {
    /// Syncs since the last call, and what one took on average in ms.
    fn take(&self) -> (u64, f64) {
        let count = self.0.count.swap(0, Ordering::Relaxed);
        let micros = self.0.micros.swap(0, Ordering::Relaxed);
        (count, micros as f64 / 1e3 / count.max(1) as f64)
    }
}

type Append<'a> = &'a (dyn Fn(&[u8]) + Sync);

/// Returns the number of acknowledged entries.
fn measure(name: &str, threads: usize, entry_bytes: usize, append: Append<'_>) -> usize {
    let entry: Vec<u8> = (0..entry_bytes).map(|n| (n * 31 % 251) as u8).collect();
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let work = || {
            let mut own = Vec::new();
            while begun.elapsed() < RUN_FOR {
                let at = Instant::now();
                append(&entry);
                own.push(at.elapsed());
            }
            own
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|t| t.join().expect("no panic"));
        ended.flatten().collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let count = latencies.len();
    println!(
        "{name:<22} {threads:>2} threads  {:>7} B  {:>9.2} MB/s  {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms",
        entry_bytes,
        (count * entry_bytes) as f64 / 1e6 / seconds,
        count as f64 / seconds,
        latencies[count / 2].as_secs_f64() * 1e3,
        latencies[count * 99 / 100].as_secs_f64() * 1e3,
    );
    count
}

fn bare_file(disk: &Counted, dir: &Path, name: &str) -> Mutex<Box<dyn DiskFile>> {
    Mutex::new(disk.create(&dir.join(name)).expect("new file"))
}

fn sqlite(path: PathBuf) -> Mutex<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .expect("WAL");
    connection
        .pragma_update(None, "synchronous", "FULL")
        .expect("FULL");
    connection
        .execute_batch("CREATE TABLE log (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        .expect("creates");
    Mutex::new(connection)
}

fn main() {
    let base = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("journal-speed-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("folder");
    let disk = Counted::default();
    let told = |entries: usize| {
        let (syncs, ms) = disk.take();
        let group = entries as f64 / syncs.max(1) as f64;
        println!("{:>38} {syncs} syncs of {ms:.2} ms, {group:.1} entries each", "");
    };
    let options = JournalOptions::default();
    let journal = SegmentJournal::open(Arc::new(disk.clone()), &dir.join("journal"), options).expect("opens");
    let kept_options = JournalOptions::default();
    let kept = SegmentJournal::open(Arc::new(disk.clone()), &dir.join("kept"), kept_options).expect("opens");
    let database = sqlite(dir.join("log.db"));
    for entry_bytes in [1024, 64 * 1024] {
        let file = bare_file(&disk, &dir, &format!("bare-{entry_bytes}"));
        for threads in [1, 16] {
            disk.take();
            told(measure("journal", threads, entry_bytes, &|entry| {
                let at = journal.append(entry).expect("appends");
                journal.release_before(at).expect("releases");
            }));
            told(measure(
                "journal, none released",
                threads,
                entry_bytes,
                &|entry| {
                    kept.append(entry).expect("appends");
                },
            ));
            told(measure("write + fdatasync", threads, entry_bytes, &|entry| {
                let mut file = file.lock().expect("no panic");
                file.append(entry).and_then(|()| file.sync()).expect("writes");
            }));
            measure("SQLite WAL, FULL", threads, entry_bytes, &|entry| {
                let database = database.lock().expect("no panic");
                let sql = "INSERT INTO log (bytes) VALUES (?1)";
                let mut insert = database.prepare_cached(sql).expect("prepares");
                insert.execute([entry]).expect("inserts");
            });
        }
    }
    std::fs::remove_dir_all(&dir).expect("clean up");
}
