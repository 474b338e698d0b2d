//! How long the gate takes to judge the SQL of one request, by its length: the time of
//! a body that is ten times as long is to be ten times as long. It never fails for
//! being slow.
//!
//!   cargo bench --bench judge

use std::io::Write;
use std::time::{Duration, Instant};

use demo_gate::sql::judge;

const ROUNDS: usize = 15;
const LENGTHS: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<34}{:>9}{:>9}{:>9}{:>9}",
        "median ms of 15, by length", "10 kB", "100 kB", "1 MB", "10 MB"
    )?;
    for (name, start, part) in [
        ("one long text", "SELECT '", "all work and no play "),
        ("rows of values", "INSERT INTO t VALUES (0)", ", (1, 'abc', ?)"),
        (
            "statements with functions",
            "",
            "SELECT max(a), b FROM t WHERE c = json_extract(d, '$.e');",
        ),
        ("short words", "SELECT a", ", bc d"),
        ("quoted names", "SELECT \"a\"", ", \"b\""),
        ("comments", "SELECT 1", " /* c */"),
    ] {
        write!(out, "{name:<34}")?;
        for length in LENGTHS {
            let mut sql = start.to_owned();
            while sql.len() < length {
                sql.push_str(part);
            }
            if start.ends_with('\'') {
                sql.push('\'');
            }
            let mut times: Vec<Duration> = (0..ROUNDS)
                .map(|_| {
                    let started = Instant::now();
                    let judged = judge(std::hint::black_box(sql.as_bytes()), true);
                    let elapsed = started.elapsed();
                    assert!(judged.is_ok(), "{name}: {judged:?}");
                    elapsed
                })
                .collect();
            times.sort();
            write!(out, "{:>9.3}", times[ROUNDS / 2].as_secs_f64() * 1000.0)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
