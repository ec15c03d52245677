//! `corelane bench`, run for moments: whether everything works and adds up, not how fast it is.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[path = "support/command.rs"]
mod command;
#[path = "support/xml.rs"]
mod xml;

use command::{corelane, printed, refused};
use corelane::topology::pin;
use serde_json::Value;

/// Tests that load a server take turns: a generator that looks for answers all the time leaves little to its neighbours.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id())))
    }

    fn with(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        fs::write(&file.0, text).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(&self.0).unwrap()).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs the command with `--quick`, and gives the table and what is in its JSON file.
fn bench(name: &str, args: &[&str]) -> (String, Value) {
    let _turn = turn();
    let file = File::new(&format!("{name}.json"));
    let output = corelane(&[&["bench", "--quick", "--json", file.path()], args].concat());
    assert!(output.status.success(), "{args:?}: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.lines().all(|line| line.starts_with("cell ")), "{args:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), file.json())
}

fn array<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json[name].as_array().unwrap_or_else(|| panic!("{name} of {json}"))
}

/// Every round of every column of every cell. What holds for any run is checked on the way.
fn samples(json: &Value) -> Vec<&Value> {
    let mut samples = Vec::new();
    for cell in array(json, "cells") {
        // Of the requests that are due in a window. Where Tokio was kept from running, seven tenths of what it does are next to none.
        let offered = cell["offered"].as_f64().map(|rate| rate * json["seconds"].as_f64().unwrap());
        let is_loaded = offered.is_none_or(|requests| requests > 40.0);
        for column in array(cell, "columns") {
            assert_eq!(array(column, "errors"), [] as [Value; 0]);
            let points = array(column, "points");
            let us = |point: &Value| point["us"].as_f64().unwrap();
            assert!(points.is_sorted_by_key(us), "{column}");
            assert!(points.first().map_or(!is_loaded, |first| us(first) > 0.0), "{column}");
            for sample in array(column, "rounds") {
                check(sample, is_loaded);
                samples.push(sample);
            }
        }
    }
    samples
}

fn check(sample: &Value, is_loaded: bool) {
    let figure = |name: &str| sample[name].as_f64().unwrap_or_else(|| panic!("{name} of {sample}"));
    assert!(figure("requests") > 0.0 || !is_loaded, "{sample}");
    assert_eq!(figure("requests"), figure("answered"), "{sample}");
    assert!(figure("late") <= figure("requests"), "{sample}");
    let times = ["p50_us", "p99_us", "p999_us", "max_us"].map(figure);
    assert!(times.is_sorted() && (times[0] > 0.0) == (figure("requests") > 0.0), "{sample}");
    let stretches = ["p99_stretches_us", "p999_stretches_us"].map(|name| array(sample, name));
    assert_eq!(stretches[0].len(), stretches[1].len(), "{sample}");
    assert!(!stretches[0].is_empty() || figure("requests") == 0.0, "{sample}");
    for (p99, p999) in stretches[0].iter().zip(stretches[1]) {
        let [p99, p999] = [p99, p999].map(|us| us.as_f64().unwrap());
        assert!(0.0 < p99 && p99 <= p999 && p999 <= 1.001 * figure("max_us"), "{sample}");
    }
    assert!((0.0..=1.0).contains(&figure("generator_busy")), "{sample}");
}

/// A CPU that this process may use.
fn cpu() -> String {
    pin::allowed().unwrap().first().unwrap().to_string()
}

#[test]
fn every_server_answers_on_every_runtime_in_both_loops() {
    for server in ["echo", "work", "http", "kv"] {
        for mode in [&["--closed"][..], &["--rate", "2000"]] {
            let runtimes = match server {
                "echo" => "sharded,stealing,tokio,tokio-local,bare",
                _ => "sharded,stealing,tokio,tokio-local",
            };
            let args = ["--server", server, "--runtimes", runtimes, "--work", "bimodal", "--skew", "even"];
            let (text, json) = bench(&format!("{server}{}", mode.len()), &[&args[..], mode].concat());
            // One connection and eight of them.
            assert_eq!(samples(&json).len(), 2 * runtimes.split(',').count(), "{server} {mode:?}");
            for runtime in runtimes.split(',') {
                assert!(text.contains(&format!("\n  {runtime} ")), "{text}");
            }
            assert_eq!(text.lines().find(|line| line.chars().count() > 80), None, "{text}");
        }
    }
}

