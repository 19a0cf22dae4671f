//! A forest as bytes.
//!
//! All numbers little-endian: `"HAETAEIF"`, version (u32), length of the body (u64), body, sha256
//! over everything before it. Body: parameters, threshold, rows of each tree, feature names,
//! training summary, trees. A tree is its nodes in preorder, one byte of kind each: 0 leaf (u32
//! training rows), 1 split (u32 feature, f64 threshold), 2 split whose missing values go left. No
//! index is stored, so none can point anywhere.
//!
//! The checksum finds damage. It is no signature: whoever may write the models folder may change
//! models. Reading trusts nothing all the same: no count allocates before the bytes it speaks of
//! are there.

use super::grow::{Node, Tree};
use super::training::{FeatureSummary, Training};
use super::{FEATURES_MAX, Forest, Params, SAMPLE_MAX, TREES_MAX, Threshold};
use haetae_event::Micros;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"HAETAEIF";
const VERSION: u32 = 2;
const CHECKSUM_BYTES: usize = 32;
/// Deeper trees than any sample of [`SAMPLE_MAX`] grows are not ours.
const DEPTH_MAX: usize = 32;

/// Why bytes are no forest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("not a forest file")]
    Magic,
    #[error("format version {0}; this program reads {VERSION}")]
    Version(u32),
    #[error("cut short or lengthened: {have} bytes, {want} expected")]
    Length { have: u64, want: u64 },
    #[error("damaged: the checksum does not fit")]
    Checksum,
    #[error("broken {0}")]
    Broken(&'static str),
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_params(out: &mut Vec<u8>, params: &Params) {
    out.extend_from_slice(&(params.trees as u32).to_le_bytes());
    out.extend_from_slice(&(params.sample as u32).to_le_bytes());
    out.extend_from_slice(&params.seed.to_le_bytes());
    out.extend_from_slice(&params.max_features.to_le_bytes());
    let (kind, value) = match params.threshold {
        Threshold::Above(score) => (0u8, score),
        Threshold::Contamination(share) => (1, share),
    };
    out.push(kind);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_training(out: &mut Vec<u8>, training: &Training) {
    out.extend_from_slice(&training.rows.to_le_bytes());
    out.extend_from_slice(&training.trained_at.0.to_le_bytes());
    out.extend_from_slice(&training.window_us.to_le_bytes());
    put_text(out, &training.fingerprint);
    for feature in &training.features {
        for number in [feature.min, feature.max].iter().chain(&feature.quantiles) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&feature.missing.to_le_bytes());
    }
}

fn put_node(out: &mut Vec<u8>, node: &Node) {
    match node {
        Node::Leaf { rows } => {
            out.push(0);
            out.extend_from_slice(&rows.to_le_bytes());
        }
        Node::Split {
            feature,
            threshold,
            missing_left,
            ..
        } => {
            out.push(1 + u8::from(*missing_left));
            out.extend_from_slice(&feature.to_le_bytes());
            out.extend_from_slice(&threshold.to_le_bytes());
        }
    }
}

/// Bytes not yet read; everything that reads fails where they end.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], LoadError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(LoadError::Broken(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], LoadError> {
        let taken = self.take(N, what)?;
        Ok(taken.try_into().expect("as many bytes as asked for"))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, LoadError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, LoadError> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, LoadError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A finite number.
    fn number(&mut self, what: &'static str) -> Result<f64, LoadError> {
        let number = f64::from_le_bytes(self.array(what)?);
        if number.is_finite() {
            Ok(number)
        } else {
            Err(LoadError::Broken(what))
        }
    }

    /// A count of `1..=most`.
    fn count(&mut self, most: usize, what: &'static str) -> Result<usize, LoadError> {
        let count = self.u32(what)? as usize;
        if (1..=most).contains(&count) {
            Ok(count)
        } else {
            Err(LoadError::Broken(what))
        }
    }

    fn text(&mut self, what: &'static str) -> Result<String, LoadError> {
        let length = self.u32(what)? as usize;
        let bytes = self.take(length, what)?;
        let text = std::str::from_utf8(bytes).map_err(|_| LoadError::Broken(what))?;
        Ok(text.to_owned())
    }

    fn params(&mut self) -> Result<Params, LoadError> {
        let trees = self.count(TREES_MAX, "number of trees")?;
        let sample = self.count(SAMPLE_MAX, "sample size")?;
        let seed = self.u64("seed")?;
        let max_features = self.number("share of features")?;
        let kind = self.byte("threshold")?;
        let value = self.number("threshold")?;
        let threshold = match kind {
            0 => Threshold::Above(value),
            1 => Threshold::Contamination(value),
            _ => return Err(LoadError::Broken("threshold")),
        };
        Ok(Params {
            trees,
            sample,
            seed,
            max_features,
            threshold,
            threads: 1,
        })
    }

    fn training(&mut self, columns: usize) -> Result<Training, LoadError> {
        let what = "training summary";
        let rows = self.u64(what)?;
        let trained_at = Micros(i64::from_le_bytes(self.array(what)?));
        let window_us = i64::from_le_bytes(self.array(what)?).max(0);
        let fingerprint = self.text(what)?;
        let mut features = Vec::new();
        for _ in 0..columns {
            let (min, max) = (self.number(what)?, self.number(what)?);
            let mut quantiles = [0.0; 7];
            for quantile in &mut quantiles {
                *quantile = self.number(what)?;
            }
            features.push(FeatureSummary {
                min,
                max,
                quantiles,
                missing: self.u64(what)?,
            });
        }
        Ok(Training {
            rows,
            trained_at,
            window_us,
            fingerprint,
            features,
        })
    }

    /// The nodes at `depth` and below, appended; the training rows among them.
    fn nodes(&mut self, columns: usize, depth: usize, nodes: &mut Vec<Node>) -> Result<u32, LoadError> {
        let broken = || LoadError::Broken("tree");
        let kind = self.byte("tree")?;
        if kind == 0 {
            let rows = self.u32("tree")?;
            nodes.push(Node::Leaf { rows });
            return if rows > 0 { Ok(rows) } else { Err(broken()) };
        }
        let feature = self.u32("tree")?;
        let threshold = self.number("tree")?;
        if kind > 2 || feature as usize >= columns || depth == DEPTH_MAX {
            return Err(broken());
        }
        let at = nodes.len();
        nodes.push(Node::Leaf { rows: 0 });
        let left = self.nodes(columns, depth + 1, nodes)?;
        let right = u32::try_from(nodes.len()).map_err(|_| broken())?;
        let rows = left
            .checked_add(self.nodes(columns, depth + 1, nodes)?)
            .ok_or_else(broken)?;
        nodes[at] = Node::Split {
            feature,
            threshold,
            missing_left: kind == 2,
            right,
            rows,
        };
        Ok(rows)
    }
}

