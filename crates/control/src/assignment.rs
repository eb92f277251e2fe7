//! Which core gets which pipeline.

/// Spreads weighted pieces over `core_count` cores so that the heaviest core carries little more
/// than the lightest: each piece, heaviest first, goes to the core that carries least.
///
/// Returns for each core the indices of its pieces in ascending order. Within a core pipelines run
/// in that order, which is the order of partitions; standard output relies on it.
///
/// Source: R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", 1969 (LPT: at most 4/3 of
/// the best possible).
pub(crate) fn assign(weights: &[u64], core_count: usize) -> Vec<Vec<usize>> {
    assert!(core_count > 0, "there is at least one core");
    let mut heaviest_first: Vec<usize> = (0..weights.len()).collect();
    heaviest_first.sort_by_key(|&piece| (std::cmp::Reverse(weights[piece]), piece));
    let mut pieces_of = vec![Vec::new(); core_count];
    let mut load_of = vec![0_u64; core_count];
    for piece in heaviest_first {
        let core = (0..core_count).min_by_key(|&core| load_of[core]).expect("at least one core");
        // Even an empty file costs something to open.
        load_of[core] = load_of[core].saturating_add(weights[piece].max(1));
        pieces_of[core].push(piece);
    }
    for pieces in &mut pieces_of {
        pieces.sort_unstable();
    }
    pieces_of
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn balances_by_weight() {
        // 10 | 9, then 8 to the lighter: 10 | 17, 2: 12 | 17, 1: 13 | 17.
        assert_eq!(assign(&[10, 9, 8, 1, 2], 2), vec![vec![0, 3, 4], vec![1, 2]]);
    }

    #[test]
    fn equal_files_are_dealt_out_evenly() {
        assert_eq!(assign(&[5, 5, 5, 5], 2), vec![vec![0, 2], vec![1, 3]]);
    }

    #[test]
    fn empty_files_do_not_all_land_on_one_core() {
        assert_eq!(assign(&[0, 0, 0, 0], 4), vec![vec![0], vec![1], vec![2], vec![3]]);
    }

    #[test]
    fn more_cores_than_pieces() {
        assert_eq!(assign(&[7], 3), vec![vec![0], vec![], vec![]]);
    }
}
