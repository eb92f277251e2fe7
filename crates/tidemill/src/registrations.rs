//! What an embedding program puts behind names of SQL, and takes back.

use std::sync::Arc;

use tidemill_plan::Aggregate;

use crate::aggregates::{self, AggregateFunction};
use crate::functions::{ScalarFunction, registered};
use crate::register::RegisteredSource;
use crate::{BatchSink, ByteSource, Error, Session, Source};

impl Session {
    /// Puts Arrow batches behind a name that scripts can select from, folded to lower case as unquoted SQL names are.
    /// What it gives is read once, by one query, unless all of its partitions are
    /// [repeatable](crate::Source::repeatable_partition).
    ///
    /// # Errors
    /// A column type that SQL has no word for, an unknown partition column, an event time that is no timestamp, no
    /// partition, or a name that is taken.
    pub fn register_source(&mut self, name: &str, source: impl Into<Source>) -> Result<(), Error> {
        let name = self.vacant_source(name)?;
        let source = RegisteredSource::new(&name, source.into())?;
        self.sources.insert(name, Arc::new(source));
        Ok(())
    }

    /// Puts text that is in memory behind a name, as [`Self::register_source`] does batches.
    ///
    /// # Errors
    /// Another format than CSV or JSON lines, columns that cannot be inferred, an unknown partition column, no partition, or
    /// a name that is taken.
    pub fn register_bytes(&mut self, name: &str, source: ByteSource) -> Result<(), Error> {
        let name = self.vacant_source(name)?;
        let source = RegisteredSource::of_bytes(&name, source)?;
        self.sources.insert(name, Arc::new(source));
        Ok(())
    }

    /// Puts another source behind a name, or the first one; whether there was one. Jobs that have been prepared keep theirs.
    ///
    /// # Errors
    /// As [`Self::register_source`]; the one that was there stays then.
    pub fn replace_source(&mut self, name: &str, source: impl Into<Source>) -> Result<bool, Error> {
        let name = name.to_lowercase();
        let source = RegisteredSource::new(&name, source.into())?;
        Ok(self.sources.insert(name, Arc::new(source)).is_some())
    }

    /// The same with text that is in memory.
    ///
    /// ```
    /// # use tidemill::{ByteSource, Format, JsonOptions, Session};
    /// # let source = |text: &'static str| ByteSource::new(Format::Json(JsonOptions::default())).partition([text.into()]);
    /// let mut session = Session::new();
    /// assert!(!session.replace_bytes("events", source("{\"a\":1}\n"))?);
    /// assert!(session.replace_bytes("events", source("{\"a\":2}\n"))?);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::register_bytes`]; the one that was there stays then.
    pub fn replace_bytes(&mut self, name: &str, source: ByteSource) -> Result<bool, Error> {
        let name = name.to_lowercase();
        let source = RegisteredSource::of_bytes(&name, source)?;
        Ok(self.sources.insert(name, Arc::new(source)).is_some())
    }

    fn vacant_source(&self, name: &str) -> Result<String, Error> {
        let name = name.to_lowercase();
        if self.sources.contains_key(&name) {
            return Err(taken("source", &name));
        }
        Ok(name)
    }

    /// Forgets the source of this name; whether there was one. Jobs that have been prepared keep it.
    ///
    /// ```
    /// # use tidemill::{ByteSource, Format, JsonOptions, Session};
    /// # let source = |text: &'static str| ByteSource::new(Format::Json(JsonOptions::default())).partition([text.into()]);
    /// let mut session = Session::new();
    /// session.register_bytes("events", source("{\"a\":1}\n"))?;
    /// assert!(session.deregister_source("events"));
    /// session.register_bytes("events", source("{\"a\":2}\n"))?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn deregister_source(&mut self, name: &str) -> bool {
        self.sources.remove(&name.to_lowercase()).is_some()
    }

    /// Forgets the sink of this name; whether there was one. Jobs that have been prepared keep it.
    pub fn deregister_sink(&mut self, name: &str) -> bool {
        self.sinks.remove(&name.to_lowercase()).is_some()
    }

    /// Forgets the function of this name, scalar or aggregate; whether there was one. Jobs that have been prepared keep it.
    pub fn deregister_function(&mut self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.functions.remove(&name).is_some() || self.aggregates.remove(&name).is_some()
    }

    /// Puts receivers of Arrow batches behind a name that scripts can insert into, folded to lower case as unquoted SQL
    /// names are. `sink` is called once for each partition of the results, on the core that makes them, for the receiver
    /// of that partition: a closure, or something else that is a [`BatchSink`].
    ///
    /// # Errors
    /// A name that is taken.
    pub fn register_sink<S: BatchSink>(
        &mut self,
        name: &str,
        sink: impl Fn(u32) -> S + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let name = name.to_lowercase();
        if self.sinks.contains_key(&name) {
            return Err(taken("sink", &name));
        }
        self.sinks.insert(name, Arc::new(move |partition| Box::new(sink(partition))));
        Ok(())
    }

    /// Adds a scalar function, under a name that is folded to lower case as unquoted SQL names are: a
    /// [`Function`](crate::Function), or something else that is a [`ScalarFunction`].
    ///
    /// # Errors
    /// A name that is taken, no signature, or two for the same arguments.
    pub fn register_function(
        &mut self,
        name: &str,
        function: impl ScalarFunction,
    ) -> Result<(), Error> {
        let name = self.vacant_function(name)?;
        let function = registered(name.clone(), function)?;
        self.functions.insert(name, Arc::new(function));
        Ok(())
    }

    /// Adds an aggregate function, under a name that is folded to lower case as unquoted SQL names are.
    ///
    /// # Errors
    /// A name that is taken, also by an aggregate of SQL; no signature, two for the same arguments, or one of no argument.
    pub fn register_aggregate(
        &mut self,
        name: &str,
        function: impl AggregateFunction,
    ) -> Result<(), Error> {
        let name = self.vacant_function(name)?;
        if Aggregate::by_name(&name).is_some() {
            return Err(Error::usage(format!(
                "{name} is an aggregate of SQL: choose another name"
            )));
        }
        let function = aggregates::registered(name.clone(), function)?;
        self.aggregates.insert(name, Arc::new(function));
        Ok(())
    }

    fn vacant_function(&self, name: &str) -> Result<String, Error> {
        let name = name.to_lowercase();
        if self.functions.contains_key(&name) || self.aggregates.contains_key(&name) {
            return Err(taken("function", &name));
        }
        Ok(name)
    }
}

fn taken(what: &str, name: &str) -> Error {
    Error::usage(format!("a {what} named {name} is already registered in this session"))
}
