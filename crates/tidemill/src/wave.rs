//! The order in which queries of a script may run.

use tidemill_plan::{Query, SinkConnector};

/// Groups the queries that run into waves, as indices into `queries`; a wave's queries run
/// together, and each wave waits for the one before.
///
/// A query that reads an earlier one's files waits for them. Queries that print to standard output
/// run one a wave: what one prints is not interleaved with the next. From the first on whose input has no end they run
/// together, since nothing would ever come behind it.
pub(crate) fn waves(
    queries: &[Query],
    runs: impl Fn(&Query) -> bool,
    is_endless: impl Fn(usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut wave_of = vec![0; queries.len()];
    let mut stdout_wave = None;
    let mut has_endless = false;
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        if !runs(query) {
            continue;
        }
        let after_inputs = query.runs_after.iter().map(|&earlier| wave_of[earlier] + 1).max();
        let mut wave = after_inputs.unwrap_or(0);
        if matches!(query.sink.connector, SinkConnector::Stdout(_)) {
            let next = usize::from(!has_endless);
            wave = wave.max(stdout_wave.map_or(0, |before: usize| before + next));
            has_endless |= is_endless(index);
            stdout_wave = Some(wave);
        }
        wave_of[index] = wave;
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Vec::new);
        }
        waves[wave].push(index);
    }
    waves.retain(|wave| !wave.is_empty());
    waves
}
