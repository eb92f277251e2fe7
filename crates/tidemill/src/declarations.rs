//! What the scripts of one session have declared, for those that come later.

use std::collections::HashSet;

use tidemill_record::Schema;
use tidemill_sql::{Declared, names};

use crate::script_text::ScriptText;

/// Sources and sinks that later scripts of a session may name, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Declarations(Vec<Declaration>);

/// One of them.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The name, as it is compared.
    pub name: String,
    /// What it is: `source` or `sink`.
    pub kind: &'static str,
    /// The statement that declares it.
    pub text: String,
    /// Columns of what a script has written to it, where it is a sink of files.
    pub written: Option<Schema>,
}

impl Declaration {
    pub(crate) fn declared(&self) -> Declared {
        Declared { name: self.name.clone(), kind: self.kind, text: self.text.clone() }
    }
}

impl Declarations {
    /// Nothing is declared.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Declaration> {
        self.0.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Declaration> {
        self.0.iter().find(|declaration| declaration.name == name)
    }

    /// Adds what a script declares. What was declared under the same name before is replaced; those names.
    pub fn add(&mut self, declared: Vec<Declared>) -> Vec<String> {
        let mut replaced = Vec::new();
        for Declared { name, kind, text } in declared {
            let declaration = Declaration { name, kind, text, written: None };
            match self.0.iter_mut().find(|known| known.name == declaration.name) {
                Some(known) if known.text == declaration.text => {}
                Some(known) => {
                    replaced.push(declaration.name.clone());
                    *known = declaration;
                }
                None => self.0.push(declaration),
            }
        }
        replaced
    }

    /// Says that a script has written these columns to a sink, so that later ones can read it.
    pub fn note_written(&mut self, name: &str, schema: Schema) {
        if let Some(known) = self.0.iter_mut().find(|known| known.name == name) {
            known.written = Some(schema);
        }
    }

    /// A script behind all that it, and what it names, refers to.
    pub(crate) fn before(&self, sql: &str, own: &[Declared], origin: &str) -> ScriptText {
        let mut text = ScriptText::new(origin);
        let mut seen: HashSet<&str> = own.iter().map(|declared| declared.name.as_str()).collect();
        if !self.0.is_empty() {
            self.add_needed(sql, &mut seen, &mut text);
        }
        text.finish(sql);
        text
    }

    fn add_needed<'a>(&'a self, sql: &str, seen: &mut HashSet<&'a str>, text: &mut ScriptText) {
        let named = names(sql);
        for declaration in self.0.iter().filter(|one| named.contains(&one.name)) {
            if seen.insert(&declaration.name) {
                self.add_needed(&declaration.text, seen, text);
                text.push(&declaration.name, &declaration.text);
            }
        }
    }
}
