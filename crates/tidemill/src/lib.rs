//! Embed Tidemill: sessions, jobs, custom sources, sinks and functions.
