//! Decides whether SQL stays in the database and within a token's right.
//!
//! It makes one pass over the tokens and builds no tree: the server's own parser builds
//! one as deep as an expression is long, and ends the process when it drops it. It checks:
//!
//! - each name before a parenthesis: a function or a table-valued function;
//! - each name in the position of a table, even one in single quotes;
//! - each pragma, and the statements that a reader may not run;
//! - every word after `CREATE VIRTUAL TABLE … USING`, since its arguments become SQL;
//! - the length of chains of operators.
//!
//! A name counts as called if it cannot be told whether it is.

use super::capabilities::{Class, Keyword, Known, Pragma, known};
use super::lexer::{self, Lexer, Token};
use super::refusal::{Refusal, forbidden, shown, unknown};

/// The deepest expression: its operators in a row, and the parentheses around them.
/// `SQLite` refuses more than 1,000 in an expression; the parser of sqld 0.24.32
/// overflows its stack at some 25,000 operators.
pub(super) const DEEPEST: usize = 8_000;

/// Checks `sql` for a token that may write or not, and counts its statements.
///
/// # Errors
/// When it uses something that the token does not allow: the first such thing.
pub fn judge(sql: &[u8], may_write: bool) -> Result<u32, Refusal> {
    let mut judge = Judge::new(may_write);
    let mut lexer = Lexer::new(sql);
    while let Some(token) = lexer.next()? {
        judge.take(token)?;
    }
    judge.resolve(None)?;
    judge.end_statement()?;
    Ok(judge.statements)
}

/// What comes before a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    Nothing,
    Keyword(Keyword),
    /// A name or a text.
    Name,
    Comma,
    Dot,
    Open,
    /// `)`, an operator or a value.
    Other,
}

/// A name whose meaning depends on what follows it.
#[derive(Clone, Copy)]
struct Pending<'a> {
    name: &'a [u8],
    quoted: bool,
    known: Option<&'static Known>,
    before: Before,
    /// It is in the position of a table name.
    table: bool,
    /// It is the name of a pragma.
    pragma: bool,
}

/// One pair of parentheses.
#[derive(Clone, Copy, Default)]
struct Level<'a> {
    /// Operators since the expression began.
    chain: usize,
    /// It is inside a list of tables.
    tables: bool,
    /// The name before it, which must be that of a common table expression.
    common_table: Option<&'a [u8]>,
}

/// Which part of a `CREATE` statement has been read.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Creates {
    Nothing,
    Something,
    Index,
    VirtualTable,
    /// After `USING`.
    Module,
}

struct Judge<'a> {
    may_write: bool,
    statements: u32,
    /// No statement has begun since the last `;`.
    fresh: bool,
    before: Before,
    /// What comes before the schema name in front of a dot.
    before_dotted: Before,
    pending: Option<Pending<'a>>,
    creates: Creates,
    /// `PRAGMA` was read, its name was not.
    pragma: bool,
    level: Level<'a>,
    outer: Vec<Level<'a>>,
    /// Operators and parentheses of all open levels.
    depth: usize,
    /// After the columns of what must be a common table expression: its name, and
    /// whether `AS` was read.
    common_table: Option<(&'a [u8], bool)>,
    /// After the opening parenthesis of a function that ends the server if it is called
    /// without arguments: its name.
    needs_argument: Option<&'a [u8]>,
}

impl<'a> Judge<'a> {
    fn new(may_write: bool) -> Self {
        Self {
            may_write,
            statements: 0,
            fresh: true,
            before: Before::Nothing,
            before_dotted: Before::Nothing,
            pending: None,
            creates: Creates::Nothing,
            pragma: false,
            level: Level::default(),
            outer: Vec::new(),
            depth: 0,
            common_table: None,
            needs_argument: None,
        }
    }

    #[inline]
    fn take(&mut self, token: Token<'a>) -> Result<(), Refusal> {
        // A fast path for rows of values, which make up most of a long statement.
        if token == Token::Sign(b',')
            && let Some(Pending { pragma: false, .. }) = self.pending
        {
            // A comma follows the name, so it is not called.
            self.pending = None;
        }
        match token {
            _ if self.pending.is_some() || self.common_table.is_some() || self.fresh => {}
            _ if self.needs_argument.is_some() => {}
            Token::Value => {
                self.before = Before::Other;
                return Ok(());
            }
            Token::Sign(b',') => {
                self.end_expression();
                self.before = Before::Comma;
                return Ok(());
            }
            _ => {}
        }
        self.take_slowly(token)
    }

    #[inline]
    fn take_slowly(&mut self, token: Token<'a>) -> Result<(), Refusal> {
        self.expect_argument(token)?;
        self.resolve(Some(token))?;
        if token == Token::Sign(b';') {
            // Inside the arguments of a module a semicolon does not end the statement.
            let is_argument = self.creates == Creates::Module && !self.outer.is_empty();
            return if is_argument { Ok(()) } else { self.end_statement() };
        }
        self.expect_common_table(token)?;
        if self.fresh {
            self.statements = self.statements.saturating_add(1);
        }
        let begins = std::mem::replace(&mut self.fresh, false);
        match token {
            Token::Word(word) => self.word(word, begins)?,
            Token::Name(name) => self.name(name, true, known(name), false)?,
            Token::Text(text) => self.name(text, true, known(text), true)?,
            Token::Value => self.before = Before::Other,
            Token::Operator => {
                self.deeper()?;
                self.before = Before::Other;
            }
            Token::Sign(b'(') => self.open()?,
            Token::Sign(b')') => self.close(),
            Token::Sign(b',') => {
                self.end_expression();
                self.before = Before::Comma;
            }
            Token::Sign(_) => self.before = Before::Dot,
        }
        Ok(())
    }

