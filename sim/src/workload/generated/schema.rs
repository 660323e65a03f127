//! The generator's model of a schema. Names are as they are written in SQL, quoted where they need it.

/// Tables, and what hangs on them.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(super) tables: Vec<Table>,
    /// Names of indexes, each with its table's.
    pub(super) indexes: Vec<(String, String)>,
    pub(super) views: Vec<View>,
    /// Names of triggers, each with the name of the table or view that it is on.
    pub(super) triggers: Vec<(String, String)>,
    /// Named constraints: the table and the constraint.
    pub(super) constraints: Vec<(String, String)>,
    /// How many names were given away. No name comes twice, so that nothing fails for that.
    pub(super) names: u32,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) without_rowid: bool,
    pub(super) strict: bool,
    /// The columns of each UNIQUE or PRIMARY KEY constraint: what ON CONFLICT may name, and what foreign keys may refer to.
    pub(super) unique: Vec<Vec<String>>,
    /// What stands after its name where it was created.
    pub(super) body: String,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) affinity: Affinity,
    /// It is computed, so nothing can be written to it.
    pub(super) generated: bool,
    /// It is NOT NULL and has no default, so a row must give it a value.
    pub(super) required: bool,
    /// It is part of the primary key.
    pub(super) primary: bool,
}

/// A view.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// What a column likes to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Real,
    Text,
    Blob,
    Numeric,
}

impl Affinity {
    pub(super) const ALL: [Affinity; 5] =
        [Affinity::Integer, Affinity::Real, Affinity::Text, Affinity::Blob, Affinity::Numeric];
}

impl Schema {
    /// A name that nothing has yet.
    pub(super) fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// The table of this name, if it is there.
    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    /// How many triggers a table or view has.
    pub(super) fn triggers_on(&self, name: &str) -> usize {
        self.triggers.iter().filter(|(_, on)| on == name).count()
    }

    /// Forgets a table and what hangs on it.
    pub(super) fn forget_table(&mut self, name: &str) {
        self.tables.retain(|table| table.name != name);
        self.indexes.retain(|(_, table)| table != name);
        self.triggers.retain(|(_, table)| table != name);
        self.constraints.retain(|(table, _)| table != name);
    }

    /// What hangs on a table follows when it is renamed.
    pub(super) fn rename_table(&mut self, from: &str, to: &str) {
        let of_table = self.tables.iter_mut().map(|table| &mut table.name);
        let indexes = self.indexes.iter_mut().map(|(_, table)| table);
        let triggers = self.triggers.iter_mut().map(|(_, table)| table);
        let constraints = self.constraints.iter_mut().map(|(table, _)| table);
        for name in of_table.chain(indexes).chain(triggers).chain(constraints).filter(|name| *name == from) {
            *name = to.to_owned();
        }
    }
}

impl Table {
    /// The columns to which something can be written.
    pub(super) fn writable(&self) -> Vec<Column> {
        self.columns.iter().filter(|column| !column.generated).cloned().collect()
    }

    /// A name of its rowid, unless it has none.
    pub(super) fn rowid(&self) -> Option<&'static str> {
        (!self.without_rowid).then_some("rowid")
    }
}
