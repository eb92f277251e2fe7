//! One partition's turn, and the gather's: where the stages meet.
