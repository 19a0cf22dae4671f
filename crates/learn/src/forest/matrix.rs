//! A borrowed table of numbers, row after row.

/// What a cell may be. A NaN is a missing value.
pub trait Cell: Copy + Send + Sync {
    fn value(self) -> f64;
}

impl Cell for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Cell for f32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
}

/// The cells do not make whole rows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cells} cells do not make rows of {columns} columns")]
pub struct BadShape {
    pub cells: usize,
    pub columns: usize,
}

/// Rows × features, row-major, every row of the same length (at least one column).
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T = f64> {
    cells: &'a [T],
    columns: usize,
}

impl<'a, T: Cell> Matrix<'a, T> {
    /// # Errors
    /// No columns, or cells left over after the last whole row.
    pub fn new(cells: &'a [T], columns: usize) -> Result<Self, BadShape> {
        if columns == 0 || !cells.len().is_multiple_of(columns) {
            return Err(BadShape {
                cells: cells.len(),
                columns,
            });
        }
        Ok(Matrix { cells, columns })
    }

    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn cells(&self) -> &'a [T] {
        self.cells
    }

    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &'a [T] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    /// The rows `from..to`, clipped to those there are.
    pub fn slice(&self, from: usize, to: usize) -> Matrix<'a, T> {
        let to = to.min(self.rows());
        let from = from.min(to);
        Matrix {
            cells: &self.cells[from * self.columns..to * self.columns],
            columns: self.columns,
        }
    }
}

/// The value that trees compare: infinities become the largest finite numbers, so that a
/// threshold between any two values exists.
pub(crate) fn finite(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else {
        value.clamp(-f64::MAX, f64::MAX)
    }
}
