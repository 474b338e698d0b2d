//! Ports that no other test uses, in any process.
//!
//! They are outside the range from which the system picks ports for outgoing connections, where a
//! free port may be taken a moment later.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;

const FIRST: u16 = 20_000;
const SIZE: u16 = 8;
const BLOCKS: u32 = 1_400;

/// Four ports, reserved as long as this value exists.
pub struct PortBlock {
    pub ports: [u16; 4],
    _lock: File,
}

impl PortBlock {
    pub fn take() -> Self {
        let folder = super::target::scratch().join("ports");
        std::fs::create_dir_all(&folder).unwrap();
        let start = std::process::id() * 37;
        let blocks = (0..BLOCKS).map(|step| (start + step) % BLOCKS);
        blocks.into_iter().find_map(|block| Self::try_take(&folder, block)).unwrap()
    }

    fn try_take(folder: &Path, block: u32) -> Option<Self> {
        let lock = File::create(folder.join(format!("{block}.lock"))).unwrap();
        lock.try_lock().ok()?;
        let first = FIRST + u16::try_from(block).unwrap() * SIZE;
        let ports = [first, first + 1, first + 2, first + 3];
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        ports.iter().all(free).then_some(Self { ports, _lock: lock })
    }
}
