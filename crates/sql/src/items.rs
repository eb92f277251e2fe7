//! What a `SELECT` list names: `*` and its changes, expressions, and what their columns are called.

use sqlparser::ast::{self, Spanned};
use tidemill_plan::Span;

use crate::json_tokens::as_written;
use crate::parse::fold_name;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::Scope;

/// A result column before it is bound.
pub(crate) struct Item<'q> {
    pub(crate) name: String,
    pub(crate) value: ItemValue<'q>,
    pub(crate) has_alias: bool,
}

pub(crate) enum ItemValue<'q> {
    /// From `*`: a column of the input.
    Column(usize, Span),
    Expr(&'q ast::Expr),
}

impl<'q> Item<'q> {
    /// The alias that the query gives it, and what that stands for.
    pub(crate) fn alias(&self) -> Option<(String, &'q ast::Expr)> {
        match self.value {
            ItemValue::Expr(expr) if self.has_alias => Some((self.name.clone(), expr)),
            _ => None,
        }
    }
}

/// Longest name given to a column that has none of its own, in characters.
const NAME_CHARS_MAX: usize = 64;

impl QueryBinder<'_, '_> {
    /// Replaces `*` and `t.*`, and names every column.
    pub(crate) fn expand_items<'q>(
        &mut self,
        projection: &'q [ast::SelectItem],
        scope: &Scope,
    ) -> Bind<Vec<Item<'q>>> {
        let mut items = Vec::with_capacity(projection.len());
        for item in projection {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let name = self.default_name(expr, scope);
                    items.push(Item { name, value: ItemValue::Expr(expr), has_alias: false });
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let name = fold_name(alias, self.session.positions).text;
                    items.push(Item { name, value: ItemValue::Expr(expr), has_alias: true });
                }
                ast::SelectItem::ExprWithAliases { expr, aliases: _ } => {
                    let span = self.session.span(expr.span());
                    return self.session.fail(span, "not supported: several aliases");
                }
                ast::SelectItem::Wildcard(options) => {
                    self.expand_star(None, options, scope, &mut items)?;
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => match kind {
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name) => {
                        self.expand_star(Some(name), options, scope, &mut items)?;
                    }
                    ast::SelectItemQualifiedWildcardKind::Expr(expr) => {
                        let span = self.session.span(expr.span());
                        return self.session.fail(span, "not supported: * of an expression");
                    }
                },
            }
        }
        self.session.spend(items.len(), Span::default())?;
        Ok(items)
    }

    fn expand_star<'q>(
        &mut self,
        table: Option<&ast::ObjectName>,
        options: &'q ast::WildcardAdditionalOptions,
        scope: &Scope,
        items: &mut Vec<Item<'q>>,
    ) -> Bind<()> {
        let ast::WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let span = match table {
            Some(table) => self.check_table(table, scope)?,
            None => self.session.span(wildcard_token.0.span),
        };
        let refused = [(opt_ilike.is_some(), "* ILIKE"), (opt_alias.is_some(), "an alias of *")];
        if let Some((_, what)) = refused.iter().find(|(is_there, _)| *is_there) {
            let hint = "name the columns, or write * EXCLUDE (a, b)";
            return self.session.fail_with(span, format!("not supported: {what}"), hint);
        }
        let excluded = self.excluded(opt_exclude.as_ref(), opt_except.as_ref(), scope)?;
        let mut replaced = Vec::new();
        for element in opt_replace.iter().flat_map(|replace| &replace.items) {
            replaced.push((self.column_of(&element.column_name, scope)?, &element.expr));
        }
        let renames: &[ast::IdentWithAlias] = match opt_rename {
            None => &[],
            Some(ast::RenameSelectItem::Single(one)) => std::slice::from_ref(one),
            Some(ast::RenameSelectItem::Multiple(several)) => several,
        };
        let mut renamed = Vec::new();
        for ast::IdentWithAlias { ident, alias } in renames {
            let name = fold_name(alias, self.session.positions).text;
            renamed.push((self.column_of(ident, scope)?, name));
        }
        let before = items.len();
        for index in (0..scope.shown_count()).filter(|index| !excluded.contains(index)) {
            let value = match replaced.iter().find(|(column, _)| *column == index) {
                Some((_, expr)) => ItemValue::Expr(expr),
                None => ItemValue::Column(index, span),
            };
            let name = match renamed.iter().find(|(column, _)| *column == index) {
                Some((_, name)) => name.clone(),
                None => scope.name(index).to_owned(),
            };
            items.push(Item { name, value, has_alias: false });
        }
        if items.len() == before && scope.shown_count() == 0 {
            let hint = "name what to read: SELECT * FROM …";
            return self.session.fail_with(
                span,
                "* means the columns of FROM, and there is none",
                hint,
            );
        }
        if items.len() == before {
            return self.session.fail_with(span, "* EXCLUDE leaves no column", "exclude fewer");
        }
        Ok(())
    }

    /// Where `t` of `t.*` stands, if that is the table of `FROM`.
    fn check_table(&mut self, table: &ast::ObjectName, scope: &Scope) -> Bind<Span> {
        let span = self.session.span(table.span());
        if let [ast::ObjectNamePart::Identifier(ident)] = table.0.as_slice()
            && fold_name(ident, self.session.positions).text == scope.table()
        {
            return Ok(span);
        }
        let message = format!("{table}.*: FROM has no table \"{table}\"");
        let hint = format!("the table of FROM is \"{}\"; * alone means its columns", scope.table());
        self.session.fail_with(span, message, hint)
    }

    /// The columns that `EXCLUDE (…)`, or `EXCEPT (…)`, leaves out of `*`.
    fn excluded(
        &mut self,
        exclude: Option<&ast::ExcludeSelectItem>,
        except: Option<&ast::ExceptSelectItem>,
        scope: &Scope,
    ) -> Bind<Vec<usize>> {
        let names: &[ast::ObjectName] = match exclude {
            None => &[],
            Some(ast::ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
            Some(ast::ExcludeSelectItem::Multiple(names)) => names,
        };
        let mut idents = Vec::new();
        for name in names {
            match name.0.last() {
                Some(ast::ObjectNamePart::Identifier(ident)) => idents.push(ident),
                _ => {
                    let span = self.session.span(name.span());
                    return self.session.fail(span, "EXCLUDE takes names of columns");
                }
            }
        }
        if let Some(ast::ExceptSelectItem { first_element, additional_elements }) = except {
            idents.push(first_element);
            idents.extend(additional_elements);
        }
        let mut columns = Vec::with_capacity(idents.len());
        for ident in idents {
            let column = self.column_of(ident, scope)?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    fn column_of(&mut self, ident: &ast::Ident, scope: &Scope) -> Bind<usize> {
        let name = fold_name(ident, self.session.positions);
        scope.place(self.session, &name)
    }

    /// The name of a column without an alias: its own, or its text.
    fn default_name(&self, expr: &ast::Expr, scope: &Scope) -> String {
        let own_name = |ident| scope.own_name(fold_name(ident, self.session.positions));
        match expr {
            ast::Expr::Identifier(ident) => own_name(ident),
            ast::Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(last) => own_name(last),
                None => String::new(),
            },
            other => as_written(&other.to_string()).chars().take(NAME_CHARS_MAX).collect(),
        }
    }
}
