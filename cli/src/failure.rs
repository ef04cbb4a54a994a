//! How a command ends when it does not succeed.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// A failure with its exit code.
#[derive(Debug)]
pub enum Failure {
    /// 2: wrong usage or input.
    Input(String),
    /// 1: the answer is no. The text may be empty where the answer was printed already.
    Refused(String),
    /// 3: nothing answers.
    Unreachable(String),
}

impl Failure {
    /// A failure of the input, with the causes of an error.
    pub fn input(error: impl Display) -> Self {
        Self::Input(format!("{error:#}"))
    }

    /// Prints the failure and gives its exit code.
    pub fn report(self) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Input(text) => (2, text),
            Self::Unreachable(text) => (3, text),
        };
        if !text.is_empty() {
            // Nobody is left to tell when standard error is closed.
            let name = crate::output::bad("mintage");
            drop(writeln!(anstream::stderr().lock(), "{name}: {text}"));
        }
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // `| head` has seen enough: there is nothing to say, and nobody to say it to.
            return Self::Refused(String::new());
        }
        Self::Input(format!("cannot write the answer: {error}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Input(format!("{error:#}"))
    }
}
