//! Runs the user's program on a folder of images: no shell, its talk on the user's stderr, a limit of time.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::group::Group;

/// The program of the inpainter `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramOptions {
    /// Program and arguments, split at blanks as a shell does (quotes, backslashes), with no shell: nothing is expanded.
    /// `{input}`, `{masks}` and `{output}` stand for three folders; without any of them, the three are the last arguments.
    pub command: String,
    /// Images that it is given at a time. Default 256.
    pub batch: u32,
    /// Seconds after which it, and what it has started, is stopped; 0, the default: never.
    pub timeout: u64,
}

impl Default for ProgramOptions {
    fn default() -> Self {
        Self { command: String::new(), batch: 256, timeout: 0 }
    }
}

/// Why the program gave nothing, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The command cannot be split into words, or names some of the folders only.
    #[error("command {command:?}: {found}, expected {expected}")]
    Command {
        /// As given.
        command: String,
        /// What is wrong.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// It cannot be started.
    #[error("program {program:?} cannot be started: {error}")]
    NotStarted {
        /// The first word of the command.
        program: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It reported failure.
    #[error("program {program:?} ended with exit code {code}, expected 0")]
    Failed {
        /// The first word of the command.
        program: String,
        /// What it returned.
        code: i32,
    },
    /// A signal ended it.
    #[error("program {program:?} was killed ({signal})")]
    Killed {
        /// The first word of the command.
        program: String,
        /// `signal 9`, where the system says so.
        signal: String,
    },
    /// It ran too long and was stopped.
    #[error("program {program:?} did not end within {seconds} s and was stopped")]
    TimedOut {
        /// The first word of the command.
        program: String,
        /// The limit.
        seconds: u64,
    },
    /// It wrote a file that was not asked for.
    #[error("program {program:?} wrote {file}, expected files named as those in its input folder")]
    Foreign {
        /// The first word of the command.
        program: String,
        /// Name of the file.
        file: String,
    },
}

impl ProgramError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Command { .. } => {
                "example: --command 'python inpaint.py {input} {masks} {output}'".to_owned()
            }
            Self::NotStarted { .. } => {
                "no shell is involved: give the program's name in PATH, or its path".to_owned()
            }
            Self::Failed { .. } | Self::Killed { .. } => {
                "what it had finished is kept: the same command sends the rest".to_owned()
            }
            Self::TimedOut { .. } => {
                "what it had finished is kept: the same command sends the rest; or raise --timeout, or lower --batch"
                    .to_owned()
            }
            Self::Foreign { .. } => {
                "write {output}/NAME.png for {input}/NAME.png, and nothing else".to_owned()
            }
        }
    }

    /// Whether the machine is at fault, and not the command or the program's answer.
    pub fn is_environment(&self) -> bool {
        !matches!(self, Self::Command { .. } | Self::Foreign { .. })
    }
}

/// A command, split into words.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<String>);

const FOLDERS: [&str; 3] = ["{input}", "{masks}", "{output}"];

impl Words {
    pub(super) fn parse(command: &str) -> Result<Self, ProgramError> {
        let wrong =
            |found: String, expected| ProgramError::Command { command: command.to_owned(), found, expected };
        let mut words = shlex::split(command)
            .ok_or_else(|| wrong("a quote or backslash is not closed".to_owned(), "whole words"))?;
        if words.is_empty() {
            return Err(wrong("no word".to_owned(), "a program and its arguments"));
        }
        let absent: Vec<&str> =
            FOLDERS.into_iter().filter(|folder| !words.iter().any(|word| word.contains(folder))).collect();
        match absent.len() {
            0 => {}
            3 => words.extend(FOLDERS.map(str::to_owned)),
            _ => return Err(wrong(format!("no {}", absent.join(" and no ")), "all three folders, or none")),
        }
        Ok(Self(words))
    }

    /// The first word, for messages.
    fn program(&self) -> &str {
        &self.0[0]
    }

    /// The error for a file that nobody asked for.
    pub(super) fn foreign(&self, file: String) -> ProgramError {
        ProgramError::Foreign { program: self.program().to_owned(), file }
    }

