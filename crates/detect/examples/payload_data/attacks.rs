//! Made-up SQL injections: the published techniques, spelled by grammar in five dialects.
//!
//! Boolean, union, error, time and stacked injection, comments and concatenation as the manuals
//! of the databases allow them; out of them the model learns what the few real cases leave out.

use super::prose::{self, Dice};

const FUNCTIONS: &str = "concat substring substr ascii char chr ord hex unhex mid left right length char_length ifnull nvl coalesce \
    database version user current_user group_concat concat_ws count min max cast convert extractvalue updatexml floor rand \
    exp pow round json_extract xmltype to_char string_agg strpos instr lower upper trim replace md5 sha1 load_file sleep \
    pg_sleep benchmark sqlite_version randomblob hex quote unicode printf abs sign now sysdate if iif elt make_set bin";
const TABLES: &str = "information_schema.tables information_schema.columns mysql.user pg_catalog.pg_tables pg_shadow sqlite_master \
    sysobjects syscolumns all_tables user_tables users admin members accounts dual orders wp_users customers clients employees items logs people";
const COLUMNS: &str = "table_name column_name password passwd user_login email username name id login hash token salt secret credit_card login token name email pin phone address";
const OPERATORS: &str = "= != <> < > <= >= <=> like rlike regexp glob is between in not^like is^not ==";

/// `count` attacks, the same ones each time.
pub fn inputs(count: usize) -> Vec<String> {
    let mut dice = Dice::new(0x2545_F491_4F6C_DD1D);
    (0..count).map(|_| attack(&mut dice)).collect()
}

fn value(dice: &mut Dice) -> String {
    let number = dice.below(9999);
    match dice.below(8) {
        0..4 => number.to_string(),
        4 => format!("'{}'", dice.word("a x 1 test admin abc")),
        5 => dice.word(COLUMNS).to_owned(),
        6 => format!("0x{number:06x}"),
        _ => dice
            .pick(&["null", "true", "false", "(1)", "@@version", "''"])
            .to_owned(),
    }
}

fn call(dice: &mut Dice) -> String {
    let (function, one) = (dice.word(FUNCTIONS), value(dice));
    let two = value(dice);
    match dice.below(4) {
        0 => format!("{function}()"),
        1 => format!("{function}({one})"),
        2 => format!("{function}({one},{two})"),
        _ => format!(
            "{function}((select {} from {}))",
            dice.word(COLUMNS),
            dice.word(TABLES)
        ),
    }
}

fn condition(dice: &mut Dice) -> String {
    let operator = dice.word(OPERATORS).replace('^', " ");
    let (left, right) = if dice.below(3) == 0 {
        (call(dice), value(dice))
    } else {
        (value(dice), value(dice))
    };
    let space = dice.pick(&[" ", "", " "]);
    let space = if operator.starts_with(|c: char| c.is_ascii_alphabetic()) {
        " "
    } else {
        space
    };
    format!("{left}{space}{operator}{space}{right}")
}

fn select(dice: &mut Dice) -> String {
    let columns: Vec<_> = (0..=dice.below(5))
        .map(|_| match dice.below(4) {
            0 => call(dice),
            1 => "null".to_owned(),
            2 => dice.word(COLUMNS).to_owned(),
            _ => value(dice),
        })
        .collect();
    let columns = if dice.below(5) == 0 {
        "*".to_owned()
    } else {
        columns.join(",")
    };
    let tail = match dice.below(5) {
        0 => String::new(),
        1 => format!(" from {} where {}", dice.word(TABLES), condition(dice)),
        2 => format!(" from {} limit {},1", dice.word(TABLES), dice.below(9)),
        3 => format!(" from {} order by {}", dice.word(TABLES), dice.below(9)),
        _ => format!(" from {}", dice.word(TABLES)),
    };
    format!("select {columns}{tail}")
}

