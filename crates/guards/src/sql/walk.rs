//! The walk over a parsed statement, in which only what is known passes.

use super::{Dialect, Mode, Policy, Table, function};
use crate::Reason;
use sqlparser::ast::{
    BinaryOperator, Cte, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Insert, ObjectName, ObjectNamePart, Query,
    Select, SelectFlavor, SetExpr, ShowCreateObject, Statement, TableFactor, TableObject, Value, ValueWithSpan, Visit as _, Visitor,
};
use std::ops::ControlFlow;
use terms::Operation;

/// The largest number that a function may be given that repeats by it.
const REPEATED: f64 = 1_000_000.0;

/// Tables of the system that hold credentials, or files.
const SYSTEM: [&str; 14] = [
    "pg_shadow",
    "pg_authid",
    "pg_user_mapping",
    "pg_user_mappings",
    "pg_largeobject",
    "pg_hba_file_rules",
    "pg_file_settings",
    "pg_ident_file_mappings",
    "pg_subscription",
    "pg_foreign_server",
    "pg_stat_ssl",
    "pg_statistic",
    "pg_statistic_ext_data",
    "user_attributes",
];

pub(super) type Flow = ControlFlow<Reason>;

pub(super) fn pass() -> Flow {
    ControlFlow::Continue(())
}

pub(super) fn unless(holds: bool, reason: Reason) -> Flow {
    if holds { ControlFlow::Break(reason) } else { pass() }
}

/// The walk over one statement.
pub(super) struct Walk<'p> {
    pub(super) policy: &'p Policy,
    operation: Operation,
    /// Names of common table expressions that are in sight, a list for each query that is open.
    scopes: Vec<Vec<String>>,
    /// The name of a function in the place of a table, which is visited as a table next.
    called: Option<ObjectName>,
    /// The columns that may be named, once a table is named whose entry lists them.
    pub(super) columns: Option<Vec<String>>,
}

