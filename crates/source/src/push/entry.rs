//! One journal entry: a JSON header, then the accepted lines as they came.
//!
//! Layout: version byte `1`, header length (u32, little endian), header (JSON), body.

use haetae_event::commit::DeliveryMark;
use haetae_event::identity::hex;
use haetae_event::{Micros, Reason, Reject, TenantId};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;

/// A pushed batch as the door accepted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEntry {
    pub tenant: TenantId,
    /// What the client said: a dataset's name; `None` is detected by content.
    pub dataset: Option<String>,
    pub received_at: Micros,
    pub mark: Option<DeliveryMark>,
    /// Refused lines with their ordinals in the request.
    pub refused: Vec<Reject>,
    /// Records of a repeated request; such an entry has no body.
    pub duplicates: u64,
    /// Accepted and blank lines, each ended by `\n`.
    pub body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    tenant: TenantId,
    dataset: Option<String>,
    received_at_us: i64,
    mark: Option<DeliveryMark>,
    refused: Vec<Refused>,
    duplicates: u64,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    ordinal: u64,
    reason: Reason,
    detail: String,
    /// Hexadecimal: an array of numbers would be twice as long.
    bytes_hex: String,
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(pair).collect()
}

/// The journal holds an entry this program cannot read.
#[derive(Debug, thiserror::Error)]
#[error("journal entry: {0}")]
pub struct BadEntry(String);

impl PushEntry {
    /// The entry's bytes.
    ///
    /// # Panics
    /// Never: the header is plain data, shorter than 4 GiB by the door's limits.
    pub fn encode(&self) -> Vec<u8> {
        let refused = self.refused.iter().map(|reject| Refused {
            ordinal: reject.ordinal,
            reason: reject.reason,
            detail: reject.detail.clone(),
            bytes_hex: hex(&reject.bytes),
        });
        let header = Header {
            tenant: self.tenant.clone(),
            dataset: self.dataset.clone(),
            received_at_us: self.received_at.0,
            mark: self.mark.clone(),
            refused: refused.collect(),
            duplicates: self.duplicates,
        };
        let header = serde_json::to_vec(&header).expect("plain structs serialise");
        let length = u32::try_from(header.len()).expect("the door bounds a request to a few MB");
        let mut bytes = Vec::with_capacity(5 + header.len() + self.body.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// # Errors
    /// When the bytes are of another version or are no entry.
    pub fn decode(bytes: &[u8]) -> Result<PushEntry, BadEntry> {
        let (&version, rest) = bytes.split_first().ok_or_else(|| BadEntry("empty".to_owned()))?;
        if version != VERSION {
            return Err(BadEntry(format!("version {version} is not known")));
        }
        let (length, rest) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| BadEntry("cut short".to_owned()))?;
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() < length {
            return Err(BadEntry("cut short".to_owned()));
        }
        let (header, body) = rest.split_at(length);
        let header: Header = serde_json::from_slice(header).map_err(|error| BadEntry(error.to_string()))?;
        let mut refused = Vec::with_capacity(header.refused.len());
        for line in header.refused {
            let bytes = unhex(&line.bytes_hex)
                .ok_or_else(|| BadEntry("a refused line is not hexadecimal".to_owned()))?;
            refused.push(Reject {
                ordinal: line.ordinal,
                reason: line.reason,
                detail: line.detail,
                bytes,
            });
        }
        Ok(PushEntry {
            tenant: header.tenant,
            dataset: header.dataset,
            received_at: Micros(header.received_at_us),
            mark: header.mark,
            refused,
            duplicates: header.duplicates,
            body: body.to_vec(),
        })
    }
}