    #[inline]
    fn word(&mut self, word: &'a [u8], begins: bool) -> Result<(), Refusal> {
        let known = known(word);
        let keyword = known.and_then(|known| known.keyword);
        match keyword.filter(|_| self.before != Before::Dot && !self.pragma) {
            Some(keyword) => self.keyword(keyword, word, begins),
            None => self.name(word, false, known, false),
        }
    }

    #[inline]
    fn keyword(&mut self, keyword: Keyword, word: &[u8], begins: bool) -> Result<(), Refusal> {
        if self.creates == Creates::Module {
            self.inside_module(word)?;
        }
        let after_distinct = self.before == Before::Keyword(Keyword::Distinct);
        match keyword {
            // `IS DISTINCT FROM`.
            Keyword::Tables if after_distinct => {}
            Keyword::Operator | Keyword::Distinct => self.deeper()?,
            Keyword::Regexp => return Err(forbidden(word)),
            Keyword::Vacuum if begins => return Err(forbidden(word)),
            Keyword::Tables | Keyword::Into => {
                self.end_expression();
                self.level.tables = true;
            }
            Keyword::Clause => {
                self.end_expression();
                self.level.tables = false;
            }
            Keyword::On => self.end_expression(),
            Keyword::Lock if self.before == Before::Keyword(Keyword::Begin) && !self.may_write => {
                let is_immediate = word.eq_ignore_ascii_case(b"immediate");
                return Err(Refusal::Lock(if is_immediate { "IMMEDIATE" } else { "EXCLUSIVE" }));
            }
            Keyword::Create => self.creates = Creates::Something,
            Keyword::Index if self.creates == Creates::Something => self.creates = Creates::Index,
            Keyword::Virtual if self.creates == Creates::Something => {
                self.creates = Creates::VirtualTable;
            }
            Keyword::Pragma if begins => self.pragma = true,
            Keyword::Explain if begins => {
                self.fresh = true;
                self.statements -= 1;
            }
            _ => {}
        }
        self.before = Before::Keyword(keyword);
        Ok(())
    }

    /// A name of the user or of the server; a string literal may be a name, too.
    #[inline]
    fn name(
        &mut self,
        name: &'a [u8],
        quoted: bool,
        known: Option<&'static Known>,
        text: bool,
    ) -> Result<(), Refusal> {
        if self.creates == Creates::Module {
            lexer::words(name).try_for_each(|word| self.inside_module(word))?;
        }
        let before = match self.before {
            Before::Dot => self.before_dotted,
            before => before,
        };
        let named = matches!(
            before,
            Before::Keyword(Keyword::Tables | Keyword::Into | Keyword::DefinesSurely)
        );
        let listed = matches!(before, Before::Comma | Before::Open);
        let table = named || (self.level.tables && listed);
        if table || !text {
            self.named(name, quoted, known, table)?;
        }
        self.pending = Some(Pending { name, quoted, known, before, table, pragma: self.pragma });
        self.pragma = false;
        self.before = Before::Name;
        if before == Before::Keyword(Keyword::Using) && self.creates == Creates::VirtualTable {
            self.creates = Creates::Module;
            return match known.and_then(|known| known.module) {
                Some(class) => self.allow(class, name),
                None => Err(unknown(name)),
            };
        }
        Ok(())
    }

