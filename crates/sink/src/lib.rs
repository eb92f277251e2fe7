//! Writers: files, standard output, discard and dead letters.
