//! Signatures of parsers: who vouches for a module, its definition, its name and its version.
//!
//! Signed is `haetae-parser-signature-v1` and a zero byte, then id, version, definition and module,
//! each behind its length (`u64`, little-endian), so that no byte can move from one to the next.

use crate::keys::{KeyId, PrivateKey, PublicKey};
use base64ct::{Base64, Encoding};
use std::fmt::{self, Write as _};
use std::str::FromStr;

const DOMAIN: &[u8] = b"haetae-parser-signature-v1\0";

const FIRST_LINE: &str = "haetae-parser-signature-v1";

/// Bytes of an id or a version.
const NAME_BYTES_MAX: usize = 128;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// 1 to 128 bytes of letters, digits, `.`, `_`, `-`, `+`.
    pub id: &'a str,
    /// As `id`.
    pub version: &'a str,
    /// The file that says what the parser's fields mean, as it lies on the disk.
    pub definition: &'a [u8],
    /// The WebAssembly module as it lies on the disk.
    pub module: &'a [u8],
}

impl Subject<'_> {
    fn message(&self) -> Vec<u8> {
        let parts = [
            self.id.as_bytes(),
            self.version.as_bytes(),
            self.definition,
            self.module,
        ];
        let len = parts.iter().map(|part| 8 + part.len()).sum::<usize>();
        let mut message = Vec::with_capacity(DOMAIN.len() + len);
        message.extend_from_slice(DOMAIN);
        for part in parts {
            message.extend_from_slice(&(part.len() as u64).to_le_bytes());
            message.extend_from_slice(part);
        }
        message
    }
}

/// Why a parser is not trusted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    #[error("not a signature file: {0}")]
    Form(&'static str),
    #[error(
        "the id or version is empty, longer than 128 bytes, or has other characters than A-Z a-z 0-9 . _ - +"
    )]
    Name,
    #[error("signed is parser {signed}, this is {found}")]
    OtherParser { signed: String, found: String },
    #[error("signed by key {0}, which is not trusted")]
    UntrustedKey(KeyId),
    #[error("the signature of key {0} does not fit: module, definition or signature were changed")]
    Changed(KeyId),
}

/// A signature file. [`fmt::Display`] is its text, [`FromStr`] takes exactly that text and no other
/// spelling of it:
///
/// ```text
/// haetae-parser-signature-v1
/// parser: <id>
/// version: <version>
/// key: <16 hex digits>
/// signature: <base64 of 64 bytes>
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub id: String,
    pub version: String,
    pub key: KeyId,
    signature: [u8; 64],
}

/// Signs `subject`.
///
/// # Errors
/// [`SignatureError::Name`].
pub fn sign(subject: &Subject<'_>, key: &PrivateKey) -> Result<Signature, SignatureError> {
    if !is_name(subject.id) || !is_name(subject.version) {
        return Err(SignatureError::Name);
    }
    Ok(Signature {
        id: subject.id.to_owned(),
        version: subject.version.to_owned(),
        key: key.public().id(),
        signature: key.sign(&subject.message()),
    })
}

/// Checks that one of the `trusted` keys has signed `subject`, and gives its id.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(
    subject: &Subject<'_>,
    signature: &Signature,
    trusted: &[PublicKey],
) -> Result<KeyId, SignatureError> {
    if !is_name(subject.id) || !is_name(subject.version) {
        return Err(SignatureError::Name);
    }
    if (subject.id, subject.version) != (&signature.id, &signature.version) {
        return Err(SignatureError::OtherParser {
            signed: format!("{} {}", signature.id, signature.version),
            found: format!("{} {}", subject.id, subject.version),
        });
    }
    let mut named = trusted.iter().filter(|key| key.id() == signature.key).peekable();
    if named.peek().is_none() {
        return Err(SignatureError::UntrustedKey(signature.key));
    }
    let message = subject.message();
    if named.any(|key| key.has_signed(&message, &signature.signature)) {
        Ok(signature.key)
    } else {
        Err(SignatureError::Changed(signature.key))
    }
}

fn is_name(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(sound)
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        writeln!(f, "parser: {}", self.id)?;
        writeln!(f, "version: {}", self.version)?;
        writeln!(f, "key: {}", self.key)?;
        f.write_str("signature: ")?;
        f.write_str(&Base64::encode_string(&self.signature))?;
        f.write_char('\n')
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Signature, SignatureError> {
        let mut lines = text.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(SignatureError::Form("its first line is another"));
        }
        let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
        let id = value("parser: ").ok_or(SignatureError::Form("no line parser"))?;
        let version = value("version: ").ok_or(SignatureError::Form("no line version"))?;
        let key = value("key: ").ok_or(SignatureError::Form("no line key"))?;
        let key = key
            .parse()
            .map_err(|_| SignatureError::Form("the key is not 16 hex digits"))?;
        let encoded = value("signature: ").ok_or(SignatureError::Form("no line signature"))?;
        let mut signature = [0; 64];
        let decoded = Base64::decode(encoded, &mut signature).map(<[u8]>::len);
        if decoded != Ok(64) {
            return Err(SignatureError::Form(
                "the signature is not the base64 of 64 bytes",
            ));
        }
        if !is_name(id) || !is_name(version) {
            return Err(SignatureError::Name);
        }
        let (id, version) = (id.to_owned(), version.to_owned());
        let read = Signature {
            id,
            version,
            key,
            signature,
        };
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(SignatureError::Form("it is spelled otherwise than it is written"))
        }
    }
}
