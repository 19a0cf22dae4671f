//! Which file is which: a name can be given to another file, and a file can be emptied.

use haetae_event::identity::{digest, hex};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Bytes of a file's beginning that tell a rewritten file from a grown one.
pub const HEAD_BYTES: u64 = 256;

/// Device and inode: the same file under any name.
pub fn key(metadata: &Metadata) -> String {
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// Hash of the first `length` bytes.
///
/// # Errors
/// The file's own, `UnexpectedEof` when it is shorter.
pub fn head_hash(file: &File, length: u64) -> io::Result<String> {
    let mut head = vec![0u8; usize::try_from(length.min(HEAD_BYTES)).unwrap_or(0)];
    file.read_exact_at(&mut head, 0)?;
    Ok(hex(&digest(&[&head])[..8]))
}

/// Whether the content is gzip or zstd: such files are read once, whole.
///
/// # Errors
/// The file's own.
pub fn is_compressed(file: &File) -> io::Result<bool> {
    let mut magic = [0u8; 4];
    let filled = file.read_at(&mut magic, 0)?;
    Ok(magic[..filled].starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd])
}
