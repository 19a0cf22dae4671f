//! One minute of one target.

use super::super::flow::Address;
use super::super::sketch::Spread;

/// Classes of paths, by their hash.
const PATHS: usize = 64;

/// What one minute held.
#[derive(Debug, Default)]
pub struct Minute {
    pub count: u64,
    /// Of the count, those that are no assets, and by class of path.
    pub pages: u32,
    pub paths: Option<Box<[u32; PATHS]>>,
    pub spread: Spread,
    /// Instead of `spread` when that was given up.
    pub figures: Option<Figures>,
    /// Its figures as they are now; reckoned when first needed after a change.
    pub now: Option<Figures>,
    /// Judged, and nothing there: stays so until a minute that it depends on changes.
    pub quiet: bool,
}

/// What a minute is compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    pub count: f64,
    pub sources: f64,
    pub entropy: f64,
}

impl Minute {
    pub fn figures(&self) -> Figures {
        self.now.unwrap_or_else(|| self.reckon())
    }

    /// Its figures, from what it holds.
    pub fn reckon(&self) -> Figures {
        let count = self.count as f64;
        match self.figures {
            Some(figures) => Figures { count, ..figures },
            None => Figures {
                count,
                sources: self.spread.sources() as f64,
                entropy: self.spread.entropy(),
            },
        }
    }

    /// `path`: for web requests, the hash of the path, unless that is an asset. Gives whether it
    /// was one.
    pub fn add(&mut self, source: Address, path: Option<Option<u64>>) -> bool {
        self.count += 1;
        self.now = None;
        if self.figures.is_some() {
            return false;
        }
        self.spread.add(source);
        if let Some(Some(path)) = path {
            self.pages += 1;
            let paths = self.paths.get_or_insert_with(|| Box::new([0; PATHS]));
            paths[(path >> 58) as usize] += 1;
        }
        matches!(path, Some(None))
    }

    /// The class of paths most asked for, and how often it was.
    pub fn busiest(&self) -> (usize, u32) {
        let counts = self.paths.iter().flat_map(|paths| paths.iter().copied());
        counts
            .enumerate()
            .max_by_key(|(_, count)| *count)
            .unwrap_or((0, 0))
    }

    /// How often paths of the class were asked for.
    pub fn asked(&self, class: usize) -> u32 {
        self.paths.as_ref().map_or(0, |paths| paths[class])
    }

    /// Share of the busiest class among what is no asset.
    pub fn path_share(&self) -> f64 {
        f64::from(self.busiest().1) / f64::from(self.pages.max(1))
    }

    /// Gives up who the sources were.
    pub fn condense(&mut self) {
        if self.figures.is_none() {
            self.figures = Some(self.figures());
            self.now = None;
            self.spread = Spread::default();
            self.paths = None;
        }
    }

    pub fn bytes(&self) -> usize {
        let paths = self.paths.as_ref().map_or(0, |_| PATHS * 4);
        size_of::<Minute>() + 32 + self.spread.bytes() + paths
    }
}
