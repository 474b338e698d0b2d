#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo::gate::fuzzing::grpc_frames(data));
