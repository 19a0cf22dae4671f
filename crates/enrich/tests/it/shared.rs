//! The shared sample data, which is not part of the project.

use flate2::bufread::GzDecoder;
use std::io::Read;
use std::path::PathBuf;

/// The folder `sec/<part>` of the samples; `None`, said loudly, when it is not there.
pub fn samples(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HAETAE_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join("data/sec").join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "NOT TESTED: no sample data at {} (set HAETAE_SHARED)",
        folder.display()
    );
    None
}

#[expect(clippy::disallowed_methods, reason = "our own sample files")]
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("sound gzip");
    plain
}
