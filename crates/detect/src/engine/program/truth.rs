//! Which items are true in which rows: a bit a row, 64 rows a word.

/// Rows that are judged together.
pub const ROWS: usize = 1024;
/// Words of so many rows.
const WORDS: usize = ROWS / 64;

/// A bit for each of up to [`ROWS`] rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask([u64; WORDS]);

impl Mask {
    pub const NONE: Mask = Mask([0; WORDS]);

    /// The first `rows`.
    pub fn first(rows: usize) -> Mask {
        let mut mask = Mask::NONE;
        for (at, word) in mask.0.iter_mut().enumerate() {
            *word = match rows.saturating_sub(at * 64) {
                0 => 0,
                n @ 1..64 => (1 << n) - 1,
                _ => u64::MAX,
            };
        }
        mask
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    #[inline]
    pub fn set(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    pub fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    pub fn set_word(&mut self, at: usize, word: u64) {
        self.0[at] = word;
    }

    pub fn or(&mut self, words: &[u64]) {
        self.0
            .iter_mut()
            .zip(words)
            .for_each(|(own, other)| *own |= other);
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those of both.
    pub fn and(&self, other: &Mask) -> Mask {
        let mut both = *self;
        both.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(own, other)| *own &= other);
        both
    }

    /// Those of `self` alone.
    pub fn without(&self, other: &Mask) -> Mask {
        let mut rest = *self;
        rest.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(own, other)| *own &= !other);
        rest
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, word)| ones(*word).map(move |bit| at * 64 + bit))
    }
}

/// The bits set in a word, lowest first.
pub fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            bit
        })
    })
}

/// The rows in which each item is true. What was never said is false.
pub struct Truth {
    /// Words of a row's items that are in use now.
    words: usize,
    bits: Vec<u64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
}

impl Truth {
    pub fn new(items: usize) -> Truth {
        Truth {
            words: WORDS,
            bits: vec![0; items * WORDS],
            touched: Vec::new(),
            is_touched: vec![false; items],
        }
    }

    /// Forgets everything; `rows` come next.
    pub fn restart(&mut self, rows: usize) {
        for item in self.touched.drain(..) {
            let from = item as usize * self.words;
            self.bits[from..from + self.words].fill(0);
            self.is_touched[item as usize] = false;
        }
        self.words = rows.div_ceil(64).clamp(1, WORDS);
    }

    #[inline]
    fn touch(&mut self, item: u32) {
        if !self.is_touched[item as usize] {
            self.is_touched[item as usize] = true;
            self.touched.push(item);
        }
    }

    #[inline]
    pub fn set(&mut self, item: u32, row: usize) {
        self.touch(item);
        self.bits[item as usize * self.words + row / 64] |= 1 << (row % 64);
    }

    #[inline]
    pub fn set_each(&mut self, items: &[u32], row: usize) {
        items.iter().for_each(|item| self.set(*item, row));
    }

    pub fn set_all(&mut self, item: u32, rows: &Mask) {
        self.touch(item);
        let from = item as usize * self.words;
        let own = &mut self.bits[from..from + self.words];
        own.iter_mut()
            .zip(rows.words())
            .for_each(|(own, rows)| *own |= rows);
    }

    /// The words of an item's rows.
    pub fn of(&self, item: u32) -> &[u64] {
        &self.bits[item as usize * self.words..][..self.words]
    }

    /// One word of an item's rows.
    #[inline]
    pub fn word(&self, item: u32, word: usize) -> u64 {
        self.bits[item as usize * self.words + word]
    }

    /// Items that are true somewhere.
    pub fn touched(&self) -> &[u32] {
        &self.touched
    }

    #[inline]
    pub fn is_touched(&self, item: u32) -> bool {
        self.is_touched[item as usize]
    }

    pub fn words(&self) -> usize {
        self.words
    }
}
