//! Threads with a runtime of their own, so that what one of them does delays none of the others.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

/// A thread or its runtime cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("a thread or its runtime cannot be started")]
pub(crate) struct ThreadError(#[source] io::Error);

/// A runtime for the calling thread.
pub(crate) fn runtime() -> Result<Runtime, ThreadError> {
    Builder::new_current_thread().enable_all().build().map_err(ThreadError)
}

/// Runs a task on a thread and a runtime of its own.
pub(crate) fn spawn<T, Task>(
    name: &str,
    owned: T,
    task: impl FnOnce(T) -> Task + Send + 'static,
) -> Result<(), ThreadError>
where
    T: Send + 'static,
    Task: Future<Output = ()>,
{
    let runtime = runtime()?;
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || runtime.block_on(task(owned))).map_err(ThreadError)?;
    Ok(())
}