#[test]
fn the_grid_has_a_cell_for_each_load_and_none_twice() {
    let (text, json) = bench("grid", &["--runtimes", "sharded,tokio", "--connections", "1,4"]);
    let cells = array(&json, "cells");
    // A lone connection has no skew.
    assert_eq!(cells.len(), 3 * (1 + 3));
    assert_eq!(samples(&json).len(), 2 * cells.len());
    for cell in cells {
        assert_eq!(cell["saturation"]["of"], "tokio");
        let ratio =
            cell["offered"].as_f64().unwrap() / cell["saturation"]["requests_per_s"].as_f64().unwrap();
        assert!((ratio - 0.7).abs() < 1e-9, "{cell}");
    }
    assert!(text.contains("bimodal work, 4 connections, 90/10: "), "{text}");
    let overall = text.split_once("\nall 12 cells: multiples of tokio,").expect("has a last table").1;
    let tokio = overall.lines().find(|line| line.starts_with("  tokio ")).expect("has Tokio's row");
    assert_eq!(tokio.split_whitespace().skip(1).collect::<Vec<_>>(), ["1.00"; 6], "{overall}");
}

#[test]
fn a_fixed_schedule_sends_what_it_says() {
    let args =
        ["--arrivals", "fixed", "--rate", "4000", "--seconds", "0.25", "--server", "echo", "--skew", "even"];
    // By one thread: each begins at a moment of its own.
    let more = ["--runtimes", "sharded", "--rounds", "2", "--load-cpus", &cpu()];
    let (_, json) = bench("fixed", &[&args[..], &more].concat());
    for sample in samples(&json) {
        let requests = sample["requests"].as_u64().unwrap();
        assert!((999..=1001).contains(&requests), "{sample}");
    }
}

#[test]
fn a_pipeline_and_shared_cpus_work() {
    let args = [
        "--server",
        "echo",
        "--closed",
        "--pipeline",
        "16",
        "--skew",
        "even,90/10,hot",
        "--connections",
        "32",
    ];
    let cpu = cpu();
    let runtimes =
        ["--runtimes", "stealing,tokio-local", "--workers", "2", "--server-cpus", &cpu, "--load-cpus", &cpu];
    let (text, json) = bench("pipeline", &[&args[..], &runtimes].concat());
    assert_eq!(samples(&json).len(), 6);
    assert!(text.contains(&format!("{cpu} for the server (2 workers), {cpu} for the generator")), "{text}");
}

