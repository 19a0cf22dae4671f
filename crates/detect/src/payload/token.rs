//! Classes of lexical tokens that SQL injected into a value is made of.
//!
//! The classes follow the roles words and signs play in the dialects of MySQL, PostgreSQL, SQL
//! Server, Oracle and SQLite (their reference manuals' keyword and function lists). They are
//! coarse on purpose: the classifier learns how classes follow one another, never single texts.

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The role of one token. The text is its name in the table of weights.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Token { $($(#[$doc])* $name,)* }

        impl Token {
            /// All classes, in the order of their numbers.
            pub const ALL: &'static [Token] = &[$(Token::$name,)*];

            /// The name in the table of weights; has no spaces.
            pub const fn name(self) -> &'static str {
                match self { $(Token::$name => $text,)* }
            }
        }
    };
}

tokens! {
    /// Before the first token.
    Start = "^",
    /// Behind the last token.
    End = "$",
    /// A word of ASCII letters nobody knows.
    Word = "word",
    /// A word that only sentences have: `the`, `with`.
    Stop = "stop",
    /// Two or more unknown words in a row.
    Prose = "prose",
    /// A run of letters beyond ASCII, as Korean text is, with whatever words stand between.
    Foreign = "foreign",
    /// A name with an underscore or with digits in it.
    Ident = "ident",
    /// A long run of letters and digits, as tokens and hashes are.
    Blob = "blob",
    Number = "num",
    /// `0x41`, `x'41'`, `0b01`.
    Radix = "radix",
    /// The bounds of machine integers and the slow floating-point number of old PHP.
    Bound = "bound",
    /// `1.e`, which MySQL skips before names.
    Scientific = "sci",
    Single = "'",
    Double = "\"",
    Back = "`",
    /// Typographic quotes, which some back ends fold to `'`.
    Curly = "curly",
    /// An apostrophe inside a word.
    Apostrophe = "apos",
    Open = "(",
    /// `(` directly behind a word.
    Call = "call(",
    Close = ")",
    OpenSquare = "[",
    CloseSquare = "]",
    OpenBrace = "{",
    CloseBrace = "}",
    Comma = ",",
    Dot = ".",
    Dots = "..",
    Semicolon = ";",
    Colon = ":",
    /// `::`
    Cast = "::",
    At = "@",
    /// `@name`, `@@name`
    Variable = "@var",
    Dollar = "dollar",
    Hash = "#",
    Dashes = "--",
    /// `/*` that nothing closes.
    OpenComment = "/*",
    /// `*/` that nothing opens.
    CloseComment = "*/",
    Equal = "=",
    EqualEqual = "==",
    NotEqual = "!=",
    Less = "<",
    LessEqual = "<=",
    Plus = "+",
    Minus = "-",
    Star = "*",
    Slash = "/",
    Percent = "%",
    Caret = "caret",
    Pipe = "|",
    Pipes = "||",
    Ampersand = "&",
    Ampersands = "&&",
    Bang = "!",
    Question = "?",
    Tilde = "~",
    Backslash = "\\",
    /// `->`, `->>`, `@>`, `<@`, `#>`, `?|`, `?&`, `@?` and their like.
    JsonOperator = "json-op",
    /// `(...)` signs repeated four times and more.
    Run = "run",
    Other = "other",
    And = "and",
    Or = "or",
    Xor = "xor",
    Not = "not",
    Is = "is",
    Null = "null",
    Bool = "bool",
    Like = "like",
    /// Pattern operators that are no English words: `rlike`, `regexp`, `glob`, `ilike`.
    Regexp = "regexp",
    In = "in",
    Between = "between",
    /// `div`, `mod`, `escape`, `notnull`, `isnull`.
    Operator = "op",
    Select = "select",
    Union = "union",
    All = "all",
    From = "from",
    Where = "where",
    Having = "having",
    Order = "order",
    By = "by",
    Limit = "limit",
    As = "as",
    Case = "case",
    When = "when",
    If = "if",
    Insert = "insert",
    Into = "into",
    Values = "values",
    Update = "update",
    Set = "set",
    Delete = "delete",
    Define = "define",
    Table = "table",
    Execute = "exec",
    Declare = "declare",
    Wait = "wait",
    Collate = "collate",
    Outfile = "outfile",
    Type = "type",
    /// Function names that are no English words.
    Function = "fn",
    /// Function names that are English words too.
    CommonFunction = "common-fn",
    /// Functions that wait or burn time.
    Sleep = "sleep",
    /// Functions, procedures and names that only attacks bring: `xp_cmdshell`, `load_file`.
    Danger = "danger",
    /// Names of schemas and system tables.
    Schema = "schema",
    /// `$ne`, `$where` and their like.
    Mongo = "mongo",
    // What the classes above have in common; the tokenizer never gives these.
    /// Any quote.
    AnyQuote = "Q",
    /// Any comparison.
    AnyComparison = "CMP",
    /// `and`, `or`, `&&` and their like.
    AnyLogic = "LOGIC",
    /// Any name of a function.
    AnyFunction = "FN",
    /// A number or constant.
    AnyConstant = "N",
    /// Any text that is no SQL.
    AnyWord = "W",
    /// Any verb of a statement.
    AnyVerb = "VERB",
    /// Any word that begins a clause.
    AnyClause = "CLAUSE",
    /// What makes a comment.
    AnyComment = "COMMENT",
    /// An opening parenthesis.
    AnyOpen = "OPEN",
    /// An arithmetic sign.
    AnyArithmetic = "ARITH",
    /// Punctuation of prose.
    AnyPoint = "POINT",
    /// Any other sign.
    AnySign = "SIGN",
}