    /// Checks a name that may be that of a table which exists without a `CREATE`.
    #[inline]
    fn named(
        &self,
        name: &[u8],
        quoted: bool,
        whole: Option<&'static Known>,
        table: bool,
    ) -> Result<(), Refusal> {
        let one = |word: &[u8], of: Option<&'static Known>| {
            let of_pragma =
                word.len() > 7 && word[6] == b'_' && word[..7].eq_ignore_ascii_case(b"pragma_");
            match of.and_then(|known| known.module) {
                Some(class) if table || of_pragma || class == Class::Never => {
                    self.allow(class, word)
                }
                None if table && of_pragma => Err(unknown(word)),
                _ => Ok(()),
            }
        };
        one(name, whole)?;
        if quoted && !lexer::is_word(name) {
            lexer::words(name).try_for_each(|word| one(word, known(word)))?;
        }
        Ok(())
    }

    /// Checks any word in the definition of a virtual table.
    fn inside_module(&self, word: &[u8]) -> Result<(), Refusal> {
        let Some(known) = known(word) else { return Ok(()) };
        let classes = [known.function, known.module].into_iter().flatten();
        // `fts5` is both a forbidden function and a module for writers.
        classes.min().map_or(Ok(()), |class| self.allow(class, word))
    }

    /// Judges the name before `next`, which shows how the name is used.
    #[inline]
    fn resolve(&mut self, next: Option<Token<'a>>) -> Result<(), Refusal> {
        let Some(pending) = self.pending.take() else {
            if next == Some(Token::Sign(b'.')) {
                self.before_dotted = Before::Other;
            }
            return Ok(());
        };
        if next == Some(Token::Sign(b'.')) {
            self.before_dotted = pending.before;
            self.pragma = pending.pragma;
            return Ok(());
        }
        if pending.pragma {
            let given = matches!(next, Some(Token::Operator | Token::Sign(b'(')));
            return self.pragma(pending, given);
        }
        if next == Some(Token::Sign(b'(')) { self.called(pending) } else { Ok(()) }
    }

    fn pragma(&self, pending: Pending<'_>, given: bool) -> Result<(), Refusal> {
        match pending.known.and_then(|known| known.pragma) {
            Some(Pragma { given: class, .. }) if given => self.allow(class, pending.name),
            Some(Pragma { asked: class, .. }) => self.allow(class, pending.name),
            None => Err(unknown(pending.name)),
        }
    }

    /// Checks a name that is followed by a parenthesis.
    fn called(&mut self, pending: Pending<'a>) -> Result<(), Refusal> {
        let Pending { name, quoted, before, known: whole, table, .. } = pending;
        if self.creates == Creates::Module {
            // `inside_module` has already checked its words.
            return Ok(());
        }
        let filled = matches!(before, Before::Keyword(Keyword::Into | Keyword::DefinesSurely));
        if filled {
            return Ok(());
        }
        if let Some(known) = whole
            && (known.function.is_some() || known.module.is_some())
        {
            self.needs_argument = known.needs_arguments.then_some(name);
            let classes = [known.function, known.module].into_iter().flatten();
            return classes.max().map_or(Ok(()), |class| self.allow(class, name));
        }
        if quoted {
            for word in lexer::words(name) {
                if let Some(class) = known(word).and_then(|known| known.function) {
                    self.allow(class, word)?;
                }
            }
        }
        let index = before == Before::Keyword(Keyword::On) && self.creates == Creates::Index;
        match before {
            // The type of a column, an alias, or the name of a view or of a common table
            // expression is not a call.
            Before::Name | Before::Keyword(Keyword::As | Keyword::Defines) => Ok(()),
            _ if index => Ok(()),
            Before::Comma if !table => {
                self.level.common_table = Some(name);
                Ok(())
            }
            _ => Err(unknown(name)),
        }
    }

    /// Checks what follows the columns of a common table expression.
    fn expect_common_table(&mut self, token: Token<'a>) -> Result<(), Refusal> {
        let Some((name, after_as)) = self.common_table else { return Ok(()) };
        let is =
            |wanted: &[u8]| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.common_table = match token {
            _ if !after_as && is(b"as") => Some((name, true)),
            _ if after_as && (is(b"not") || is(b"materialized")) => Some((name, true)),
            Token::Sign(b'(') if after_as => None,
            _ => return Err(unknown(name)),
        };
        Ok(())
    }

    /// Checks that the first argument is a name, for the functions that need one.
    fn expect_argument(&mut self, token: Token<'_>) -> Result<(), Refusal> {
        let Some(function) = self.needs_argument.take() else { return Ok(()) };
        match token {
            Token::Name(_) => Ok(()),
            Token::Word(word) if known(word).is_none_or(|known| known.keyword.is_none()) => Ok(()),
            _ => Err(forbidden(function)),
        }
    }

    fn open(&mut self) -> Result<(), Refusal> {
        self.deepen()?;
        let tables = self.level.tables;
        self.outer.push(self.level);
        self.level = Level { chain: 0, tables, common_table: None };
        self.before = Before::Open;
        Ok(())
    }

    fn close(&mut self) {
        self.before = Before::Other;
        // Valid SQL never closes more parentheses than it opens.
        let Some(outer) = self.outer.pop() else { return };
        self.depth -= self.level.chain + 1;
        self.level = outer;
        self.common_table = self.level.common_table.take().map(|name| (name, false));
    }

    fn deeper(&mut self) -> Result<(), Refusal> {
        self.level.chain += 1;
        self.deepen()
    }

    fn deepen(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Refusal::TooDeep) } else { Ok(()) }
    }

    fn end_expression(&mut self) {
        self.depth -= self.level.chain;
        self.level.chain = 0;
    }

    fn end_statement(&mut self) -> Result<(), Refusal> {
        if let Some((name, _)) = self.common_table {
            return Err(unknown(name));
        }
        let (may_write, statements) = (self.may_write, self.statements);
        *self = Self { statements, ..Self::new(may_write) };
        Ok(())
    }

    fn allow(&self, class: Class, name: &[u8]) -> Result<(), Refusal> {
        match class {
            Class::Harmless | Class::Reader => Ok(()),
            Class::Writer if self.may_write => Ok(()),
            Class::Writer => Err(Refusal::ForWriters { name: shown(name) }),
            Class::Never => Err(forbidden(name)),
        }
    }
}
