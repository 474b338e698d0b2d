//! What each name of the server may be used for: `capabilities.txt`, and the words of
//! the grammar.

use std::sync::LazyLock;

/// The table, as it is in the repository.
pub const TEXT: &str = include_str!("capabilities.txt");

/// Whose a name is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// It touches nothing but its arguments.
    Harmless,
    /// It reads the database.
    Reader,
    /// For tokens that may write.
    Writer,
    /// For nobody.
    Never,
}

/// What a pragma may be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pragma {
    /// `PRAGMA name`.
    pub asked: Class,
    /// `PRAGMA name = value`, `PRAGMA name(value)`.
    pub given: Class,
    /// `pragma_name` as a table.
    pub as_table: Class,
}

/// What a word does in the grammar, as far as it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keyword {
    /// An operator: one more level of the expression.
    Operator,
    /// `DISTINCT`, which is half an operator before `FROM`.
    Distinct,
    Regexp,
    /// Ends an expression; what follows names tables.
    Tables,
    /// The same for the table that is written.
    Into,
    /// Ends an expression; what follows names no tables.
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
    /// A statement may still begin behind it.
    Explain,
    Vacuum,
    /// The name behind it is one that the statement itself makes.
    Defines,
    /// The same; reserved, so that it is never a name itself.
    DefinesSurely,
    /// Any other word that may stand before a parenthesis and calls nothing.
    Other,
}

/// All that is known of one word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub keyword: Option<Keyword>,
    pub function: Option<Class>,
    /// Called with nothing in its parentheses, the function ends the server.
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

/// The lines of the table; what is no entry is passed over, and a test finds it.
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

/// Longer than every word of the table.
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

/// Where the search for `word` begins, in whatever case it is written. It has a byte.
#[inline]
fn slot(word: &[u8]) -> usize {
    let letter = |at: usize| usize::from(word[at] | 0x20);
    let (first, last) = (letter(0), letter(word.len() - 1));
    let (second, middle) = (letter(1 % word.len()), letter(word.len() / 2));
    (first * 131 + second * 31 + middle * 17 + last * 7 + word.len() * 257) % SLOTS
}

/// What is known of `word`, in any case.
#[inline]
pub fn known(word: &[u8]) -> Option<&'static Known> {
    if (2..=LONGEST).contains(&word.len()) { TABLE.find(word) } else { None }
}
