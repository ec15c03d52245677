//! The built `corelane` command, and files with what it should print.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

pub fn corelane(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(args).env_remove("CORELANE_CONFIG");
    command.output().unwrap_or_else(|error| panic!("{error}"))
}

/// What a successful command prints.
pub fn printed(args: &[&str]) -> String {
    let output = corelane(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Status and stderr of a command that prints nothing else.
pub fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = corelane(args);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Compares with a file in `tests/cli`; with CORELANE_BLESS=1 writes it.
pub fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(name);
    if env::var_os("CORELANE_BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        expected == found,
        "{} differs, first here: {differs:?}; found:\n{found}\nCORELANE_BLESS=1 writes it anew",
        path.display()
    );
}
