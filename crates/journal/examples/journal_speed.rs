//! Acknowledged throughput and latency of the journal, beside SQLite and a bare file.
//!
//! `cargo run --release -p haetae-journal --example journal_speed [folder]`

use haetae_event::disk::{Disk, DiskFile, RealDisk};
use haetae_journal::{Journal, JournalOptions, SegmentJournal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RUN_FOR: Duration = Duration::from_secs(3);

type Append<'a> = &'a (dyn Fn(&[u8]) + Sync);

fn measure(name: &str, threads: usize, entry_bytes: usize, append: Append<'_>) {
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
}

fn bare_file(dir: &Path, name: &str) -> Mutex<Box<dyn DiskFile>> {
    Mutex::new(RealDisk.create(&dir.join(name)).expect("new file"))
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
    let disk = Arc::new(RealDisk);
    let options = JournalOptions::default();
    let journal = SegmentJournal::open(disk, &dir.join("journal"), options).expect("opens");
    let database = sqlite(dir.join("log.db"));
    for entry_bytes in [1024, 64 * 1024] {
        let file = bare_file(&dir, &format!("bare-{entry_bytes}"));
        for threads in [1, 16] {
            measure("journal", threads, entry_bytes, &|entry| {
                let at = journal.append(entry).expect("appends");
                journal.release_before(at).expect("releases");
            });
            measure("write + fdatasync", threads, entry_bytes, &|entry| {
                let mut file = file.lock().expect("no panic");
                file.append(entry).and_then(|()| file.sync()).expect("writes");
            });
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
