//! Standard output, and why a command ends early.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::status::Status;
use crate::worker::Answer;

/// The exit code of a program whose reader has gone away, as shells show it: 128 and the number of SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// How many detail lines of a failure are printed.
const DETAILS_MAX: usize = 12;

/// Why a command ended before it was done.
#[derive(Debug)]
pub enum Failure {
    /// The input makes no sense; the whole message. Nothing was run.
    Bad(String),
    /// The machine does not do what it should.
    Io(io::Error),
}

impl Failure {
    /// Bad input: place, reason and remedy.
    pub fn bad(text: impl Display) -> Self {
        Failure::Bad(format!("error: {text}"))
    }

    /// Says it on standard error. A reader that went away is not worth a word.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Bad(text) => {
                eprintln!("{}", text.trim_end());
                Status::Bad.into()
            }
            Failure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(BROKEN_PIPE),
            Failure::Io(error) => {
                eprintln!("error: {error}");
                Status::Bug.into()
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

/// Standard output.
pub struct Output {
    writer: io::LineWriter<io::Stdout>,
    /// Whether it shows colours.
    pub coloured: bool,
}

impl Output {
    /// The process's own.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let coloured = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output { writer: io::LineWriter::new(stdout), coloured }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// Writes text that has its own line ends.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.writer.write_all(text.as_bytes())?)
    }

    /// Writes one line on what came of a run; if it did not pass, then what shows it, and the command that replays it.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn verdict(&mut self, name: &str, seed: u64, answer: &Answer, replay: &str) -> Result<(), Failure> {
        self.line(format_args!("{}  {name}  seed {seed}  {}", self.word(answer.status), answer.headline))?;
        if answer.status == Status::Pass {
            return Ok(());
        }
        for detail in answer.details.iter().take(DETAILS_MAX) {
            self.line(format_args!("      {detail}"))?;
        }
        if answer.details.len() > DETAILS_MAX {
            self.line(format_args!("      … {} more lines", answer.details.len() - DETAILS_MAX))?;
        }
        self.line(format_args!("      {replay}"))
    }

    /// A status as it begins a line.
    pub fn word(&self, status: Status) -> String {
        if !self.coloured {
            return status.word().to_owned();
        }
        let colour = match status {
            Status::Pass => AnsiColor::Green,
            Status::Vacuous => AnsiColor::Yellow,
            Status::Failed | Status::Bad | Status::Nondeterministic | Status::Bug => AnsiColor::Red,
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        format!("{style}{}{style:#}", status.word())
    }
}