    /// Words with the folders in place.
    fn with(&self, folders: [&Path; 3]) -> Vec<OsString> {
        let filled = |word: &String| {
            let (mut rest, mut out) = (word.as_str(), OsString::new());
            let next = |text: &str| {
                FOLDERS
                    .into_iter()
                    .zip(folders)
                    .filter_map(|(name, path)| Some((text.find(name)?, name, path)))
                    .min()
            };
            while let Some((at, name, path)) = next(rest) {
                out.push(&rest[..at]);
                out.push(path);
                rest = &rest[at + name.len()..];
            }
            out.push(rest);
            out
        };
        self.0.iter().map(filled).collect()
    }

    /// Run to the end. `tick` is called several times a second; `false` asks for a stop.
    pub(super) fn run(
        &self,
        folders: [&Path; 3],
        timeout: u64,
        mut tick: impl FnMut() -> bool,
    ) -> Result<(), ProgramError> {
        let program = self.program().to_owned();
        let words = self.with(folders);
        let mut command = Command::new(&words[0]);
        // stdout is for data; what the program says is talk.
        command.args(&words[1..]).stdin(Stdio::null()).stdout(std::io::stderr());
        let mut group = Group::spawn(&mut command)
            .map_err(|error| ProgramError::NotStarted { program: program.clone(), error })?;
        let started = Instant::now();
        let mut stop_asked: Option<Instant> = None;
        let status = loop {
            match (group.has_ended(), stop_asked) {
                (Ok(true), None) => break group.wait(),
                // What it has started need not have heard, or heeded, the interrupt.
                (Ok(true), Some(_)) => break group.kill(),
                (Ok(false), _) => {}
                (Err(error), _) => break Err(error),
            }
            if !tick() && stop_asked.is_none() {
                group.interrupt();
                stop_asked = Some(Instant::now());
            }
            if timeout > 0 && started.elapsed() >= Duration::from_secs(timeout) {
                let _ = group.kill();
                return Err(ProgramError::TimedOut { program, seconds: timeout });
            }
            if stop_asked.is_some_and(|asked| asked.elapsed() >= GRACE) {
                break group.kill();
            }
            std::thread::sleep(PAUSE);
        };
        match status {
            Ok(status) => ended(program, status),
            Err(error) => Err(ProgramError::NotStarted { program, error }),
        }
    }
}

/// Ctrl-C is passed on to the program: time that it then has to finish its picture.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

fn ended(program: String, status: ExitStatus) -> Result<(), ProgramError> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(ProgramError::Failed { program, code }),
        None => Err(ProgramError::Killed { program, signal: signal(status) }),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map_or_else(|| "no exit code".to_owned(), |signal| format!("signal {signal}"))
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> String {
    "no exit code".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_and_folders_put_in() {
        let folders = [Path::new("/a b/i"), Path::new("/m"), Path::new("/o")];
        let cases = [
            ("p", vec!["p", "/a b/i", "/m", "/o"]),
            ("p --in={input} {masks} -o {output}", vec!["p", "--in=/a b/i", "/m", "-o", "/o"]),
            (
                "'my p' \"x y\" \\$HOME * {input}:{masks} {output} {other}",
                vec!["my p", "x y", "$HOME", "*", "/a b/i:/m", "/o", "{other}"],
            ),
        ];
        for (command, expected) in cases {
            let words = Words::parse(command).unwrap().with(folders);
            assert_eq!(words, expected.into_iter().map(OsString::from).collect::<Vec<_>>(), "{command}");
        }
    }

    #[test]
    fn a_command_that_cannot_be_meant_is_named() {
        let cases = [
            ("", "command \"\": no word, expected a program and its arguments"),
            ("p 'x", "command \"p 'x\": a quote or backslash is not closed, expected whole words"),
            (
                "p {input}",
                "command \"p {input}\": no {masks} and no {output}, expected all three folders, or none",
            ),
        ];
        for (command, expected) in cases {
            assert_eq!(Words::parse(command).unwrap_err().to_string(), expected);
        }
    }
}
