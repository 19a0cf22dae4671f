//! Labelled tables from CSV: numbers with a head line, one column of it the label.

/// More cells than this (1 GiB of numbers) are not read.
pub const CELLS_MAX: usize = 1 << 27;

/// Why a table was not read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("not CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("no column {0:?} in the head line")]
    NoLabel(String),
    #[error("no columns beside the label")]
    NoFeatures,
    #[error("line {line}, column {column}: {text:?} is not a number")]
    NotANumber { line: u64, column: String, text: String },
    #[error("line {line}: label {text:?} is neither 0 nor 1")]
    NotALabel { line: u64, text: String },
    #[error("more than {CELLS_MAX} cells")]
    TooLarge,
}

/// Rows × features with names, and what each row is, where known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub features: Vec<String>,
    /// Row-major.
    pub cells: Vec<f64>,
    /// One a row (true: anomaly), or none without a label column.
    pub labels: Vec<bool>,
}

/// An empty cell, and what pandas, R and Weka write for one.
fn is_missing(text: &str) -> bool {
    text.is_empty()
        || text == "?"
        || ["na", "nan", "null", "none"]
            .iter()
            .any(|m| text.eq_ignore_ascii_case(m))
}

fn label(text: &str) -> Option<bool> {
    match text.parse::<f64>() {
        Ok(0.0) => Some(false),
        Ok(1.0) => Some(true),
        _ => None,
    }
}

impl Table {
    /// Reads CSV with a head line. `label` names the label column (0 normal, 1 anomaly); without one
    /// every column is a feature. Missing cells become NaN.
    ///
    /// # Errors
    /// See [`TableError`]; the first fault ends the reading.
    pub fn from_csv(bytes: &[u8], label_column: Option<&str>) -> Result<Table, TableError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let head = reader.headers()?.clone();
        let at = match label_column {
            Some(name) => Some(
                head.iter()
                    .position(|column| column == name)
                    .ok_or_else(|| TableError::NoLabel(name.to_owned()))?,
            ),
            None => None,
        };
        let features = head.iter().enumerate().filter(|(n, _)| Some(*n) != at);
        let mut table = Table {
            features: features.map(|(_, name)| name.to_owned()).collect(),
            ..Table::default()
        };
        if table.features.is_empty() {
            return Err(TableError::NoFeatures);
        }
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record)? {
            table.push(&record, &head, at)?;
        }
        Ok(table)
    }

    fn push(
        &mut self,
        record: &csv::StringRecord,
        head: &csv::StringRecord,
        label_at: Option<usize>,
    ) -> Result<(), TableError> {
        let line = record.position().map_or(0, csv::Position::line);
        let shown = |text: &str| text.chars().take(40).collect::<String>();
        for (n, text) in record.iter().enumerate() {
            if Some(n) == label_at {
                let text_shown = || TableError::NotALabel {
                    line,
                    text: shown(text),
                };
                self.labels.push(label(text).ok_or_else(text_shown)?);
                continue;
            }
            let value = if is_missing(text) {
                Ok(f64::NAN)
            } else {
                text.parse()
            };
            self.cells.push(value.map_err(|_| TableError::NotANumber {
                line,
                column: head.get(n).unwrap_or_default().to_owned(),
                text: shown(text),
            })?);
        }
        if self.cells.len() > CELLS_MAX {
            return Err(TableError::TooLarge);
        }
        Ok(())
    }

    pub fn rows(&self) -> usize {
        self.cells.len() / self.features.len().max(1)
    }
}
