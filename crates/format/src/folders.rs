//! Rows by folders: those of equal values of some columns go to one that is named for these, `year=2024/month=05`, as
//! Hive lays them out, and the columns are left out.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, UInt32Array};
use arrow_select::take::take;
use tidemill_record::{Batch, Columns, DataType, Image, ImageError, Schema};

use crate::FormatError;
use crate::text::cell::Cells;

/// What stands for NULL, as Hive and Spark write it.
const NULL_MARK: &[u8] = b"__HIVE_DEFAULT_PARTITION__";

/// Folders that one writer may have.
const FOLDERS_MAX: usize = 100_000;

/// The folders of rows of a schema, numbered as they are met.
pub struct Folders {
    // Fixed at construction.
    by: Vec<By>,
    /// Columns that stay, ascending.
    kept: Vec<usize>,
    schema: Schema,
    // Changes with every batch.
    numbers: HashMap<Box<[u8]>, u32>,
    names: Vec<String>,
    /// The folder of the row at hand, and of the one before it.
    name: Vec<u8>,
    last: Vec<u8>,
}

/// A column whose values name folders.
struct By {
    column: usize,
    /// `year=`
    key: String,
    data_type: DataType,
}

impl Folders {
    /// `columns` are those that name the folders, the outermost first.
    #[must_use]
    pub fn new(schema: &Schema, columns: &[usize]) -> Self {
        let by = |&column: &usize| {
            let field = &schema.fields[column];
            By { column, key: format!("{}=", field.name), data_type: field.data_type.clone() }
        };
        let kept: Vec<usize> =
            (0..schema.fields.len()).filter(|column| !columns.contains(column)).collect();
        let fields = kept.iter().map(|&column| schema.fields[column].clone());
        Self {
            by: columns.iter().map(by).collect(),
            schema: Schema::new(fields.collect()),
            kept,
            numbers: HashMap::new(),
            names: Vec::new(),
            name: Vec::new(),
            last: Vec::new(),
        }
    }

    /// The columns that stay.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The path of a folder below the directory.
    #[must_use]
    pub fn name(&self, folder: u32) -> &str {
        &self.names[folder as usize]
    }

    /// How many there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Bytes of their names, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.names.iter().map(|name| 2 * name.len() + 96).sum()
    }

    /// Their names, in order of their numbers.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_texts("names", self.names.iter().map(String::as_bytes));
        image
    }

    /// Takes over the folders of another of the same schema and columns.
    ///
    /// # Errors
    /// [`ImageError`] where a name is no path of such folders, or is there twice.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let names = image.take_texts("names")?;
        image.end()?;
        if names.len() > FOLDERS_MAX {
            return Err(ImageError::new("names", "has more folders than there may be"));
        }
        for (number, name) in (0_u32..).zip(names.iter()) {
            let text = std::str::from_utf8(name).ok().filter(|text| self.is_name(text));
            let text = text.ok_or_else(|| ImageError::new("names", "has a name of no folder"))?;
            if self.numbers.insert(name.into(), number).is_some() {
                return Err(ImageError::new("names", "has a folder twice"));
            }
            self.names.push(text.to_owned());
        }
        Ok(())
    }

    /// Whether a path is that of a folder for each column.
    fn is_name(&self, path: &str) -> bool {
        let mut rest = path;
        for (index, by) in self.by.iter().enumerate() {
            let Some(value) = rest.strip_prefix(by.key.as_str()) else { return false };
            // Values have no slash, names of columns may.
            let end = value.find('/').unwrap_or(value.len());
            let is_last = index + 1 == self.by.len();
            if is_last != (end == value.len()) {
                return false;
            }
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
            if !value[..end].bytes().all(is_plain) {
                return false;
            }
            rest = value.get(end + 1..).unwrap_or_default();
        }
        true
    }

    /// Puts the folder of each row of a batch into `folders`.
    ///
    /// # Errors
    /// [`FormatError::Options`] where there are too many.
    ///
    /// # Cost
    /// Allocates for a folder that is new, and for no row.
    pub fn assign(&mut self, batch: &Batch, folders: &mut Vec<u32>) -> Result<(), FormatError> {
        folders.clear();
        let cells: Vec<(&str, Cells<'_>)> = self
            .by
            .iter()
            .map(|by| (by.key.as_str(), Cells::new(batch.column(by.column), &by.data_type)))
            .collect();
        for row in 0..batch.row_count() {
            self.name.clear();
            for (key, cells) in &cells {
                write_folder(key, cells, row, &mut self.name);
            }
            if let Some(&before) = folders.last()
                && self.name == self.last
            {
                folders.push(before);
                continue;
            }
            let folder = match self.numbers.get(self.name.as_slice()) {
                Some(&folder) => folder,
                None => {
                    if self.names.len() == FOLDERS_MAX {
                        return Err(too_many());
                    }
                    let folder = u32::try_from(self.names.len()).expect("a hundred thousand");
                    self.numbers.insert(self.name.as_slice().into(), folder);
                    self.names.push(String::from_utf8_lossy(&self.name).into_owned());
                    folder
                }
            };
            folders.push(folder);
            std::mem::swap(&mut self.name, &mut self.last);
        }
        Ok(())
    }

    /// These rows of a batch, without the columns that name their folder. All rows are those of the batch in order.
    #[must_use]
    pub fn rows(&self, batch: &Batch, rows: &[u32]) -> Batch {
        let columns = self.kept.iter().map(|&column| batch.column(column));
        if rows.len() == batch.row_count() {
            return Batch::new(columns.cloned().collect::<Columns>(), batch.offsets().clone());
        }
        let numbers = UInt32Array::from(rows.to_vec());
        let cut = |array: &dyn Array| take(array, &numbers, None).expect("rows of this array");
        let offsets = cut(batch.offsets()).as_primitive().clone();
        Batch::new(columns.map(|column| cut(&**column)).collect::<Columns>(), offsets)
    }
}

fn too_many() -> FormatError {
    FormatError::Options {
        reason: format!(
            "'partition.by' makes more than {FOLDERS_MAX} folders; name columns of fewer values"
        ),
    }
}

/// Appends the name of one folder, behind a `/` where one is there. What is no letter, digit or `-_.~` of ASCII is
/// escaped as in a URI (RFC 3986, section 2.1).
fn write_folder(key: &str, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if !out.is_empty() {
        out.push(b'/');
    }
    out.extend_from_slice(key.as_bytes());
    if cells.is_null(row) {
        out.extend_from_slice(NULL_MARK);
        return;
    }
    let start = out.len();
    cells.write(row, out);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    if out[start..].iter().all(is_plain) && &out[start..] != NULL_MARK {
        return;
    }
    // Text that reads like the mark is none.
    let is_mark = &out[start..] == NULL_MARK;
    let value = out.split_off(start);
    for (place, byte) in value.iter().enumerate() {
        if is_plain(byte) && !(is_mark && place == 0) {
            out.push(*byte);
        } else {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]];
            out.push(b'%');
            out.extend_from_slice(&digits);
        }
    }
}
