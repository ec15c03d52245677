//! The chat room, as its members see it.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use testing::{Server, finish};

struct Member {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Member {
    /// Connects and says its name.
    fn named(server: &Server, name: &str) -> Self {
        let stream = server.connect();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut member = Self { stream, lines };
        member.hears("your name?");
        member.says(name);
        member
    }

    fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        let mut heard = String::new();
        self.lines.read_line(&mut heard).unwrap();
        assert_eq!(heard, format!("{line}\n"));
    }

    /// Nothing more comes, now or later.
    #[track_caller]
    fn hears_the_end(mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn lines_go_to_everybody_else_in_order() {
    let server = Server::start("chat", &[]);
    let mut ann = Member::named(&server, "ann");
    let mut bob = Member::named(&server, "bob");
    ann.hears("* bob is here");
    let mut cid = Member::named(&server, "cid");
    ann.hears("* cid is here");
    bob.hears("* cid is here");
    for n in 0..50 {
        ann.says(&format!("line {n}"));
    }
    for n in 0..50 {
        bob.hears(&format!("ann: line {n}"));
        cid.hears(&format!("ann: line {n}"));
    }
    // In lockstep, since what two members say at one time has no order.
    bob.says("yes\r");
    ann.hears("bob: yes");
    cid.hears("bob: yes");
    assert_eq!(finish(bob.stream), b"");
    ann.hears("* bob is gone");
    cid.hears("* bob is gone");
    // The name is free again.
    let bob = Member::named(&server, "bob");
    ann.hears("* bob is here");
    cid.hears("* bob is here");
    let left = server.stop();
    assert_eq!((left.code, left.err), (Some(0), vec![]));
    ann.hears_the_end();
    bob.hears_the_end();
    cid.hears_the_end();
}

#[test]
fn a_name_is_taken_once() {
    let server = Server::start("chat", &[]);
    let mut ann = Member::named(&server, "ann");
    let mut bob = Member::named(&server, "bob");
    ann.hears("* bob is here");
    let mut second = Member::named(&server, "ann");
    second.hears("this name is taken");
    second.hears_the_end();
    // The first one has lost nothing by it.
    bob.says("still there?");
    ann.hears("bob: still there?");
    assert_eq!(server.stop().err, [""; 0]);
}

#[test]
fn a_member_without_end_of_line_gets_no_memory() {
    let server = Server::start("chat", &[]);
    let mut ann = Member::named(&server, "ann");
    let mut bob = Member::named(&server, "bob");
    ann.hears("* bob is here");
    bob.stream.write_all(&[b'x'; 4096]).unwrap();
    ann.hears("* bob is gone");
    bob.hears_the_end();
    assert_eq!(server.stop().err, [""; 0]);
}

#[test]
fn who_reads_too_slowly_is_cut_and_named() {
    let server = Server::start("chat", &[]);
    let mut ann = Member::named(&server, "ann");
    let mut slow = Member::named(&server, "slow");
    ann.hears("* slow is here");
    let mut cid = Member::named(&server, "cid");
    ann.hears("* cid is here");
    // Heard, so the slow one is a member, and reads nothing from here on.
    slow.hears("* cid is here");
    let text = "x".repeat(4000);
    let mut said = 0;
    let mut is_cut = false;
    while !is_cut {
        ann.says(&text);
        said += 1;
        // In lockstep, so that this one is never behind.
        let mut heard = String::new();
        cid.lines.read_line(&mut heard).unwrap();
        is_cut = heard == "* slow is gone\n";
        assert!(is_cut || heard == format!("ann: {text}\n"), "{heard:.20}");
        // Far more than the system's buffers and the outbox hold.
        assert!(said < 100_000, "it waits for the slow one");
    }
    server.expect_err("cut slow: 64 lines behind");
    // What was on the way when it was cut is lost, and the rest is not more than was said.
    let mut heard = Vec::new();
    let _ = slow.lines.read_to_end(&mut heard);
    assert!(heard.len() < said * 4006, "{} bytes of {said} lines", heard.len());
    // The others go on as before.
    cid.says("on we go");
    loop {
        let mut line = String::new();
        ann.lines.read_line(&mut line).unwrap();
        if line == "cid: on we go\n" {
            break;
        }
        assert_eq!(line, "* slow is gone\n");
    }
    let left = server.stop();
    assert_eq!((left.code, left.err), (Some(0), vec![]));
}
