//! `corelane check`: are these files right, and can this machine do what they say?

use std::fmt::Write as _;
use std::path::PathBuf;

use corelane::config::Config;
use corelane::topology::{Plan, Topology};

use crate::answer::{Answer, Refusal};
use crate::table;

/// Looks at every file, also after a bad one, and names everything that is wrong with a file. What its placement lacks is
/// looked for once it can be read, and then it is one thing: each step of a plan builds on the one before.
pub fn check(files: &[PathBuf], topology: &Topology) -> Result<Answer, Refusal> {
    let mut answer = Answer::default();
    for file in files {
        let plan = match Config::from_file(file) {
            Ok(config) => Plan::new(topology, &config).map_err(|error| match error.file() {
                Some(_) => error.to_string(),
                // A default that the machine cannot do stands nowhere in the file.
                None => format!("{}: {error}", file.display()),
            }),
            Err(error) => {
                let all = [&error].into_iter().chain(error.further());
                Err(all.map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        };
        match plan {
            Ok(plan) => {
                let file = file.display();
                let _ = writeln!(answer.out, "{file}: ok: {}", table::summary(&plan));
                for warning in &plan.warnings {
                    let _ = writeln!(answer.out, "{file}: warning: {warning}");
                }
            }
            Err(error) => {
                let _ = writeln!(answer.err, "{error}");
                answer.bad = true;
            }
        }
    }
    Ok(answer)
}