impl<'p> Walk<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self { policy, operation: Operation::Read, scopes: Vec::new(), called: None, columns: None }
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    fn does(&mut self, operation: Operation) -> Flow {
        self.operation = self.operation.max(operation);
        match (self.policy.mode, operation) {
            (_, Operation::Read) | (Mode::ReadWrite, Operation::Write | Operation::Delete) => pass(),
            (Mode::ReadOnly, Operation::Write | Operation::Delete) => ControlFlow::Break(Reason::SqlStatement),
        }
    }

    fn function(&self, name: &ObjectName, arguments: &[&FunctionArg]) -> Flow {
        let Some(parts) = parts(name) else { return ControlFlow::Break(Reason::SqlFunction) };
        let full: Vec<String> = parts.iter().map(|part| part.value.to_ascii_lowercase()).collect();
        let listed = self.policy.functions.contains(&full.join("."));
        let known = match full.as_slice() {
            [name] => function::computes(self.policy.dialect, name),
            [schema, name] => {
                schema == "pg_catalog" && self.policy.dialect == Dialect::Postgres && function::computes(self.policy.dialect, name)
            }
            _ => false,
        };
        // A quoted name in other letters is another function.
        let quoted = parts.iter().any(|part| part.quote_style.is_some() && part.value.chars().any(|letter| letter.is_ascii_uppercase()));
        if !listed && (!known || quoted) {
            return ControlFlow::Break(Reason::SqlFunction);
        }
        let grows = full.last().is_some_and(|name| function::GROWING.contains(&name.as_str()));
        let large = |argument: &&FunctionArg| {
            let (FunctionArg::Unnamed(given) | FunctionArg::Named { arg: given, .. } | FunctionArg::ExprNamed { arg: given, .. }) =
                argument;
            matches!(given, FunctionArgExpr::Expr(expr) if large(expr))
        };
        let rows = |argument: &&FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
        if arguments.iter().any(rows) {
            self.all()?;
        }
        if !listed && self.policy.dialect == Dialect::Postgres {
            self.told(full.last().map(String::as_str).unwrap_or_default(), arguments)?;
        }
        unless(grows && arguments.iter().any(large), Reason::SqlLarge)
    }

    /// What functions of PostgreSQL tell of settings, and of tables that they are given by name.
    fn told(&self, name: &str, arguments: &[&FunctionArg]) -> Flow {
        if self.policy.tables.is_some() && function::OF_TABLES.contains(&name) {
            return ControlFlow::Break(Reason::SqlTable);
        }
        if name != "current_setting" {
            return pass();
        }
        match arguments.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
                value: Value::SingleQuotedString(setting),
                ..
            })))) => unless(!function::is_told(setting), Reason::SqlFunction),
            _ => ControlFlow::Break(Reason::SqlFunction),
        }
    }

    /// What a relation is, by its name.
    fn relation(&mut self, name: &ObjectName) -> Flow {
        let Some(parts) = parts(name) else { return ControlFlow::Break(Reason::SqlTable) };
        let names: Vec<String> = parts.iter().map(|part| self.folded(part)).collect();
        if let [alone] = names.as_slice()
            && self.scopes.iter().flatten().any(|known| known == alone)
        {
            return pass();
        }
        let Some((last, schema)) = names.split_last() else { return ControlFlow::Break(Reason::SqlTable) };
        let plain = last.to_ascii_lowercase();
        let system = SYSTEM.contains(&plain.as_str())
            || (self.policy.dialect == Dialect::MySql && schema.last().is_some_and(|schema| schema.eq_ignore_ascii_case("mysql")));
        if self.policy.tables.is_none() {
            return unless(system, Reason::SqlSystem);
        }
        if self.policy.dialect == Dialect::MySql && schema.is_empty() && plain == "dual" {
            return pass();
        }
        match self.entry(schema, last).map(|table| table.columns.clone()) {
            None => ControlFlow::Break(if system { Reason::SqlSystem } else { Reason::SqlTable }),
            Some(columns) => {
                columns.iter().for_each(|columns| self.open(columns));
                pass()
            }
        }
    }

    /// The entry of `tables` that a name falls under.
    pub(super) fn entry(&self, schema: &[String], name: &str) -> Option<&'p Table> {
        self.policy.tables.iter().flatten().find(|table| self.is(table, schema, name))
    }

    /// A name as the database compares it.
    pub(super) fn folded(&self, ident: &Ident) -> String {
        match (self.policy.dialect, ident.quote_style) {
            (Dialect::Sqlite, _) | (Dialect::Postgres | Dialect::Ansi, None) => ident.value.to_ascii_lowercase(),
            (Dialect::MySql, _) | (Dialect::Postgres | Dialect::Ansi, Some(_)) => ident.value.clone(),
        }
    }

    fn is(&self, table: &Table, schema: &[String], name: &str) -> bool {
        let same = |entry: &str, found: &str| match self.policy.dialect {
            Dialect::Sqlite | Dialect::Ansi => entry.eq_ignore_ascii_case(found),
            Dialect::Postgres | Dialect::MySql => entry == found,
        };
        let usual = match self.policy.dialect {
            Dialect::Postgres => Some("public"),
            Dialect::Sqlite => Some("main"),
            Dialect::MySql | Dialect::Ansi => None,
        };
        let schemas = if table.schema.is_empty() {
            schema.is_empty() || matches!(schema, [one] if usual == Some(one.as_str()))
        } else {
            table.schema.len() == schema.len() && table.schema.iter().zip(schema).all(|(entry, found)| same(entry, found))
        };
        schemas && table.name.as_deref().is_none_or(|entry| same(entry, name))
    }

    /// The names that a `WITH` brings into sight. One that does not recur is not in sight in its own text and in those before it: where its name
    /// stands there, a table is meant.
    fn with(&mut self, query: &Query) -> Flow {
        let Some(with) = &query.with else {
            self.scopes.push(Vec::new());
            return pass();
        };
        let names: Vec<String> = with.cte_tables.iter().map(|table| self.folded(&table.alias.name)).collect();
        if !with.recursive && self.policy.tables.is_some() {
            for (at, table) in with.cte_tables.iter().enumerate() {
                let later = names.get(at..).unwrap_or_default();
                self.early(table, later)?;
            }
        }
        if with.cte_tables.iter().any(|table| table.from.is_some()) {
            return ControlFlow::Break(Reason::SqlShape);
        }
        self.scopes.push(names);
        pass()
    }

    fn early(&mut self, table: &Cte, later: &[String]) -> Flow {
        let mut found = Vec::new();
        let flow: ControlFlow<()> = sqlparser::ast::visit_relations(&table.query, |name| {
            found.push(name.clone());
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            return ControlFlow::Break(Reason::SqlTable);
        }
        for name in found {
            let alone = matches!(parts(&name).as_deref(), Some([one]) if later.contains(&self.folded(one)));
            if alone {
                self.relation(&name)?;
            }
        }
        pass()
    }

    fn insert(&mut self, insert: &Insert) -> Flow {
        let Insert {
            overwrite,
            table,
            partitioned,
            output,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            optimizer_hints,
            ..
        } = insert;
        let odd = *overwrite
            || partitioned.is_some()
            || output.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !optimizer_hints.is_empty()
            || !matches!(table, TableObject::TableName(_));
        unless(odd, Reason::SqlShape)?;
        self.inserted(insert)?;
        let replaces = insert.replace_into || insert.or.is_some();
        self.does(if replaces { Operation::Delete } else { Operation::Write })
    }

    /// A table that is named by a statement about tables.
    fn shown(&mut self, name: Option<&ObjectName>) -> Flow {
        match (name, &self.policy.tables) {
            (Some(name), _) => self.relation(name),
            (None, Some(_)) => ControlFlow::Break(Reason::SqlTable),
            (None, None) => pass(),
        }
    }
}