#[test]
fn config_files_are_compared_with_each_other() {
    let one = File::with("one.toml", "[placement]\nshards = 1\n");
    let two = File::with(
        "two.toml",
        "[runtime]\nflavor = \"multi_thread\"\n[placement]\nshards = 2\npin = \"none\"\n",
    );
    let args = [
        "--config",
        one.path(),
        "--config",
        two.path(),
        "--connections",
        "4",
        "--skew",
        "even",
        "--server",
        "kv",
    ];
    let (text, json) = bench("config", &args);
    let samples = samples(&json);
    assert_eq!(samples.len(), 2);
    let columns = array(&array(&json, "cells")[0], "columns");
    assert_eq!([&columns[0]["name"], &columns[1]["name"]], [one.path(), two.path()]);
    assert_eq!([&columns[0]["runtime"], &columns[1]["runtime"]], ["sharded", "stealing"]);
    // Without Tokio the first column is what the others are held against.
    assert_eq!(array(&json, "cells")[0]["saturation"]["of"], one.path());
    let has_ratio = samples[0]["requests"] != 0;
    assert_eq!(text.contains(" 1.00 1.00-1.00"), has_ratio, "{text}");
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let _turn = turn();
    let file = File::new("page.html");
    let args = ["bench", "--quick", "--server", "echo", "--runtimes", "tokio,sharded", "--rate", "2000"];
    assert!(corelane(&[&args[..], &["--html", file.path()]].concat()).status.success());
    let page = fs::read_to_string(&file.0).unwrap();
    let elements = xml::elements(page.strip_prefix("<!DOCTYPE html>\n").unwrap());
    let elements = elements.unwrap_or_else(|error| panic!("{error}: {page}"));
    let count = |name: &str| elements.iter().filter(|element| *element == name).count();
    // A connection and three skews of eight, each with a line for both runtimes.
    assert_eq!((count("svg"), count("polyline"), count("table")), (4, 8, 4));
    assert_eq!(count("script") + count("link") + count("img"), 0);
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    for part in ["Linux ", "99.9", "connections, 90/10", "corelane bench --quick", " UTC"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn a_server_that_dies_is_reported_at_once() {
    let _turn = turn();
    // An hour: whoever waits for the end of the window does not pass.
    let args = ["bench", "--server", "echo", "--runtimes", "sharded", "--connections", "4", "--skew", "even"];
    let mut bench = Command::new(env!("CARGO_BIN_EXE_corelane"))
        .args(args)
        .args(["--rate", "1000", "--seconds", "3600", "--rounds", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(bench.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let pid = line.trim().strip_suffix(')').and_then(|line| line.rsplit_once("(pid ")).unwrap().1;
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
    line.clear();
    said.read_to_string(&mut line).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(1), "{line}");
    let expected = "error: 4 connections, even: sharded, round 1: the server has ended during the run (signal: 9 (SIGKILL)): ";
    assert!(line.starts_with(expected), "{line}");
    let mut text = String::new();
    bench.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("  failed  sharded, round 1: the server has ended"), "{text}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let file = File::with("many.toml", "[placement]\nshards = 4000\non_error = \"fail\"\n");
    let output = corelane(&["bench", "--quick", "--config", file.path(), "--connections", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("many.toml:2:10: [placement] shards = 4000"), "{error}");
    assert!(error.contains("the server does not start: exit status: 1"), "{error}");
}

#[test]
fn wrong_usage_is_explained() {
    let missing = "/no/such/folder/x.json";
    for (args, status, said) in [
        (&["--runtimes", "bare"][..], 2, "without a runtime there is only --server echo"),
        (&["--runtimes", "async-std"], 2, "[possible values: sharded, stealing, tokio, tokio-local, bare]"),
        (&["--rate", "0"], 2, "expected a number above 0"),
        (&["--rate", "10", "--closed"], 2, "cannot be used with"),
        (&["--load", "0.5", "--rate", "10"], 2, "cannot be used with"),
        (&["--connections", "0"], 2, "expected a number from 1"),
        (&["--connections", "10000000000"], 2, "raise `ulimit -n`"),
        (&["--server-cpus", "x"], 2, "expected CPUs, such as 0-3,6"),
        (&["--load-cpus", "4000"], 2, "--load-cpus: 4000 may not be used; allowed are "),
        (&["--config", "/no/such.toml"], 1, "/no/such.toml: cannot read the file: "),
        (&["--json", missing], 1, "error: cannot write /no/such/folder/x.json: "),
    ] {
        let (code, error) = refused(&[&["bench"], args].concat());
        assert_eq!(code, Some(status), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[test]
fn the_help_fits_a_terminal() {
    let help = printed(&["bench", "--help"]);
    assert_eq!(help.lines().find(|line| line.chars().count() > 80), None, "{help}");
    assert!(help.contains("corelane bench [OPTIONS]") && !help.contains("bench serve"), "{help}");
    assert!(printed(&["--help"]).contains("  bench "));
}
