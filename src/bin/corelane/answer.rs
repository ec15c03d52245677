//! What a command answers: text for stdout, text for stderr, and an exit status.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

/// A command's whole answer. It is put together before the first byte is written, so a command that fails has
/// printed nothing half.
#[derive(Debug, Default)]
pub struct Answer {
    pub out: String,
    pub err: String,
    /// Whether something asked about is bad: status 1.
    pub bad: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    status: u8,
}

impl Refusal {
    /// What was asked about is bad, or cannot be read: status 1.
    pub fn bad(message: impl Display) -> Self {
        Self { message: message.to_string(), status: 1 }
    }

    /// The question is wrong: status 2, as for options that do not exist.
    pub fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), status: 2 }
    }
}

impl From<String> for Answer {
    fn from(out: String) -> Self {
        Self { out, ..Self::default() }
    }
}

/// Prints the answer and gives the status.
pub fn give(answer: Result<Answer, Refusal>) -> ExitCode {
    let (answer, status) = match answer {
        Ok(answer) => {
            let status = u8::from(answer.bad);
            (answer, status)
        }
        Err(Refusal { message, status }) => (Answer { err: message + "\n", ..Answer::default() }, status),
    };
    // When stderr is gone there is nobody left to tell.
    let _ = io::stderr().write_all(answer.err.as_bytes());
    let mut out = io::stdout().lock();
    match out.write_all(answer.out.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(status),
        // Whoever reads has seen enough: `corelane plan | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: cannot write the answer: {error}");
            ExitCode::FAILURE
        }
    }
}
