//! `haetae parser sign`: vouches for a definition and its module.

use super::draft::Draft;
use crate::cli::SignArgs;
use crate::wiring::signed_subject;
use anyhow::{Context, Result};
use haetae_sandbox::PrivateKey;
use std::fs::OpenOptions;
use std::io::{Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// `shop.yaml` → `shop.yaml.sig`.
pub fn signature_path(definition: &Path) -> PathBuf {
    let mut name = definition.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

pub fn run(args: &SignArgs) -> Result<()> {
    let key = if args.new_key {
        make_key(&args.key)?
    } else {
        read_key(&args.key)?
    };
    if args.new_key {
        writeln!(stdout(), "{}", key.public())?;
        eprintln!(
            "{} holds the private key (mode 0600); put the line above under parsers.trusted_keys",
            args.key.display()
        );
    }
    let Some(path) = &args.definition else {
        return Ok(());
    };
    let draft = Draft::read(path, args.module.as_deref())?;
    let version = draft.definition.version().to_string();
    let subject = signed_subject(&draft.definition, &version, &draft.text, &draft.module);
    let signature = haetae_sandbox::sign(&subject, &key)?;
    let out = signature_path(path);
    std::fs::write(&out, signature.to_string()).with_context(|| format!("cannot write {}", out.display()))?;
    eprintln!(
        "{} signed by key {}: {}",
        draft.definition.parser_id(),
        key.public().id(),
        out.display()
    );
    Ok(())
}

fn read_key(path: &Path) -> Result<PrivateKey> {
    let pem = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the key {}; `haetae parser sign --new-key --key {}` makes one",
            path.display(),
            path.display()
        )
    })?;
    Ok(PrivateKey::from_pem(&pem)?)
}

/// Never over a file that is there: it may be the only copy of a key in use.
fn make_key(path: &Path) -> Result<PrivateKey> {
    let key = PrivateKey::generate()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(key.to_pem().as_bytes())?;
    file.sync_all()?;
    Ok(key)
}
