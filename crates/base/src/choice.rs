//! Values that people choose by a word, on the command line or in a variable.

/// An enum of such values.
pub trait Choice: Copy + Eq + Send + Sync + 'static {
    /// All of them, in the order in which they are listed.
    const ALL: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;

    /// What the choice means, if the word does not say it.
    fn help(self) -> Option<&'static str> {
        None
    }

    /// The choice that `word` stands for.
    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.word() == word)
    }

    /// All words, separated by commas.
    fn words() -> String {
        Self::ALL.iter().map(|choice| choice.word()).collect::<Vec<_>>().join(", ")
    }
}
