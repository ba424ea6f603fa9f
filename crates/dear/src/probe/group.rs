//! A program and all that it starts: one group of processes, so that all of them can be stopped. A wrapper (`sh -c`, a
//! launcher) would else leave its child at work on the GPU.

use std::io;
use std::process::{Child, Command, ExitStatus};

/// A running program.
pub(super) struct Group(Child);

impl Group {
    /// Start it, as the first of a new group. Ctrl-C in a terminal then does not reach it by itself.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        command.spawn().map(Self)
    }

    /// Whether the program has ended; what it has started may run on.
    pub(super) fn has_ended(&mut self) -> io::Result<bool> {
        // Looking is not waiting: until it is waited for, the group's number is nobody else's.
        #[cfg(unix)]
        {
            use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            Ok(waitid(WaitId::Pid(Pid::from_child(&self.0)), look)?.is_some())
        }
        #[cfg(not(unix))]
        self.0.try_wait().map(|status| status.is_some())
    }

    /// How the program ended.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }

    /// Pass Ctrl-C on.
    pub(super) fn interrupt(&self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::INT);
    }

    /// End all that still runs, and the program was not waited for.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::KILL);
        // It fails only where the program has just ended.
        let _ = self.0.kill();
        self.0.wait()
    }

    /// It fails only where all have just ended.
    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.0), signal);
    }
}
