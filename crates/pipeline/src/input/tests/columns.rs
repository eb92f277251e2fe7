//! Sources that make columns themselves.

use tidemill_plan::{GeneratorModel, GeneratorSource, SequenceSource};
use tidemill_record::{DataType, Field, Schema};
use tidemill_source::SequenceReader;

use super::Case;
use crate::InputSpec;

#[test]
fn a_generator_goes_on_with_the_same_numbers() {
    for model in [GeneratorModel::Trades, GeneratorModel::Orders, GeneratorModel::Measurements] {
        for rate in [None, Some(2_000_000)] {
            let source = GeneratorSource {
                model,
                rows: Some(3000),
                rate,
                partitions: 1,
                seed: 11,
                keys: 20,
                skew: 1.0,
                disorder_ms: 100,
                late_fraction: 0.1,
                idle_partitions: 0,
            };
            let schema = model.schema();
            let columns: Vec<usize> = (0..schema.fields.len()).collect();
            let input = || {
                let (source, columns) = (source.clone(), columns.clone());
                InputSpec::Generator { source, columns }
            };
            let case = Case { input: Box::new(input), schema, filter: None };
            assert_eq!(case.check(&format!("{model:?}"), 60).rows.len(), 3000);
            case.check_images("a generator");
            if rate.is_none() {
                case.check_damage("a generator", 40);
            }
        }
    }
}

#[test]
fn a_sequence_goes_on_with_its_next_number() {
    for rate in [None, Some(1_000_000)] {
        let source = SequenceSource { first: 7, step: -3, rows: Some(2000), rate };
        let input = || InputSpec::Columns(Box::new(SequenceReader::new(source, 1)));
        let schema = Schema::new(vec![Field::required("n", DataType::BigInt)]);
        let case = Case { input: Box::new(input), schema, filter: None };
        assert_eq!(case.check("a sequence", 60).rows.len(), 2000);
        case.check_images("a sequence");
        case.check_damage("a sequence", 40);
    }
}
