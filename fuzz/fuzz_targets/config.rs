//! A config file of any text. What must hold is what the seeded tests hold it to.
#![no_main]

#[path = "../../tests/support/fuzz.rs"]
mod fuzz;

use corelane::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::check_config(text.as_bytes(), &Config::parse("fuzz", text)));
