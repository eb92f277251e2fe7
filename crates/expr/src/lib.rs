//! Stateless work on a batch: filter, project, scalar functions.
