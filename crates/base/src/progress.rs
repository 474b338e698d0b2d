//! Reports the progress of long operations to whoever displays it.

/// Receives progress reports.
pub trait Progress {
    /// A new phase begins.
    fn phase(&self, text: &str);
    /// How many bytes of a download have arrived.
    fn bytes(&self, done: u64, total: Option<u64>);
}
