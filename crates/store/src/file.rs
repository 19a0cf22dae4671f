//! Reading Parquet through the [`Disk`] trait.

use crate::error::StoreError;
use crate::layout::is_temporary;
use bytes::Bytes;
use haetae_event::disk::SharedDisk;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// One file of the disk.
#[derive(Clone)]
pub(crate) struct FileChunks {
    disk: SharedDisk,
    path: PathBuf,
    length: u64,
}

/// A position in it.
pub(crate) struct FileCursor {
    file: FileChunks,
    offset: u64,
}

impl Read for FileCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = &self.file;
        let bytes = file.disk.read_at(&file.path, self.offset, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileChunks {
    type T = BufReader<FileCursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let cursor = FileCursor {
            file: self.clone(),
            offset: start,
        };
        Ok(BufReader::with_capacity(64 * 1024, cursor))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.disk.read_at(&self.path, start, length)?;
        if bytes.len() != length {
            return Err(ParquetError::EOF(format!(
                "{} ends at byte {}",
                self.path.display(),
                start + bytes.len() as u64
            )));
        }
        Ok(bytes.into())
    }
}

/// Opens a segment's file and reads its footer.
pub(crate) fn open(
    disk: &SharedDisk,
    path: &Path,
) -> Result<ParquetRecordBatchReaderBuilder<FileChunks>, StoreError> {
    let renamed = path.with_extension("");
    // A file whose rename failed at first may have got its name since the caller looked.
    let path = if is_temporary(path) && !disk.exists(path) {
        &renamed
    } else {
        path
    };
    let length = disk.len(path).map_err(StoreError::io(path))?;
    let chunks = FileChunks {
        disk: disk.clone(),
        path: path.to_owned(),
        length,
    };
    ParquetRecordBatchReaderBuilder::try_new(chunks).map_err(|e| StoreError::damaged(path.display(), e))
}
