//! A machine of any bytes and, after a zero, a config file.
#![no_main]

#[path = "../../tests/support/fuzz.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::check_plan(bytes);
});
