//! The data directory's own secrets: installation key and local token, readable by the owner
//! alone.

use crate::error::StoreError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

const KEY_FILE: &str = "installation.key";
const TOKEN_FILE: &str = "local.token";

/// Creates the data directory, mode 0700, and makes its name durable.
///
/// # Errors
/// The disk's own.
pub fn prepare_data_dir(dir: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|p| !p.exists()).collect();
    if !missing.is_empty() {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(StoreError::io(dir))?;
    }
    for made in missing {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent)?,
            _ => sync_dir(Path::new("."))?,
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(StoreError::io(dir))?;
    }
    Ok(())
}

/// The key under which addresses and record hashes are keyed; made at the first call.
///
/// # Errors
/// When the file cannot be read or made, or is not 32 bytes: it is never overwritten, because
/// every stored `src_key` depends on it.
pub fn installation_key(dir: &Path) -> Result<[u8; 32], StoreError> {
    let path = dir.join(KEY_FILE);
    let bytes = read_or_make(dir, &path, random()?.to_vec())?;
    <[u8; 32]>::try_from(bytes.as_slice())
        .map_err(|_| StoreError::damaged(path.display(), "the installation key is not 32 bytes"))
}

/// The token that local commands show to the service: 64 hexadecimal digits.
///
/// # Errors
/// When the file cannot be read or made, or holds something else.
pub fn local_token(dir: &Path) -> Result<String, StoreError> {
    let path = dir.join(TOKEN_FILE);
    let fresh: String = random()?.iter().map(|b| format!("{b:02x}")).collect();
    let bytes = read_or_make(dir, &path, fresh.into_bytes())?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(StoreError::damaged(
            path.display(),
            "not 64 hexadecimal digits; delete it to have a new one made",
        ))
    }
}

fn random() -> Result<[u8; 32], StoreError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::damaged("the system's random numbers", e))?;
    Ok(bytes)
}

/// Reads the file, or writes `fresh` under a temporary name and links it into place, so that
/// two processes agree on the first one and a crash leaves no half file.
fn read_or_make(dir: &Path, path: &Path, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(StoreError::io(path)),
    }
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&fresh)?;
        file.sync_all()
    };
    write().map_err(StoreError::io(&temporary))?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(StoreError::io(&temporary))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Io {
                path: path.to_owned(),
                error,
            });
        }
        _ => sync_dir(dir)?,
    }
    std::fs::read(path).map_err(StoreError::io(path))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(StoreError::io(dir))
}
