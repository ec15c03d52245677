//! The examples that do something and end, and the command lines of all that share one.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::process::Command;

use testing::{path_of, run};

#[test]
fn a_counter_counts_on_every_shard() {
    for (shards, tasks, hits) in [(1, 5, 10), (2, 100, 100), (4, 8, 1), (2, 0, 1)] {
        let args = [shards, tasks, hits].map(|n: u64| n.to_string());
        let (code, out, err) =
            run("counter", &["--shards", &args[0], "--tasks", &args[1], "--hits", &args[2]]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let lines: Vec<_> = out.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let names: Vec<_> = lines.iter().map(|(name, _)| name.to_string()).collect();
        let expected = (0..shards).map(|n| format!("shard {n}")).chain(["total".into()]);
        assert_eq!(names, expected.collect::<Vec<_>>());
        let counts: Vec<u64> = lines.iter().map(|(_, count)| count.parse().unwrap()).collect();
        let (total, parts) = counts.split_last().unwrap();
        assert_eq!(*total, tasks * hits);
        // The tasks go round the shards.
        let expected: Vec<_> = (0..shards).map(|n| (tasks + shards - 1 - n) / shards * hits).collect();
        assert_eq!(parts, expected);
    }
}

#[test]
fn a_local_set_counts_words() {
    let (code, out, err) = run("local_set", &["--lines", "3"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    // "line 0 of 3", "line 1 of 3", "line 2 of 3"
    assert_eq!(out, "6 different words\n0: 1\n1: 1\n2: 1\n3: 3\nline: 3\nof: 3\n");
    let (code, out, _) = run("local_set", &["--lines=0"]);
    assert_eq!((code, out.as_str()), (Some(0), "0 different words\n"));
}

#[test]
fn a_wrong_command_line_is_an_error_that_says_what_is_accepted() {
    let addr = "expected HOST:PORT to listen at; port 0 lets the system choose";
    for (program, args, error) in [
        ("chat", &["--addr", "nowhere"][..], format!("--addr nowhere: {addr}")),
        ("chat", &["--addr=:1"], format!("--addr :1: {addr}")),
        ("chat", &["--addr"], format!("--addr: a value is missing: {addr}")),
        ("chat", &["--port", "1"], "--port: unknown option: expected --addr or --help".into()),
        ("graceful", &["--addr", "a:65536"], format!("--addr a:65536: {addr}")),
        (
            "graceful",
            &["--drain-ms", "-1"],
            "--drain-ms -1: expected how many milliseconds open requests have at the end, from 0 to 4294967295".into(),
        ),
        ("proxy", &[], "--to: a value is missing: expected HOST:PORT to connect to".into()),
        ("proxy", &["--to", "here"], "--to here: expected HOST:PORT to connect to".into()),
        (
            "proxy",
            &["--to", "a:1", "--max", "0"],
            "--max 0: expected how many connections, from 1 to 65535".into(),
        ),
        (
            "proxy",
            &["--to", "a:1", "--idle-up-ms", "0"],
            "--idle-up-ms 0: expected a whole number of milliseconds from 1 to 4294967295".into(),
        ),
        ("local_set", &["--lines", "many"], "--lines many: expected how many lines of text to count".into()),
        ("local_set", &["8"], "8: unknown option: expected --lines or --help".into()),
        ("counter", &["--shards", "0"], "--shards 0: expected how many shards, from 1 to 8192".into()),
        ("counter", &["--shards", "8193"], "--shards 8193: expected how many shards, from 1 to 8192".into()),
        ("counter", &["--hits="], "--hits : expected how often each task counts".into()),
    ] {
        let (code, out, err) = run(program, args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{program} {args:?}: {err}");
        assert!(err.starts_with(&format!("{program}: {error}")), "{program} {args:?}: {err}");
    }
    for program in ["chat", "proxy", "graceful", "local_set", "counter"] {
        let (code, out, err) = run(program, &["--help"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.starts_with(&format!("Usage: {program} [OPTIONS]\n")), "{out}");
    }
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (program, more) in [("chat", &[][..]), ("graceful", &[]), ("proxy", &["--to", "127.0.0.1:1"])] {
        let (code, out, err) = run(program, &[&["--addr", &addr], more].concat());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{program}: {err}");
        assert!(err.starts_with(&format!("{program}: cannot listen at {addr}: ")), "{err}");
    }
}

/// `#[main]` has nobody to give an error to, and says it in the words that were meant for users.
#[test]
fn what_is_wrong_with_the_environment_is_said_in_words() {
    for (name, value, text) in [
        (
            "CORELANE_FLAVOR",
            "fast",
            "CORELANE_FLAVOR is \"fast\"; set it to `multi_thread` or `sharded`, or unset it",
        ),
        (
            "CORELANE_CONFIG",
            "/no/file",
            "CORELANE_CONFIG=/no/file: cannot read the file: No such file or directory",
        ),
        ("TOKIO_WORKER_THREADS", "8193", "8193 worker threads: expected at most 8192"),
    ] {
        let output = Command::new(path_of("local_set")).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(101));
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(&format!("\nFailed building the Runtime: {text}")), "{err}");
    }
}
