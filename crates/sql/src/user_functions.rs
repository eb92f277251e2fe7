//! Calls of functions of the embedding program: which of their signatures is meant.

use std::sync::Arc;

use sqlparser::ast;
use tidemill_plan::{Expr, ExprKind, Span, UserFunction, UserSignature};

use crate::bind_expr::{Bound, ExprBinder};
use crate::built_in::adapting_cost;
use crate::position::union;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
    /// Types the arguments of a call, and its result, by the signature that asks for the fewest casts; the first
    /// of those.
    pub(crate) fn bind_user(
        &mut self,
        function: Arc<UserFunction>,
        upper: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Expr> {
        let takes = |one: &UserSignature| one.argument_types.len() == arguments.len();
        let candidates: Vec<usize> =
            (0..function.signatures.len()).filter(|&at| takes(&function.signatures[at])).collect();
        let Some(&first) = candidates.first() else {
            let message =
                format!("{upper} takes {}, not {}", counts(&function.signatures), arguments.len());
            return self.session.fail(span, message);
        };
        let bound: Vec<Bind<Bound>> =
            arguments.iter().map(|argument| self.bind_flexible(argument)).collect();
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        let cost = |at: usize| -> Option<u32> {
            let types = function.signatures[at].argument_types.iter();
            bound.iter().zip(types).map(|(bound, to)| adapting_cost(bound, to)).sum()
        };
        let best = candidates.iter().filter_map(|&at| Some((cost(at)?, at))).min();
        let Some(signature) = best.map(|(_, at)| at).or((candidates.len() == 1).then_some(first))
        else {
            let given: Vec<String> =
                bound.iter().map(|bound| bound.expr.data_type.to_string()).collect();
            let taken: Vec<String> = candidates
                .iter()
                .map(|&at| format!("({})", types(&function.signatures[at])))
                .collect();
            let message =
                format!("{upper} takes {}, not ({})", taken.join(" or "), given.join(", "));
            return self.session.fail(span, message);
        };
        let meant = &function.signatures[signature];
        let adapted: Vec<Bind<Expr>> = bound
            .into_iter()
            .zip(&meant.argument_types)
            .map(|(bound, to)| self.adapt(bound, to, upper))
            .collect();
        let arguments = adapted.into_iter().collect::<Bind<Vec<Expr>>>()?;
        let span = arguments.iter().fold(span, |all, argument| union(all, argument.span));
        let data_type = meant.return_type.clone();
        let kind = ExprKind::CallUser { function, signature, arguments };
        Ok(Expr { kind, data_type, span })
    }
}

/// How many arguments signatures take, in words.
fn counts(signatures: &[UserSignature]) -> String {
    let mut counts: Vec<usize> = signatures.iter().map(|one| one.argument_types.len()).collect();
    counts.sort_unstable();
    counts.dedup();
    let words: Vec<String> = counts.iter().map(usize::to_string).collect();
    let s = if counts == [1] { "" } else { "s" };
    format!("{} argument{s}", words.join(" or "))
}

fn types(signature: &UserSignature) -> String {
    let names: Vec<String> = signature.argument_types.iter().map(ToString::to_string).collect();
    names.join(", ")
}
