//! Who may use each name of the server (`capabilities.txt`), and the keywords of the
//! grammar.

use std::sync::LazyLock;

/// The table, as it is in the repository.
pub const TEXT: &str = include_str!("capabilities.txt");

/// Who may use a name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Any token: it touches nothing but its arguments.
    Harmless,
    /// Any token: it reads the database.
    Reader,
    /// Tokens that may write.
    Writer,
    /// Nobody.
    Never,
}

/// Who may use a pragma, in each of its forms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pragma {
    /// `PRAGMA name`.
    pub asked: Class,
    /// `PRAGMA name = value`, `PRAGMA name(value)`.
    pub given: Class,
    /// `pragma_name` as a table.
    pub as_table: Class,
}

/// What a word does in the grammar, as far as the judge needs to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keyword {
    /// An operator, which makes the expression one level deeper.
    Operator,
    /// `DISTINCT`, which may be part of the operator `IS DISTINCT FROM`.
    Distinct,
    Regexp,
    /// Ends an expression; table names follow.
    Tables,
    /// Ends an expression; the name of the table to write follows.
    Into,
    /// Ends an expression; no table names follow.
    Clause,
    On,
    As,
    Begin,
    /// `IMMEDIATE` or `EXCLUSIVE`.
    Lock,
    Create,
    Index,
    Virtual,
    Using,
    Pragma,
    /// A statement may still begin after it.
    Explain,
    Vacuum,
    /// The statement itself defines the name that follows.
    Defines,
    /// Like `Defines`, but reserved, so that it is never a name itself.
    DefinesSurely,
    /// Any other keyword that may stand before a parenthesis without being a call.
    Other,
}

/// Everything that is known about one word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub keyword: Option<Keyword>,
    pub function: Option<Class>,
    /// A call of the function without arguments ends the server.
    pub needs_arguments: bool,
    pub module: Option<Class>,
    pub pragma: Option<Pragma>,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a> {
    Function(&'a str, Class),
    NeedsArguments(&'a str),
    Module(&'a str, Class),
    Pragma(&'a str, Pragma),
}

/// The entries of the table. Lines that are not entries are skipped; a test finds bad ones.
pub fn entries() -> impl Iterator<Item = Entry<'static>> {
    TEXT.lines().filter_map(entry)
}

fn entry(line: &str) -> Option<Entry<'_>> {
    let mut words = line.split(' ');
    let (kind, name) = (words.next()?, words.next()?);
    let mut class = || class(words.next()?);
    match kind {
        "function" => Some(Entry::Function(name, class()?)),
        "arguments" => Some(Entry::NeedsArguments(name)),
        "module" => Some(Entry::Module(name, class()?)),
        "pragma" => {
            let pragma = Pragma { asked: class()?, given: class()?, as_table: class()? };
            Some(Entry::Pragma(name, pragma))
        }
        _ => None,
    }
}

fn class(word: &str) -> Option<Class> {
    match word {
        "harmless" => Some(Class::Harmless),
        "reader" => Some(Class::Reader),
        "writer" => Some(Class::Writer),
        "never" => Some(Class::Never),
        _ => None,
    }
}

const KEYWORDS: [(Keyword, &str); 20] = [
    (
        Keyword::Operator,
        "and or not is isnull notnull like glob match in between collate escape case",
    ),
    (Keyword::Distinct, "distinct"),
    (Keyword::Regexp, "regexp"),
    (Keyword::Tables, "from join update"),
    (Keyword::Into, "into"),
    (
        Keyword::Clause,
        "select where group order having limit set values union except intersect returning",
    ),
    (Keyword::On, "on"),
    (Keyword::As, "as"),
    (Keyword::Begin, "begin"),
    (Keyword::Lock, "immediate exclusive"),
    (Keyword::Create, "create"),
    (Keyword::Index, "index"),
    (Keyword::Virtual, "virtual"),
    (Keyword::Using, "using"),
    (Keyword::Pragma, "pragma"),
    (Keyword::Explain, "explain query plan"),
    (Keyword::Vacuum, "vacuum"),
    (Keyword::Defines, "view with recursive exists"),
    (Keyword::DefinesSurely, "table references"),
    (
        Keyword::Other,
        "when then else end over filter check key unique cast raise conflict materialized by \
         default offset do row",
    ),
];

/// At least as long as every word of the table.
const LONGEST: usize = 32;
const SLOTS: usize = 2048;

struct Table {
    slots: Vec<Option<(Box<[u8]>, Known)>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    fn new() -> Self {
        let mut table = Self { slots: vec![None; SLOTS] };
        for (keyword, words) in KEYWORDS {
            for word in words.split_ascii_whitespace() {
                table.of(word).keyword = Some(keyword);
            }
        }
        for entry in entries() {
            match entry {
                Entry::Function(name, class) => table.of(name).function = Some(class),
                Entry::NeedsArguments(name) => table.of(name).needs_arguments = true,
                Entry::Module(name, class) => table.of(name).module = Some(class),
                Entry::Pragma(name, pragma) => {
                    table.of(name).pragma = Some(pragma);
                    table.of(&format!("pragma_{name}")).module = Some(pragma.as_table);
                }
            }
        }
        table
    }

    fn of(&mut self, word: &str) -> &mut Known {
        let mut at = slot(word.as_bytes());
        while self.slots[at].as_ref().is_some_and(|(name, _)| **name != *word.as_bytes()) {
            at = (at + 1) % SLOTS;
        }
        let new = || (word.as_bytes().into(), Known::default());
        &mut self.slots[at].get_or_insert_with(new).1
    }

    fn find(&self, word: &[u8]) -> Option<&Known> {
        let mut at = slot(word);
        while let Some((name, known)) = &self.slots[at] {
            if name.eq_ignore_ascii_case(word) {
                return Some(known);
            }
            at = (at + 1) % SLOTS;
        }
        None
    }
}

/// The slot where the search for `word` begins, regardless of case. `word` is not empty.
#[inline]
fn slot(word: &[u8]) -> usize {
    let letter = |at: usize| usize::from(word[at] | 0x20);
    let (first, last) = (letter(0), letter(word.len() - 1));
    let (second, middle) = (letter(1 % word.len()), letter(word.len() / 2));
    (first * 131 + second * 31 + middle * 17 + last * 7 + word.len() * 257) % SLOTS
}

/// What is known about `word`, regardless of case.
#[inline]
pub fn known(word: &[u8]) -> Option<&'static Known> {
    if (2..=LONGEST).contains(&word.len()) { TABLE.find(word) } else { None }
}