impl Token {
    /// Whether the class is a word of SQL that prose seldom has.
    pub const fn is_strong_word(self) -> bool {
        matches!(
            self,
            Token::Xor
                | Token::Regexp
                | Token::Select
                | Token::Union
                | Token::Having
                | Token::Outfile
                | Token::Function
                | Token::Danger
                | Token::Schema
                | Token::Mongo
                | Token::Declare
                | Token::Collate
                | Token::Wait
                | Token::Sleep
        )
    }

    /// Whether the class is any word of SQL.
    pub const fn is_keyword(self) -> bool {
        (self as u8) >= (Token::And as u8) && (self as u8) <= (Token::Mongo as u8)
    }

    /// The wider class this one belongs to; itself where there is none.
    pub const fn wide(self) -> Token {
        use Token::*;
        match self {
            Single | Double | Back | Curly => AnyQuote,
            Equal | EqualEqual | NotEqual | Less | LessEqual | Like | Regexp | Between | Is => AnyComparison,
            And | Or | Xor | Ampersands | Pipes => AnyLogic,
            Function | CommonFunction | Sleep | Danger | Type | Table | If => AnyFunction,
            Number | Radix | Bound | Null | Bool | Variable => AnyConstant,
            Word | Stop | Prose | Foreign | Ident | Blob | Apostrophe => AnyWord,
            Select | Union | Insert | Update | Delete | Define | Execute | Declare | Wait | Case => AnyVerb,
            From | Where | Having | Order | By | Limit | As | Into | Values | Set | Collate | When => {
                AnyClause
            }
            Hash | Dashes | OpenComment | CloseComment => AnyComment,
            Open | Call => AnyOpen,
            Plus | Minus | Star | Slash | Percent | Caret | Pipe | Ampersand | Operator => AnyArithmetic,
            Dot | Dots | Comma | Colon | Question | Bang => AnyPoint,
            At | Dollar | Tilde | Backslash | Run | Other | OpenSquare | CloseSquare | OpenBrace
            | CloseBrace => AnySign,
            other => other,
        }
    }

    /// Whether the class is a comparison.
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Token::Equal
                | Token::EqualEqual
                | Token::NotEqual
                | Token::Less
                | Token::LessEqual
                | Token::Like
                | Token::Regexp
        )
    }

    /// Whether the class is a quote.
    pub const fn is_quote(self) -> bool {
        matches!(self, Token::Single | Token::Double | Token::Back | Token::Curly)
    }
}
