//! Chance that is the same each time.

/// A row of numbers from a seed (SplitMix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Yes in `percent` of a hundred.
    pub fn in_hundred(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// `text` with up to `most` letters put in, taken away or replaced.
    pub fn bent(&mut self, text: &str, with: &[&str], most: usize) -> String {
        let mut letters: Vec<String> = text.chars().map(String::from).collect();
        for _ in 0..=self.below(most) {
            let at = self.below(letters.len() + 1);
            let piece = self.one(with).to_owned();
            match self.below(4) {
                0 if at < letters.len() => drop(letters.remove(at)),
                1 if at < letters.len() => letters[at] = piece,
                2 if at < letters.len() => {
                    let other = self.below(letters.len());
                    letters.swap(at, other);
                }
                _ => letters.insert(at, piece),
            }
        }
        letters.concat()
    }
}
