//! Secrets that clients present.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A bearer token, kept as its hash. Comparing takes the same time wherever the texts differ,
/// and whatever their lengths.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// Shorter tokens can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;

impl Token {
    /// `None` when the text, without surrounding white space, is shorter than
    /// [`TOKEN_BYTES_MIN`] or holds anything but visible ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() >= TOKEN_BYTES_MIN && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Token(Sha256::digest(text.as_bytes()).into()))
    }

    pub fn matches(&self, presented: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        self.0.ct_eq(&hash).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}
