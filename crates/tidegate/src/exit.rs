//! Exit codes. What each means depends on the command and is part of the interface.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// `check`: nothing wrong. `run`: drained and stopped.
    Ok,
    /// `check`: something would not be served. `run`: could not start.
    Failed,
    /// Unreadable input, or a command line that makes no sense.
    Usage,
    /// `run`: ended while connections were open.
    Forced,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Forced => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
