//! Calls of functions of the embedding program: which of their signatures is meant.

use std::sync::Arc;

use sqlparser::ast;
use tidemill_plan::{
    AggregateFunction, Expr, ExprKind, Span, UserAggregate, UserAggregateCall, UserFunction,
    UserSignature,
};
use tidemill_record::DataType;

use crate::aggregates::{AroundCall, PendingCall};
use crate::bind_expr::{Bound, ExprBinder};
use crate::built_in::adapting_cost;
use crate::calls::refuse_inner_clauses;
use crate::position::union;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
    /// Types the arguments of a call, and its result, by the signature that is meant.
    pub(crate) fn bind_user(
        &mut self,
        function: Arc<UserFunction>,
        upper: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Expr> {
        let (signature, arguments) =
            self.meant_signature(&function.signatures, upper, arguments, span)?;
        let span = arguments.iter().fold(span, |all, argument| union(all, argument.span));
        let data_type = function.signatures[signature].return_type.clone();
        let kind = ExprKind::CallUser { function, signature, arguments };
        Ok(Expr { kind, data_type, span })
    }

    /// Binds a call of an aggregate, and gives the column that stands for it.
    pub(crate) fn bind_user_aggregate(
        &mut self,
        function: Arc<UserAggregate>,
        upper: &str,
        span: Span,
        list: Option<&ast::FunctionArgumentList>,
        around: AroundCall<'_>,
    ) -> Bind<Expr> {
        let list = self.argument_list(list, upper, span)?;
        refuse_inner_clauses(self.session, list, upper, span)?;
        if !around.within_group.is_empty() {
            let at = self.session.place(&["WITHIN", "GROUP"], span);
            return self.session.fail(at, format!("not supported: {upper} with WITHIN GROUP"));
        }
        self.in_aggregate(upper, span, |binder| {
            let filter = binder.bind_filter(around.filter)?;
            let arguments = binder.positional(&list.args, upper, span)?;
            let (signature, arguments) =
                binder.meant_signature(&function.signatures, upper, &arguments, span)?;
            let data_type = function.signatures[signature].return_type.clone();
            let called = AggregateFunction::User(UserAggregateCall { function, signature });
            let is_distinct =
                matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
            let arrays = |argument: &&Expr| matches!(argument.data_type, DataType::Array(_));
            if let Some(array) = arguments.iter().find(arrays).filter(|_| is_distinct) {
                let message = format!("not supported: {upper}(DISTINCT …) of arrays");
                return binder.session.fail(array.span, message);
            }
            let call = PendingCall::new(called, arguments, data_type);
            Ok(PendingCall { is_distinct, filter, ..call }.labelled(span))
        })
    }

    /// The signature that asks for the fewest casts, the first of those, and the arguments as it takes them.
    fn meant_signature(
        &mut self,
        signatures: &[UserSignature],
        upper: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<(usize, Vec<Expr>)> {
        let takes = |one: &UserSignature| one.argument_types.len() == arguments.len();
        let candidates: Vec<usize> =
            (0..signatures.len()).filter(|&at| takes(&signatures[at])).collect();
        let Some(&first) = candidates.first() else {
            let message = format!("{upper} takes {}, not {}", counts(signatures), arguments.len());
            return self.session.fail(span, message);
        };
        let bound: Vec<Bind<Bound>> =
            arguments.iter().map(|argument| self.bind_flexible(argument)).collect();
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        let cost = |at: usize| -> Option<u32> {
            let types = signatures[at].argument_types.iter();
            bound.iter().zip(types).map(|(bound, to)| adapting_cost(bound, to)).sum()
        };
        let best = candidates.iter().filter_map(|&at| Some((cost(at)?, at))).min();
        let Some(signature) = best.map(|(_, at)| at).or((candidates.len() == 1).then_some(first))
        else {
            let given: Vec<String> =
                bound.iter().map(|bound| bound.expr.data_type.to_string()).collect();
            let taken: Vec<String> =
                candidates.iter().map(|&at| format!("({})", types(&signatures[at]))).collect();
            let message =
                format!("{upper} takes {}, not ({})", taken.join(" or "), given.join(", "));
            return self.session.fail(span, message);
        };
        let meant = &signatures[signature];
        let adapted: Vec<Bind<Expr>> = bound
            .into_iter()
            .zip(&meant.argument_types)
            .map(|(bound, to)| self.adapt(bound, to, upper))
            .collect();
        Ok((signature, adapted.into_iter().collect::<Bind<Vec<Expr>>>()?))
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