impl Forest {
    /// The forest as bytes, the same for the same forest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_params(&mut body, &self.params);
        body.extend_from_slice(&self.threshold.to_le_bytes());
        body.extend_from_slice(&(self.sample as u32).to_le_bytes());
        body.extend_from_slice(&(self.features.len() as u32).to_le_bytes());
        for name in &self.features {
            put_text(&mut body, name);
        }
        put_training(&mut body, &self.training);
        for tree in &self.trees {
            tree.nodes.iter().for_each(|node| put_node(&mut body, node));
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(&body);
        let checksum = Sha256::digest(&out);
        out.extend_from_slice(&checksum);
        out
    }

    /// Reads what [`Forest::to_bytes`] wrote.
    ///
    /// # Errors
    /// See [`LoadError`]. Memory stays in proportion to the bytes given.
    pub fn from_bytes(bytes: &[u8]) -> Result<Forest, LoadError> {
        let mut rest = Rest(bytes);
        if rest.take(MAGIC.len(), "head") != Ok(MAGIC) {
            return Err(LoadError::Magic);
        }
        let version = rest.u32("head")?;
        if version != VERSION {
            return Err(LoadError::Version(version));
        }
        let length = rest.u64("head")?;
        let (have, want) = (rest.0.len() as u64, length.saturating_add(CHECKSUM_BYTES as u64));
        if have != want {
            return Err(LoadError::Length { have, want });
        }
        let (covered, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if Sha256::digest(covered).as_slice() != checksum {
            return Err(LoadError::Checksum);
        }
        let body = rest.take(rest.0.len() - CHECKSUM_BYTES, "body")?;
        Forest::from_body(Rest(body))
    }

    fn from_body(mut rest: Rest<'_>) -> Result<Forest, LoadError> {
        let params = rest.params()?;
        let threshold = rest.number("threshold")?;
        let sample = rest.count(SAMPLE_MAX, "sample size")?;
        let columns = rest.count(FEATURES_MAX, "number of features")?;
        let features: Vec<String> = (0..columns)
            .map(|_| rest.text("feature name"))
            .collect::<Result<_, _>>()?;
        let training = rest.training(columns)?;
        let mut trees = Vec::new();
        for _ in 0..params.trees {
            let mut nodes = Vec::new();
            if rest.nodes(columns, 0, &mut nodes)? as usize != sample {
                return Err(LoadError::Broken("tree"));
            }
            trees.push(Tree { nodes });
        }
        if !rest.0.is_empty() {
            return Err(LoadError::Broken("end"));
        }
        let mut forest = Forest::of_parts(params, features, training, sample, trees);
        forest.threshold = threshold;
        Ok(forest)
    }
}