impl Walk<'_> {
    /// Judges a setting of SQLite that is asked for: its name, and the table or index that it is asked of.
    pub(super) fn pragma(&mut self, name: &str, of: Option<&str>) -> Flow {
        unless(!function::PRAGMAS.contains(&name), Reason::SqlStatement)?;
        match of {
            // It tells the columns of every table and view.
            _ if self.policy.tables.is_some() && name == "table_list" => ControlFlow::Break(Reason::SqlTable),
            None => pass(),
            Some(_) if !function::PRAGMAS_OF.contains(&name) => ControlFlow::Break(Reason::SqlStatement),
            // What an index is on is not told by its name.
            Some(_) if self.policy.tables.is_some() && name.starts_with("index_") && name != "index_list" => {
                ControlFlow::Break(Reason::SqlTable)
            }
            Some(of) => self.relation(&ObjectName::from(vec![Ident::new(of)])),
        }
    }
}

impl Visitor for Walk<'_> {
    type Break = Reason;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        match statement {
            // To SQLite it is a statement of its own, with words behind it that it does not read.
            Statement::Explain { analyze: true, .. } => unless(self.policy.dialect == Dialect::Sqlite, Reason::SqlStatement),
            Statement::Query(_) | Statement::Explain { .. } | Statement::ExplainTable { .. } => pass(),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => {
                unless(update.output.is_some() || !update.optimizer_hints.is_empty(), Reason::SqlShape)?;
                self.updated(update)?;
                self.does(Operation::Write)
            }
            Statement::Delete(delete) => {
                unless(delete.output.is_some() || !delete.optimizer_hints.is_empty(), Reason::SqlShape)?;
                self.deleted(delete)?;
                for table in &delete.tables {
                    self.relation(table)?;
                }
                self.does(Operation::Delete)
            }
            Statement::ShowVariable { variable } if self.policy.dialect == Dialect::Postgres => {
                let setting = variable.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                unless(!function::is_told(&setting), Reason::SqlStatement)
            }
            Statement::ShowVariable { variable } => {
                // Of MySQL, whatever is not known otherwise: `SHOW INDEX FROM t`.
                unless(self.policy.tables.is_some() && variable.len() > 1, Reason::SqlTable)
            }
            Statement::ShowVariables { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowCollation { .. }
            | Statement::ShowCharset(_) => pass(),
            Statement::ShowTables { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowViews { .. } => pass(),
            Statement::ShowFunctions { .. } | Statement::ShowProcessList { .. } => pass(),
            Statement::ShowColumns { show_options, .. } => {
                let name = show_options.show_in.as_ref().and_then(|shown| shown.parent_name.as_ref());
                self.shown(name)
            }
            Statement::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name } => self.shown(Some(obj_name)),
            Statement::ShowCreate { .. } => self.shown(None),
            // Everything else writes, defines, grants, sets, runs or reaches files; kinds that are added to the parser too.
            _ => ControlFlow::Break(Reason::SqlStatement),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        let Query { with: _, body, order_by: _, limit_clause: _, fetch: _, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        self.with(query)?;
        unless(!locks.is_empty(), Reason::SqlHidden)?;
        unless(for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty(), Reason::SqlShape)?;
        match body.as_ref() {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_) => pass(),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) => unless(self.policy.mode == Mode::ReadOnly, Reason::SqlHidden),
            SetExpr::Merge(_) => ControlFlow::Break(Reason::SqlHidden),
            SetExpr::Table(table) => {
                let parts = table.schema_name.iter().chain(&table.table_name).map(|part| Ident::new(part.as_str())).collect::<Vec<_>>();
                unless(parts.is_empty(), Reason::SqlTable)?;
                self.relation(&ObjectName::from(parts))?;
                self.all()
            }
        }
    }

    fn post_visit_query(&mut self, _: &Query) -> Flow {
        self.scopes.pop();
        pass()
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers: _,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        unless(into.is_some(), Reason::SqlHidden)?;
        unless(!optimizer_hints.is_empty(), Reason::SqlComment)?;
        let odd = top.is_some()
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || qualify.is_some()
            || value_table_mode.is_some()
            || *flavor != SelectFlavor::Standard;
        unless(odd, Reason::SqlShape)?;
        for table in from {
            self.note(table);
        }
        from.iter().try_for_each(|table| self.joined(table))?;
        self.items(projection)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table { name, alias, args, with_hints, version, json_path, .. } => {
                self.renamed(alias.as_ref())?;
                unless(!with_hints.is_empty() || version.is_some() || json_path.is_some(), Reason::SqlShape)?;
                match args {
                    None => pass(),
                    Some(arguments) => {
                        unless(arguments.settings.is_some(), Reason::SqlShape)?;
                        self.function(name, &arguments.args.iter().collect::<Vec<_>>())?;
                        self.called = Some(name.clone());
                        pass()
                    }
                }
            }
            TableFactor::Function { name, args, .. } => {
                self.function(name, &args.iter().collect::<Vec<_>>())?;
                self.called = Some(name.clone());
                pass()
            }
            TableFactor::Derived { .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. } => pass(),
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.renamed(alias.as_ref())?;
                self.joined(table_with_joins)
            }
            _ => ControlFlow::Break(Reason::SqlShape),
        }
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> Flow {
        if self.called.as_ref() == Some(name) {
            self.called = None;
            return pass();
        }
        self.relation(name)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(called) => {
                let Function { name, uses_odbc_syntax, parameters, args, .. } = called;
                unless(*uses_odbc_syntax || *parameters != FunctionArguments::None, Reason::SqlShape)?;
                let arguments: Vec<&FunctionArg> = match args {
                    FunctionArguments::List(list) => list.args.iter().collect(),
                    FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
                };
                self.function(name, &arguments)
            }
            Expr::BinaryOp { op: BinaryOperator::Assignment, .. } => ControlFlow::Break(Reason::SqlAssignment),
            Expr::BinaryOp { op: BinaryOperator::PGCustomBinaryOperator(_) | BinaryOperator::Custom(_), .. } => {
                ControlFlow::Break(Reason::SqlFunction)
            }
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => self.all(),
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => parts.last().map_or_else(pass, |last| self.column(last)),
            _ => pass(),
        }
    }
}

