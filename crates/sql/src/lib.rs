//! SQL text to a checked plan, with errors that point at the text.
