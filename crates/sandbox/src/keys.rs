//! Keys that sign parsers: Ed25519 (RFC 8032). A private key is written as PKCS#8 in PEM (RFC 5958, the
//! form that OpenSSL reads), a public one as a line `ed25519:<base64 of 32 bytes>`.

use base64ct::{Base64, Encoding};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Why a key cannot be made or read. No message shows any part of a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("the system gives no randomness")]
    Random,
    #[error("not a private Ed25519 key in PKCS#8 PEM")]
    Private,
    #[error("not a public key: a line ed25519:<base64 of 32 bytes> is expected")]
    Public,
}

const PUBLIC_PREFIX: &str = "ed25519:";

/// A key that signs. Its memory is cleared when it is dropped.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<PrivateKey, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| KeyError::Random)?;
        Ok(PrivateKey(SigningKey::from_bytes(&seed)))
    }

    /// # Errors
    /// [`KeyError::Private`], also where the file's public part belongs to another key.
    pub fn from_pem(pem: &str) -> Result<PrivateKey, KeyError> {
        SigningKey::from_pkcs8_pem(pem)
            .map(PrivateKey)
            .map_err(|_| KeyError::Private)
    }

    /// The text of the key file. The caller writes it with mode 0600; it is wiped when dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            // Version 1 of the form: more readers know it, and the public half follows from the other.
            public_key: None,
        };
        pair.to_pkcs8_pem(LineEnding::LF)
            .expect("32 bytes always fit the form")
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public().id())
    }
}

/// A key that checks signatures. [`fmt::Display`] and [`FromStr`] are the line of the key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // Strict: no second form of a valid signature, no keys of small order.
        self.0
            .verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", Base64::encode_string(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(line: &str) -> Result<PublicKey, KeyError> {
        let text = line.trim().strip_prefix(PUBLIC_PREFIX).ok_or(KeyError::Public)?;
        let mut bytes = [0; 32];
        let decoded = Base64::decode(text, &mut bytes).map_err(|_| KeyError::Public)?;
        if decoded.len() != 32 {
            return Err(KeyError::Public);
        }
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        if key.is_weak() {
            Err(KeyError::Public)
        } else {
            Ok(PublicKey(key))
        }
    }
}

/// The name of a key: the first 8 bytes of the SHA-256 of the public key, shown as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<KeyId, KeyError> {
        let number = u64::from_str_radix(text, 16).map_err(|_| KeyError::Public)?;
        let id = KeyId(number.to_be_bytes());
        // One form only: 16 digits, lower case, no sign.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(KeyError::Public)
        }
    }
}
