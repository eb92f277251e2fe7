//! Results of a query that are pulled.

pub(crate) mod channel;
mod rows;
mod stream;

pub use self::rows::Rows;
pub use self::stream::RowStream;