/// The identifiers of a name; none where a part of it is computed.
pub(super) fn parts(name: &ObjectName) -> Option<Vec<Ident>> {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => Some(ident.clone()),
        ObjectNamePart::Function(_) => None,
    });
    parts.collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty())
}

fn large(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => number.parse::<f64>().is_ok_and(|number| number > REPEATED),
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
            let digits = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
            text.contains('%') && digits > 6
        }
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) | Expr::Cast { expr, .. } => large(expr),
        Expr::BinaryOp { left, right, op: BinaryOperator::Multiply | BinaryOperator::PGExp | BinaryOperator::Plus } => {
            large(left) || large(right) || constant(left) && constant(right)
        }
        _ => false,
    }
}

/// Whether an expression is a number that is computed without data.
fn constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => number.len() > 2,
        Expr::Nested(expr) => constant(expr),
        _ => false,
    }
}

/// The whole number that an expression is.
pub(super) fn number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => number.parse().ok(),
        _ => None,
    }
}

/// Looks for values that stand in the text.
pub(super) struct Inline;

impl Inline {
    /// Whether a statement holds any, but for its limit on rows.
    pub(super) fn holds(statement: &Statement) -> bool {
        let statement = match statement {
            Statement::Query(query) => Statement::Query(Box::new(super::stripped(query))),
            other => other.clone(),
        };
        statement.visit(&mut Self).is_break()
    }
}

impl Visitor for Inline {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        match value.value {
            Value::Null | Value::Boolean(_) | Value::Placeholder(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}
