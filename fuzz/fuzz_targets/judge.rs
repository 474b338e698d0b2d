#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo::gate::fuzzing::judge(data));
