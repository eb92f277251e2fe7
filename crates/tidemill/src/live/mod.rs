//! Batches of the embedding program that come while a job runs.

mod channel;
mod source;

pub use self::channel::{BatchSender, SendError, SendFuture, TrySendError};
pub use self::source::Source;
