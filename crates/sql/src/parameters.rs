//! `?` and `$1`: values that are bound to a script from outside of its text.

use std::collections::BTreeMap;

use sqlparser::tokenizer::{Token, Tokenizer};
use tidemill_plan::{Scalar, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex};
use crate::dialect::TidemillDialect;
use crate::fold::constant;
use crate::position::Positions;
use crate::report::{Bind, Report, Reported};

/// The places of a script that values are bound to.
#[derive(Default)]
pub(crate) struct Parameters {
    /// By the byte where each stands, which value it has.
    marks: BTreeMap<usize, usize>,
}

impl Parameters {
    /// Those of a text, whose number has to be that of the values. What is wrong is reported.
    pub(crate) fn new(
        text: &str,
        values: &[Scalar],
        positions: &Positions,
        report: &mut Report,
    ) -> Self {
        // What the tokenizer does not understand was reported before.
        let tokens = Tokenizer::new(&TidemillDialect, text).tokenize_with_location();
        let mut marks = BTreeMap::new();
        let (mut questions, mut numbered, mut last) = (0, 0, Span::default());
        for token in tokens.unwrap_or_default() {
            let Token::Placeholder(name) = &token.token else { continue };
            let Some(span) = positions.span(token.span) else { continue };
            let index = if name == "?" {
                questions += 1;
                questions - 1
            } else {
                let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                // Names are refused where they are met.
                let Some(number) = number else { continue };
                numbered += 1;
                let Some(index) = number.checked_sub(1) else {
                    report.add(span, "parameters are numbered from $1", None);
                    continue;
                };
                index
            };
            if questions > 0 && numbered > 0 {
                let hint = "write all of them as ?, or all of them as $1, $2 …".to_owned();
                report.add(span, "? and $1 in one script", Some(hint));
                return Self { marks };
            }
            if index >= values.len() {
                let bound = match values.len() {
                    1 => "1 value is bound".to_owned(),
                    count => format!("{count} values are bound"),
                };
                report.add(
                    span,
                    format!("nothing is bound to parameter {}: {bound}", index + 1),
                    None,
                );
            }
            marks.insert(span.start, index);
            last = span;
        }
        let is_idle = |index: &usize| !marks.values().any(|used| used == index);
        if let Some(idle) = (0..values.len()).find(is_idle) {
            let message =
                format!("value {} is bound, and the script has no place for it", idle + 1);
            report.add(last, message, Some("a place is ? or $1".to_owned()));
        }
        Self { marks }
    }
}

impl ExprBinder<'_, '_, '_> {
    /// A parameter means what a literal of its value would in its place.
    pub(crate) fn bind_parameter(&mut self, text: &str, span: Span) -> Bind<Bound> {
        let is_one =
            text == "?" || text.strip_prefix('$').is_some_and(|rest| rest.parse::<u64>().is_ok());
        let Some(values) = self.session.catalog.parameters.as_ref().filter(|_| is_one) else {
            let message = match text.starts_with('@') {
                true => format!("not supported: variables ({text})"),
                false => format!("not supported: parameters ({text})"),
            };
            return self.session.fail_with(span, message, "write the value itself");
        };
        let index = self.session.parameters.marks.get(&span.start);
        // What has none was reported before.
        let Some(value) = index.and_then(|&index| values.get(index)) else { return Err(Reported) };
        let (value, flex) = match value {
            Scalar::Null(DataType::Integer) => (value.clone(), Flex::Null),
            Scalar::Varchar(_) => (value.clone(), Flex::Text),
            Scalar::TinyInt(number) => (Scalar::Integer(i32::from(*number)), Flex::Integer),
            Scalar::SmallInt(number) => (Scalar::Integer(i32::from(*number)), Flex::Integer),
            Scalar::Integer(_) | Scalar::BigInt(_) => (value.clone(), Flex::Integer),
            other => (other.clone(), Flex::Fixed),
        };
        Ok(Bound { expr: constant(value, span), flex })
    }
}
