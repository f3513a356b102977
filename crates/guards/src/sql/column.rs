//! Columns: where the entry of a table lists the only ones, whatever else could bring another of its columns in is refused.

use super::walk::{Flow, Walk, parts, pass, unless};
use crate::Reason;
use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, FromTable, Ident, Insert, JoinConstraint, JoinOperator, ObjectName,
    OnConflictAction, OnInsert, SelectItem, TableAlias, TableWithJoins, Update, UpdateTableFromKind, Visit,
};
use std::ops::ControlFlow;

impl Walk<'_> {
    /// Takes note of the columns that the tables named in `part` have, before they are met: what is selected stands before its tables.
    pub(super) fn note(&mut self, part: &impl Visit) {
        if self.policy.tables.iter().flatten().all(|table| table.columns.is_none()) {
            return;
        }
        let mut found = Vec::new();
        let _: ControlFlow<()> = sqlparser::ast::visit_relations(part, |name| {
            found.push(name.clone());
            ControlFlow::Continue(())
        });
        for name in found.iter().filter_map(parts) {
            let names: Vec<String> = name.iter().map(|part| self.folded(part)).collect();
            let Some((last, schema)) = names.split_last() else { continue };
            if let Some(columns) = self.entry(schema, last).and_then(|table| table.columns.clone()) {
                self.open(&columns);
            }
        }
    }

    pub(super) fn open(&mut self, columns: &[String]) {
        self.columns.get_or_insert_default().extend(columns.iter().map(|column| column.to_ascii_lowercase()));
    }

    /// A column by its name.
    pub(super) fn column(&self, ident: &Ident) -> Flow {
        let Some(columns) = &self.columns else { return pass() };
        let variable = ident.quote_style.is_none() && ident.value.starts_with('@');
        unless(!variable && !columns.contains(&ident.value.to_ascii_lowercase()), Reason::SqlColumn)
    }

    /// All columns at once.
    pub(super) fn all(&self) -> Flow {
        unless(self.columns.is_some(), Reason::SqlColumn)
    }

    /// What is selected, or returned.
    pub(super) fn items(&self, items: &[SelectItem]) -> Flow {
        let all = items.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        if all { self.all() } else { pass() }
    }

    /// Other names for the columns of a table, by their places.
    pub(super) fn renamed(&self, alias: Option<&TableAlias>) -> Flow {
        if alias.is_some_and(|alias| !alias.columns.is_empty()) { self.all() } else { pass() }
    }

    /// What tables are joined by: a natural join compares whatever columns are named alike.
    pub(super) fn joined(&self, table: &TableWithJoins) -> Flow {
        for join in &table.joins {
            let constraint = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint) => constraint,
                _ => return ControlFlow::Break(Reason::SqlShape),
            };
            match constraint {
                JoinConstraint::Natural => self.all()?,
                JoinConstraint::Using(columns) => self.named(columns)?,
                JoinConstraint::On(_) | JoinConstraint::None => {}
            }
        }
        pass()
    }

    pub(super) fn inserted(&mut self, insert: &Insert) -> Flow {
        self.note(insert);
        self.named(&insert.columns)?;
        // Without names the values go to all columns, in their order.
        if insert.columns.is_empty() && insert.assignments.is_empty() {
            self.all()?;
        }
        self.assigned(&insert.assignments)?;
        self.items(insert.returning.as_deref().unwrap_or_default())?;
        match &insert.on {
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => self.assigned(assignments),
            Some(OnInsert::OnConflict(conflict)) => {
                match &conflict.conflict_target {
                    Some(ConflictTarget::Columns(columns)) => columns.iter().try_for_each(|column| self.column(column))?,
                    Some(ConflictTarget::OnConstraint(_)) => self.all()?,
                    None => {}
                }
                match &conflict.action {
                    OnConflictAction::DoUpdate(update) => self.assigned(&update.assignments),
                    OnConflictAction::DoNothing => pass(),
                }
            }
            Some(_) => ControlFlow::Break(Reason::SqlShape),
            None => pass(),
        }
    }

    pub(super) fn updated(&mut self, update: &Update) -> Flow {
        self.note(update);
        self.assigned(&update.assignments)?;
        self.items(update.returning.as_deref().unwrap_or_default())?;
        self.joined(&update.table)?;
        match &update.from {
            Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => {
                tables.iter().try_for_each(|table| self.joined(table))
            }
            None => pass(),
        }
    }

    pub(super) fn deleted(&mut self, delete: &Delete) -> Flow {
        self.note(delete);
        self.items(delete.returning.as_deref().unwrap_or_default())?;
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        tables.iter().chain(delete.using.iter().flatten()).try_for_each(|table| self.joined(table))
    }

    fn assigned(&self, assignments: &[Assignment]) -> Flow {
        assignments.iter().try_for_each(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => self.named(std::slice::from_ref(name)),
            AssignmentTarget::Tuple(names) => self.named(names),
        })
    }

    fn named(&self, names: &[ObjectName]) -> Flow {
        names.iter().try_for_each(|name| match parts(name).as_deref() {
            Some([.., last]) => self.column(last),
            Some([]) | None => self.all(),
        })
    }
}