fn wait(dice: &mut Dice) -> String {
    let seconds = 1 + dice.below(30);
    match dice.below(7) {
        0 => format!("sleep({seconds})"),
        1 => format!("pg_sleep({seconds})"),
        2 => format!("waitfor delay '0:0:{seconds}'"),
        3 => format!("benchmark({seconds}000000,md5({seconds}))"),
        4 => format!("(select * from (select(sleep({seconds})))a)"),
        5 => format!("if({},sleep({seconds}),0)", condition(dice)),
        _ => format!("dbms_pipe.receive_message('a',{seconds})"),
    }
}

fn statement(dice: &mut Dice) -> String {
    let table = dice.word("users members accounts orders test items");
    match dice.below(9) {
        0 => format!("drop table {table}"),
        1 => format!(
            "insert into {table}({}) values({})",
            dice.word(COLUMNS),
            value(dice)
        ),
        2 => format!("update {table} set {}={}", dice.word(COLUMNS), value(dice)),
        3 => format!("delete from {table}"),
        4 => format!(
            "exec {}",
            dice.pick(&[
                "xp_cmdshell 'dir'",
                "master..xp_cmdshell 'dir'",
                "sp_executesql @q",
                "(@s)"
            ])
        ),
        5 => format!(
            "declare @{} varchar({}); set @q={}",
            dice.pick(&["q", "x", "s"]),
            dice.below(900),
            value(dice)
        ),
        6 => select(dice),
        7 => format!("truncate table {table}"),
        _ => format!("create table {table}(a int)"),
    }
}

/// What stands before the injected part, with the quote that ends the value.
fn opening(dice: &mut Dice) -> (String, &'static str) {
    let before = match dice.below(5) {
        0 => String::new(),
        1 => dice.below(999).to_string(),
        2 => prose::word(dice),
        3 => format!("-{}", dice.below(99)),
        _ => format!("{}@example.com", prose::word(dice)),
    };
    let quote = dice.pick(&["'", "'", "'", "\"", "`", "", "", "’"]);
    let close = dice.pick(&["", "", "", ")", "))"]);
    (format!("{before}{quote}{close}"), quote)
}

fn ending(dice: &mut Dice, quote: &str) -> String {
    match dice.below(7) {
        0 => "-- ".to_owned(),
        1 => "#".to_owned(),
        2 => "--".to_owned(),
        3 => "/*".to_owned(),
        4 if !quote.is_empty() => format!(" and {quote}a{quote}={quote}a"),
        5 => ";".to_owned(),
        _ => String::new(),
    }
}

fn attack(dice: &mut Dice) -> String {
    let (open, quote) = opening(dice);
    let logic = dice.pick(&["or", "and", "or", "and", "xor", "||", "&&", "or not", "and not"]);
    let middle = match dice.below(13) {
        0..3 => format!(" {logic} {}", condition(dice)),
        3 => format!("{quote}{logic}{quote}1{quote}={quote}1"),
        4 => format!(" union {}{}", dice.pick(&["", "all ", "distinct "]), select(dice)),
        5 => format!(" {logic} {}", wait(dice)),
        6 => format!(";{}", statement(dice)),
        7 => format!("; {}", statement(dice)),
        8 => format!(
            "{}{}{}",
            dice.pick(&["||", "+", "-", "*", "^", "|"]),
            call(dice),
            dice.pick(&["", "||", "+"])
        ),
        9 => format!(" {} by {}", dice.pick(&["order", "group"]), dice.below(30)),
        10 => format!(" {logic} {} in ({})", value(dice), select(dice)),
        11 => format!(" having {}", condition(dice)),
        _ => format!(" {logic} (select {}) > {}", call(dice), dice.below(99)),
    };
    let whole = match dice.below(12) {
        0 => statement(dice),
        1 => call(dice),
        2 => format!("({})", select(dice)),
        3 => wait(dice),
        _ => format!("{open}{middle}{}", ending(dice, quote)),
    };
    match dice.below(8) {
        0 => whole.replace(' ', "/**/"),
        1 => whole.to_uppercase(),
        2 => whole.replace(' ', "/*x*/ "),
        _ => whole,
    }
}
