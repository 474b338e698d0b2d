//! How far something that takes long has come, for whoever shows it.

/// Who is told how far it is.
pub trait Progress {
    /// What goes on from now.
    fn phase(&self, text: &str);
    /// How much of a download is there, in bytes.
    fn bytes(&self, done: u64, total: Option<u64>);
}
