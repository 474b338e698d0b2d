#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo_sqld_dist::install::fuzz_archive(data));
